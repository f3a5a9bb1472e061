"""PostgreSQL through psycopg's asynchronous pool."""

import asyncio
import copy
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import lru_cache, partial
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool

from bridge.store.database import (
    COUNTING,
    MOST_CONNECTIONS,
    READ_ONLY_RUNS,
    Batch,
    Dialect,
    Executor,
    KeptBatch,
    Parameters,
    Row,
    numbered,
    pyformat,
)
from bridge.store.postgresql_connections import Connection, try_once
from bridge.store.postgresql_errors import TRANSLATED
from bridge.store.read_only import Pin, ReadOnlyRun

__all__ = ["PostgresqlDatabase"]

_WAIT_SECONDS: Final = 5.0
T = TypeVar("T")


class _PostgresqlExecutor:
    """Runs statements on one connection, each for so many seconds at most.

    One that takes longer is cancelled at the server as well, so that none waits there for nobody.
    """

    def __init__(self, connection: Connection, seconds: float | None) -> None:
        self._connection = connection
        self._seconds = seconds

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        with TRANSLATED:
            return await (await self._run(statement, parameters)).fetchone()

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        with TRANSLATED:
            return await (await self._run(statement, parameters)).fetchall()

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        with TRANSLATED:
            return (await self._run(statement, parameters)).rowcount

    async def _run(self, statement: str, parameters: Parameters | None) -> psycopg.AsyncCursor[DictRow]:
        async with asyncio.timeout(self._seconds):
            return await self._connection.execute(_query(statement), parameters or {})


class _ReadingExecutor(_PostgresqlExecutor):
    """Runs each statement in a savepoint: one that fails leaves the others be, as they are used to from autocommit."""

    async def _run(self, statement: str, parameters: Parameters | None) -> psycopg.AsyncCursor[DictRow]:
        async with self._connection.transaction():
            return await super()._run(statement, parameters)


