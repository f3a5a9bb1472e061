"""Counts users inside the database, in one pass: no hash leaves it."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.profile import UserTable
from bridge.progress.census import COHORT_DAYS, TARGET, UNKNOWN, UNUSABLE, Census, CensusRow, Cohort
from bridge.progress.forecast import ACTIVE_DAYS, LastSeen
from bridge.store.database import Database, quoted
from bridge.store.formats import algorithm_of, cost_of, head
from bridge.store.users import Users

__all__ = ["UserCensus"]

_MOST_COSTS: Final = 16
"""Of one algorithm; the users of rarer ones are counted together."""
_OTHER_COSTS: Final = "other"
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
        """Count every user by algorithm, cost, cohort, and whether they are active and staff."""
        algorithm, cost = algorithm_of(self._database.dialect), cost_of(self._database.dialect)
        rows = await self._database.fetch_all(
            f"WITH heads AS (SELECT head, flags, count(*) AS users FROM ({self._kinds()}) AS each_user GROUP BY 1, 2),"
            f" kinds AS (SELECT {algorithm} AS algorithm, {cost} AS cost, flags, users FROM heads),"
            " ranked AS (SELECT algorithm, cost, row_number() OVER"
            " (PARTITION BY algorithm ORDER BY sum(users) DESC, cost) AS cost_rank FROM kinds GROUP BY algorithm, cost)"
            f" SELECT algorithm, CASE WHEN cost_rank <= {_MOST_COSTS} THEN cost ELSE '{_OTHER_COSTS}' END AS cost,"
            " flags, sum(users) AS users FROM kinds JOIN ranked USING (algorithm, cost) GROUP BY 1, 2, 3",
            self._thresholds(now),
        )
        return Census.of((_row(row), int(row["users"])) for row in rows)

    async def last_seen(self, now: datetime) -> dict[int, LastSeen]:
        """Count the active users with a usable password by whole days since their last login."""
        if "last_login" not in self._table.columns:
            return {}
        rows = await self._database.fetch_all(
            f"SELECT age, sum(CASE WHEN algorithm = '{TARGET}' THEN users ELSE 0 END) AS upgraded,"
            f" sum(CASE WHEN algorithm = '{TARGET}' THEN 0 ELSE users END) AS waiting FROM"
            f" (SELECT {algorithm_of(self._database.dialect)} AS algorithm, age, users FROM"
            f" (SELECT head, age, count(*) AS users FROM ({self._ages()}) AS each_user GROUP BY 1, 2) AS heads) AS k"
            f" WHERE algorithm NOT IN ('{UNUSABLE}', '{UNKNOWN}') GROUP BY age",
            {"now": self._site_time(now), "since": self._site_time(now - timedelta(days=ACTIVE_DAYS))},
        )
        return {row["age"]: LastSeen(upgraded=int(row["upgraded"]), waiting=int(row["waiting"])) for row in rows}

    def _kinds(self) -> str:
        flags = f"{self._cohort()} * 4 + {self._active()} * 2 + {self._staff()}"
        return self._fenced(
            f"SELECT {head(self._database.dialect)} AS head, {flags} AS flags FROM {quoted(self._table.name)}"
        )

    def _ages(self) -> str:
        if self._database.dialect == "postgresql":
            age = "floor(date_part('epoch', :now - last_login) / 86400)::int"
        else:
            age = "CAST(julianday(:now) - julianday(last_login) AS INTEGER)"
        # Whoever seems to have logged in later than now did so now, by another clock.
        # A column as it is, not a number made of it: PostgreSQL knows how many are active.
        active = "is_active" if "is_active" in self._table.columns else f"{self._active()} = 1"
        return self._fenced(
            f"SELECT {head(self._database.dialect)} AS head, CASE WHEN last_login > :now THEN 0 ELSE {age} END AS age"
            f" FROM {quoted(self._table.name)} WHERE last_login > :since AND {active}"
        )

    def _fenced(self, statement: str) -> str:
        # PostgreSQL would expect as many kinds as there are passwords, and then not count in parallel; of a union it
        # expects nothing.
        return statement + (
            " UNION ALL SELECT NULL, NULL WHERE false" if self._database.dialect == "postgresql" else ""
        )

    def _cohort(self) -> str:
        if "last_login" not in self._table.columns:
            return str(_COHORTS.index(Cohort.NEVER))
        cases = " ".join(f"WHEN last_login >= :since_{number} THEN {number}" for number in range(len(COHORT_DAYS)))
        never, older = _COHORTS.index(Cohort.NEVER), _COHORTS.index(Cohort.OLDER)
        return f"CASE {cases} WHEN last_login IS NULL THEN {never} ELSE {older} END"

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


def _row(row: Mapping[str, Any]) -> CensusRow:
    flags = row["flags"]
    return CensusRow(
        algorithm=row["algorithm"],
        cost=row["cost"],
        cohort=_COHORTS[flags // 4],
        is_active=bool(flags & 2),
        is_staff=bool(flags & 1),
    )
