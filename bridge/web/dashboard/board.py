"""What the page shows, in the words and the order of the page. The answer comes first: may the old hashes go?"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any, Final

from bridge.progress.census import TARGET, UNKNOWN, UNUSABLE
from bridge.progress.words import COHORTS, LACKING
from bridge.services.overview import DAYS, Overview
from bridge.services.recording import Event
from bridge.web.dashboard.charts import HEIGHT, DailyChart, Trend, daily_chart, trend_of
from bridge.web.dashboard.gates import Gate, listed, would_be
from bridge.web.dashboard.milestones import Milestone, milestones_of
from bridge.web.dashboard.troubles import Trouble, troubles_of

__all__ = ["Board"]

_APPS: Final = {"bridge": "Bridge", "django": "Django"}
_OUTCOMES: Final = {
    "succeeded": (Event.LOGIN_SUCCEEDED,),
    "refused": (Event.LOGIN_REFUSED, Event.SECOND_FACTOR_REFUSED),
    "locked out": (Event.LOGIN_LOCKED_OUT,),
    "no capacity": (Event.LOGIN_WITHOUT_CAPACITY,),
}
_WRAPPED: Final = f"{TARGET}_"
_MOST_OPERATIONS: Final = 200
_OVERDUE: Final = timedelta(hours=36)


class Board:
    """The page's figures, from an overview."""

    cohorts = COHORTS
    apps = _APPS
    height = HEIGHT

    def __init__(self, overview: Overview) -> None:
        self.overview = overview
        self.counted = overview.counted
        self.cutover = overview.cutover
        self.today = overview.read_at.date()

    # The answer ------------------------------------------------------------------------------------------------------

    @cached_property
    def counted_at(self) -> datetime | None:
        """When users were counted last."""
        return datetime.fromisoformat(self.counted["generated_at"]) if self.counted else None

    @cached_property
    def is_stale(self) -> bool:
        """Whether a daily count is overdue."""
        return self.counted_at is not None and self.overview.read_at - self.counted_at > _OVERDUE

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """The algorithms that are to go, those first without which most would be locked out."""
        rows = [] if self.counted is None else self.counted["gate"]
        return tuple(Gate.of(row) for row in rows if row["algorithm"] != TARGET)

    @cached_property
    def in_the_way(self) -> tuple[Gate, ...]:
        """Those of them that stand in the way: what is wrapped in argon2 is strong, and waits for a login."""
        return tuple(each for each in self.gates if not each.algorithm.startswith(_WRAPPED))

    @cached_property
    def answer(self) -> str:
        """The one sentence."""
        if self.counted is None:
            return "Nobody has been counted yet."
        if self.counted["usable"] == 0:
            return "There is no password to upgrade."
        if not self.in_the_way:
            return "Every old algorithm can be dropped: nobody would be locked out."
        first = self.in_the_way[0]
        return f"{first.name} cannot be dropped yet: {would_be(first)} locked out."

    @cached_property
    def is_done(self) -> bool:
        """Whether the answer is yes."""
        return self.counted is not None and not self.in_the_way

    @cached_property
    def others_in_the_way(self) -> str:
        """What else is, in words; "" for nothing."""
        others = self.in_the_way[1:]
        if not others:
            return ""
        users = sum(each.locked_out for each in others)
        names = listed([each.name for each in others])
        return f"{names} {'holds' if len(others) == 1 else 'hold'} {users:,} more."

    @cached_property
    def counted_since(self) -> int:
        """How many passwords were upgraded at logins since the count."""
        before: dict[tuple[str, str], int] = {}
        if self.counted is not None:
            before = {(row["app"], row["event"]): row["count"] for row in self.counted["activity"]}
        now = [each for each in self.overview.activity if each.event == Event.UPGRADE_WRITTEN]
        return max(0, sum(each.count - before.get((each.app, each.event), 0) for each in now))

    # Passwords -------------------------------------------------------------------------------------------------------

    @cached_property
    def trend(self) -> Trend | None:
        """The shares over time."""
        return trend_of(self.overview.trend)

    def kind_of(self, algorithm: str) -> str:
        """Say what an algorithm means here: ``target``, ``wrapped``, ``none`` or ``old``."""
        if algorithm == TARGET:
            return "target"
        if algorithm.startswith(_WRAPPED):
            return "wrapped"
        return "none" if algorithm in (UNUSABLE, UNKNOWN) else "old"

    @cached_property
    def lacking(self) -> str | None:
        """Why there is no forecast, in words; None where there is one."""
        if self.counted is None:
            return "nobody has been counted yet"
        code = self.counted["forecast"]["lacking"]
        return None if code is None else LACKING.get(code, code)

    @cached_property
    def milestones(self) -> tuple[Milestone, ...]:
        """When the active accounts will be done."""
        rows = [] if self.counted is None else self.counted["forecast"]["milestones"]
        return milestones_of(rows, self.counted_at.date() if self.counted_at else self.today)

    # Logins ----------------------------------------------------------------------------------------------------------

    @cached_property
    def logins(self) -> dict[str, DailyChart]:
        """Logins of each app by outcome and day."""
        return {app: self._daily(app, _OUTCOMES) for app in _APPS}

    @cached_property
    def upgrades(self) -> dict[str, DailyChart]:
        """Upgrades of each app by day."""
        return {app: self._daily(app, {"written": (Event.UPGRADE_WRITTEN,)}) for app in _APPS}

    @cached_property
    def logins_today(self) -> int:
        """Logins of today that succeeded, at either app."""
        return sum(chart.bars[-1].counts["succeeded"] for chart in self.logins.values())

    @cached_property
    def upgrades_today(self) -> int:
        """Upgrades of today, at either app."""
        return sum(chart.bars[-1].counts["written"] for chart in self.upgrades.values())

    @cached_property
    def troubles(self) -> tuple[Trouble, ...]:
        """What should not happen."""
        return tuple(troubles_of(self.overview, today=self.today))

    def _daily(self, app: str, parts: Mapping[str, Sequence[str]]) -> DailyChart:
        return daily_chart(self.overview.daily_activity, app=app, parts=parts, today=self.today, days=DAYS)

    # Endpoints -------------------------------------------------------------------------------------------------------

    @cached_property
    def operations(self) -> tuple[dict[str, Any], ...]:
        """The endpoints on their way, at most 200 of them."""
        return self.overview.on_their_way[:_MOST_OPERATIONS]

    @cached_property
    def operations_left_out(self) -> int:
        """How many more there are."""
        return len(self.overview.on_their_way) - len(self.operations)
