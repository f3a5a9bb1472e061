"""How often what happened, by day and app (table ``bridge_activity``, which the Django app writes as well)."""

from collections.abc import Mapping
from datetime import date
from typing import NamedTuple

from bridge.progress import ActivityCount, DailyActivity
from bridge.store.counters import add_counts
from bridge.store.database import Database, Executor
from bridge.store.moments import stored_day

__all__ = ["Activity", "Happened"]


class Happened(NamedTuple):
    """What is counted as one: the key of a row."""

    day: date
    app: str
    event: str


class Activity:
    """Counters that all replicas and the site share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, counts: Mapping[Happened, int], *, executor: Executor) -> None:
        """Add to the counters, in the caller's transaction."""
        await add_counts("bridge_activity", counts, executor=executor)

    async def since(self, day: date, *, event: str) -> int:
        """Sum one event up over both apps since a day, that day included."""
        row = await self._database.fetch_one(
            "SELECT sum(count) AS count FROM bridge_activity WHERE day >= :day AND event = :event",
            {"day": day, "event": event},
        )
        return int(row["count"] or 0) if row else 0

    async def totals(self) -> tuple[ActivityCount, ...]:
        """Sum up over all days."""
        rows = await self._database.fetch_all(
            "SELECT app, event, sum(count) AS count FROM bridge_activity GROUP BY app, event"
        )
        return tuple(ActivityCount(app=row["app"], event=row["event"], count=int(row["count"])) for row in rows)

    async def daily(self, since: date) -> tuple[DailyActivity, ...]:
        """Give what happened on each day from one on."""
        rows = await self._database.fetch_all(
            "SELECT day, app, event, count FROM bridge_activity WHERE day >= :since ORDER BY day, app, event",
            {"since": since},
        )
        return tuple(DailyActivity(stored_day(row["day"]), row["app"], row["event"], int(row["count"])) for row in rows)

    async def first_day(self, event: str) -> date | None:
        """Give the day on which something first happened, in either app."""
        row = await self._database.fetch_one(
            "SELECT min(day) AS day FROM bridge_activity WHERE event = :event", {"event": event}
        )
        return stored_day(row["day"]) if row and row["day"] is not None else None
