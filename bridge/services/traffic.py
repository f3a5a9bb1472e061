"""Counts what each app answers, and what comes of comparing them: at once in memory, then for all replicas."""

from collections import Counter
from collections.abc import Callable, Iterable
from datetime import timedelta
from functools import cache
from typing import Final

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client import Counter as Metric

from bridge.cutover.latency import BOUNDS, bound_of
from bridge.cutover.operations import LONGEST_OPERATION
from bridge.cutover.parity import Verdict
from bridge.cutover.stages import Side
from bridge.cutover.tripping import Observed
from bridge.cutover.window import Window
from bridge.services.clock import Clock
from bridge.services.tally import Tally
from bridge.store.database import Database, Executor
from bridge.store.text import is_storable
from bridge.store.traffic import Answered, Compared, EndpointCounts

__all__ = ["FLUSH_EVERY", "KEPT", "MOST_KEPT", "OTHER", "ROLES", "UNNAMED", "Traffic", "run_of"]

OTHER: Final = "other"
"""The operation of what goes to Django and is in no table, and of preflights."""

UNNAMED: Final = "unnamed"
"""The operation of those that came once there were no more names to give, and of those whose name cannot be stored."""

ROLES: Final = frozenset({"anonymous", "user", "staff", "superuser", "unknown"})
FLUSH_EVERY: Final = timedelta(seconds=5)
KEPT: Final = timedelta(days=90)

_MOST_OPERATIONS: Final = 2_000
"""Besides those that have a handler: the site may have more, and anybody can ask for all of them."""

MOST_KEPT: Final = 50_000
"""Some ten megabytes."""

_LEAST_STATUS: Final = 100
_FIRST_REFUSAL: Final = 400
_GREATEST_STATUS: Final = 599


def run_of(side: Side) -> str:
    """Name the runs that only served a comparison: no client got their answers, and they are no traffic."""
    return f"{side} shadow"


class Traffic:
    """The counters of one process; the database adds up those of all.

    Nothing but ``flush`` waits or does I/O, and nothing grows with the number of requests.

    Args:
        window_of: how far back ``window`` looks, by operation (``OperationPlan.trip.window``).
        handled: the operations that have a handler: they trip by what is counted, and keep their names in any case.
        most_kept: how many kinds of requests and comparisons are kept while the database is away.
    """

    def __init__(
        self,
        *,
        database: Database,
        registry: CollectorRegistry,
        clock: Clock,
        window_of: Callable[[str], timedelta],
        handled: Iterable[str] = (),
        most_kept: int = MOST_KEPT,
    ) -> None:
        self._counts = EndpointCounts(database)
        self._clock = clock
        self._window_of = window_of
        self._operations = {OTHER, UNNAMED, *filter(_fits, handled)}
        self._most_operations = len(self._operations) + _MOST_OPERATIONS
        self._windows: dict[str, Window] = {}
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
        comparisons = Metric(
            "bridge_shadow",
            "Comparisons of both apps' answers, by operation and by what came of them.",
            ["operation", "verdict"],
            registry=registry,
        )
        # As many as there are names: a look-up by labels costs more than the count.
        self._requests = cache(requests.labels)
        self._durations = cache(durations.labels)
        self._comparisons = cache(comparisons.labels)
        self._tally: Tally[Answered | Compared] = Tally(
            "endpoint traffic",
            database=database,
            write=self._write,
            most=most_kept,
            lost=Metric("bridge_traffic_lost", "Counts that may never have reached the database.", registry=registry),
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
        self._comparisons(name, verdict.value).inc()
        if status < _FIRST_REFUSAL:
            # What Django refuses any client can make differ, by a Host or a type that it does not know.
            self._window(name).compared(verdict, at=now)
        status = status if _class_of(status) else 0
        self._tally.add(Compared(now.date(), name, _role(role), status, verdict.value))

    def window(self, operation: str) -> Observed:
        """Give what this process saw of an operation lately."""
        window = self._windows.get(operation)
        return Observed() if window is None else window.observed(at=self._clock())

    def forget(self, operation: str) -> None:
        """Let what was seen of an operation so far not count any more for ``window``."""
        self._windows.pop(operation, None)

    async def flush(self) -> None:
        """Write what was counted; a database that is away gets it the next time."""
        await self._tally.flush()

    async def keep_flushing(self, every: timedelta = FLUSH_EVERY) -> None:
        """Flush for as long as the service runs; whoever cancels this flushes once more."""
        await self._tally.keep_flushing(every)

    def _answered(self, name: str, side: Side, kind: str, *, role: str, status: int, seconds: float) -> None:
        now = self._clock()
        self._durations(name, kind).observe(seconds)
        # What only Django answers cannot trip: it has no window.
        if side is Side.BRIDGE or name in self._windows:
            self._window(name).answered(side, status=status, seconds=seconds, at=now)
        hour = now.replace(minute=0, second=0, microsecond=0)
        self._tally.add(Answered(hour, name, kind, _role(role), _class_of(status), bound_of(seconds)))

    def _window(self, name: str) -> Window:
        window = self._windows.get(name)
        if window is None:
            window = self._windows[name] = Window(self._window_of(name))
        return window

    def _name(self, operation: str | None) -> str:
        if operation is None:
            return OTHER
        if operation in self._operations:
            return operation
        if len(self._operations) >= self._most_operations or not _fits(operation):
            return UNNAMED
        self._operations.add(operation)
        return operation

    async def _write(self, counts: Counter[Answered | Compared], executor: Executor) -> None:
        answered = {kind: count for kind, count in counts.items() if isinstance(kind, Answered)}
        compared = {kind: count for kind, count in counts.items() if isinstance(kind, Compared)}
        await self._counts.add(answered, compared, executor=executor)


def _fits(operation: str) -> bool:
    return 0 < len(operation) <= LONGEST_OPERATION and is_storable(operation)


def _role(role: str) -> str:
    return role if role in ROLES else "unknown"


def _class_of(status: int) -> int:
    return status // 100 if _LEAST_STATUS <= status <= _GREATEST_STATUS else 0
