"""Opens the database for a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.errors import ConfigurationError, DatabaseUnavailable, DatabaseUnreachable, ReadOnlyDatabase
from bridge.store.database import Database, open_database

__all__ = ["opened"]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Connect, and let go in the end.

    Raises:
        DatabaseUnreachable: nobody answers there, or no more.
        ConfigurationError: nothing can be written, and the command has to.
    """
    try:
        database = await open_database(url)
    except DatabaseUnavailable as exc:
        raise DatabaseUnreachable(f"The database cannot be reached: {exc}", cure=exc.cure) from exc
    try:
        yield database
    except ReadOnlyDatabase as exc:
        raise ConfigurationError(
            "The database can only be read, by this role at least",
            cure="Name the primary in BRIDGE_DATABASE_URL, no standby; or look for default_transaction_read_only.",
        ) from exc
    except DatabaseUnavailable as exc:
        raise DatabaseUnreachable(
            f"The database stopped answering: {exc}", cure="Run the command again once it does."
        ) from exc
    finally:
        await database.close()
