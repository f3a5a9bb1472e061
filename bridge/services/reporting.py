"""Counts how far the upgrade is, and remembers how far it was."""

import asyncio
import json
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from prometheus_client import CollectorRegistry, Gauge

from bridge.errors import DatabaseError
from bridge.passwords.decoy import is_without_cost
from bridge.progress.census import Census
from bridge.progress.forecast import Forecast, LastSeen, NotForecast, forecast
from bridge.progress.report import MigrationReport, Share
from bridge.services.clock import Clock
from bridge.services.recording import Event
from bridge.store.activity import Activity
from bridge.store.census import UserCensus
from bridge.store.snapshots import Snapshots

__all__ = ["TREND", "ReportGauges", "Reporting", "keep_snapshots"]

TREND: Final = timedelta(days=366)
"""As far back as points of days are shown."""

_logger: Final = logging.getLogger(__name__)

_DAILY_ACTIVITY: Final = timedelta(days=30)
_FIRST_SNAPSHOT_AFTER: Final = timedelta(seconds=15)
"""Of start-up, which is a busy time: whoever looks at the page before finds that nobody was counted yet."""
_SNAPSHOTS_EVERY: Final = timedelta(minutes=10)
_REST: Final = 100
"""For so many times as long as it took, a report is given again: counting takes a hundredth of the time at most."""


class Reporting:
    """Draws up the report, one at a time however many ask.

    A report of a small site is as good as fresh; one that took a second stands for a hundred, and says from when it is.
    Whoever logs in meanwhile shares the machine with the count, so that it must not go on all the time.

    Args:
        listed: the algorithms that the site verifies; None where it has not said.
    """

    def __init__(
        self,
        *,
        census: UserCensus,
        activity: Activity,
        snapshots: Snapshots,
        listed: Collection[str] | None,
        clock: Clock,
    ) -> None:
        self._census = census
        self._activity = activity
        self._snapshots = snapshots
        self._listed = listed
        self._clock = clock
        self._drawing: asyncio.Task[_Drawn] | None = None
        self._last: _Drawn | None = None

    async def report(self) -> MigrationReport:
        """Count every user, and put what happened beside it, or give what was drawn up just now."""
        return (await self._latest()).report

    async def document(self) -> bytes:
        """Give the same as JSON, which is written once."""
        return (await self._latest()).document

    async def _latest(self, *, anew: bool = False) -> "_Drawn":
        if not anew and self._last is not None and self._last.is_fresh(self._clock()):
            return self._last
        if self._drawing is None:
            self._drawing = asyncio.create_task(self._draw())
            self._drawing.add_done_callback(self._drawn)
        # Whoever stops waiting leaves it to the others.
        return await asyncio.shield(self._drawing)

    async def _draw(self) -> "_Drawn":
        now = self._clock()
        census = await self._census.count(now)
        report = MigrationReport(
            generated_at=now,
            census=census,
            forecast=await self._forecast(census, now),
            listed=self._listed,
            activity=await self._activity.totals(),
            daily_activity=await self._activity.daily((now - _DAILY_ACTIVITY).date()),
            trend=await self._snapshots.trend((now - TREND).date()),
        )
        # In a thread: of a site with many kinds it would keep the other requests waiting.
        document = await asyncio.to_thread(lambda: json.dumps(report.to_document()).encode())
        self._last = _Drawn(report, document, took=self._clock() - now)
        return self._last

    async def _forecast(self, census: Census, now: datetime) -> Forecast:
        """Ask for the days of the last logins, which is another pass, only where there is something to forecast."""
        began, active = await self._activity.first_day(Event.UPGRADE_WRITTEN), Share.active_of(census)
        together = {0: LastSeen(active.upgraded, active.remaining)}
        found = forecast(together, began=began, today=now.date())
        if not active.remaining or found.lacking in (NotForecast.FEW_ACCOUNTS, NotForecast.TOO_SHORT):
            return found
        return forecast(await self._census.last_seen(now), began=began, today=now.date())

    def _drawn(self, drawing: "asyncio.Task[_Drawn]") -> None:
        self._drawing = None
        if not drawing.cancelled():
            drawing.exception()  # whoever waits for it has it; nobody may

    async def take_snapshot(self, *, again: bool = True) -> MigrationReport | None:
        """Keep a report; None if another replica is taking today's, or has and it is not wanted ``again``.

        Whoever wants it again wants it of now.
        """
        begun_at = self._clock()
        if not await self._snapshots.begin(begun_at, again=again):
            return None
        try:
            drawn = (await self._latest(anew=again)).report
        except BaseException:
            await self._snapshots.give_up(begun_at)
            raise
        # The trend is in the rows of the other days.
        document = {**drawn.to_document(), "trend": []}
        await self._snapshots.finish(begun_at, taken_at=drawn.generated_at, document=document, figures=drawn.figures)
        await self._snapshots.prune(now=begun_at)
        return drawn

    async def latest_snapshot(self) -> dict[str, Any] | None:
        """Give the last report that was kept; None before the first."""
        latest = await self._snapshots.latest()
        return latest[1] if latest else None


@dataclass(frozen=True, slots=True)
class _Drawn:
    report: MigrationReport
    document: bytes
    took: timedelta

    def is_fresh(self, now: datetime) -> bool:
        since = now - self.report.generated_at
        return timedelta(0) <= since < self.took * _REST  # a clock that was put back does not keep it for ever


class ReportGauges:
    """The last snapshot's figures for Prometheus: whoever scrapes starts no count."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._users = Gauge(
            "bridge_users",
            "Users by the algorithm of their password and their last login, as of the last daily snapshot.",
            ("algorithm", "cohort"),
            registry=registry,
        )

    def show(self, document: dict[str, Any]) -> None:
        """Take the figures of a report."""
        self._users.clear()
        for row in document["census"]:
            self._users.labels(algorithm=row["algorithm"], cohort=row["cohort"]).inc(row["users"])


async def keep_snapshots(
    reporting: Callable[[], Reporting],
    gauges: ReportGauges,
    *,
    first_after: timedelta = _FIRST_SNAPSHOT_AFTER,
    every: timedelta = _SNAPSHOTS_EVERY,
) -> None:
    """Show the last snapshot, and take one on each day; a database that is away is asked again later.

    One of a version that did not count what wrapped values cost is taken again: the floor is measured by it.

    Args:
        reporting: gives the one in force: the site's profile may change.
        gauges: where they are shown.
        first_after: when to look for the first time whether today's is there,
        every: and how often from then on.
    """
    pause = first_after
    counted = ""
    while True:
        is_older = False
        try:
            if (latest := await reporting().latest_snapshot()) is not None:
                gauges.show(latest)
                is_older = _day_of(latest) != counted and _is_without_costs(latest)
        except DatabaseError as exc:
            _logger.warning("the last snapshot was not read: %s", type(exc).__name__)
        await asyncio.sleep(pause.total_seconds())
        pause = every
        try:
            # Once a day for each process: a wrapped value may be malformed and name none for good.
            taken = await reporting().take_snapshot(again=is_older)
            counted = counted if taken is None else _day_of(taken.to_document())
        except DatabaseError as exc:
            _logger.warning("today's snapshot was not taken: %s", type(exc).__name__)


def _day_of(document: Mapping[str, Any]) -> str:
    moment: str = document["generated_at"]
    return moment.partition("T")[0]


def _is_without_costs(document: Mapping[str, Any]) -> bool:
    return any(is_without_cost(row["algorithm"], row["cost"]) for row in document["census"])
