"""Counts for all replicas: at once in memory, then in the database."""

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final, Generic, TypeVar

from prometheus_client import Counter as Metric

from bridge.errors import DatabaseError
from bridge.store.database import Database, Executor

__all__ = ["Tally"]

Kind = TypeVar("Kind")

_PATIENCE: Final = timedelta(seconds=5)
_logger: Final = logging.getLogger(__name__)


class Tally(Generic[Kind]):
    """What one process counted; the database adds up the tallies of all.

    Nothing but ``flush`` waits or does I/O, and nothing grows with how often something happens. A process that is
    killed loses what no flush has written.

    Args:
        name: of what is counted, for the log.
        database: where the counts belong.
        write: adds them there, in a transaction.
        most: how many kinds are kept while the database is away.
        lost: what may never have reached it.
    """

    def __init__(
        self,
        name: str,
        *,
        database: Database,
        write: Callable[[Counter[Kind], Executor], Awaitable[None]],
        most: int,
        lost: Metric,
    ) -> None:
        self._name = name
        self._database = database
        self._write = write
        self._most = most
        self._lost = lost
        self._pending: Counter[Kind] = Counter()
        self._is_behind = False
        self._lock = asyncio.Lock()

    def add(self, kind: Kind) -> None:
        """Count one more."""
        if kind in self._pending or len(self._pending) < self._most:
            self._pending[kind] += 1
        else:
            self._lost.inc()

    async def flush(self) -> None:
        """Write what was counted, in one transaction; a database that is away gets it the next time."""
        async with self._lock:  # once this returns, what another flush had taken is written as well
            if self._pending:
                await self._flush()

    async def keep_flushing(self, every: timedelta) -> None:
        """Flush for as long as the service runs; whoever cancels this flushes once more."""
        while True:
            await asyncio.sleep(every.total_seconds())
            await self.flush()

    async def _flush(self) -> None:
        taken, self._pending = self._pending, Counter()
        is_undecided = False
        try:
            async with asyncio.timeout(_PATIENCE.total_seconds()), self._database.transaction() as transaction:
                await self._write(taken, transaction)
                # A COMMIT whose answer is lost may have held: nothing is counted twice.
                is_undecided = True
        except BaseException as exc:
            if is_undecided:
                self._lost.inc(taken.total())
            else:
                self._take_back(taken)
            if not isinstance(exc, DatabaseError | TimeoutError):
                raise
            self._fall_behind(exc)
        else:
            self._is_behind = False

    def _take_back(self, taken: Counter[Kind]) -> None:
        # What was counted meanwhile comes on top: it is the less of the two.
        taken.update(self._pending)
        self._pending = taken

    def _fall_behind(self, exc: DatabaseError | TimeoutError) -> None:
        if not self._is_behind:
            _logger.warning("%s is kept until the database takes it: %s", self._name, type(exc).__name__)
        self._is_behind = True
