"""PostgreSQL through psycopg's asynchronous pool."""

import asyncio
import copy
import select
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import lru_cache, partial
from time import monotonic
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import psycopg
from psycopg.rows import DictRow, dict_row
from psycopg_pool import AsyncConnectionPool, PoolClosed, PoolTimeout

from bridge.errors import (
    ConfigurationError,
    ConstraintViolated,
    DatabaseError,
    DatabaseUnavailable,
    ReadOnlyDatabase,
    SchemaMissing,
    WriteRefused,
)
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
from bridge.store.read_only import Pin, ReadOnlyRun

__all__ = ["PostgresqlDatabase"]

_WAIT_SECONDS: Final = 5.0
_READ_ONLY_SECONDS: Final = 1.0
_OURS: Final[tuple[tuple[type[Exception] | tuple[type[Exception], ...], type[DatabaseError]], ...]] = (
    (psycopg.errors.ReadOnlySqlTransaction, ReadOnlyDatabase),
    ((psycopg.errors.InsufficientPrivilege, psycopg.errors.DiskFull), WriteRefused),
    (psycopg.IntegrityError, ConstraintViolated),
    ((psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn), SchemaMissing),
    (psycopg.errors.TriggeredDataChangeViolation, DatabaseError),  # to the driver an operational one
    ((psycopg.OperationalError, psycopg.InterfaceError, PoolTimeout, PoolClosed, TimeoutError), DatabaseUnavailable),
    (psycopg.Error, DatabaseError),
)
"""What each of the driver's errors is here: the first that fits."""
T = TypeVar("T")


class _TranslatedErrors:
    """Turns the driver's errors into ours. Their messages stay behind: they may quote a row's content.

    No generator: it is around every statement, and twice around most.
    """

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, where: TracebackType | None
    ) -> None:
        for theirs, ours in _OURS if exc is not None else ():
            if isinstance(exc, theirs):
                raise ours(type(exc).__name__) from exc


_TRANSLATED: Final = _TranslatedErrors()


class _Connection(psycopg.AsyncConnection[DictRow]):
    """Knows when it was opened."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._opened_at = monotonic()

    @property
    def has_ended(self) -> bool:
        """Tell by the socket, without a round trip: what comes unasked is the server's farewell, or the end."""
        poll = select.poll()
        poll.register(self.fileno(), select.POLLIN)
        return bool(poll.poll(0))

    @property
    def is_stuck(self) -> bool:
        """Tell whether it began while the database, or this role, was read-only, and may not know that it is no more.

        What was set for one of them holds for a session to its end, and PostgreSQL has told (from 14 on). Each that
        began so lives for a second.
        """
        default = self.pgconn.parameter_status(b"default_transaction_read_only")
        return default == b"on" and monotonic() - self._opened_at > _READ_ONLY_SECONDS


class _PostgresqlExecutor:
    """Runs statements on one connection, each for so many seconds at most.

    One that takes longer is cancelled at the server as well, so that none waits there for nobody.
    """

    def __init__(self, connection: _Connection, seconds: float | None) -> None:
        self._connection = connection
        self._seconds = seconds

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        with _TRANSLATED:
            return await (await self._run(statement, parameters)).fetchone()

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        with _TRANSLATED:
            return await (await self._run(statement, parameters)).fetchall()

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        with _TRANSLATED:
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
        pool: AsyncConnectionPool[_Connection],
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
        await _try(url, options, in_transaction=True)
        pool: AsyncConnectionPool[_Connection] = AsyncConnectionPool(
            url,
            connection_class=_Connection,
            kwargs=options,
            min_size=1,
            max_size=connections,
            timeout=min(_WAIT_SECONDS, patience.total_seconds()) if patience else _WAIT_SECONDS,
            # Attempts of their own grow ever rarer; given up, the next statement makes a new one at once.
            reconnect_timeout=_WAIT_SECONDS,
            open=False,
        )
        try:
            with _TRANSLATED:
                await pool.open(wait=True, timeout=_WAIT_SECONDS)
        except BaseException:
            await pool.close()
            raise
        return cls(pool, partial(_try, url, options), patience=patience)

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
        with _TRANSLATED:
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
        with _TRANSLATED:
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
        with _TRANSLATED:
            connection = await self._taken()
            try:
                return await ask(_PostgresqlExecutor(connection, self._seconds))
            finally:
                await self._pool.putconn(connection)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[_Connection]:
        connection = await self._taken()
        try:
            async with connection:  # what is left open is rolled back
                yield connection
        finally:
            await self._pool.putconn(connection)

    async def _taken(self) -> _Connection:
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


async def _try(url: str, options: dict[str, Any], *, in_transaction: bool = False) -> None:
    """Connect once before the pool does, which would retry for seconds and log each time."""
    try:
        connection = await _Connection.connect(url, **options)
    except psycopg.ProgrammingError as exc:
        raise ConfigurationError(
            "BRIDGE_DATABASE_URL is no database URL", cure="Use postgresql://user:password@host:5432/name."
        ) from exc
    except psycopg.Error as exc:
        raise DatabaseUnavailable(type(exc).__name__) from exc
    try:
        if in_transaction:
            await _refuse_statement_mode(connection)
    finally:
        await connection.close()


async def _refuse_statement_mode(connection: _Connection) -> None:
    """Find out whether there is a pooler in between that knows no transactions."""
    try:
        async with connection.transaction():
            await connection.execute("SELECT 1")
    except psycopg.errors.ProtocolViolation as exc:
        raise ConfigurationError(
            "The database is behind a pooler in statement mode, which takes no transactions",
            cure="Set pool_mode = transaction in PgBouncer.",
        ) from exc
    except psycopg.Error as exc:
        raise DatabaseUnavailable(type(exc).__name__) from exc
