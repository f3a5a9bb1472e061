"""What was answered and compared (``bridge_endpoint_traffic``, ``…_parity``), and what differed (``…_difference``)."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import NamedTuple

from bridge.progress.endpoints import DifferingPlace
from bridge.store.counters import add_counts
from bridge.store.database import Database, Executor, Row
from bridge.store.differences import stored_values
from bridge.store.moments import stored_moment

__all__ = ["Answered", "Compared", "EndpointCounts"]


class Answered(NamedTuple):
    """Requests that are counted as one kind: the key of a row of ``bridge_endpoint_traffic``."""

    hour: datetime
    operation: str
    side: str
    role: str
    status_class: int
    le_ms: int


class Compared(NamedTuple):
    """Comparisons that are counted as one kind: the key of a row of ``bridge_endpoint_parity``."""

    day: date
    operation: str
    role: str
    status: int
    verdict: str


class EndpointCounts:
    """Counters that all replicas share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, answered: Mapping[Answered, int], compared: Mapping[Compared, int], *, executor: Executor
    ) -> None:
        """Add to the counters, in the caller's transaction."""
        await add_counts("bridge_endpoint_traffic", answered, executor=executor)
        await add_counts("bridge_endpoint_parity", compared, executor=executor)

    async def answered(self, since: datetime) -> Sequence[tuple[Answered, int]]:
        """Sum up the traffic from an hour on; the keys name that hour."""
        names = Answered._fields[1:]
        rows = await self._database.fetch_all(
            f"SELECT {', '.join(names)}, sum(count) AS count FROM bridge_endpoint_traffic"
            f" WHERE hour >= :since GROUP BY {', '.join(names)}",
            {"since": since},
        )
        return [(Answered(since, *(row[name] for name in names)), int(row["count"])) for row in rows]

    async def latencies(self, operation: str, *, sides: Sequence[str]) -> Mapping[int, int]:
        """Count an operation's answers by latency, as far back as they are kept; none that refused or failed.

        Args:
            operation: its shape.
            sides: whose, as ``Answered.side`` names them.
        """
        named = {f"side_{number}": side for number, side in enumerate(sides)}
        rows = await self._database.fetch_all(
            "SELECT le_ms, sum(count) AS count FROM bridge_endpoint_traffic WHERE operation = :operation"
            f" AND side IN ({', '.join(f':{name}' for name in named)}) AND status_class IN (2, 3) GROUP BY le_ms",
            {"operation": operation, **named},
        )
        return {int(row["le_ms"]): int(row["count"]) for row in rows}

    async def compared(self, since: date) -> Sequence[tuple[Compared, int]]:
        """Sum up the comparisons from a day on; the keys name that day."""
        names = Compared._fields[1:]
        rows = await self._database.fetch_all(
            f"SELECT {', '.join(names)}, sum(count) AS count FROM bridge_endpoint_parity"
            f" WHERE day >= :since GROUP BY {', '.join(names)}",
            {"since": since},
        )
        return [(Compared(since, *(row[name] for name in names)), int(row["count"])) for row in rows]

    async def seen(self) -> frozenset[str]:
        """Name the operations that anybody has asked for as long as traffic is kept."""
        rows = await self._database.fetch_all("SELECT DISTINCT operation FROM bridge_endpoint_traffic")
        return frozenset(row["operation"] for row in rows)

    async def differing(self, since: datetime, *, now: datetime, most: int) -> Sequence[tuple[str, DifferingPlace]]:
        """Give the places that differed since then, by operation: of each the most frequent, those first.

        What has expired by now is left out, though it may not have been dropped yet.
        """
        rows = await self._database.fetch_all(
            "SELECT * FROM (SELECT operation, place, kind, legacy, candidate, count, last_seen, sample, row_number()"
            " OVER (PARTITION BY operation ORDER BY count DESC, place, kind, legacy, candidate) AS place_rank"
            " FROM bridge_endpoint_difference WHERE last_seen >= :since AND expires_at >= :now) AS ranked"
            " WHERE place_rank <= :most ORDER BY operation, place_rank",
            {"since": since, "now": now, "most": most},
        )
        return [(row["operation"], _place(row)) for row in rows]

    async def prune(self, *, before: datetime) -> int:
        """Drop what was counted before a moment; give the number of rows."""
        return sum(
            [
                await self._database.execute("DELETE FROM bridge_endpoint_traffic WHERE hour < :at", {"at": before}),
                await self._database.execute(
                    "DELETE FROM bridge_endpoint_parity WHERE day < :day", {"day": before.date()}
                ),
            ]
        )


def _place(row: Row) -> DifferingPlace:
    return DifferingPlace(
        place=row["place"],
        kind=row["kind"],
        legacy=row["legacy"],
        candidate=row["candidate"],
        count=int(row["count"]),
        last_seen=stored_moment(row["last_seen"]),
        values=stored_values(row["sample"]),
    )
