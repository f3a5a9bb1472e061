"""Which app answers on which endpoint: what is in force in this process."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Final

from bridge.cutover.plan import Plan
from bridge.cutover.stages import NEVER_MOVED, Standing
from bridge.errors import DatabaseError
from bridge.services.endpoints import in_words
from bridge.store.endpoints import Endpoints, StoredStanding

__all__ = ["Stages", "follow"]

_logger: Final = logging.getLogger(__name__)
_PATIENCE: Final = timedelta(seconds=2)


class Stages:
    """What is in force, in memory: one for each process, never older than the last ``look``.

    A database that is away changes nothing, and what was never read is Django's. A stage beyond the plan is obeyed:
    whoever set it had another plan, or none, but a process that would not follow could not be rolled back either.

    Args:
        endpoints: the stages.
        plan: what they may be; None: whatever a plan allows that says nothing.
        patience: how long a look may take.
    """

    def __init__(self, endpoints: Endpoints, *, plan: Plan | None = None, patience: timedelta = _PATIENCE) -> None:
        self._endpoints = endpoints
        self._plan = plan or Plan()
        self._patience = patience
        self._lock = asyncio.Lock()
        self._stored: Mapping[str, Standing] = {}
        self._tripped: Mapping[str, int] = {}
        self._in_force: Mapping[str, Standing] = {}
        self._is_away = False
        self._not_understood: frozenset[tuple[str, str]] = frozenset()
        self._beyond_plan: frozenset[int] = frozenset()

    @property
    def in_force(self) -> Mapping[str, Standing]:
        """Every operation that was ever moved, by its shape."""
        return self._in_force

    def of(self, shape: str) -> Standing:
        """Give what is in force for an operation."""
        return self._in_force.get(shape, NEVER_MOVED)

    async def look(self) -> None:
        """Read anew; a database that is away, or does not answer, is told of once."""
        async with self._lock:  # of two looks the later one stands
            try:
                async with asyncio.timeout(self._patience.total_seconds()):
                    stored = await self._endpoints.all()
            except (DatabaseError, TimeoutError) as exc:
                if not self._is_away:
                    _logger.warning("the stages of endpoints are not read, the last ones stay: %s", type(exc).__name__)
                self._is_away = True
                return
            if self._is_away:
                _logger.info("the stages of endpoints are read again")
            self._is_away = False
            self._take(stored)

    def trip_locally(self, shape: str) -> None:
        """Let Django answer in this process, whatever the database says, until the operation is moved there."""
        self._tripped = {**self._tripped, shape: self._stored.get(shape, NEVER_MOVED).version}
        self._combine()

    def _take(self, stored: Sequence[StoredStanding]) -> None:
        not_understood = frozenset((each.operation, each.stage) for each in stored if not each.is_known)
        for operation, stage in sorted(not_understood - self._not_understood):
            _logger.warning("%s is %s, which this version does not know: Django answers", operation, stage)
        self._not_understood = not_understood
        self._warn_beyond_plan(stored)
        self._stored = {each.operation: each.standing for each in stored}
        self._combine()

    def _warn_beyond_plan(self, stored: Sequence[StoredStanding]) -> None:
        beyond = {
            each.standing.version: each for each in stored if not self._plan.allows(each.operation, each.standing.stage)
        }
        for version in sorted(beyond.keys() - self._beyond_plan):
            new = beyond[version]
            stage = in_words(new.stage, new.share)
            _logger.warning("%s is %s, beyond this process's plan; it is in force all the same", new.operation, stage)
        self._beyond_plan = frozenset(beyond)

    def _combine(self) -> None:
        versions = {shape: standing.version for shape, standing in self._stored.items()}
        self._tripped = {shape: at for shape, at in self._tripped.items() if versions.get(shape, 0) == at}
        tripped = {shape: Standing(version=at, is_tripped=True) for shape, at in self._tripped.items()}
        self._in_force = {**self._stored, **tripped}


async def follow(stages: Stages, *, every: timedelta) -> None:
    """Keep a process by what is in force, for as long as it runs."""
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            await stages.look()
        except Exception:
            # A process that stopped to follow could not be rolled back any more.
            _logger.exception("the stages of endpoints were not understood, the last ones stay")
