"""``bridge migrate``: the tables, without the site's help."""

import asyncio
from typing import Any
from urllib.parse import unquote

import typer
from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from bridge.cli.opening import opened
from bridge.contrib.django.standalone import migrate as migrate_tables
from bridge.errors import ConfigurationError
from bridge.store.unreachable import URL_CURE
from bridge.web.settings import DatabaseSettings

__all__ = ["migrate"]

_DJANGO_NAMES = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def migrate() -> None:
    """Create or update the bridge_* tables. The site's own `migrate` does the same, and finds them done."""
    url = DatabaseSettings.load().database_url.get_secret_value()
    database = _django_database(url)
    if database["ENGINE"].endswith("postgresql"):
        asyncio.run(_reach(url))  # Django's errors would not tell why not; SQLite's file may still be to come
    # A driver's error here may quote the connection's parameters; Django's classes are not ours to name in full.
    from django.db import Error  # noqa: PLC0415  # Django's settings are configured by what follows

    try:
        migrate_tables(database)
    except Error as exc:
        raise ConfigurationError(
            f"The tables could not be created ({type(exc.__cause__ or exc).__name__})",
            cure="Check BRIDGE_DATABASE_URL: the role must be one that may create tables, and the database writable.",
        ) from exc
    typer.echo("The bridge_* tables are up to date.")


async def _reach(url: str) -> None:
    async with opened(url):
        pass


def _django_database(url: str) -> dict[str, Any]:
    """Write a database URL as an entry of Django's DATABASES."""
    if url.startswith("sqlite:///"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": unquote(url.removeprefix("sqlite:///"))}
    if not url.startswith(("postgresql://", "postgres://")):
        raise ConfigurationError("BRIDGE_DATABASE_URL is of an unknown kind", cure="Use postgresql:// or sqlite:///.")
    try:
        parts = conninfo_to_dict(url)
    except ProgrammingError as exc:
        raise ConfigurationError("BRIDGE_DATABASE_URL is no database URL", cure=URL_CURE) from exc
    named = {django: str(parts.pop(name)) for name, django in _DJANGO_NAMES.items() if parts.get(name)}
    return {"ENGINE": "django.db.backends.postgresql", **named, "OPTIONS": parts}
