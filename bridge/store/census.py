"""Counts users inside the database, in one pass over the table: no hash leaves it."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.profile import UserTable
from bridge.progress.census import COHORT_DAYS, TARGET, UNKNOWN, UNUSABLE, Census, CensusRow, Cohort
from bridge.progress.forecast import ACTIVE_DAYS, LastSeen
from bridge.store.database import Database, Row, quoted
from bridge.store.formats import algorithm_of, cost_of, head, kind_of
from bridge.store.letters import LetterCount
from bridge.store.users import Users

__all__ = ["UserCensus"]

_MOST_COSTS: Final = 32
"""Of one algorithm, more than Django has had defaults; the users of rarer ones are counted together."""
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
        if self._database.dialect == "sqlite":
            return await self._lettered(now)
        algorithm, cost = algorithm_of(self._database.dialect), cost_of(self._database.dialect)
        rows = await self._fetch_all(
            f"WITH heads AS ({self._grouped(self._flags(str))}),"
            f" kinds AS (SELECT {algorithm} AS algorithm, {cost} AS cost, code AS flags, users FROM heads),"
            " ranked AS (SELECT algorithm, cost, row_number() OVER"
            " (PARTITION BY algorithm ORDER BY sum(users) DESC, cost) AS cost_rank FROM kinds GROUP BY algorithm, cost)"
            f" SELECT algorithm, CASE WHEN cost_rank <= {_MOST_COSTS} THEN cost ELSE '{_OTHER_COSTS}' END AS cost,"
            " flags, sum(users) AS users FROM kinds JOIN ranked USING (algorithm, cost) GROUP BY 1, 2, 3",
            self._thresholds(now),
        )
        return Census.of((_row(row["algorithm"], row["cost"], row["flags"]), int(row["users"])) for row in rows)

    async def _lettered(self, now: datetime) -> Census:
        """Count as SQLite does it fastest."""
        letters = LetterCount(self._database, self._table.name, self._flags, 4 * len(_COHORTS), _LONGEST)
        kinds = [
            (*kind_of(name), flags, users)
            for (name, flags), users in (await letters.count(self._thresholds(now))).items()
        ]
        costs: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for algorithm, cost, _, users in kinds:
            costs[algorithm][cost] += users
        common = {
            name: dict(sorted(of.items(), key=lambda each: (-each[1], each[0]))[:_MOST_COSTS])
            for name, of in costs.items()
        }
        return Census.of(
            (_row(algorithm, cost if cost in common[algorithm] else _OTHER_COSTS, flags), users)
            for algorithm, cost, flags, users in kinds
        )

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
        """Group the users by the head of their password and a number."""
        found, users = head(self._database.dialect), f"FROM {quoted(self._table.name)} {among}"
        if self._database.dialect == "postgresql":
            # It would expect as many kinds as there are passwords, and then not count in parallel; of a union it
            # expects nothing.
            return (
                f"SELECT head, code, count(*) AS users FROM (SELECT {found} AS head, {code} AS code {users}"
                " UNION ALL SELECT NULL, NULL WHERE false) AS each_user GROUP BY 1, 2"
            )
        # It sorts, and one text faster than two columns; with a limit, that text alone. A number has no space.
        return (
            "SELECT substr(both, instr(both, ' ') + 1) AS head, CAST(both AS integer) AS code, count(*) AS users FROM"
            f" (SELECT ({code}) || ' ' || {found} AS both {users} LIMIT -1) AS each_user GROUP BY both"
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

    def _flags(self, written: Callable[[int], str]) -> str:
        """Give cohort, activity and staff as one number, each of them as it is to be written; see ``_row``."""
        return self._cohort(
            lambda cohort: self._active(
                lambda active: self._staff(lambda staff: written(cohort * 4 + active * 2 + staff))
            )
        )

    def _cohort(self, written: Callable[[int], str]) -> str:
        never, older = (written(_COHORTS.index(cohort)) for cohort in (Cohort.NEVER, Cohort.OLDER))
        if "last_login" not in self._table.columns:
            return never
        # A plus takes the type from SQLite's column: it would try each time whether what it compares is a number.
        column, last = "+last_login" if self._database.dialect == "sqlite" else "last_login", len(COHORT_DAYS) - 1

        def within(first: int, last: int) -> str:
            """Give the cohort among these, in as few comparisons as there can be."""
            if first == last:
                return written(first)
            middle = (first + last) // 2
            nearer, farther = within(first, middle), within(middle + 1, last)
            return f"CASE WHEN {column} >= :since_{middle} THEN {nearer} ELSE {farther} END"

        return (
            f"CASE WHEN {column} >= :since_{last} THEN {within(0, last)}"
            f" WHEN last_login IS NULL THEN {never} ELSE {older} END"
        )

    def _active(self, written: Callable[[int], str] = str) -> str:
        if "is_active" not in self._table.columns:
            return written(int(self._table.always_active))
        return f"CASE WHEN is_active THEN {written(1)} ELSE {written(0)} END"

    def _staff(self, written: Callable[[int], str]) -> str:
        flags = " OR ".join(name for name in _STAFF if name in self._table.columns)
        return f"CASE WHEN {flags} THEN {written(1)} ELSE {written(0)} END" if flags else written(0)

    def _thresholds(self, now: datetime) -> dict[str, datetime]:
        if "last_login" not in self._table.columns:
            return {}
        return {f"since_{number}": self._site_time(now - age) for number, age in enumerate(COHORT_DAYS.values())}


def _row(algorithm: str, cost: str, flags: int) -> CensusRow:
    return CensusRow(
        algorithm=algorithm,
        cost=cost,
        cohort=_COHORTS[flags // 4],
        is_active=bool(flags & 2),
        is_staff=bool(flags & 1),
    )
