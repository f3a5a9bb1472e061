"""What staff watch: the last kept report, and beside it what is cheap to read. Counts nobody by itself."""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from bridge.cutover.stages import Stage
from bridge.progress.cutover import CutoverReport
from bridge.progress.report import SCHEMA_VERSION, ActivityCount, DailyActivity, TrendPoint
from bridge.services.clock import Clock
from bridge.services.cutover_report import CutoverReporting
from bridge.services.recording import Recorder
from bridge.services.reporting import TREND, Reporting
from bridge.store.activity import Activity
from bridge.store.snapshots import Snapshots

__all__ = ["DAYS", "Overview", "Overviews"]

DAYS: Final = 30
"""Of daily activity, today included."""

_FRESH: Final = timedelta(seconds=2)
"""However many watch, a process reads no more often than this."""


@dataclass(frozen=True)
class Overview:
    """How far everything is.

    Attributes:
        read_at: when all of this was read.
        counted: the last kept report, as ``bridge report --format json`` gives it; None before the first
            of this version.
        trend: one point a day.
        activity: by app and event, until now.
        daily_activity: of the last ``DAYS`` days.
        cutover: of the endpoints.
    """

    read_at: datetime
    counted: dict[str, Any] | None
    trend: tuple[TrendPoint, ...]
    activity: tuple[ActivityCount, ...]
    daily_activity: tuple[DailyActivity, ...]
    cutover: CutoverReport

    @cached_property
    def on_their_way(self) -> tuple[dict[str, Any], ...]:
        """The operations that have a handler or were moved, as the cutover report has them."""
        return tuple(
            each.to_document()
            for each in self.cutover.endpoints
            if each.figures.has_handler or each.figures.standing.stage is not Stage.LEGACY
        )

    @cached_property
    def fingerprint(self) -> str:
        """What changes when, and only when, something else is to be shown."""
        shown = (
            self.read_at.date(),
            self.counted,
            [each.to_document() for each in self.trend],
            sorted((each.app, each.event, each.count) for each in self.activity),
            [(each.day, each.app, each.event, each.count) for each in self.daily_activity],
            (self.cutover.requests, self.cutover.requests_to_bridge, len(self.cutover.endpoints)),
            self.on_their_way,
        )
        return hashlib.sha256(json.dumps(shown, default=str, sort_keys=True).encode()).hexdigest()[:32]


class Overviews:
    """Gives overviews; everybody who asks at about the same time is given the same.

    What this process has counted is in them at once, what others have within a second.
    """

    def __init__(
        self,
        *,
        reporting: Reporting,
        snapshots: Snapshots,
        activity: Activity,
        cutover: CutoverReporting,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        self._reporting = reporting
        self._snapshots = snapshots
        self._activity = activity
        self._cutover = cutover
        self._recorder = recorder
        self._clock = clock
        self._reading = asyncio.Lock()
        self._last: Overview | None = None

    async def current(self) -> Overview:
        """Give what was read within the last two seconds, or read it.

        Raises:
            DatabaseError: it cannot be read.
        """
        async with self._reading:
            now = self._clock()
            if self._last is None or not timedelta(0) <= now - self._last.read_at < _FRESH:
                self._last = await self._read(now)
            return self._last

    async def count(self) -> bool:
        """Count every user now, and keep the report; False if that is already under way, here or elsewhere.

        Raises:
            DatabaseError: the users cannot be counted.
        """
        await self._recorder.flush()
        taken = await self._reporting.take_snapshot()
        async with self._reading:
            self._last = None
        return taken is not None

    async def _read(self, now: datetime) -> Overview:
        await self._recorder.flush()
        latest = await self._snapshots.latest()
        return Overview(
            read_at=now,
            # What another version of the bridge has kept, beside this one, may mean something else.
            counted=latest[1] if latest and latest[1].get("schema_version") == SCHEMA_VERSION else None,
            trend=await self._snapshots.trend((now - TREND).date()),
            activity=await self._activity.totals(),
            daily_activity=await self._activity.daily((now - timedelta(days=DAYS - 1)).date()),
            cutover=await self._cutover.report(),
        )
