"""How long answers took, kept as counts that replicas can add up."""

from bisect import bisect_left
from collections.abc import Mapping
from typing import Final

__all__ = ["BOUNDS", "bound_of", "longer_than", "quantile"]

BOUNDS: Final = (
    *(1, 2, 3, 5, 7),
    *(10, 15, 20, 30, 50, 70),
    *(100, 150, 200, 300, 500, 700),
    *(1_000, 1_500, 2_000, 3_000, 5_000, 7_000),
    *(10_000, 20_000, 30_000, 60_000),
)
"""Upper bounds in milliseconds, each about 1.4 times the one before; the last catches all that took longer."""

_MS: Final = 1_000


def bound_of(seconds: float) -> int:
    """Give the bound that an answer is counted under: the least that it does not exceed, or else the last."""
    return BOUNDS[min(bisect_left(BOUNDS, seconds * _MS), len(BOUNDS) - 1)]


def quantile(counts: Mapping[int, int], q: float) -> float | None:
    """Estimate a quantile in milliseconds, as if latencies were spread evenly below each bound; None for no answers.

    Args:
        counts: how many answers were counted under each of ``BOUNDS``.
        q: 0.95 for the latency that 95 of 100 answers do not exceed.

    Raises:
        ValueError: ``q`` is not between 0 and 1.
    """
    if not 0 <= q <= 1:
        raise ValueError(f"a quantile is between 0 and 1, not {q}")
    rank = q * sum(counts.values())
    passed, upper = 0, None
    for upper in sorted(bound for bound, count in counts.items() if count):
        if passed + counts[upper] >= rank:
            lower = _bound_below(upper)
            return lower + (upper - lower) * (rank - passed) / counts[upper]
        passed += counts[upper]
    return upper


def longer_than(counts: Mapping[int, int], ms: float) -> int:
    """Count the answers that surely took longer, by the bounds between which they are."""
    return sum(count for bound, count in counts.items() if _bound_below(bound) >= ms)


def _bound_below(bound: int) -> int:
    position = bisect_left(BOUNDS, bound)
    return BOUNDS[position - 1] if position else 0
