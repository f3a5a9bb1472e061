"""What the page shows, in the words and the order of the page. The answer comes first: may the old hashes go?"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any, Final

from bridge.progress.census import TARGET
from bridge.progress.forecast import NotForecast
from bridge.services.overview import DAYS, Overview
from bridge.services.recording import Event
from bridge.web.dashboard.charts import HEIGHT, DailyChart, Trend, daily_chart, trend_of

__all__ = ["COHORTS", "Board", "Gate", "Milestone", "Trouble"]

COHORTS: Final = {
    "7d": "within 7 days",
    "30d": "within 30 days",
    "90d": "within 90 days",
    "365d": "within 365 days",
    "older": "longer ago",
    "never": "never",
}
_APPS: Final = {"bridge": "Bridge", "django": "Django"}
_OUTCOMES: Final = {
    "succeeded": (Event.LOGIN_SUCCEEDED,),
    "refused": (Event.LOGIN_REFUSED, Event.SECOND_FACTOR_REFUSED),
    "locked out": (Event.LOGIN_LOCKED_OUT, "login_limited"),
    "no capacity": (Event.LOGIN_WITHOUT_CAPACITY,),
}
_WRAPPED: Final = f"{TARGET}_"
_NAMES: Final = {
    "pbkdf2_sha256": "PBKDF2",
    "pbkdf2_sha1": "PBKDF2 with SHA-1",
    "bcrypt_sha256": "bcrypt (SHA-256)",
    "unsalted_md5": "unsalted MD5",
    "unsalted_sha1": "unsalted SHA-1",
    "md5": "MD5",
    "sha1": "SHA-1",
}
_LACKING: Final = {
    NotForecast.FEW_ACCOUNTS: "fewer than a hundred accounts are active",
    NotForecast.TOO_SHORT: "upgrades began less than a week ago, or have not begun",
    NotForecast.NOT_FOR_ALL: "not everybody who logs in is upgraded yet",
}
_TROUBLES: Final = {
    Event.UPGRADE_REVERTED: (
        "Ping-pong",
        "An old hash stood where an upgraded one had been: something writes the old algorithm back.",
    ),
    Event.UPGRADE_FAILED: ("Failed upgrades", "The database refused the write; the login went on."),
    Event.UPGRADE_SUPERSEDED: (
        "Superseded upgrades",
        "Somebody changed the password between its verification and the write; theirs stands.",
    ),
    Event.REFRESH_REUSED: ("Refresh tokens reused", "A spent refresh token came back; its login was ended."),
    Event.ENDPOINT_TRIPPED: ("Endpoints tripped", "A new handler did harm and went back to Django by itself."),
}
_MOSTLY_HARMLESS: Final = (Event.UPGRADE_SUPERSEDED,)
_MOST_OPERATIONS: Final = 200
_OVERDUE: Final = timedelta(hours=36)


@dataclass(frozen=True, slots=True)
class Gate:
    """Who would be locked out if an algorithm left PASSWORD_HASHERS.

    Attributes:
        name: as people say it.
    """

    algorithm: str
    name: str
    listed: bool | None
    locked_out: int
    active: int
    staff: int
    by_cohort: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Milestone:
    """When a share of the active accounts will be done; the days of one that is reached are None.

    Attributes:
        start: where its interval begins on the common time line, in per cent,
        width: how wide it is,
        at: and where the expected day is.
    """

    share: float
    expected: str | None
    earliest: str | None
    latest: str | None
    start: float = 0.0
    width: float = 0.0
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that should not happen, and how often it did."""

    name: str
    meaning: str
    total: int
    week: int
    is_harmless: bool


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
        return tuple(_gate(row) for row in rows if row["algorithm"] != TARGET)

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
        return f"{first.name} cannot be dropped yet: {_would_be(first)} locked out."

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
        names = _listed([each.name for each in others])
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
        return "none" if algorithm in ("unusable", "unknown") else "old"

    @cached_property
    def lacking(self) -> str | None:
        """Why there is no forecast, in words; None where there is one."""
        if self.counted is None:
            return "nobody has been counted yet"
        code = self.counted["forecast"]["lacking"]
        return None if code is None else _LACKING.get(code, code)

    @cached_property
    def milestones(self) -> tuple[Milestone, ...]:
        """When the active accounts will be done."""
        rows = [] if self.counted is None else self.counted["forecast"]["milestones"]
        return _milestones(rows, self.counted_at.date() if self.counted_at else self.today)

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
        week = self.today - timedelta(days=6)
        return tuple(
            Trouble(
                name=name,
                meaning=meaning,
                total=sum(each.count for each in self.overview.activity if each.event == event),
                week=sum(
                    each.count for each in self.overview.daily_activity if each.event == event and each.day >= week
                ),
                is_harmless=event in _MOSTLY_HARMLESS,
            )
            for event, (name, meaning) in _TROUBLES.items()
        )

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


def _gate(row: Mapping[str, Any]) -> Gate:
    return Gate(
        algorithm=row["algorithm"],
        name=_NAMES.get(row["algorithm"], row["algorithm"]),
        listed=row["listed"],
        locked_out=row["locked_out"],
        active=row["active"],
        staff=row["staff"],
        by_cohort=row["by_cohort"],
    )


def _would_be(gate: Gate) -> str:
    accounts = "1 account" if gate.locked_out == 1 else f"{gate.locked_out:,} accounts"
    staff = f", {gate.staff:,} of them staff," if gate.staff else ""
    return f"{accounts}{staff} would be"


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _milestones(rows: Sequence[Mapping[str, Any]], begins: date) -> tuple[Milestone, ...]:
    ends = max((date.fromisoformat(row["latest"]) for row in rows if row["latest"]), default=begins)
    days = max((ends - begins).days, 1)

    def at(day: str) -> float:
        return round(100 * max((date.fromisoformat(day) - begins).days, 0) / days, 2)

    return tuple(
        Milestone(row["share"], None, None, None)
        if row["is_reached"]
        else Milestone(
            row["share"],
            row["expected"],
            row["earliest"],
            row["latest"],
            start=at(row["earliest"]),
            width=round(max(at(row["latest"]) - at(row["earliest"]), 0.5), 2),
            at=at(row["expected"]),
        )
        for row in rows
    )
