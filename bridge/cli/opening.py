"""Opens the database for a command."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.errors import DatabaseUnavailable, DatabaseUnreachable
from bridge.store.database import Database, open_database

__all__ = ["opened"]


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    """Connect, and let go in the end.

    Raises:
        DatabaseUnreachable: nobody answers there.
    """
    try:
        database = await open_database(url)
    except DatabaseUnavailable as exc:
        raise DatabaseUnreachable(f"The database cannot be reached: {exc}", cure=exc.cure) from exc
    try:
        yield database
    finally:
        await database.close()
