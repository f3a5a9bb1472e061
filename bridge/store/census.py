"""Counts users inside the database, in one pass: no hash leaves it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.profile import UserTable
from bridge.progress.census import TARGET, UNKNOWN, UNUSABLE, Census, CensusRow, Cohort
from bridge.progress.forecast import ACTIVE_DAYS, LastSeen
from bridge.store.absence import Absence
from bridge.store.database import Database, quoted
from bridge.store.formats import algorithm_of, cost_of, head
from bridge.store.users import Users

__all__ = ["Counted", "UserCensus"]

_MOST_COSTS: Final = 16
"""Of one algorithm; the users of rarer ones are counted together."""
_OTHER_COSTS: Final = "other"
_LONGEST: Final = timedelta(minutes=10)
"""A pass over a hundred million users takes a minute."""
_STAFF: Final = ("is_staff", "is_superuser")


@dataclass(frozen=True, slots=True)
class Counted:
    """What one pass found.

    Attributes:
        census: every user.
        last_seen: the active users with a usable password, by days since their last login.
    """

    census: Census
    last_seen: Mapping[int, LastSeen]


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
        self._absence = Absence(database.dialect, is_kept="last_login" in table.columns)

    async def count(self, now: datetime) -> Counted:
        """Count every user by algorithm, cost, cohort, and whether they are active and staff.

        Raises:
            DatabaseUnavailable: it takes longer than ten minutes, or the database is away.
        """
        # On a connection that reads and does nothing else: where there is but one that writes, logins need it.
        async with self._database.read_only(statement_timeout=_LONGEST):
            rows = await self._database.fetch_all(self._statement(), self._absence.parameters(self._site_time(now)))
        return Counted(
            Census.of((_kind(row), int(row["users"])) for row in rows if row["age"] is None),
            {row["age"]: _seen(row) for row in rows if row["age"] is not None},
        )

    def _statement(self) -> str:
        algorithm, cost = algorithm_of(self._database.dialect), cost_of(self._database.dialect)
        return (
            f"WITH heads AS ({self._heads()}), kinds AS (SELECT {algorithm} AS algorithm, {cost} AS cost,"
            f" {self._absence.days()} AS days, flags, users FROM heads), ranked AS (SELECT algorithm, cost,"
            " row_number() OVER (PARTITION BY algorithm ORDER BY sum(users) DESC, cost) AS cost_rank"
            " FROM kinds GROUP BY algorithm, cost)"
            f" SELECT algorithm, CASE WHEN cost_rank <= {_MOST_COSTS} THEN cost ELSE '{_OTHER_COSTS}' END AS cost,"
            f" {self._absence.cohort()} AS cohort, flags, CAST(NULL AS integer) AS age,"
            " sum(users) AS users, 0 AS upgraded FROM kinds JOIN ranked USING (algorithm, cost) GROUP BY 1, 2, 3, 4"
            # Whole days: the one that has begun is none yet.
            " UNION ALL SELECT '', '', 0, 0, CASE days WHEN 0 THEN 0 ELSE days - 1 END, sum(users),"
            f" sum(CASE WHEN algorithm = '{TARGET}' THEN users ELSE 0 END) FROM kinds WHERE flags >= 2"
            f" AND days <= {ACTIVE_DAYS} AND algorithm NOT IN ('{UNUSABLE}', '{UNKNOWN}') GROUP BY 5"
        )

    def _heads(self) -> str:
        """Group the rows of the table, which is what takes the time."""
        found, flags = head(self._database.dialect), f"{self._active()} * 2 + {self._staff()}"
        users = f"FROM {quoted(self._table.name)}"
        if self._database.dialect == "postgresql":
            # It would expect as many kinds as there are passwords, and then not count in parallel; of a union it
            # expects nothing. Three keys, too, would be more kinds than it counts without sorting.
            return (
                "SELECT head, code % 4 AS flags, code / 4 AS seen, users FROM (SELECT head, code, count(*) AS users FROM"
                f" (SELECT {found} AS head, ({self._absence.seen()}) * 4 + {flags} AS code {users}"
                " UNION ALL SELECT NULL, NULL WHERE false) AS each_user GROUP BY 1, 2) AS codes"
            )
        # It sorts, and a single text fastest.
        return (
            "SELECT substr(code, dollar + 1) AS head, CAST(substr(code, 1, 1) AS integer) AS flags,"
            " substr(code, 2, dollar - 2) AS seen, users FROM (SELECT code, instr(code, '$') AS dollar, users FROM"
            f" (SELECT ({flags}) || ({self._absence.seen()}) || '$' || {found} AS code, count(*) AS users {users}"
            " GROUP BY 1) AS codes) AS parts"
        )

    def _active(self) -> str:
        if "is_active" not in self._table.columns:
            return str(int(self._table.always_active))
        return "CASE WHEN is_active THEN 1 ELSE 0 END"

    def _staff(self) -> str:
        flags = " OR ".join(name for name in _STAFF if name in self._table.columns)
        return f"CASE WHEN {flags} THEN 1 ELSE 0 END" if flags else "0"


def _kind(row: Mapping[str, Any]) -> CensusRow:
    return CensusRow(
        algorithm=row["algorithm"],
        cost=row["cost"],
        cohort=list(Cohort)[row["cohort"]],
        is_active=bool(row["flags"] & 2),
        is_staff=bool(row["flags"] & 1),
    )


def _seen(row: Mapping[str, Any]) -> LastSeen:
    upgraded = int(row["upgraded"])
    return LastSeen(upgraded=upgraded, waiting=int(row["users"]) - upgraded)
