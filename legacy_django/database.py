"""Turns `DATABASE_URL` into an entry of Django's `DATABASES`."""

from typing import Any
from urllib.parse import unquote, urlsplit

import django
from django.core.exceptions import ImproperlyConfigured

__all__ = ["configuration"]

_CURE = "use postgresql://user:password@host:port/name, sqlite:///relative.db or sqlite:////absolute.db"
_NAMED_BY_DJANGO = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}


def configuration(url: str) -> dict[str, Any]:
    """Return the `DATABASES` entry for a `postgresql://` or `sqlite://` URL.

    Raises:
        ImproperlyConfigured: the URL names no database. The message never repeats the URL, which may
            hold a password.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        return _sqlite(url)
    if scheme in {"postgresql", "postgres"}:
        return _postgresql(url)
    raise ImproperlyConfigured(f"DATABASE_URL is not understood: {_CURE}")


def _sqlite(url: str) -> dict[str, Any]:
    parts = urlsplit(url)
    name = unquote(parts.path.removeprefix("/"))
    if not name or parts.netloc or parts.query or parts.fragment:
        raise ImproperlyConfigured(f"DATABASE_URL names no SQLite file: {_CURE}")
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": name, "OPTIONS": _sqlite_options()}


def _sqlite_options() -> dict[str, Any]:
    options: dict[str, Any] = {"timeout": 20}
    if django.VERSION >= (5, 1):
        # Readers never wait for a writer, and a writer waits for its turn at BEGIN instead of failing when
        # its transaction turns from reading to writing.
        options["init_command"] = "PRAGMA journal_mode=WAL"
        options["transaction_mode"] = "IMMEDIATE"
    return options


def _postgresql(url: str) -> dict[str, Any]:
    given = _libpq_parameters(url)
    if not given.get("dbname"):
        raise ImproperlyConfigured(f"DATABASE_URL names no database: {_CURE}")
    return {
        "ENGINE": "django.db.backends.postgresql",
        **{ours: given.pop(libpq, "") for libpq, ours in _NAMED_BY_DJANGO.items()},
        "OPTIONS": given,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
    }


def _libpq_parameters(url: str) -> dict[str, Any]:
    """Let libpq read its own URL format: percent-encoding, IPv6, socket folders, `?sslmode=…`."""
    # Imported here so that a shop on SQLite needs no PostgreSQL driver.
    from psycopg import ProgrammingError  # noqa: PLC0415
    from psycopg.conninfo import conninfo_to_dict  # noqa: PLC0415

    try:
        return dict(conninfo_to_dict(url))
    except ProgrammingError:
        # Not chained: libpq's message quotes the part that it could not read, which may be the password.
        raise ImproperlyConfigured(f"DATABASE_URL is malformed: {_CURE}") from None
