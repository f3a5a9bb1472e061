"""How often what happened, by day and app (table ``bridge_activity``, which the Django app writes as well)."""

from datetime import date

from bridge.progress import ActivityCount
from bridge.store.database import Database

__all__ = ["Activity"]


class Activity:
    """Counters that all replicas and the site share."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(self, *, day: date, app: str, event: str) -> None:
        """Count one more."""
        await self._database.execute(
            "INSERT INTO bridge_activity (day, app, event, count) VALUES (:day, :app, :event, 1)"
            " ON CONFLICT (day, app, event) DO UPDATE SET count = bridge_activity.count + 1",
            {"day": day, "app": app, "event": event},
        )

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
