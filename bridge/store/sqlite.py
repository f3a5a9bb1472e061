"""SQLite through aiosqlite: for the demo, small sites and tests."""

import asyncio
import copy
import logging
import math
import sqlite3
from collections.abc import AsyncIterator, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Any, Final, Self
from urllib.parse import quote, unquote
from uuid import UUID

import aiosqlite

from bridge.errors import (
    ConstraintViolated,
    DatabaseError,
    DatabaseUnavailable,
    ReadOnlyDatabase,
    SchemaMissing,
    WriteRefused,
)
from bridge.store.database import COUNTING, READ_ONLY_RUNS, Batch, Dialect, Executor, Parameters, Row
from bridge.store.read_only import Pin, ReadOnlyRun

__all__ = ["SqliteDatabase"]

_CURE: Final = "Check BRIDGE_DATABASE_URL: sqlite:////absolute/path has four slashes, and sqlite:///path begins here."
_BUSY: Final = timedelta(seconds=5)
_PRIMARY_CODE: Final = 0xFF
_INSTRUCTIONS_BETWEEN_LOOKS: Final = 100_000
"""About a millisecond's; each look takes the interpreter's lock."""
_REFUSALS: Final = (sqlite3.SQLITE_FULL, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH)
# How SQLite says of all but a full disk that a file may not grow: a quota, a limit of the process.
_UNWRITTEN: Final = (sqlite3.SQLITE_IOERR_WRITE, sqlite3.SQLITE_IOERR_FSYNC, sqlite3.SQLITE_IOERR_TRUNCATE)


class _SqliteExecutor:
    """Runs statements on the connection; the caller holds its lock."""

    def __init__(self, connection: aiosqlite.Connection) -> None:
        self._connection = connection

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        # A statement with RETURNING takes effect only once all of its rows were read.
        rows = await self.fetch_all(statement, parameters)
        return rows[0] if rows else None

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        with _translated_errors():
            async with self._connection.execute(statement, _adapted(parameters)) as cursor:
                return [dict(row) for row in await cursor.fetchall()]

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        with _translated_errors():
            async with self._connection.execute(statement, _adapted(parameters)) as cursor:
                return cursor.rowcount


class _ReadingExecutor(_SqliteExecutor):
    """Runs statements for as long as each of them may take; they only read, since the connection does no more."""

    def __init__(self, connection: aiosqlite.Connection, *, statement_timeout: timedelta) -> None:
        super().__init__(connection)
        self._seconds = statement_timeout.total_seconds()
        self._until = math.inf

    async def prepare(self) -> None:
        """Make the connection what it is for."""
        await self.execute(f"PRAGMA busy_timeout = {math.ceil(self._seconds * 1000)}")
        await self.execute("PRAGMA query_only = on")
        await self._connection.set_progress_handler(lambda: monotonic() > self._until, _INSTRUCTIONS_BETWEEN_LOOKS)

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        self._until = monotonic() + self._seconds
        return await super().fetch_all(statement, parameters)

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        self._until = monotonic() + self._seconds
        return await super().execute(statement, parameters)


