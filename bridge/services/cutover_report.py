"""Draws up how far the endpoints have moved."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Protocol

from bridge.cutover.operations import Operation
from bridge.cutover.parity import Verdict
from bridge.cutover.plan import Plan
from bridge.cutover.stages import Side, Standing
from bridge.progress.cutover import CutoverReport, EndpointReport
from bridge.progress.endpoints import DifferingPlace, EndpointFigures, ParityFigures, SideFigures
from bridge.services.clock import Clock
from bridge.services.traffic import OTHER, run_of
from bridge.store.traffic import Answered, Compared, EndpointCounts

__all__ = ["PERIOD", "CutoverReporting", "KnownEndpoint", "KnownStanding"]

PERIOD: Final = timedelta(days=14)

_MOST_PLACES: Final = 10
_VERDICTS: Final = frozenset(Verdict)


class KnownEndpoint(Protocol):
    """An operation that either app has (``bridge.cutover.inventory.Pair``)."""

    @property
    def operation(self) -> Operation:
        """What it is."""
        ...

    @property
    def legacy(self) -> object | None:
        """Django's endpoint."""
        ...

    @property
    def handler(self) -> object | None:
        """The bridge's."""
        ...

    @property
    def differences(self) -> tuple[str, ...]:
        """How what they demand differs, in words."""
        ...

    @property
    def lacking(self) -> tuple[str, ...]:
        """What the handler does not demand that Django does, in words."""
        ...


class KnownStanding(Protocol):
    """A stage in force (``bridge.store.endpoints.StoredStanding``)."""

    @property
    def operation(self) -> str:
        """Its shape."""
        ...

    @property
    def standing(self) -> Standing:
        """The stage, the share, and whether it was tripped."""
        ...

    @property
    def changed_at(self) -> datetime:
        """Since when."""
        ...


class CutoverReporting:
    """Reads the counts of all replicas and judges them by the plan."""

    def __init__(self, *, counts: EndpointCounts, plan: Plan, clock: Clock) -> None:
        self._counts = counts
        self._plan = plan
        self._clock = clock

    async def report(
        self, known: Iterable[KnownEndpoint], standings: Iterable[KnownStanding], *, period: timedelta = PERIOD
    ) -> CutoverReport:
        """Draw up the report.

        Args:
            known: the operations of both apps side by side.
            standings: every operation that was ever moved.
            period: how far back the figures go.
        """
        now = self._clock()
        since = (now - period).replace(minute=0, second=0, microsecond=0)
        figures = _Figures(
            answered=await self._counts.answered(since),
            compared=await self._counts.compared(since.date()),
            differing=await self._counts.differing(since, most=_MOST_PLACES),
            standings=standings,
        )
        pairs = {pair.operation.shape: pair for pair in known}
        seen = await self._counts.seen()
        shapes = sorted((pairs.keys() | figures.operations) - {OTHER}, key=_by_path)
        return CutoverReport(
            generated_at=now,
            since=since,
            endpoints=tuple(
                EndpointReport.of(figures.of(shape, pairs.get(shape)), allowed=self._plan.of(shape).allowed, now=now)
                for shape in shapes
            ),
            other_requests=figures.of(OTHER, None).requests,
            never_seen=tuple(shape for shape in shapes if shape in pairs and pairs[shape].legacy and shape not in seen),
        )


class _Figures:
    """What was counted, by operation."""

    def __init__(
        self,
        *,
        answered: Sequence[tuple[Answered, int]],
        compared: Sequence[tuple[Compared, int]],
        differing: Sequence[tuple[str, DifferingPlace]],
        standings: Iterable[KnownStanding],
    ) -> None:
        self._requests = defaultdict[tuple[str, str], list[tuple[str, int, int, int]]](list)
        self._comparisons = defaultdict[str, list[tuple[str, int, Verdict, int]]](list)
        self._places = defaultdict[str, list[DifferingPlace]](list)
        self._standings = {each.operation: each for each in standings}
        for row, count in answered:
            self._requests[row.operation, row.side].append((row.role, row.status_class, row.le_ms, count))
        for comparison, count in compared:
            # A newer version beside this one may have written a verdict that this one does not know.
            if comparison.verdict in _VERDICTS:
                self._comparisons[comparison.operation].append(
                    (comparison.role, comparison.status, Verdict(comparison.verdict), count)
                )
        for operation, place in differing:
            self._places[operation].append(place)

    @property
    def operations(self) -> frozenset[str]:
        """Name those that were moved or asked for."""
        return frozenset((*self._standings, *(operation for operation, _ in self._requests)))

    def of(self, shape: str, pair: KnownEndpoint | None) -> EndpointFigures:
        """Add up what there is of one operation."""
        stored = self._standings.get(shape)
        return EndpointFigures(
            operation=shape,
            standing=stored.standing if stored else Standing(),
            changed_at=stored.changed_at if stored else None,
            has_handler=pair is not None and pair.handler is not None,
            is_at_site=pair is None or pair.legacy is not None,
            legacy=self._side(shape, Side.LEGACY),
            bridge=self._side(shape, Side.BRIDGE),
            parity=ParityFigures.of(self._comparisons.get(shape, ())),
            differences=tuple(self._places.get(shape, ())),
            auth_differences=pair.differences if pair else (),
            auth_lacking=pair.lacking if pair else (),
        )

    def _side(self, shape: str, side: Side) -> SideFigures:
        runs = self._requests.get((shape, run_of(side)), ())
        return SideFigures.of(
            self._requests.get((shape, side.value), ()), ((bound, count) for _, _, bound, count in runs)
        )


def _by_path(shape: str) -> tuple[str, str]:
    method, _, path = shape.partition(" ")
    return path, method
