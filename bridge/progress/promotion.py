"""What an endpoint still lacks before its next stage: advice, in words with figures. Nobody is kept from moving it."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bridge.cutover.parity import Verdict
from bridge.cutover.stages import Stage
from bridge.progress.endpoints import EndpointFigures

__all__ = ["THRESHOLDS", "Thresholds", "lacks", "next_stage"]

_UNTOLD_ROLE: Final = "unknown"
_IN_WORDS: Final = {
    "anonymous": "anonymous request",
    "user": "ordinary user",
    "staff": "staff user",
    "superuser": "superuser",
}
_ARRIVED: Final = (Stage.MIGRATED, Stage.RETIRED)
_CLASSES_THAT_MATTER: Final = (2, 3, 4)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is enough. The one place that says so.

    Attributes:
        compared: answers of both apps, before the new handler answers anybody.
        parity: share of matches that is likely at the least (Wilson's lower bound, 95 %). 200 comparisons without
            a difference give 0.981; with one of them different it takes 280.
        answers: of the new handler to a canary's users, before it answers everybody.
        errors: share of 5xx that it may have beyond Django's.
        slowness: how many times Django's p95 its own may be,
        noticeable_ms: and by how much it may be longer in any case.
        settled_days: how long it has answered everybody before Django's view goes.
    """

    compared: int = 200
    parity: float = 0.98
    answers: int = 200
    errors: float = 0.01
    slowness: float = 1.5
    noticeable_ms: float = 50.0
    settled_days: int = 14


THRESHOLDS: Final = Thresholds()


def next_stage(figures: EndpointFigures, *, allowed: Collection[Stage]) -> Stage | None:
    """Give the stage that it would move to; None if it has arrived, or the plan allows no further one."""
    stages = list(Stage)
    further = stages[stages.index(figures.standing.stage) + 1 :]
    return next(
        (stage for stage in further if stage in allowed and (stage is not Stage.SHADOW or figures.is_compared)), None
    )


def lacks(
    figures: EndpointFigures, *, allowed: Collection[Stage], now: datetime, thresholds: Thresholds = THRESHOLDS
) -> tuple[str, ...]:
    """Say what is missing before the next stage; empty if nothing is."""
    target = next_stage(figures, allowed=allowed)
    if not figures.has_handler:
        return ("has no handler",)
    if target is None:
        stage = figures.standing.stage
        return () if stage in _ARRIVED else (f"the plan allows no stage beyond {stage}",)
    found = ["tripped: re-arm it"] if figures.standing.is_tripped else []
    if target is not Stage.SHADOW:
        found += (f"auth demands differ: {difference}" for difference in figures.auth_lacking)
        found += _of_comparisons(figures, thresholds) if figures.is_compared else ()
        found += _of_latency(figures, thresholds)
    if target in _ARRIVED:
        found += _of_answers(figures, thresholds)
    if target is Stage.RETIRED:
        found += _of_time(figures, now, thresholds)
    return tuple(found)


def _of_comparisons(figures: EndpointFigures, thresholds: Thresholds) -> Iterator[str]:
    parity = figures.parity
    if parity.compared < thresholds.compared:
        yield f"needs {thresholds.compared:,} compared answers, has {parity.compared:,}"
    elif parity.lower_bound < thresholds.parity:
        yield f"parity's lower bound {parity.lower_bound:.3f} is below {thresholds.parity:g}"
    if parity.compared > parity.matches:
        yield f"{parity.compared - parity.matches:,} of {parity.compared:,} compared answers differ"
    if writes := parity.by_verdict.get(Verdict.WRITES):
        yield f"its handler tried to write {writes:,} times while it was compared"
    yield from _unseen(figures, parity.by_role, "compared")
    yield from _unseen_classes(figures.legacy.by_class, parity.by_class, "compared")


def _of_answers(figures: EndpointFigures, thresholds: Thresholds) -> Iterator[str]:
    bridge, legacy = figures.bridge, figures.legacy
    if bridge.requests < thresholds.answers:
        yield f"needs {thresholds.answers:,} answers of the bridge, has {bridge.requests:,}"
    if bridge.error_rate > legacy.error_rate + thresholds.errors:
        yield f"{bridge.error_rate:.1%} of the bridge's answers are 5xx, of Django's {legacy.error_rate:.1%}"
    yield from _unseen(figures, bridge.by_role, "answered by the bridge")


def _of_latency(figures: EndpointFigures, thresholds: Thresholds) -> Iterator[str]:
    bridge, legacy = figures.bridge.latency(0.95), figures.legacy.latency(0.95)
    if bridge is None or legacy is None:
        return
    if bridge > legacy * thresholds.slowness and bridge - legacy > thresholds.noticeable_ms:
        yield f"its p95 of {bridge:.0f} ms is {bridge / legacy:.1f} times Django's {legacy:.0f} ms"


def _of_time(figures: EndpointFigures, now: datetime, thresholds: Thresholds) -> Iterator[str]:
    since = now - figures.changed_at if figures.changed_at else timedelta(0)
    if since.days < thresholds.settled_days:
        yield f"migrated for {since.days} days, needs {thresholds.settled_days}"


def _unseen(figures: EndpointFigures, seen: Mapping[str, int], done: str) -> Iterator[str]:
    """Name the kinds of user that ask, or may be among those of whom Django does not say who they are."""
    asked = figures.legacy.by_role
    untold = asked.get(_UNTOLD_ROLE, 0)
    missing = [role for role in _IN_WORDS if not seen.get(role)]
    if seen.get("superuser") and "staff" in missing:
        missing.remove("staff")  # whoever may do all sees what staff see
    for role in missing:
        if requests := asked.get(role):
            yield f"no {_IN_WORDS[role]} {done}, of {requests:,} requests"
        elif untold and role in figures.users:
            yield f"no {_IN_WORDS[role]} {done}; of {untold:,} requests Django does not say who asked"


def _unseen_classes(wanted: Mapping[int, int], seen: Mapping[int, int], done: str) -> Iterator[str]:
    for status_class in _CLASSES_THAT_MATTER:
        if (requests := wanted.get(status_class, 0)) and not seen.get(status_class):
            yield f"status class {status_class}xx never {done}, of {requests:,} requests"
