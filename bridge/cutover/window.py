"""What was seen of an operation lately: figures that slide with the time."""

from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from bridge.cutover.latency import bound_of
from bridge.cutover.parity import Verdict
from bridge.cutover.stages import Side
from bridge.cutover.tripping import Observed, SideSample

__all__ = ["RESULTS", "Window"]

RESULTS: Final = frozenset({Verdict.MATCH, Verdict.MISMATCH, Verdict.FAILED})
"""The verdicts of comparisons that had a result; the others say nothing about whether the answers are the same."""

_SLOTS: Final = 30
_FIRST_REFUSAL: Final = 400
_FIRST_ERROR: Final = 500


@dataclass(slots=True)
class _Slot:
    """A thirtieth of the window."""

    number: int
    answers: Counter[Side] = field(default_factory=Counter)
    latencies: dict[Side, Counter[int]] = field(default_factory=lambda: {side: Counter() for side in Side})
    errors: Counter[Side] = field(default_factory=Counter)
    compared: int = 0
    mismatched: int = 0


class Window:
    """Counts of one operation, and no more of them than there are slots and bounds of latency.

    Args:
        span: how far back it looks; what is older is gone, to a thirtieth of it.
    """

    def __init__(self, span: timedelta) -> None:
        self._step = span / _SLOTS
        self._slots: deque[_Slot] = deque(maxlen=_SLOTS)

    def answered(self, side: Side, *, status: int, seconds: float, at: datetime) -> None:
        """Count an answer of an app."""
        slot = self._slot(at)
        slot.answers[side] += 1
        if status < _FIRST_REFUSAL:
            slot.latencies[side][bound_of(seconds)] += 1
        slot.errors[side] += status >= _FIRST_ERROR

    def compared(self, verdict: Verdict, *, at: datetime) -> None:
        """Count a comparison, if it had a result."""
        if verdict in RESULTS:
            slot = self._slot(at)
            slot.compared += 1
            slot.mismatched += verdict is not Verdict.MATCH

    def observed(self, *, at: datetime) -> Observed:
        """Add up what is not older than the window."""
        oldest = self._number(at) - _SLOTS
        slots = [slot for slot in self._slots if slot.number > oldest]
        return Observed(
            legacy=_sample(slots, Side.LEGACY),
            candidate=_sample(slots, Side.BRIDGE),
            compared=sum(slot.compared for slot in slots),
            mismatched=sum(slot.mismatched for slot in slots),
        )

    def _slot(self, at: datetime) -> _Slot:
        # A clock that is set back counts on in the newest slot until it has caught up.
        if not self._slots or self._slots[-1].number < self._number(at):
            self._slots.append(_Slot(self._number(at)))
        return self._slots[-1]

    def _number(self, at: datetime) -> int:
        return int(at.timestamp() / self._step.total_seconds())


def _sample(slots: list[_Slot], side: Side) -> SideSample:
    latencies: Counter[int] = Counter()
    for slot in slots:
        latencies.update(slot.latencies[side])
    return SideSample(
        answers=sum(slot.answers[side] for slot in slots),
        errors=sum(slot.errors[side] for slot in slots),
        latencies=dict(latencies),
    )
