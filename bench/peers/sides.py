"""Every side as a server of one worker, on the same database."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from typing import Final

from bench.load import Bearer
from bench.peers.population import Tokens, populate, postgresql
from bench.servers import migrated, server, wait_for_rest

__all__ = ["BARE", "BRIDGE", "DJANGO_UVICORN", "FASTAPI_USERS", "GUNICORN_SYNC", "GUNICORN_THREADS", "Sides", "sides"]

BRIDGE: Final = "bridge"
BARE: Final = "bare FastAPI"
FASTAPI_USERS: Final = "fastapi-users"
GUNICORN_THREADS: Final = "Django + DRF + SimpleJWT, gunicorn gthread"
GUNICORN_SYNC: Final = "Django + DRF + SimpleJWT, gunicorn sync"
DJANGO_UVICORN: Final = "Django + DRF + SimpleJWT, uvicorn"

_GUNICORN: Final = (
    *("gunicorn", "bench.peers.django_site.wsgi:application", "--bind", "127.0.0.1:0", "--no-control-socket"),
    *("--workers", "1"),
)
_UVICORN: Final = ("--port", "0", "--no-access-log", "--loop", "uvloop", "--http", "httptools")
_COMMANDS: Final = {
    BRIDGE: ("bridge", "serve", "--port", "0", "--endpoints", "bench.peers.migrated:router"),
    BARE: ("uvicorn", "bench.peers.bare:app", *_UVICORN),
    FASTAPI_USERS: ("uvicorn", "bench.peers.fastapi_users_app:app", *_UVICORN),
    GUNICORN_THREADS: (*_GUNICORN, "--threads", "4", "--keep-alive", "60"),
    GUNICORN_SYNC: _GUNICORN,
    DJANGO_UVICORN: ("uvicorn", "bench.peers.django_site.asgi:application", *_UVICORN),
}


@dataclass(frozen=True, slots=True)
class Sides:
    """What runs.

    Attributes:
        addresses: by name.
        tokens: that each side takes.
    """

    addresses: dict[str, str]
    tokens: Tokens

    def bearers(self, name: str) -> list[Bearer]:
        """Give who asks at one of them."""
        chosen = {BRIDGE: self.tokens.bridge, FASTAPI_USERS: self.tokens.fastapi_users}
        if name == BARE:
            # As much to read, and the same user for everybody.
            return [replace(each, mark='"id":1,') for each in self.tokens.bridge]
        return list(chosen.get(name, self.tokens.simple_jwt))


@contextmanager
def sides(*names: str) -> Iterator[Sides]:
    """Start the named ones, or all."""
    with ExitStack() as stack:
        url = stack.enter_context(postgresql())
        environment = migrated(url) | {
            "BENCH_DATABASE_URL": url,
            "BENCH_ASYNCPG_URL": url.replace("postgresql://", "postgresql+asyncpg://", 1),
            "BENCH_SECRET": secrets.token_urlsafe(50),
            # A few users refresh as often as they can, from one address.
            **{f"BRIDGE_LIMIT_{name}": "off" for name in ("NETWORK", "EVERYBODY")},
        }
        tokens = populate(url, environment)
        addresses = {
            name: stack.enter_context(server(environment | _settings(name), *_COMMANDS[name]))
            for name in names or _COMMANDS
        }
        wait_for_rest()
        yield Sides(addresses, tokens)


def _settings(name: str) -> dict[str, str]:
    if name not in (GUNICORN_THREADS, GUNICORN_SYNC, DJANGO_UVICORN):
        return {}
    # Under ASGI persistent connections are never given back (Django's documentation, "Persistent connections").
    seconds = "0" if name == DJANGO_UVICORN else ""
    return {"DJANGO_SETTINGS_MODULE": "bench.peers.django_site.settings", "BENCH_CONNECTION_AGE": seconds}
