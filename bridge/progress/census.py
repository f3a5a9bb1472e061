"""Every user by how the password is stored, when they were last seen, and who they are. Counts only, never a hash."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any, Final

__all__ = ["COHORT_DAYS", "TARGET", "UNKNOWN", "UNUSABLE", "Census", "CensusRow", "Cohort"]

TARGET: Final = "argon2"
UNUSABLE: Final = "unusable"
UNKNOWN: Final = "unknown"


class Cohort(StrEnum):
    """When users last logged in; each without those of the ones before."""

    WEEK = "7d"
    MONTH = "30d"
    QUARTER = "90d"
    YEAR = "365d"
    OLDER = "older"
    NEVER = "never"


COHORT_DAYS: Final = {
    Cohort.WEEK: timedelta(days=7),
    Cohort.MONTH: timedelta(days=30),
    Cohort.QUARTER: timedelta(days=90),
    Cohort.YEAR: timedelta(days=365),
}
"""The longest time since the last login of those cohorts that have one."""


@dataclass(frozen=True, slots=True, order=True)
class CensusRow:
    """Users that are counted as one kind.

    Attributes:
        algorithm: Django's name; ``unusable`` (no login by password) or ``unknown`` (no hasher of Django's takes it).
        cost: as the value names it (rounds, ``m=…,t=…,p=…``); of wrapped values, the rounds of the old hash; of unknown
            ones, what they look like; "" for none of these.
        cohort: when they last logged in.
        is_active: whether they may log in.
        is_staff: staff or superusers.
    """

    algorithm: str
    cost: str
    cohort: Cohort
    is_active: bool
    is_staff: bool

    @property
    def is_usable(self) -> bool:
        """Whether some hasher would take the value."""
        return self.algorithm not in (UNUSABLE, UNKNOWN)

    @property
    def is_upgraded(self) -> bool:
        """Whether it is what the upgrade aims at."""
        return self.algorithm == TARGET

    @property
    def is_in_use(self) -> bool:
        """Whether the account is active: it may log in, and did so within 365 days."""
        return self.is_active and self.cohort in COHORT_DAYS


@dataclass(frozen=True, slots=True)
class Census:
    """How many users there are of each kind that occurs."""

    rows: Mapping[CensusRow, int]

    @classmethod
    def of(cls, rows: Iterable[tuple[CensusRow, int]]) -> "Census":
        """Add up rows; a kind may come more than once."""
        counted: Counter[CensusRow] = Counter()
        for row, users in rows:
            counted[row] += users
        return cls(counted)

    def count(self, matches: Callable[[CensusRow], bool] = lambda _: True) -> int:
        """Count the users whose kind matches; all of them by default."""
        return sum(users for row, users in self.rows.items() if matches(row))

    def by(self, key: Callable[[CensusRow], str]) -> dict[str, int]:
        """Count users by a property of their kind, most first and then by name."""
        counted: Counter[str] = Counter()
        for row, users in self.rows.items():
            counted[key(row)] += users
        return dict(sorted(counted.items(), key=lambda item: (-item[1], item[0])))

    def only(self, matches: Callable[[CensusRow], bool]) -> "Census":
        """Leave out the users whose kind does not match."""
        return Census({row: users for row, users in self.rows.items() if matches(row)})

    def to_document(self) -> list[dict[str, Any]]:
        """Give the stable JSON form, one entry a kind."""
        return [
            {
                "algorithm": row.algorithm,
                "cost": row.cost,
                "cohort": row.cohort.value,
                "active": row.is_active,
                "staff": row.is_staff,
                "users": users,
            }
            for row, users in sorted(self.rows.items())
        ]
