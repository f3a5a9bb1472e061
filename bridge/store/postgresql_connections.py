"""One connection to PostgreSQL: made, looked at, and understood."""

import select
from time import monotonic
from typing import Any, Final

import psycopg
from psycopg.rows import DictRow

from bridge.errors import ConfigurationError, DatabaseUnavailable
from bridge.store.unreachable import URL_CURE, why_unreachable

__all__ = ["Connection", "try_once"]

_READ_ONLY_SECONDS: Final = 1.0


class Connection(psycopg.AsyncConnection[DictRow]):
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


async def try_once(url: str, options: dict[str, Any], *, in_transaction: bool = False) -> None:
    """Connect once before the pool does, which would retry for seconds and log each time.

    Raises:
        ConfigurationError: the URL is malformed, or leads to a pooler without transactions.
        DatabaseUnavailable: nobody answers, or lets us in; says why.
    """
    try:
        connection = await Connection.connect(url, **options)
    except psycopg.ProgrammingError as exc:
        raise ConfigurationError("BRIDGE_DATABASE_URL is no database URL", cure=URL_CURE) from exc
    except (psycopg.Error, UnicodeError) as exc:  # a host that is no name at all is none to the IDNA codec
        raise why_unreachable(exc) from exc
    try:
        if in_transaction:
            await _refuse_statement_mode(connection)
    finally:
        await connection.close()


async def _refuse_statement_mode(connection: Connection) -> None:
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
