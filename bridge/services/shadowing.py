"""What becomes of two answers to one request: a verdict, which is counted, and differences, which are kept."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol

from prometheus_client import CollectorRegistry, Counter

from bridge.cutover import Answer, Comparison, Difference, Plan, Side, Verdict, compare, is_comparable, without_noise
from bridge.errors import DatabaseError
from bridge.services.clock import Clock
from bridge.store.differences import Differences

__all__ = ["FIRST_SERVER_ERROR", "Pair", "ShadowCounts", "Shadowing"]

FIRST_SERVER_ERROR: Final = 500
"""As a status of Django's, it is nothing to be equal to."""

_MOST_KINDS: Final = 500
"""Of differences, an operation and process: keys that are data (dates, names) make a place each."""

_logger: Final = logging.getLogger(__name__)


class ShadowCounts(Protocol):
    """Who counts; ``bridge.services.traffic.Traffic`` does."""

    def compared(self, operation: str, *, role: str, status: int, verdict: Verdict) -> None:
        """Count a verdict; the status is Django's."""
        ...

    def ran(self, operation: str, *, side: Side, role: str, status: int, seconds: float) -> None:
        """Count an answer that no client got."""
        ...


@dataclass(frozen=True, slots=True)
class Pair:
    """Both apps' answers to one request.

    Attributes:
        legacy: Django's; None if it gave none in time.
        candidate: the new handler's; None if it raised, or gave none in time.
        role: the kind of user that asked.
        head: whether HEAD was asked.
        host: that the client asked for.
        tried_to_write: whether the candidate did, where it was only to read.
    """

    legacy: Answer | None
    candidate: Answer | None
    role: str
    head: bool = False
    host: str = ""
    tried_to_write: bool = False

    @property
    def is_comparable(self) -> bool:
        """Tell whether what was asked for is there to be compared: of HEAD, no body."""
        given = (self.legacy, self.candidate)
        return all(answer is not None and (self.head or is_comparable(answer)) for answer in given)


AskAgain = Callable[[], Awaitable[Answer | None]]


class Shadowing:
    """Judges answers by the rules of the plan.

    Args:
        digest_key: of the digests by which equal values are told; the same in all replicas.

    Attributes:
        seconds_spent: of a processor's time, on comparing.
    """

    def __init__(
        self,
        *,
        counts: ShadowCounts,
        differences: Differences,
        plan: Plan,
        digest_key: bytes,
        registry: CollectorRegistry,
        clock: Clock,
    ) -> None:
        self.seconds_spent = 0.0
        self._counts = counts
        self._differences = differences
        self._plan = plan
        self._digest_key = digest_key
        self._clock = clock
        self._kinds: dict[str, set[tuple[str, str, str, str]]] = {}
        self._is_behind = False
        self._lost = Counter(
            "bridge_differences_lost",
            "Differences that were found and not kept: there were too many, or the database was away.",
            registry=registry,
        )

    def count(self, operation: str, verdict: Verdict, *, role: str, status: int) -> None:
        """Count what came to nothing: it was skipped, or dropped."""
        self._counts.compared(operation, role=role, status=status, verdict=verdict)

    def ran(self, operation: str, *, side: Side, role: str, status: int, seconds: float) -> None:
        """Count an answer that was only asked for to be compared."""
        self._counts.ran(operation, side=side, role=role, status=status, seconds=seconds)

    async def judge(self, operation: str, pair: Pair, *, ask_again: AskAgain) -> Verdict:
        """Compare, keep the differences, and count.

        Args:
            operation: by its shape.
            pair: the answers.
            ask_again: asks Django once more, which happens on a mismatch only; None if it gave no answer in time.
        """
        verdict, found = await self._judged(pair, self._plan.of(operation).comparison, ask_again)
        if found:
            await self._keep(operation, found)
        self.count(operation, verdict, role=pair.role, status=pair.legacy.status if pair.legacy else 0)
        return verdict

    async def _judged(
        self, pair: Pair, rules: Comparison, ask_again: AskAgain
    ) -> tuple[Verdict, tuple[Difference, ...]]:
        legacy, candidate = pair.legacy, pair.candidate
        if pair.tried_to_write:
            return Verdict.WRITES, ()
        if legacy is None or legacy.status >= FIRST_SERVER_ERROR:
            return Verdict.SKIPPED, ()  # nothing to be equal to
        if candidate is None:
            return Verdict.FAILED, ()
        found = await self._compared(legacy, candidate, pair, rules)
        if candidate.status >= FIRST_SERVER_ERROR:
            return Verdict.FAILED, found
        if not found:
            return (Verdict.MATCH if pair.is_comparable else Verdict.SKIPPED), ()
        return await self._confirmed(pair, legacy, found, rules, await ask_again())

    async def _confirmed(
        self, pair: Pair, legacy: Answer, found: tuple[Difference, ...], rules: Comparison, again: Answer | None
    ) -> tuple[Verdict, tuple[Difference, ...]]:
        """Leave out what Django does not agree with itself about."""
        if again is None or again.status >= FIRST_SERVER_ERROR:
            return Verdict.SKIPPED, ()
        if again.status != legacy.status:
            return Verdict.NOISE, ()
        left = without_noise(found, await self._compared(legacy, again, pair, rules))
        return (Verdict.MISMATCH if left else Verdict.NOISE), left

    async def _compared(
        self, legacy: Answer, candidate: Answer, pair: Pair, rules: Comparison
    ) -> tuple[Difference, ...]:
        if legacy == candidate and pair.is_comparable:
            return ()

        def timed() -> tuple[tuple[Difference, ...], float]:
            began = time.thread_time()
            found = compare(legacy, candidate, rules=rules, head=pair.head, host=pair.host, key=self._digest_key)
            return found, time.thread_time() - began

        # In a thread: of bodies that are large it takes a while, and other requests wait for their answers.
        found, seconds = await asyncio.to_thread(timed)
        self.seconds_spent += seconds
        return found

    async def _keep(self, operation: str, found: Sequence[Difference]) -> None:
        known = [each for each in found if self._is_within_bounds(operation, each)]
        self._lost.inc(len(found) - len(known))
        now = self._clock()
        expires_at = now + timedelta(days=self._plan.of(operation).comparison.keep_days)
        try:
            await self._differences.add(operation, known, now=now, expires_at=expires_at)
        except DatabaseError as exc:
            self._lost.inc(len(known))
            if not self._is_behind:
                _logger.warning("differences are not kept until the database takes them: %s", type(exc).__name__)
            self._is_behind = True
        else:
            self._is_behind = False

    def _is_within_bounds(self, operation: str, found: Difference) -> bool:
        kinds = self._kinds.setdefault(operation, set())
        kind = (found.place, found.kind, found.legacy, found.candidate)
        if kind not in kinds and len(kinds) >= _MOST_KINDS:
            return False
        kinds.add(kind)
        return True