class PostgresqlDatabase:
    """A pool of autocommitting connections; also through PgBouncer in transaction mode (nothing is prepared)."""

    dialect: Dialect = "postgresql"

    def __init__(
        self,
        pool: AsyncConnectionPool[Connection],
        attempt: Callable[[], Awaitable[None]],
        *,
        patience: timedelta | None = None,
    ) -> None:
        self._pool = pool
        self._attempt = attempt
        self._seconds = patience.total_seconds() if patience else None
        self._pin = Pin()
        self._read_only_runs = asyncio.Semaphore(READ_ONLY_RUNS)

    @classmethod
    async def connect(cls, url: str, *, connections: int = MOST_CONNECTIONS, patience: timedelta | None = None) -> Self:
        """Open the pool and wait for its first connection.

        Raises:
            ConfigurationError: the URL is malformed, or leads to a pooler without transactions.
            DatabaseUnavailable: nobody answers within five seconds, or lets us in.
        """
        options: dict[str, Any] = {
            "autocommit": True,
            "prepare_threshold": None,
            "row_factory": dict_row,
            "connect_timeout": int(_WAIT_SECONDS),
            "application_name": "bridge",
        }
        await try_once(url, options, in_transaction=True)
        pool: AsyncConnectionPool[Connection] = AsyncConnectionPool(
            url,
            connection_class=Connection,
            kwargs=options,
            min_size=1,
            max_size=connections,
            timeout=min(_WAIT_SECONDS, patience.total_seconds()) if patience else _WAIT_SECONDS,
            # Attempts of their own grow ever rarer; given up, the next statement makes a new one at once.
            reconnect_timeout=_WAIT_SECONDS,
            open=False,
        )
        try:
            with TRANSLATED:
                await pool.open(wait=True, timeout=_WAIT_SECONDS)
        except BaseException:
            await pool.close()
            raise
        return cls(pool, partial(try_once, url, options), patience=patience)

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        """Give the first row, or None."""
        return await self._alone(lambda executor: executor.fetch_one(statement, parameters))

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        """Give every row."""
        return await self._alone(lambda executor: executor.fetch_all(statement, parameters))

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        """Give the number of rows changed."""
        return await self._alone(lambda executor: executor.execute(statement, parameters))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Executor]:
        """Run the statements inside as one: all of them hold, or none."""
        if self._pin.run is not None:
            yield self._pin.run
            return
        with TRANSLATED:
            async with (
                self._connection() as connection,
                asyncio.timeout(self._seconds and 2 * self._seconds),
                connection.transaction(),
            ):
                yield _PostgresqlExecutor(connection, self._seconds)

    @asynccontextmanager
    async def batch(self) -> AsyncIterator[Batch]:
        """Run the statements inside as one statement, which may take as long as any."""
        if self._pin.run is not None:
            yield self._pin.run
            return
        kept = KeptBatch()
        yield kept
        if kept.statements:
            await self.execute(*_as_one(kept))

    @asynccontextmanager
    async def read_only(self, *, statement_timeout: timedelta) -> AsyncIterator[ReadOnlyRun]:
        """Let the work inside only read: in one transaction, which is rolled back, for statements may notify."""
        milliseconds = max(1, round(statement_timeout.total_seconds() * 1000))
        limits = f"SET TRANSACTION READ ONLY; SET LOCAL statement_timeout = {milliseconds}"
        with TRANSLATED:
            async with (
                self._read_only_runs,
                self._connection() as connection,
                connection.transaction(force_rollback=True),
            ):
                await connection.execute(limits.encode())
                async with self._pin.held(_ReadingExecutor(connection, self._seconds)) as run:
                    yield run

    def unhurried(self) -> Self:
        """Give the same database, and its connections, for statements over whole tables, which may take minutes."""
        other = copy.copy(self)
        other._seconds = self._seconds and COUNTING.total_seconds()  # noqa: SLF001  # of this very class
        return other

    async def close(self) -> None:
        """Let go of every connection."""
        await self._pool.close()

    async def _alone(self, ask: Callable[[Executor], Awaitable[T]]) -> T:
        """Run one statement, which commits by itself: there is nothing to roll back."""
        if self._pin.run is not None:
            return await ask(self._pin.run)
        with TRANSLATED:
            connection = await self._taken()
            try:
                return await ask(_PostgresqlExecutor(connection, self._seconds))
            finally:
                await self._pool.putconn(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        connection = await self._taken()
        try:
            async with connection:  # what is left open is rolled back
                yield connection
        finally:
            await self._pool.putconn(connection)

    async def _taken(self) -> Connection:
        """Take one that did not end while nobody used it, as all do when the database restarts, and is not stuck.

        This is found out before anything is sent, so that nothing, and no write above all, is ever sent twice. A
        statement that is cut off under way fails: nobody knows what became of it.
        """
        is_first = True
        while True:
            connection = await self._pool.getconn()
            is_fit = False
            try:
                is_fit = not connection.has_ended and not connection.is_stuck
                if is_fit:
                    return connection
                await connection.close()
            finally:
                if not is_fit:
                    await self._pool.putconn(connection)
            if is_first:
                # The pool would go on trying for seconds, and all who come wait for it.
                await self._attempt()
                is_first = False


@lru_cache(maxsize=256)
def _query(statement: str) -> bytes:
    """Give a statement as psycopg takes it, the same object each time: it remembers what it made of one."""
    return pyformat(statement).encode()


def _as_one(batch: KeptBatch) -> tuple[str, Parameters]:
    """Give the statements as one, with their parameters.

    A pipeline would send each by itself, which costs the driver more; cancelled between two of them, it would commit
    the first.
    """
    parameters = {
        f"{name}_{number}": value
        for number, (_, given) in enumerate(batch.statements)
        for name, value in (given or {}).items()
    }
    return _joined(tuple(statement for statement, _ in batch.statements)), parameters


@lru_cache(maxsize=64)
def _joined(statements: tuple[str, ...]) -> str:
    """Give them as "Data-Modifying Statements in WITH" (PostgreSQL, "WITH Queries"): all run to their end, or none."""
    *before, last = (numbered(statement, number) for number, statement in enumerate(statements))
    parts = ", ".join(f"bridge_write_{number} AS ({statement})" for number, statement in enumerate(before))
    return f"WITH {parts} {last}" if parts else last
