"""The users whose passwords have not been upgraded, for a mailing: everything but the password."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bridge.profile import UserTable
from bridge.progress.census import TARGET, UNKNOWN, UNUSABLE
from bridge.store.database import Database, Row, quoted
from bridge.store.formats import algorithm_of, head
from bridge.store.users import Users

__all__ = ["RemainingUser", "RemainingUsers"]

_BATCH: Final = 1000
_DONE: Final = (TARGET, UNUSABLE, UNKNOWN)


@dataclass(frozen=True, slots=True)
class RemainingUser:
    """One of them; ``email`` is empty and ``last_login`` None where the table has no such column."""

    id: str
    username: str
    email: str
    last_login: datetime | None


class RemainingUsers:
    """Lists them, in batches: memory stays the same however many there are."""

    def __init__(self, database: Database, table: UserTable, *, time_zone: str | None = None) -> None:
        self._database = database
        self._table = table
        self._users = Users(database, table, time_zone=time_zone)

    async def batches(
        self, *, algorithm: str | None = None, not_since: datetime | None = None, only_active: bool = False
    ) -> AsyncIterator[Sequence[RemainingUser]]:
        """Give them by primary key.

        Args:
            algorithm: only those whose password is stored by it; by default whatever is usable and not the target.
            not_since: only those who have not logged in since then; whoever never did, not joined since then.
            only_active: only those who may log in.
        """
        conditions, parameters = self._conditions(algorithm, not_since, only_active=only_active)
        after: dict[str, Any] = {}
        while rows := await self._database.fetch_all(self._statement(conditions, after), parameters | after):
            yield [self._user(row) for row in rows]
            after = {"after": rows[-1]["key"]}

    def _statement(self, conditions: Sequence[str], after: Mapping[str, Any]) -> str:
        key, every = quoted(self._table.key), [*conditions, *(f"{quoted(self._table.key)} > :{name}" for name in after)]
        texts = ", ".join(f"{self._or_null(name)} AS {name}" for name in ("email", "last_login"))
        return (
            f"SELECT {key} AS key, {quoted(self._table.username)} AS username, {texts}"
            f" FROM {quoted(self._table.name)} WHERE {' AND '.join(every)} ORDER BY {key} LIMIT {_BATCH}"
        )

    def _conditions(
        self, algorithm: str | None, not_since: datetime | None, *, only_active: bool
    ) -> tuple[list[str], dict[str, Any]]:
        dialect = self._database.dialect
        stored = f"(SELECT {algorithm_of(dialect)} FROM (SELECT {head(dialect)} AS head) AS formats)"
        done = ", ".join(f"'{name}'" for name in _DONE)
        conditions = [f"{stored} = :algorithm" if algorithm else f"{stored} NOT IN ({done})"]
        parameters: dict[str, Any] = {"algorithm": algorithm} if algorithm else {}
        known = [name for name in ("last_login", "date_joined") if name in self._table.columns]
        if not_since is not None and known:
            # Whoever never logged in is away since they joined; of whom nothing is known, for ever.
            seen = f"coalesce({', '.join(known)}, NULL)"
            conditions.append(f"({seen} IS NULL OR {seen} < :not_since)")
            parameters["not_since"] = self._users.site_time(not_since)
        if only_active and not self._table.always_active:
            conditions.append("is_active" if "is_active" in self._table.columns else "1 = 0")
        return conditions, parameters

    def _or_null(self, column: str) -> str:
        return quoted(column) if column in self._table.columns else "NULL"

    def _user(self, row: Row) -> RemainingUser:
        return RemainingUser(
            id=self._users.text_key(row["key"]),
            username=str(row["username"]),
            email=row["email"] or "",
            last_login=self._users.moment(row["last_login"]),
        )
