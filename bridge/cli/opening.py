"""Opens the database for a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.errors import ConfigurationError, DatabaseUnavailable, DatabaseUnreachable, ReadOnlyDatabase
from bridge.findings import DATABASE_READ_ONLY
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
        raise ConfigurationError(DATABASE_READ_ONLY.message, cure=DATABASE_READ_ONLY.cure) from exc
    except DatabaseUnavailable as exc:
        raise DatabaseUnreachable(
            f"The database stopped answering: {exc}", cure="Run the command again once it does."
        ) from exc
    finally:
        await database.close()
