"""Counts users inside the database, in one pass over the table: no hash leaves it."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.profile import UserTable
from bridge.progress.census import COHORT_DAYS, TARGET, UNKNOWN, UNUSABLE, Census, CensusRow, Cohort
from bridge.progress.forecast import ACTIVE_DAYS, LastSeen
from bridge.store.database import Database, Row, quoted
from bridge.store.formats import algorithm_of, cost_of, head
from bridge.store.users import Users

__all__ = ["UserCensus"]

_MOST_COSTS: Final = 16
"""Of one algorithm; the users of rarer ones are counted together."""
_OTHER_COSTS: Final = "other"
_LONGEST: Final = timedelta(minutes=10)
"""A pass over a hundred million users takes a minute."""
_NOBODY: Final = LastSeen(upgraded=0, waiting=0)
_COHORTS: Final = tuple(Cohort)
_STAFF: Final = ("is_staff", "is_superuser")


class UserCensus:
    """Counts the site's users.

    Args:
        database: where.
        table: what it is called there, and its columns.
        time_zone: of columns without one; None where they are aware.
    """

    def __init__(self, database: Database, table: UserTable, *, time_zone: str | None = None) -> None:
        self._database = database
        self._table = table
        self._site_time = Users(database, table, time_zone=time_zone).site_time

    async def count(self, now: datetime) -> Census:
        """Count every user by algorithm, cost, cohort, and whether they are active and staff.

        Raises:
            DatabaseUnavailable: it takes longer than ten minutes, or the database is away.
        """
        algorithm, cost = algorithm_of(self._database.dialect), cost_of(self._database.dialect)
        flags = f"{self._cohort()} * 4 + {self._active()} * 2 + {self._staff()}"
        rows = await self._fetch_all(
            f"WITH heads AS ({self._grouped(flags)}),"
            f" kinds AS (SELECT {algorithm} AS algorithm, {cost} AS cost, code AS flags, users FROM heads),"
            " ranked AS (SELECT algorithm, cost, row_number() OVER"
            " (PARTITION BY algorithm ORDER BY sum(users) DESC, cost) AS cost_rank FROM kinds GROUP BY algorithm, cost)"
            f" SELECT algorithm, CASE WHEN cost_rank <= {_MOST_COSTS} THEN cost ELSE '{_OTHER_COSTS}' END AS cost,"
            " flags, sum(users) AS users FROM kinds JOIN ranked USING (algorithm, cost) GROUP BY 1, 2, 3",
            self._thresholds(now),
        )
        return Census.of((_row(row), int(row["users"])) for row in rows)

    async def last_seen(self, now: datetime) -> dict[int, LastSeen]:
        """Count the active users with a usable password by whole days since their last login.

        Raises:
            DatabaseUnavailable: as above.
        """
        if "last_login" not in self._table.columns:
            return {}
        # A column as it is, not a number made of it: PostgreSQL knows how many are active.
        active = "is_active" if "is_active" in self._table.columns else f"{self._active()} = 1"
        heads = self._grouped(self._age(), among=f"WHERE last_login > :since AND {active}")
        # Left out in the sums and not by a condition, which PostgreSQL would ask of every row of the table.
        rows = await self._fetch_all(
            f"SELECT age, sum(CASE WHEN algorithm = '{TARGET}' THEN users ELSE 0 END) AS upgraded,"
            f" sum(CASE WHEN algorithm IN ('{TARGET}', '{UNUSABLE}', '{UNKNOWN}') THEN 0 ELSE users END) AS waiting"
            f" FROM (SELECT {algorithm_of(self._database.dialect)} AS algorithm, code AS age, users"
            f" FROM ({heads}) AS heads) AS kinds GROUP BY age",
            {"now": self._site_time(now), "since": self._site_time(now - timedelta(days=ACTIVE_DAYS))},
        )
        seen = {row["age"]: LastSeen(upgraded=int(row["upgraded"]), waiting=int(row["waiting"])) for row in rows}
        return {age: accounts for age, accounts in seen.items() if accounts != _NOBODY}

    async def _fetch_all(self, statement: str, parameters: Mapping[str, Any]) -> Sequence[Row]:
        # SQLite has one connection that writes, and it takes its turns: logins would wait for the pass to end.
        async with self._database.read_only(statement_timeout=_LONGEST):
            return await self._database.fetch_all(statement, parameters)

    def _grouped(self, code: str, *, among: str = "") -> str:
        """Group the users by the head of their password and a number, as each database does it fastest."""
        found, users = head(self._database.dialect), f"FROM {quoted(self._table.name)} {among}"
        if self._database.dialect == "postgresql":
            # It would expect as many kinds as there are passwords, and then not count in parallel; of a union it
            # expects nothing.
            return (
                f"SELECT head, code, count(*) AS users FROM (SELECT {found} AS head, {code} AS code {users}"
                " UNION ALL SELECT NULL, NULL WHERE false) AS each_user GROUP BY 1, 2"
            )
        # It sorts, and one text faster than two columns. A number has no space.
        return (
            "SELECT substr(both, instr(both, ' ') + 1) AS head, CAST(both AS integer) AS code, users FROM"
            f" (SELECT ({code}) || ' ' || {found} AS both, count(*) AS users {users} GROUP BY 1) AS pairs"
        )

    def _age(self) -> str:
        if self._database.dialect == "postgresql":
            age = "floor(date_part('epoch', :now - last_login) / 86400)::int"
        else:
            # The days between two dates, and one less where the time of day is not reached: as a number of days it
            # would be rounded to milliseconds.
            days = "julianday(substr(:now, 1, 10)) - julianday(substr(last_login, 1, 10))"
            age = f"CAST({days} AS INTEGER) - (substr(last_login, 12) > substr(:now, 12))"
        # Whoever seems to have logged in later than now did so now, by another clock.
        return f"CASE WHEN last_login > :now THEN 0 ELSE {age} END"

    def _cohort(self) -> str:
        if "last_login" not in self._table.columns:
            return str(_COHORTS.index(Cohort.NEVER))
        last, never, older = len(COHORT_DAYS) - 1, _COHORTS.index(Cohort.NEVER), _COHORTS.index(Cohort.OLDER)
        return (
            f"CASE WHEN last_login >= :since_{last} THEN {_within(0, last)}"
            f" WHEN last_login IS NULL THEN {never} ELSE {older} END"
        )

    def _active(self) -> str:
        if "is_active" not in self._table.columns:
            return str(int(self._table.always_active))
        return "CASE WHEN is_active THEN 1 ELSE 0 END"

    def _staff(self) -> str:
        flags = " OR ".join(name for name in _STAFF if name in self._table.columns)
        return f"CASE WHEN {flags} THEN 1 ELSE 0 END" if flags else "0"

    def _thresholds(self, now: datetime) -> dict[str, datetime]:
        if "last_login" not in self._table.columns:
            return {}
        return {f"since_{number}": self._site_time(now - age) for number, age in enumerate(COHORT_DAYS.values())}


def _within(first: int, last: int) -> str:
    """Give the cohort among these that a last login is of, in as few comparisons as there can be."""
    if first == last:
        return str(first)
    middle = (first + last) // 2
    return f"CASE WHEN last_login >= :since_{middle} THEN {_within(first, middle)} ELSE {_within(middle + 1, last)} END"


def _row(row: Mapping[str, Any]) -> CensusRow:
    flags = row["flags"]
    return CensusRow(
        algorithm=row["algorithm"],
        cost=row["cost"],
        cohort=_COHORTS[flags // 4],
        is_active=bool(flags & 2),
        is_staff=bool(flags & 1),
    )
