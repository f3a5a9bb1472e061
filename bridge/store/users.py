"""Accounts in the Django site's user table."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from bridge.errors import ConstraintViolated
from bridge.store.database import Batch, Executor, Parameters, quoted
from bridge.store.text import is_storable
from bridge.store.user_rows import StoredUser, UserRows

__all__ = ["EDITABLE", "StoredUser", "Users"]

EDITABLE: Final = ("email", "first_name", "last_name")


class Users(UserRows):
    """Reads and writes users."""

    async def by_username(self, username: str) -> StoredUser | None:
        """Read a user and their stored password by exact username; a name that no row can hold is nobody's."""
        if not is_storable(username):
            return None
        row = await self._database.fetch_one(
            f"SELECT {self._columns}, password AS encoded FROM {self._name} WHERE {self._username} = :username",
            {"username": username},
        )
        return None if row is None else self._user(row, encoded=row["encoded"])

    async def with_password(self, user_id: str, *, executor: Executor | None = None) -> StoredUser | None:
        """Read a user and their stored password by primary key."""
        key = self.native_key(user_id)
        if key is None:
            return None
        row = await (executor or self._database).fetch_one(
            f"SELECT {self._columns}, password AS encoded FROM {self._name} WHERE {self._key} = :key",
            {"key": key},
        )
        return None if row is None else self._user(row, encoded=row["encoded"])

    async def matching(
        self, condition: str, parameters: Parameters, *, after: StoredUser | None, limit: int
    ) -> Sequence[StoredUser]:
        """Read users and their stored passwords by a condition in SQL, in the order of their keys from one on."""
        given = {**parameters, "limit": limit}
        if after is not None:
            condition = f"({condition}) AND {self._key} > :after"
            given["after"] = after.key if isinstance(after.key, int) else self.native_key(after.id)
        rows = await self._database.fetch_all(
            f"SELECT {self._columns}, password AS encoded FROM {self._name} WHERE {condition}"
            f" ORDER BY {self._key} LIMIT :limit",
            given,
        )
        return [self._user(row, encoded=row["encoded"]) for row in rows]

    async def newest(self, limit: int) -> Sequence[StoredUser]:
        """Read the users whose keys are the highest, and their stored passwords."""
        rows = await self._database.fetch_all(
            f"SELECT {self._columns}, password AS encoded FROM {self._name} ORDER BY {self._key} DESC LIMIT :limit",
            {"limit": limit},
        )
        return [self._user(row, encoded=row["encoded"]) for row in rows]

    async def count(self, condition: str, parameters: Parameters) -> int:
        """Count the users who meet a condition in SQL."""
        row = await self._database.fetch_one(
            f"SELECT count(*) AS count FROM {self._name} WHERE {condition}", parameters
        )
        return 0 if row is None else int(row["count"])

    async def replace_password(self, user: StoredUser, *, encoded: str, executor: Executor | None = None) -> bool:
        """Write a new stored password, provided that the one in ``user`` is still there (compare-and-swap)."""
        changed = await (executor or self._database).execute(
            f"UPDATE {self._name} SET password = :new WHERE {self._key} = :key AND password = :old",
            {"new": encoded, "key": self.native_key(user.id), "old": user.encoded},
        )
        return changed == 1

    async def record_login(self, user: StoredUser, *, now: datetime, batch: Batch | None = None) -> None:
        """Set ``last_login``, where the table has it, as Django's ``user_logged_in`` receiver does."""
        if not self.has("last_login"):
            return
        await (batch or self._database).execute(
            f"UPDATE {self._name} SET last_login = :now WHERE {self._key} = :key",
            {"now": self.site_time(now), "key": self.native_key(user.id)},
        )

    async def update(self, user_id: str, changes: Mapping[str, str]) -> StoredUser | None:
        """Write the given ones of ``EDITABLE``; give the row as it is then, None where there is none any more."""
        names = [name for name in EDITABLE if name in changes]
        row = await self._database.fetch_one(
            f"UPDATE {self._name} SET {', '.join(f'{quoted(name)} = :{name}' for name in names)}"
            f" WHERE {self._key} = :key RETURNING {self._columns}",
            {"key": self.native_key(user_id), **{name: changes[name] for name in names}},
        )
        return None if row is None else self._user(row)

    async def create(
        self, *, username: str, encoded: str, texts: Mapping[str, str], now: datetime
    ) -> StoredUser | None:
        """Insert an ordinary, active user; None if the username is taken, also in other case (``UserCreationForm``).

        Raises:
            ConstraintViolated: the table demands more, such as an address that nobody else has.
        """
        values = self._new_row(username=username, encoded=encoded, texts=texts, now=now)
        names = ", ".join(quoted(name) for name in values)
        slots = ", ".join(f":{name}" for name in values)
        try:
            row = await self._database.fetch_one(
                f"INSERT INTO {self._name} ({names}) SELECT {slots} WHERE NOT {self._taken} RETURNING {self._columns}",
                {**values, "wanted": username},
            )
        except ConstraintViolated:
            # Somebody may have come first, whom the statement did not see.
            if await self._database.fetch_one(f"SELECT 1 AS one WHERE {self._taken}", {"wanted": username}):
                return None
            raise
        return None if row is None else self._user(row)

    @property
    def _taken(self) -> str:
        return f"EXISTS (SELECT 1 FROM {self._name} t WHERE upper(t.{self._username}) = upper(:wanted))"

    @property
    def editable(self) -> tuple[str, ...]:
        """The texts that users may change about themselves; what they log in with is none of them."""
        return tuple(name for name in EDITABLE if self.has(name) and name != self._table.username)

    @property
    def logs_in_by_email(self) -> bool:
        """Whether USERNAME_FIELD is the e-mail address."""
        return self._table.username == "email"

    def _new_row(self, *, username: str, encoded: str, texts: Mapping[str, str], now: datetime) -> dict[str, Any]:
        flags = {"is_active": True, "is_staff": False, "is_superuser": False}
        known: dict[str, Any] = {name: value for name, value in flags.items() if self.has(name)}
        known |= {name: texts.get(name, "") for name in EDITABLE if self.has(name)}
        if self.has("date_joined"):
            known["date_joined"] = self.site_time(now)
        if self._table.key_type == "uuid":
            known[self._table.key] = uuid4()
        return known | {self._table.username: username, "password": encoded}
