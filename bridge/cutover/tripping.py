"""When an operation has to go back to Django by itself."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bridge.cutover.latency import quantile
from bridge.cutover.rules import Trip

__all__ = ["Observed", "SideSample", "trips", "wants_baseline"]

NOTICEABLE_MS: Final = 50.0
"""A candidate below this is never too slow: three times one millisecond harms nobody."""

_TAIL: Final = 0.95


@dataclass(frozen=True, slots=True)
class SideSample:
    """How one app answered an operation within the window.

    Attributes:
        answers: how many there were.
        errors: how many of them were 5xx.
        latencies: how many took how long, by ``bridge.cutover.latency.BOUNDS``.
    """

    answers: int = 0
    errors: int = 0
    latencies: Mapping[int, int] = field(default_factory=dict)

    @property
    def error_rate(self) -> float:
        """The share of 5xx; 0.0 for no answers."""
        return self.errors / self.answers if self.answers else 0.0

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
    is_slow = candidate.answers >= by.minimum and (candidate.p95 or 0) > NOTICEABLE_MS
    return is_slow and observed.legacy.answers < by.minimum


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
    is_asked = observed.legacy.answers >= by.minimum
    django = observed.legacy if is_asked else observed.baseline
    if min(django.answers, observed.candidate.answers) < by.minimum:
        return None
    legacy, candidate = django.p95, observed.candidate.p95
    if not legacy or candidate is None or candidate <= max(by.slowness * legacy, NOTICEABLE_MS):
        return None
    return (
        f"95 of 100 answers of the new handler took up to {candidate:.0f} ms, of Django {legacy:.0f} ms"
        f"{'' if is_asked else ' when it was last asked'}: "
        f"{candidate / legacy:.1f} times as long (allowed {by.slowness:g})"
    )


def _mismatches(observed: Observed, by: Trip) -> str | None:
    if observed.compared < by.minimum or observed.mismatched <= by.mismatches * observed.compared:
        return None
    return (
        f"{observed.mismatched / observed.compared:.1%} of {observed.compared} compared answers differ "
        f"from Django's (allowed {by.mismatches:.1%})"
    )


def _rate_text(sample: SideSample) -> str:
    return f"{sample.error_rate:.1%} of {sample.answers}" if sample.answers else "answered none"
