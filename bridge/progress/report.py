"""The figures behind ``bridge report`` and ``GET /migration/report``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

__all__ = ["SCHEMA_VERSION", "UNKNOWN", "UNUSABLE", "ActivityCount", "AlgorithmCount", "MigrationReport"]

SCHEMA_VERSION: Final = 1
"""Raised when a field of the JSON or CSV changes its meaning or goes away."""

TARGET: Final = "argon2"
UNUSABLE: Final = "unusable"
UNKNOWN: Final = "unknown"


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
class MigrationReport:
    """How many hashes have been upgraded.

    Attributes:
        generated_at: when the users were counted.
        total: users in the table.
        usable: those with a password that some hasher would take.
        upgraded: those of them with argon2.
        by_algorithm: most users first.
        activity: by app and event.
    """

    generated_at: datetime
    total: int
    usable: int
    upgraded: int
    by_algorithm: tuple[AlgorithmCount, ...]
    activity: tuple[ActivityCount, ...]

    @classmethod
    def from_counts(
        cls, users: Mapping[str, int], *, activity: Sequence[ActivityCount] = (), generated_at: datetime
    ) -> "MigrationReport":
        """Draw up a report from the number of users by algorithm."""
        total = sum(users.values())
        ranked = sorted(users.items(), key=lambda item: (-item[1], item[0]))
        return cls(
            generated_at=generated_at,
            total=total,
            usable=total - users.get(UNUSABLE, 0) - users.get(UNKNOWN, 0),
            upgraded=users.get(TARGET, 0),
            by_algorithm=tuple(AlgorithmCount(name, count, count / total if total else 0.0) for name, count in ranked),
            activity=tuple(sorted(activity, key=lambda each: (each.app, each.event))),
        )

    @property
    def remaining(self) -> int:
        """Count the usable passwords that are not argon2 yet."""
        return self.usable - self.upgraded

    @property
    def upgraded_share(self) -> float:
        """Give the upgraded share of the usable passwords, 0 to 1; 1 where there is none to upgrade."""
        return self.upgraded / self.usable if self.usable else 1.0

    def to_document(self) -> dict[str, Any]:
        """Give the stable JSON form."""
        return {
            "schema_version": SCHEMA_VERSION,
            "generated_at": self.generated_at.isoformat(),
            "total": self.total,
            "usable": self.usable,
            "upgraded": self.upgraded,
            "remaining": self.remaining,
            "upgraded_share": round(self.upgraded_share, 6),
            "by_algorithm": [
                {"algorithm": each.algorithm, "users": each.users, "share": round(each.share, 6)}
                for each in self.by_algorithm
            ],
            "activity": [{"app": each.app, "event": each.event, "count": each.count} for each in self.activity],
        }
