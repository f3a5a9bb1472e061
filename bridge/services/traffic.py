"""Counts what each app answers, and what comes of comparing them: at once in memory, then for all replicas."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Final, TypeVar

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as Metric

from bridge.cutover.latency import BOUNDS, bound_of
from bridge.cutover.operations import LONGEST_OPERATION
from bridge.cutover.parity import Verdict
from bridge.cutover.stages import Side
from bridge.cutover.tripping import Observed
from bridge.cutover.window import Window
from bridge.errors import DatabaseError
from bridge.services.clock import Clock
from bridge.store.database import Database
from bridge.store.text import is_storable
from bridge.store.traffic import Answered, Compared, EndpointCounts

__all__ = ["FLUSH_EVERY", "KEPT", "MOST_KEPT", "OTHER", "ROLES", "Traffic", "run_of"]

OTHER: Final = "other"
"""The operation of what goes to Django and is in no table."""

ROLES: Final = frozenset({"anonymous", "user", "staff", "superuser", "unknown"})
FLUSH_EVERY: Final = timedelta(seconds=5)
KEPT: Final = timedelta(days=90)
_PATIENCE: Final = timedelta(seconds=5)

_MOST_OPERATIONS: Final = 2_000
MOST_KEPT: Final = 50_000
"""Some ten megabytes."""

_Key = TypeVar("_Key", Answered, Compared)

_LEAST_STATUS: Final = 100
_FIRST_REFUSAL: Final = 400
_GREATEST_STATUS: Final = 599
_logger: Final = logging.getLogger(__name__)


def run_of(side: Side) -> str:
    """Name the runs that only served a comparison: no client got their answers, and they are no traffic."""
    return f"{side} shadow"


@dataclass(slots=True)
class _Pending:
    """What no flush has written yet."""

    answered: Counter[Answered] = field(default_factory=Counter)
    compared: Counter[Compared] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.answered) + len(self.compared)


class Traffic:
    """The counters of one process; the database adds up those of all.

    Nothing but ``flush`` waits or does I/O, and nothing grows with the number of requests.

    Args:
        window_of: how far back ``window`` looks, by operation (``OperationPlan.trip.window``).
        most_kept: how many kinds of requests and comparisons are kept while the database is away.
    """

    def __init__(
        self,
        *,
        database: Database,
        registry: CollectorRegistry,
        clock: Clock,
        window_of: Callable[[str], timedelta],
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._database = database
        self._counts = EndpointCounts(database)
        self._clock = clock
        self._window_of = window_of
        self._most_kept = most_kept
        self._pending = _Pending()
        self._operations = {OTHER}
        self._windows: dict[str, Window] = {}
        self._is_behind = False
        requests = Metric(
            "bridge_requests",
            "Requests by operation, by the app that answered and by class of status.",
            ["operation", "side", "status"],
            registry=registry,
        )
        durations = Histogram(
            "bridge_request_duration_seconds",
            "How long answers took, by operation and app.",
            ["operation", "side"],
            registry=registry,
            buckets=[bound / 1000 for bound in BOUNDS[2::3]],
        )
        self._comparisons = Metric(
            "bridge_shadow",
            "Comparisons of both apps' answers, by operation and by what came of them.",
            ["operation", "verdict"],
            registry=registry,
        )
        # As many as there are names: a look-up by labels costs more than the count.
        self._requests = cache(requests.labels)
        self._durations = cache(durations.labels)
        self._lost = Metric(
            "bridge_traffic_lost", "Counts that may never have reached the database.", registry=registry
        )

    def count(self, operation: str | None, *, side: Side, role: str, status: int, seconds: float) -> None:
        """Count an answer that a client got.

        Args:
            operation: its shape, from a table of operations and never from a path; None if it is in no table.
            side: which app answered.
            role: one of ``ROLES``.
            status: of HTTP.
            seconds: until the answer was complete, without waiting for the client.
        """
        name = self._name(operation)
        self._answered(name, side, side.value, role=role, status=status, seconds=seconds)
        self._requests(name, side.value, f"{_class_of(status)}xx").inc()

    def ran(self, operation: str, *, side: Side, role: str, status: int, seconds: float) -> None:
        """Count an answer that was only compared: the latency is of interest, and it is no traffic."""
        self._answered(self._name(operation), side, run_of(side), role=role, status=status, seconds=seconds)

    def compared(self, operation: str, *, role: str, status: int, verdict: Verdict) -> None:
        """Count a comparison; the status is Django's."""
        name, now = self._name(operation), self._clock()
        self._comparisons.labels(name, verdict.value).inc()
        if status < _FIRST_REFUSAL:
            # What Django refuses any client can make differ, by a Host or a type that it does not know.
            self._window(name).compared(verdict, at=now)
        status = status if _class_of(status) else 0
        self._keep(self._pending.compared, Compared(now.date(), name, _role(role), status, verdict.value))

    def window(self, operation: str) -> Observed:
        """Give what this process saw of an operation lately."""
        window = self._windows.get(operation)
        return Observed() if window is None else window.observed(at=self._clock())

    def forget(self, operation: str) -> None:
        """Let what was seen of an operation so far not count any more for ``window``."""
        self._windows.pop(operation, None)

    async def flush(self) -> None:
        """Write what was counted, in one transaction; a database that is away gets it the next time."""
        if not self._pending:
            return
        taken, self._pending = self._pending, _Pending()
        is_undecided = False
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()), self._database.transaction() as transaction:
                await self._counts.add(taken.answered, taken.compared, executor=transaction)
                # A COMMIT whose answer is lost may have held: nothing is counted twice.
                is_undecided = True
        except BaseException as exc:
            if is_undecided:
                self._lost.inc(taken.answered.total() + taken.compared.total())
            else:
                self._take_back(taken)
            if not isinstance(exc, DatabaseError | TimeoutError):
                raise
            self._fall_behind(exc)
        else:
            self._is_behind = False

    async def keep_flushing(self, every: timedelta = FLUSH_EVERY) -> None:
        """Flush for as long as the service runs; whoever cancels this flushes once more."""
        while True:
            await asyncio.sleep(every.total_seconds())
            await self.flush()

    async def prune(self, *, now: datetime) -> int:
        """Drop the counts whose days are over; give their number."""
        return await self._counts.prune(before=now - KEPT)

    def _answered(self, name: str, side: Side, kind: str, *, role: str, status: int, seconds: float) -> None:
        now = self._clock()
        self._durations(name, kind).observe(seconds)
        # What only Django answers cannot trip: it has no window.
        if side is Side.BRIDGE or name in self._windows:
            self._window(name).answered(side, status=status, seconds=seconds, at=now)
        hour = now.replace(minute=0, second=0, microsecond=0)
        key = Answered(hour, name, kind, _role(role), _class_of(status), bound_of(seconds))
        self._keep(self._pending.answered, key)

    def _window(self, name: str) -> Window:
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = Window(self._window_of(name))
        return window

    def _name(self, operation: str | None) -> str:
        if operation is None or operation in self._operations:
            return operation or OTHER
        if len(self._operations) >= _MOST_OPERATIONS or not _fits(operation):
            return OTHER
        self._operations.add(operation)
        return operation

    def _keep(self, counter: Counter[_Key], key: _Key) -> None:
        if key in counter or len(self._pending) < self._most_kept:
            counter[key] += 1
        else:
            self._lost.inc()

    def _take_back(self, taken: _Pending) -> None:
        # What was counted meanwhile comes on top: it is the less of the two.
        taken.answered.update(self._pending.answered)
        taken.compared.update(self._pending.compared)
        self._pending = taken

    def _fall_behind(self, exc: DatabaseError | TimeoutError) -> None:
        if not self._is_behind:
            _logger.warning("endpoint traffic is kept until the database takes it: %s", type(exc).__name__)
        self._is_behind = True


def _fits(operation: str) -> bool:
    return 0 < len(operation) <= LONGEST_OPERATION and is_storable(operation)


def _role(role: str) -> str:
    return role if role in ROLES else "unknown"


def _class_of(status: int) -> int:
    return status // 100 if _LEAST_STATUS <= status <= _GREATEST_STATUS else 0
