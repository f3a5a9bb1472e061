"""How long Django took for an operation: what a slow handler is set against once Django is not asked any more."""

from datetime import datetime, timedelta
from typing import Final

from bridge.cutover.stages import Side
from bridge.cutover.tripping import SideSample
from bridge.services.clock import Clock
from bridge.services.traffic import run_of
from bridge.store.traffic import EndpointCounts

__all__ = ["KEPT_FOR", "Baselines"]

KEPT_FOR: Final = timedelta(minutes=5)
"""Also where they could not be read: what takes the database too long is not to be asked all the time."""

_SIDES: Final = (Side.LEGACY.value, run_of(Side.LEGACY))


class Baselines:
    """What all replicas counted of Django's answers, as far back as that is kept: busy hours and quiet ones.

    It is read when it is asked for, and known for a while.
    """

    def __init__(self, counts: EndpointCounts, *, clock: Clock) -> None:
        self._counts = counts
        self._clock = clock
        self._read: dict[str, tuple[datetime, SideSample]] = {}

    async def of(self, operation: str) -> SideSample:
        """Give Django's latencies; no errors are among them.

        Raises:
            DatabaseError: they could not be read.
        """
        now = self._clock()
        at, sample = self._read.get(operation, (None, SideSample()))
        if at is None or not timedelta() <= now - at < KEPT_FOR:
            self._read[operation] = (now, sample)
            latencies = await self._counts.latencies(operation, sides=_SIDES)
            sample = SideSample(answers=sum(latencies.values()), latencies=latencies)
            self._read[operation] = (now, sample)
        return sample
