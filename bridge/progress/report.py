"""The figures behind ``bridge report`` and ``GET /migration/report``."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from bridge.progress.census import UNKNOWN, Census, CensusRow, Cohort
from bridge.progress.forecast import Forecast
from bridge.progress.gate import RemovalGate
from bridge.progress.wrapped import WrappedUsers

__all__ = [
    "SCHEMA_VERSION",
    "ActivityCount",
    "AlgorithmCount",
    "DailyActivity",
    "MigrationReport",
    "Share",
    "TrendPoint",
]

SCHEMA_VERSION: Final = 1
"""Raised when a field of the JSON or CSV changes its meaning or goes away."""


@dataclass(frozen=True, slots=True)
class AlgorithmCount:
    """How many users' stored values are of one algorithm.

    Attributes:
        algorithm: Django's name, or ``unusable`` (cannot log in by password) or ``unknown`` (no hasher would take it).
        users: how many.
        share: of all users, 0 to 1.
    """

    algorithm: str
    users: int
    share: float


@dataclass(frozen=True, slots=True)
class ActivityCount:
    """How often something happened in one app.

    Attributes:
        app: ``bridge`` or ``django``.
        event: such as ``login_succeeded`` or ``upgrade_failed``.
        count: since counting began.
    """

    app: str
    event: str
    count: int


@dataclass(frozen=True, slots=True)
class DailyActivity:
    """The same for one day."""

    day: date
    app: str
    event: str
    count: int


@dataclass(frozen=True, slots=True)
class Share:
    """How many of some accounts' usable passwords have been upgraded."""

    usable: int
    upgraded: int

    @classmethod
    def of(cls, census: Census) -> "Share":
        """Count those of a census."""
        return cls(census.count(lambda row: row.is_usable), census.count(lambda row: row.is_upgraded))

    @classmethod
    def active_of(cls, census: Census) -> "Share":
        """Count those of its active accounts: they may log in, and did within 365 days."""
        return cls.of(census.only(lambda row: row.is_in_use))

    @property
    def remaining(self) -> int:
        """Count those that are not upgraded yet."""
        return self.usable - self.upgraded

    @property
    def upgraded_share(self) -> float:
        """Give the upgraded share, 0 to 1; 1 where there is none to upgrade."""
        return self.upgraded / self.usable if self.usable else 1.0

    def to_document(self) -> dict[str, Any]:
        """Give the stable JSON form."""
        return {
            "usable": self.usable,
            "upgraded": self.upgraded,
            "remaining": self.remaining,
            "upgraded_share": round(self.upgraded_share, 6),
        }


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """What a snapshot keeps for the trend.

    Attributes:
        day: of the snapshot; the last one of that day.
        figures: ``total``, ``all`` and ``active`` (see ``Share``) and ``by_algorithm``.
    """

    day: date
    figures: dict[str, Any]

    def to_document(self) -> dict[str, Any]:
        """Give the stable JSON form."""
        return {"day": self.day.isoformat(), **self.figures}


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """How far the upgrade is.

    Attributes:
        generated_at: when the users were counted.
        census: every user.
        forecast: when the active accounts will be done.
        listed: the algorithms that the site verifies; None where it has not said.
        activity: by app and event.
        daily_activity: of the last days.
        trend: one point a day, as far as snapshots were taken.
    """

    generated_at: datetime
    census: Census
    forecast: Forecast
    listed: Collection[str] | None = None
    activity: Sequence[ActivityCount] = ()
    daily_activity: Sequence[DailyActivity] = ()
    trend: Sequence[TrendPoint] = ()

    @property
    def total(self) -> int:
        """Count all users."""
        return self.census.count()

    @property
    def share(self) -> Share:
        """Say how many usable passwords have been upgraded."""
        return Share.of(self.census)

    @property
    def active(self) -> Share:
        """Say so of the active accounts: they may log in, and did within 365 days."""
        return Share.active_of(self.census)

    @property
    def by_algorithm(self) -> tuple[AlgorithmCount, ...]:
        """List the algorithms, most users first."""
        total = self.total
        return tuple(
            AlgorithmCount(name, users, users / total if total else 0.0)
            for name, users in self.census.by(lambda row: row.algorithm).items()
        )

    @property
    def by_cohort(self) -> tuple[tuple[Cohort, Share], ...]:
        """Say how far each cohort is."""
        return tuple((each, Share.of(self.census.only(_of(each)))) for each in Cohort)

    @property
    def unknown_formats(self) -> dict[str, int]:
        """Name what the values look like that no hasher would take."""
        return self.census.only(lambda row: row.algorithm == UNKNOWN).by(lambda row: row.cost)

    @property
    def gates(self) -> tuple[RemovalGate, ...]:
        """Say for each algorithm that occurs who would be locked out without it."""
        usable = self.census.only(lambda row: row.is_usable).by(lambda row: row.algorithm)
        return tuple(RemovalGate.of(self.census, name, listed=self.listed) for name in usable)

    @property
    def wrapped(self) -> tuple[WrappedUsers, ...]:
        """List the kinds of wrapped values. They count as remaining: only a login makes them plain argon2."""
        return WrappedUsers.all_of(self.census, listed=self.listed)

    @property
    def figures(self) -> dict[str, Any]:
        """Give what the trend remembers of this report."""
        return {
            "total": self.total,
            "all": self.share.to_document(),
            "active": self.active.to_document(),
            "by_algorithm": self.census.by(lambda row: row.algorithm),
        }

    def to_document(self) -> dict[str, Any]:
        """Give the stable JSON form."""
        return {
            "schema_version": SCHEMA_VERSION,
            "generated_at": self.generated_at.isoformat(),
            "total": self.total,
            **self.share.to_document(),
            "active": self.active.to_document(),
            "by_algorithm": [
                {"algorithm": each.algorithm, "users": each.users, "share": round(each.share, 6)}
                for each in self.by_algorithm
            ],
            "by_cohort": [{"cohort": cohort.value, **share.to_document()} for cohort, share in self.by_cohort],
            "unknown_formats": [{"format": name, "users": users} for name, users in self.unknown_formats.items()],
            "census": self.census.to_document(),
            "wrapped": [each.to_document() for each in self.wrapped],
            "gate": [each.to_document() for each in self.gates],
            "forecast": self.forecast.to_document(),
            "activity": [
                {"app": each.app, "event": each.event, "count": each.count}
                for each in sorted(self.activity, key=lambda each: (each.app, each.event))
            ],
            "daily_activity": [
                {"day": each.day.isoformat(), "app": each.app, "event": each.event, "count": each.count}
                for each in self.daily_activity
            ],
            "trend": [each.to_document() for each in self.trend],
        }


def _of(cohort: Cohort) -> Callable[[CensusRow], bool]:
    return lambda row: row.cohort is cohort
