"""What a store may ask of a database, and which driver answers."""

import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Final, Literal, Protocol

from bridge.errors import ConfigurationError

__all__ = [
    "COUNTING",
    "MOST_CONNECTIONS",
    "READ_ONLY_RUNS",
    "Batch",
    "Database",
    "Dialect",
    "Executor",
    "KeptBatch",
    "Parameters",
    "Reading",
    "Row",
    "numbered",
    "open_database",
    "pyformat",
    "quoted",
]

MOST_CONNECTIONS: Final = 10
READ_ONLY_RUNS: Final = 2
"""At once."""
COUNTING: Final = timedelta(minutes=2)
"""How long a statement over a whole table may take."""

Row = Mapping[str, Any]
Parameters = Mapping[str, Any]
Dialect = Literal["postgresql", "sqlite"]

_NAMED: Final = re.compile(r"(?<![:\w]):([A-Za-z_]\w*)")


class Batch(Protocol):
    """Takes writes whose results nobody looks at, and none of which sees another; parameters are written ``:name``."""

    async def execute(self, statement: str, parameters: Parameters | None = None) -> object:
        """Have it run."""
        ...


class KeptBatch:
    """Keeps writes until all are there: what is sent takes effect, whatever becomes of the caller."""

    def __init__(self) -> None:
        self.statements: list[tuple[str, Parameters | None]] = []

    async def execute(self, statement: str, parameters: Parameters | None = None) -> None:
        """Keep it."""
        self.statements.append((statement, parameters))


class Executor(Protocol):
    """Runs statements whose parameters are written ``:name``."""

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        """Give the first row, or None."""
        ...

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        """Give every row."""
        ...

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        """Give the number of rows changed."""
        ...


class Reading(Protocol):
    """A run that may only read.

    Attributes:
        tried_to_write: whether any of its statements would have written, whatever became of the refusal.
    """

    tried_to_write: bool


class Database(Executor, Protocol):
    """A database; each statement outside ``transaction`` commits by itself.

    Every method raises ``bridge.errors.DatabaseError`` or one of its kinds, and nothing of the driver's.

    Attributes:
        dialect: for the few questions that the two databases are asked in different words.
    """

    dialect: Dialect

    def transaction(self) -> AbstractAsyncContextManager[Executor]:
        """Run the statements inside as one: all of them hold, or none."""
        ...

    def batch(self) -> AbstractAsyncContextManager[Batch]:
        """Run the writes inside as one, in one round trip where there are any.

        What goes wrong is told at the end at the latest; what the caller raises keeps all of it from taking effect.
        """
        ...

    def read_only(self, *, statement_timeout: timedelta) -> AbstractAsyncContextManager[Reading]:
        """Let the work inside only read, wherever it takes this database from.

        The work is what runs in the current context, or in a task or thread that copied it. All of it shares one
        connection and has no effect; outside of it, nothing changes. What would write raises ``ReadOnlyDatabase``, a
        statement that takes too long ``DatabaseUnavailable``, and ``transaction`` gives no other guarantees than
        the run. There are few such runs at once, so that those who come for an answer always find a connection.
        """
        ...

    def unhurried(self) -> "Database":
        """Give the same database, and its connections, for statements over whole tables, which may take minutes."""
        ...

    async def close(self) -> None:
        """Let go of every connection."""
        ...


async def open_database(
    url: str, *, connections: int = MOST_CONNECTIONS, patience: timedelta | None = None
) -> Database:
    """Connect to ``postgresql://…``, ``sqlite:///relative`` or ``sqlite:////absolute``.

    Args:
        url: where.
        connections: to PostgreSQL, at most.
        patience: how long a statement may take, and a transaction twice as long; what takes longer is
            ``DatabaseUnavailable``. None: for ever, as commands do. SQLite's statements end by themselves, and who
            waits for their turn waits no longer than this.

    Raises:
        ConfigurationError: the URL is of no kind that we know.
        DatabaseUnavailable: nobody answers there.
    """
    # A driver is imported only where it is used: the other one may not be installed.
    if url.startswith(("postgresql://", "postgres://")):
        from bridge.store.postgresql import PostgresqlDatabase  # noqa: PLC0415

        return await PostgresqlDatabase.connect(url, connections=connections, patience=patience)
    if url.startswith("sqlite:///"):
        from bridge.store.sqlite import SqliteDatabase  # noqa: PLC0415

        return await SqliteDatabase.connect(url.removeprefix("sqlite:///"), patience=patience)
    raise ConfigurationError(
        "BRIDGE_DATABASE_URL is of an unknown kind",
        cure="Use postgresql://user:password@host:5432/name, sqlite:///relative or sqlite:////absolute.",
    )


def quoted(identifier: str) -> str:
    """Quote a table's or column's name, as SQL:2016 and both databases have it."""
    return '"' + identifier.replace('"', '""') + '"'


def numbered(statement: str, number: int) -> str:
    """Turn each ``:name`` into ``:name_1``, so that statements with the same names can become one."""
    return _NAMED.sub(rf":\1_{number}", statement)


def pyformat(statement: str) -> str:
    """Turn ``:name`` into psycopg's ``%(name)s``; casts (``::text``) stay."""
    return _NAMED.sub(r"%(\1)s", statement.replace("%", "%%"))
