"""What the plan says of an operation: where it may go, whom its canary answers, how it is compared, when it trips."""

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from bridge.cutover.stages import Stage

__all__ = ["ALWAYS_REDACTED", "AllowList", "CanaryGroup", "Comparison", "OperationPlan", "Trip"]

ALWAYS_REDACTED: Final = (
    *("password", "passwd", "secret", "token", "api_key", "apikey", "authorization", "cookie", "session", "csrf"),
    *("email", "phone", "iban", "card", "ssn"),
)
"""A key or header whose name holds one of these never has its values kept, whatever its case."""


@dataclass(frozen=True, slots=True)
class AllowList:
    """Who gets the new handler during a canary whatever their bucket.

    Attributes:
        staff: whether all of the staff do.
        groups: of Django, by name.
        users: by their key as text.
    """

    staff: bool = False
    groups: frozenset[str] = frozenset()
    users: frozenset[str] = frozenset()

    def includes(self, user: str, *, is_staff: bool, groups: Collection[str]) -> bool:
        """Tell whether a user is on the list."""
        return (self.staff and is_staff) or user in self.users or not self.groups.isdisjoint(groups)


@dataclass(frozen=True, slots=True)
class CanaryGroup:
    """Operations that keep each user on one side, so that what was written by one is read by the other.

    Attributes:
        name: what operations of the plan call it.
        salt: what its users are shuffled with (``bridge.cutover.buckets``).
        allow: who is in before the share is.
    """

    name: str = "default"
    salt: str = "default"
    allow: AllowList = AllowList()


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two answers are compared; places are those of ``bridge.cutover.places``.

    Attributes:
        headers: those that are compared, in lower case. ETag and Vary are not among the default: an ETag follows from
            bytes that may differ, and Vary from the middleware. What other origins may do with an answer is: the
            site's middleware says so, and a handler has none of it.
        ignore: places that are not compared, with all beneath them.
        unordered: places of lists whose order does not matter.
        float_tolerance: how far two numbers may be apart, relative to the greater.
        timestamps: places where two forms of one moment are the same.
        keep_values: whether differing values are kept, other than redacted ones.
        redact: what names of keys and headers hold whose values are never kept, besides ``ALWAYS_REDACTED``.
        keep_days: how long a difference is kept after it was last seen.
    """

    headers: tuple[str, ...] = (
        *("content-type", "location", "cache-control"),
        *("content-disposition", "content-language", "www-authenticate"),
        *("access-control-allow-origin", "access-control-allow-credentials"),
        *("content-security-policy", "x-frame-options"),
    )
    ignore: tuple[str, ...] = ()
    unordered: tuple[str, ...] = ()
    float_tolerance: float = 0.0
    timestamps: tuple[str, ...] = ()
    keep_values: bool = False
    redact: tuple[str, ...] = ()
    keep_days: int = 14


@dataclass(frozen=True, slots=True)
class Trip:
    """When an operation is rolled back automatically.

    Attributes:
        minimum: how many answers, or comparisons, it takes within the window.
        errors: the share of the candidate's answers that may be 5xx.
        slowness: how many times Django's 95th percentile of latency the candidate's may be.
        mismatches: the share of the comparisons that may find a difference.
        window: how far back to look.
    """

    minimum: int = 50
    errors: float = 0.05
    slowness: float = 3.0
    mismatches: float = 0.02
    window: timedelta = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class OperationPlan:
    """All that the plan says of one operation.

    Attributes:
        allowed: the stages that it may be moved to; always with ``legacy``, the way back.
        group: whose side it keeps to in a canary.
        comparison: how answers are compared.
        trip: when it is rolled back automatically.
    """

    allowed: frozenset[Stage] = field(default=frozenset(Stage) - {Stage.RETIRED})
    group: CanaryGroup = CanaryGroup()
    comparison: Comparison = Comparison()
    trip: Trip = Trip()
