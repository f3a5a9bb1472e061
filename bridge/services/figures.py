"""What all replicas have counted of each endpoint, added up."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, Self

from bridge.cutover.demands import Demands
from bridge.cutover.inventory import Pair
from bridge.cutover.parity import Verdict
from bridge.cutover.stages import NEVER_MOVED, Side
from bridge.progress.endpoints import EndpointFigures, ParityFigures, SideFigures
from bridge.services.traffic import run_of
from bridge.store.endpoints import StoredStanding
from bridge.store.traffic import Answered, Compared, EndpointCounts

__all__ = ["PERIOD", "Figures", "first_hour"]

PERIOD: Final = timedelta(days=14)

_VERDICTS: Final = frozenset(Verdict)


def first_hour(period: timedelta, *, now: datetime) -> datetime:
    """Give the hour from which on a period counts: traffic is counted by the hour."""
    return (now - period).replace(minute=0, second=0, microsecond=0)


class Figures:
    """What was counted, by operation."""

    def __init__(
        self,
        *,
        answered: Sequence[tuple[Answered, int]],
        compared: Sequence[tuple[Compared, int]],
        standings: Iterable[StoredStanding],
    ) -> None:
        self._requests = defaultdict[tuple[str, str], list[tuple[str, int, int, int]]](list)
        self._comparisons = defaultdict[str, list[tuple[str, int, Verdict, int]]](list)
        self._standings = {each.operation: each for each in standings}
        for row, count in answered:
            self._requests[row.operation, row.side].append((row.role, row.status_class, row.le_ms, count))
        for comparison, count in compared:
            # A newer version beside this one may have written a verdict that this one does not know.
            if comparison.verdict in _VERDICTS:
                self._comparisons[comparison.operation].append(
                    (comparison.role, comparison.status, Verdict(comparison.verdict), count)
                )

    @classmethod
    async def read(cls, counts: EndpointCounts, standings: Iterable[StoredStanding], *, since: datetime) -> Self:
        """Read what was counted from an hour on.

        Args:
            counts: of all replicas.
            standings: every operation that was ever moved.
            since: that hour.
        """
        return cls(
            answered=await counts.answered(since), compared=await counts.compared(since.date()), standings=standings
        )

    @property
    def operations(self) -> frozenset[str]:
        """Name those that were moved or asked for."""
        return frozenset((*self._standings, *(operation for operation, _ in self._requests)))

    def of(self, shape: str, pair: Pair | None) -> EndpointFigures:
        """Add up what there is of one operation."""
        stored = self._standings.get(shape)
        return EndpointFigures(
            operation=shape,
            standing=stored.standing if stored else NEVER_MOVED,
            changed_at=stored.changed_at if stored else None,
            has_handler=pair is not None and pair.handler is not None,
            is_at_site=pair is None or pair.legacy is not None,
            legacy=self._side(shape, Side.LEGACY),
            bridge=self._side(shape, Side.BRIDGE),
            parity=ParityFigures.of(self._comparisons.get(shape, ())),
            auth_differences=pair.differences if pair else (),
            auth_lacking=pair.lacking if pair else (),
            users=(pair.legacy.demands if pair and pair.legacy else Demands()).users,
        )

    def _side(self, shape: str, side: Side) -> SideFigures:
        runs = self._requests.get((shape, run_of(side)), ())
        return SideFigures.of(
            self._requests.get((shape, side.value), ()), ((bound, count) for _, _, bound, count in runs)
        )
