"""Draws up how far the endpoints have moved."""

from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Final

from bridge.cutover.inventory import Pair
from bridge.cutover.operations import path_first
from bridge.cutover.plan import Plan
from bridge.progress.cutover import CutoverReport, EndpointReport
from bridge.progress.endpoints import DifferingPlace
from bridge.services.clock import Clock
from bridge.services.figures import PERIOD, Figures, first_hour
from bridge.services.traffic import OTHER, UNNAMED
from bridge.store.endpoints import Endpoints
from bridge.store.traffic import EndpointCounts

__all__ = ["CutoverReporting"]

_MOST_PLACES: Final = 10
_NO_OPERATIONS: Final = frozenset({OTHER, UNNAMED})


class CutoverReporting:
    """Reads the stages and the counts of all replicas, and judges them by the plan.

    Args:
        endpoints: the stages.
        counts: what was answered and compared.
        known: the operations of both apps side by side.
        plan: what they may be moved to.
        clock: what time it is.
    """

    def __init__(
        self, *, endpoints: Endpoints, counts: EndpointCounts, known: Iterable[Pair], plan: Plan, clock: Clock
    ) -> None:
        self._endpoints = endpoints
        self._counts = counts
        self._known = {pair.operation.shape: pair for pair in known}
        self._plan = plan
        self._clock = clock

    async def report(self, *, period: timedelta = PERIOD) -> CutoverReport:
        """Draw up the report; its figures go back for a period."""
        now, known = self._clock(), self._known
        since = first_hour(period, now=now)
        figures = await Figures.read(self._counts, await self._endpoints.all(), since=since)
        places = defaultdict[str, list[DifferingPlace]](list)
        for shape, place in await self._counts.differing(since, now=now, most=_MOST_PLACES):
            places[shape].append(place)
        shapes = sorted((known.keys() | figures.operations) - _NO_OPERATIONS, key=path_first)
        return CutoverReport(
            generated_at=now,
            since=since,
            endpoints=tuple(
                EndpointReport.of(
                    replace(figures.of(shape, known.get(shape)), differences=tuple(places[shape])),
                    allowed=self._plan.of(shape).allowed,
                    now=now,
                )
                for shape in shapes
            ),
            other_requests=sum(figures.of(name, None).requests for name in _NO_OPERATIONS),
            never_seen=self._never_seen(shapes, await self._counts.seen()),
        )

    def _never_seen(self, shapes: Iterable[str], seen: Collection[str]) -> tuple[str, ...] | None:
        at_site = {shape for shape, pair in self._known.items() if pair.legacy}
        return None if UNNAMED in seen else tuple(each for each in shapes if each in at_site and each not in seen)
