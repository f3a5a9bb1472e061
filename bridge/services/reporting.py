"""Counts how far the upgrade is."""

from bridge.progress import MigrationReport
from bridge.services.clock import Clock
from bridge.store.activity import Activity
from bridge.store.census import Census

__all__ = ["Reporting"]


class Reporting:
    """Draws up the report from a fresh count."""

    def __init__(self, *, census: Census, activity: Activity, clock: Clock) -> None:
        self._census = census
        self._activity = activity
        self._clock = clock

    async def report(self) -> MigrationReport:
        """Count every user's algorithm and everything that happened."""
        return MigrationReport.from_counts(
            await self._census.users_by_algorithm(),
            activity=await self._activity.totals(),
            generated_at=self._clock(),
        )
