"""When an operation has to go back to Django by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.cutover.confidence import lower_bound
from bridge.cutover.latency import longer_than, quantile
from bridge.cutover.rules import Trip

__all__ = ["Observed", "SideSample", "trips", "wants_baseline"]

NOTICEABLE_MS: Final = 50.0
"""A candidate below this is never too slow: three times one millisecond harms nobody."""

_TAIL: Final = 0.95
_SURE: Final = 3.0
"""Standard deviations, against what Django took before. What is migrated is judged every second for ever, and what
slows both apps for a moment does not excuse it: of the few answers that make a percentile, chance would find enough."""


@dataclass(frozen=True, slots=True)
class SideSample:
    """How one app answered an operation within the window.

    Attributes:
        answers: how many there were.
        errors: how many of them were 5xx.
        latencies: how many took how long, by ``bridge.cutover.latency.BOUNDS``; none of those that refused or failed,
            which are quick, and which any client can cause.
    """

    answers: int = 0
    errors: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)

    @property
    def error_rate(self) -> float:
        """The share of 5xx; 0.0 for no answers."""
        return self.errors / self.answers if self.answers else 0.0

    @property
    def timed(self) -> int:
        """How many answers the latencies are of."""
        return sum(self.latencies.values())

    @property
    def p95(self) -> float | None:
        """The 95th percentile of latency in milliseconds; None for no answers."""
        return quantile(self.latencies, _TAIL)


@dataclass(frozen=True, slots=True)
class Observed:
    """What was seen of an operation within the window.

    Attributes:
        legacy: Django's answers.
        candidate: the new handler's, whether clients got them or they were only compared.
        compared: how many answers were compared.
        mismatched: how many of these differed.
        baseline: Django's answers of before, where too few are within the window (``wants_baseline``).
    """

    legacy: SideSample = SideSample()
    candidate: SideSample = SideSample()
    compared: int = 0
    mismatched: int = 0
    baseline: SideSample = SideSample()


def trips(observed: Observed, *, by: Trip) -> str | None:
    """Say why an operation must go back to Django, in words with figures; None where it need not."""
    return _errors(observed, by) or _slowness(observed, by) or _mismatches(observed, by)


def wants_baseline(observed: Observed, *, by: Trip) -> bool:
    """Tell whether a new handler is slow enough to be set against Django, which answers too few now to tell."""
    candidate = observed.candidate
    is_slow = candidate.timed >= by.minimum and (candidate.p95 or 0) > NOTICEABLE_MS
    return is_slow and observed.legacy.timed < by.minimum


def _errors(observed: Observed, by: Trip) -> str | None:
    """Judge 5xx. Django's own excuse those of the candidate, but only where there are enough to tell."""
    legacy, candidate = observed.legacy, observed.candidate
    excused = legacy.error_rate if legacy.answers >= by.minimum else 0.0
    if candidate.answers < by.minimum or candidate.error_rate <= max(by.errors, excused):
        return None
    return (
        f"{candidate.error_rate:.1%} of {candidate.answers} answers of the new handler were 5xx "
        f"(allowed {by.errors:.1%}; Django {_rate_text(legacy)})"
    )


def _slowness(observed: Observed, by: Trip) -> str | None:
    is_asked = observed.legacy.timed >= by.minimum
    django, candidate = observed.legacy if is_asked else observed.baseline, observed.candidate
    if min(django.timed, candidate.timed) < by.minimum or not django.p95 or candidate.p95 is None:
        return None
    allowed = max(by.slowness * django.p95, NOTICEABLE_MS)
    if candidate.p95 <= allowed or not (is_asked or _is_sure(candidate, allowed)):
        return None
    return (
        f"95 of 100 answers of the new handler took up to {candidate.p95:.0f} ms, of Django {django.p95:.0f} ms"
        f"{'' if is_asked else f' in {django.timed:,} answers of before'}: "
        f"{candidate.p95 / django.p95:.1f} times as long (allowed {by.slowness:g})"
    )


def _is_sure(candidate: SideSample, allowed: float) -> bool:
    """Tell whether more than 5 of 100 answers take longer than is allowed, and not only of those that were seen."""
    return lower_bound(longer_than(candidate.latencies, allowed), candidate.timed, z=_SURE) > 1 - _TAIL


def _mismatches(observed: Observed, by: Trip) -> str | None:
    if observed.compared < by.minimum or observed.mismatched <= by.mismatches * observed.compared:
        return None
    return (
        f"{observed.mismatched / observed.compared:.1%} of {observed.compared} compared answers differ "
        f"from Django's (allowed {by.mismatches:.1%})"
    )


def _rate_text(sample: SideSample) -> str:
    return f"{sample.error_rate:.1%} of {sample.answers}" if sample.answers else "answered none"