class SqliteDatabase:
    """One connection, one statement or transaction at a time: SQLite has a single writer anyway."""

    dialect: Dialect = "sqlite"

    def __init__(self, connection: aiosqlite.Connection, *, uri: str, patience: timedelta | None = None) -> None:
        self._connection = connection
        self._uri = uri
        self._seconds = patience.total_seconds() if patience else None
        self._executor = _SqliteExecutor(connection)
        self._lock = asyncio.Lock()
        self._pin = Pin()
        self._read_only_runs = asyncio.Semaphore(READ_ONLY_RUNS)

    @classmethod
    async def connect(cls, path: str, *, patience: timedelta | None = None) -> Self:
        """Open an existing file; its journal mode stays as the site set it.

        Raises:
            DatabaseUnavailable: there is no such file, or it cannot be opened.
        """
        # At DEBUG the driver logs every parameter, stored passwords among them.
        logging.getLogger("aiosqlite").setLevel(logging.INFO)
        uri = _uri_of_existing(path)
        database = cls(await _connected(uri), uri=uri, patience=patience)
        try:
            busy = min(patience or _BUSY, _BUSY)
            await database.execute(f"PRAGMA busy_timeout = {math.ceil(busy.total_seconds() * 1000)}")
            await database.fetch_one("PRAGMA schema_version")  # tells a database from another file
        except BaseException:
            await database.close()
            raise
        return database

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        """Give the first row, or None."""
        async with self._free() as executor:
            return await executor.fetch_one(statement, parameters)

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        """Give every row."""
        async with self._free() as executor:
            return await executor.fetch_all(statement, parameters)

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        """Give the number of rows changed."""
        async with self._free() as executor:
            return await executor.execute(statement, parameters)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Executor]:
        """Run the statements inside as one: all of them hold, or none."""
        if self._pin.run is not None:
            yield self._pin.run
            return
        async with self._turn():
            # IMMEDIATE: a transaction that reads first and writes later could otherwise fail half-way as busy.
            try:
                await self._executor.execute("BEGIN IMMEDIATE")
                yield self._executor
                await self._executor.execute("COMMIT")
            except BaseException:
                await _to_its_end(self._roll_back())
                raise

    def batch(self) -> AbstractAsyncContextManager[Batch]:
        """Run the statements inside as one; there are no round trips to save."""
        return self.transaction()

    async def _roll_back(self) -> None:
        # Statements queue on the driver's thread: whatever was cancelled has run once this has.
        await self._executor.execute("SELECT 1")
        if self._connection.in_transaction:
            await self._executor.execute("ROLLBACK")

    @asynccontextmanager
    async def read_only(self, *, statement_timeout: timedelta) -> AsyncIterator[ReadOnlyRun]:
        """Let the work inside only read, on a connection of its own.

        Not in a transaction: one that reads keeps others from writing for as long as it is open.
        """
        async with self._read_only_runs:
            connection = await _connected(self._uri)
            try:
                executor = _ReadingExecutor(connection, statement_timeout=statement_timeout)
                await executor.prepare()
                async with self._pin.held(executor) as run:
                    yield run
            finally:
                await _to_its_end(connection.close())

    def unhurried(self) -> Self:
        """Give the same database, and its connection, for statements over whole tables; who comes waits for minutes."""
        other = copy.copy(self)
        other._seconds = self._seconds and COUNTING.total_seconds()  # noqa: SLF001  # of this very class
        return other

    async def close(self) -> None:
        """Let go of the connection."""
        await self._connection.close()

    @asynccontextmanager
    async def _free(self) -> AsyncIterator[Executor]:
        if self._pin.run is not None:
            yield self._pin.run
            return
        async with self._turn():
            yield self._executor

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(self._seconds):
                await self._lock.acquire()
        except TimeoutError as exc:
            raise DatabaseUnavailable("SQLITE_BUSY") from exc
        try:
            yield
        finally:
            self._lock.release()


async def _connected(uri: str) -> aiosqlite.Connection:
    with _translated_errors():
        connection = await aiosqlite.connect(uri, uri=True, isolation_level=None)
    connection.row_factory = aiosqlite.Row
    return connection


async def _to_its_end(work: Coroutine[Any, Any, None]) -> None:
    """Finish ``work`` before anything else, however often the caller is cancelled meanwhile."""
    task = asyncio.ensure_future(work)
    while not task.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()


def _uri_of_existing(path: str) -> str:
    file = Path(unquote(path))
    if not file.is_file():
        raise DatabaseUnavailable("there is no such file", cure=_CURE)
    return f"file:{quote(str(file.absolute()))}?mode=rw"


def _adapted(parameters: Parameters | None) -> dict[str, Any]:
    return {name: _as_django_stores(value) for name, value in (parameters or {}).items()}


def _as_django_stores(value: Any) -> Any:
    """Write a value in the form that Django's SQLite backend writes (``django.db.backends.sqlite3.operations``)."""
    if isinstance(value, datetime):
        return str(value.astimezone(UTC).replace(tzinfo=None) if value.tzinfo else value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, UUID):
        return value.hex
    return value


@contextmanager
def _translated_errors() -> Iterator[None]:
    """Turn the driver's errors into ours. Their messages stay behind: they may quote a row's content."""
    try:
        yield
    except sqlite3.IntegrityError as exc:
        raise ConstraintViolated(exc.sqlite_errorname) from exc
    except sqlite3.OperationalError as exc:
        if "no such table" in str(exc) or "no such column" in str(exc):
            raise SchemaMissing(exc.sqlite_errorname) from exc
        if exc.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_READONLY:
            raise ReadOnlyDatabase(exc.sqlite_errorname) from exc
        if exc.sqlite_errorcode & _PRIMARY_CODE in _REFUSALS or exc.sqlite_errorcode in _UNWRITTEN:
            raise WriteRefused(exc.sqlite_errorname) from exc
        if exc.sqlite_errorcode & _PRIMARY_CODE == sqlite3.SQLITE_ERROR:
            raise DatabaseError(exc.sqlite_errorname) from exc
        raise DatabaseUnavailable(exc.sqlite_errorname) from exc
    except sqlite3.Error as exc:
        if getattr(exc, "sqlite_errorcode", None) in (sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT):
            raise DatabaseUnavailable("this is no SQLite database, or a damaged one", cure=_CURE) from exc
        raise DatabaseError(type(exc).__name__) from exc
    except ValueError as exc:  # how aiosqlite says that the connection was closed
        raise DatabaseUnavailable("closed") from exc
