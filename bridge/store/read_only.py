"""Runs that may only read: everything that a piece of work asks the database, in one place and without effect."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from contextvars import ContextVar

from bridge.errors import DatabaseUnavailable, ReadOnlyDatabase
from bridge.store.database import Executor, Parameters, Row

__all__ = ["Pin", "ReadOnlyRun", "is_inside_run"]

_inside: ContextVar[bool] = ContextVar("bridge.inside_read_only", default=False)


def is_inside_run() -> bool:
    """Tell whether the current context belongs to a run that may only read, on whatever database."""
    return _inside.get()


class ReadOnlyRun:
    """Passes statements on, one at a time, until the run is over.

    Attributes:
        tried_to_write: whether any of them would have written, whatever became of the refusal.
    """

    def __init__(self, executor: Executor) -> None:
        self.tried_to_write = False
        self._executor = executor
        self._turn = asyncio.Lock()
        self._is_over = False

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        """Give the first row, or None."""
        async with self._reading() as executor:
            return await executor.fetch_one(statement, parameters)

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        """Give every row."""
        async with self._reading() as executor:
            return await executor.fetch_all(statement, parameters)

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        """Run a statement that has nothing to give."""
        async with self._reading() as executor:
            return await executor.execute(statement, parameters)

    async def end(self) -> None:
        """Let nothing more through, and wait for what is under way."""
        self._is_over = True
        async with self._turn:
            return

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[Executor]:
        async with self._turn:
            # A task that outlives the work it came from must not write after all, on a connection that may.
            if self._is_over:
                raise DatabaseUnavailable("the read-only run is over")
            try:
                yield self._executor
            except ReadOnlyDatabase:
                self.tried_to_write = True
                raise


class Pin:
    """The run that the current context belongs to, in tasks and threads that copied it as well."""

    def __init__(self) -> None:
        # One for each database, and so for each process: nothing that a context could keep alive for nothing.
        self._run: ContextVar[ReadOnlyRun | None] = ContextVar("bridge.read_only", default=None)

    @property
    def run(self) -> ReadOnlyRun | None:
        """Give it; None outside of any."""
        return self._run.get()

    @asynccontextmanager
    async def held(self, executor: Executor) -> AsyncIterator[ReadOnlyRun]:
        """Make all work inside a run on ``executor``."""
        run = ReadOnlyRun(executor)
        token, outside = self._run.set(run), _inside.set(True)
        try:
            yield run
        finally:
            _inside.reset(outside)
            self._run.reset(token)
            await run.end()
