"""When a refused login is answered: no sooner than the costliest check that the user table demands.

A stored value of 36,000 rounds is checked in a thirtieth of the time of argon2; from the answer's time one would learn
which accounts exist, and whose hash has not been upgraded. So each check that comes to nothing keeps its slot of the
hashing pool for the same time (``HashingPool.run``, ``lingers``). It waits for a slot as long as any other, and makes
others wait as long: neither one answer nor the throughput of many tells what was checked.
"""

import asyncio
import math
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from types import MappingProxyType
from typing import Final

from bridge.errors import HashingUnavailable
from bridge.passwords.policy import Verification
from bridge.passwords.pool import HashingPool

__all__ = ["Floor"]

_MARGIN: Final = 1.15
_UP: Final = 1.25
_DOWN: Final = 0.9995
_HIGHEST: Final = 3.0
_ROUNDS: Final = 5
_RESTS: Final = 4
"""Times as long as each thorough measurement took: logins have the slots meanwhile."""
_STALE: Final = timedelta(hours=1)
"""Machines change their speed."""
_LONGEST: Final = timedelta(seconds=3)
_TICK: Final = timedelta(milliseconds=10)


class Floor:
    """Keeps refused logins waiting until the floor.

    It is never less than the time of the costliest check while every other slot does argon2, with a margin. Above that
    it follows what checks take, which depends on all else that the machine does: it begins at the slowest of some,
    rises at once where one takes longer, and sinks so slowly that one in two hundred of the slow ones may. A value
    that costs more than three seconds does not make everybody wait for as long.

    Args:
        pool: where checks are done.
        clock: in seconds, as ``time.monotonic``.
    """

    def __init__(self, pool: HashingPool, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._pool = pool
        self._clock = clock
        self._costs: Mapping[object, int] = {}
        self._measured_at = -math.inf
        self._lowest = 0.0
        self._height = 0.0
        self._measuring = asyncio.Lock()

    @property
    def height(self) -> timedelta:
        """How long a check that comes to nothing takes at least."""
        return timedelta(seconds=self._height)

    @property
    def is_known(self) -> bool:
        """Whether it has been measured."""
        return self._lowest > 0

    def covers(self, costs: Mapping[object, int]) -> bool:
        """Tell whether what costs at least as much was measured within the last hour."""
        is_fresh = self._clock() - self._measured_at < _STALE.total_seconds()
        return is_fresh and all(self._costs.get(kind, -1) >= cost for kind, cost in costs.items())

    async def measure(
        self, checks: Sequence[Callable[[], object]], *, costs: Mapping[object, int] = MappingProxyType({})
    ) -> None:
        """Find out what the costliest of some checks takes while all other slots do the first, the site's argon2.

        While it is not known, everybody who logs in waits for that: each is done once. Then thoroughly, which takes a
        fifth of the time; what is found to be costlier counts at once. A pool without capacity is to be asked again.

        Args:
            checks: of each kind one, at its highest cost.
            costs: kinds and costs that they stand for, as ``covers`` is asked.
        """
        await self.measured(*checks)
        if not self.is_known:
            return  # whoever logs in would wait for all that follows
        async with self._measuring:
            if await self._measure(checks, times=_ROUNDS, rests=_RESTS):
                self._costs, self._measured_at = dict(costs), self._clock()

    async def measured(self, *checks: Callable[[], object]) -> None:
        """Measure quickly, unless it has been done."""
        if self.is_known:
            return
        async with self._measuring:
            if not self.is_known:
                await self._measure(checks, times=1, rests=0)

    def remaining(self, verdict: Verification, took: float, *, may_pass: bool) -> float:
        """Say how many seconds a check has to linger, and learn from how many it took: none where it lets somebody in.

        Args:
            verdict: what came of it.
            took: seconds.
            may_pass: whether a yes is one; not of an account that is inactive.
        """
        if verdict.valid and may_pass:
            return 0.0
        lacking = self._height - took
        self._learn(took)
        return lacking

    async def _measure(self, checks: Sequence[Callable[[], object]], *, times: int, rests: int) -> bool:
        """Do each so many times, and rest as many times as long after each; tell whether there was capacity for all."""
        least = most = 0.0
        for check in checks:
            rounds: list[float] = []
            try:
                # What once takes less than another at its quickest is not the costliest, however it would go on.
                while len(rounds) < times and min(rounds, default=math.inf) > least:
                    rounds.append(await self._beside(checks[0], check))
                    if self.is_known:
                        self._rise(min(rounds), max(rounds))
                    await asyncio.sleep(rests * rounds[-1])
            except HashingUnavailable:
                return False
            # The quickest is the check's own; what made others slower, the machine may go on doing.
            least, most = max(least, min(rounds)), max(most, *rounds)
        self._lowest = self._lowest_for(least)
        # What was learned is not forgotten at once, nor kept where nothing slow is checked any more.
        self._height = self._within(max(most * _MARGIN, (most * _MARGIN + self._height) / 2))
        return True

    def _rise(self, least: float, most: float) -> None:
        """Let what may be costlier than all that is known count at once; the rest is still to be measured."""
        self._lowest = max(self._lowest, self._lowest_for(least))
        self._height = max(self._height, self._within(most * _MARGIN))

    @staticmethod
    def _lowest_for(least: float) -> float:
        return min(least * _MARGIN, _LONGEST.total_seconds())

    async def _beside(self, others: Callable[[], object], check: Callable[[], object]) -> float:
        """Give what a check takes of a slot while all others are busy."""
        found: list[float] = []

        def note(_: object, took: float) -> float:
            found.append(took)
            return 0.0

        def all_the_while() -> None:
            others()
            others()

        busy = (self._pool.run(all_the_while) for _ in range(self._pool.workers - 1))
        await asyncio.gather(self._pool.run(check, lingers=note), *busy)
        return found[0]

    @staticmethod
    async def release(arrived: float) -> None:
        """Wait for the next tick since a request arrived (``time.perf_counter``).

        What a database needs to find a row, or none, is far less than a tick.
        """
        tick = _TICK.total_seconds()
        await asyncio.sleep(tick - (time.perf_counter() - arrived) % tick)

    def _learn(self, took: float) -> None:
        """Follow a high percentile of slow checks."""
        if took > self._height:
            self._height = self._within(min(took * _MARGIN, self._height * _UP))
        elif took > self._height / 2:
            self._height = self._within(self._height * _DOWN)

    def _within(self, height: float) -> float:
        return max(self._lowest, min(height, self._lowest * _HIGHEST))
