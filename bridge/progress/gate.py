"""What would break, and for whom, if an algorithm were removed from PASSWORD_HASHERS today."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from bridge.progress.census import Census, Cohort

__all__ = ["RemovalGate"]


@dataclass(frozen=True, slots=True)
class RemovalGate:
    """Who would be locked out. Users who are not active count as well: they may be let in again.

    Wrapped values are of an algorithm of their own: their hasher computes the old value itself, and needs no other one.

    Attributes:
        algorithm: that would be removed.
        is_listed: whether the site verifies it now; None where it has not said.
        locked_out: everybody whose password is stored by it,
        active: of these, those who may log in,
        staff: of these, staff and superusers,
        by_cohort: and by when they last logged in.
    """

    algorithm: str
    is_listed: bool | None
    locked_out: int
    active: int
    staff: int
    by_cohort: tuple[tuple[Cohort, int], ...]

    @classmethod
    def of(cls, census: Census, algorithm: str, *, listed: Collection[str] | None) -> "RemovalGate":
        """Ask about one algorithm; ``listed`` are those that the site verifies."""
        theirs = census.only(lambda row: row.algorithm == algorithm)
        cohorts = theirs.by(lambda row: row.cohort)
        return cls(
            algorithm=algorithm,
            is_listed=None if listed is None else algorithm in listed,
            locked_out=theirs.count(),
            active=theirs.count(lambda row: row.is_active),
            staff=theirs.count(lambda row: row.is_staff),
            by_cohort=tuple((each, cohorts.get(each, 0)) for each in Cohort),
        )

    @property
    def is_open(self) -> bool:
        """Whether nobody would be locked out."""
        return self.locked_out == 0

    def to_document(self) -> dict[str, Any]:
        """Give the stable JSON form."""
        return {
            "algorithm": self.algorithm,
            "listed": self.is_listed,
            "locked_out": self.locked_out,
            "active": self.active,
            "staff": self.staff,
            "by_cohort": {cohort.value: users for cohort, users in self.by_cohort},
        }
