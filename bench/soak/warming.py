"""What a replica remembers is bounded: it is filled to its bounds first, so that what grows afterwards is a leak."""

import asyncio
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import jwt
import psycopg

from bench.site_sessions import open_sessions
from bench.soak.asking import Asker
from bench.soak.logins import browser
from bench.soak.processes import Server
from bench.soak.servers import Servers
from bench.soak.values import argon2_value
from bridge.sessions.auth_hash import session_auth_hash

__all__ = ["fill_memory"]

_MOST: Final = 10_000
"""As much as a replica remembers of anything (``bridge.web.composition.parts``, ``bridge.services``)."""
_LIFETIME: Final = 900
_AT_ONCE: Final = 16
_GUESTS: Final = "guest%"
# What the soak proves in the end is no affair of theirs.
_UNSEEN: Final = "SET LOCAL session_replication_role = replica"
_INSERT: Final = """
    INSERT INTO auth_user (username, password, is_active, email, first_name, last_name, is_staff, is_superuser,
        date_joined)
    SELECT 'guest' || n, %s || lpad(n::text, 8, '0'), true, '', '', '', false, false, now()
    FROM generate_series(1, %s) n RETURNING id, password
"""


async def fill_memory(servers: Servers, asker: Asker) -> None:
    """Present as many tokens and sessions as the steady replica remembers, each of them once.

    A session is known by its row, its user's value and what it hangs on, so that each is of a user of its own; the
    tokens are signed as the site signs them.

    Raises:
        Unanswered: or ``Refused``; before any fault each of them is good.
    """
    with _guests(servers) as sessions:
        user_id = str(next(iter(sessions)))
        tokens = ({"Authorization": f"Bearer {_token(servers.signing_key, user_id)}"} for _ in range(_MOST))
        await _present(servers.steady, asker, tokens, kind="token of the warm-up")
        await _present(servers.steady, asker, map(browser, sessions.values()), kind="session of the warm-up")


@contextmanager
def _guests(servers: Servers) -> Iterator[dict[int, str]]:
    """Have users as long as the warm-up lasts, and give a session of each."""
    # Of the form that the table has, so that nobody takes them for what is costly or cheap to check.
    begins = argon2_value(uuid.uuid4().hex)[:-8]
    with psycopg.connect(servers.postgresql.url) as connection:
        connection.execute(_UNSEEN)
        rows = connection.execute(_INSERT, [begins, _MOST])
        hashes = {user_id: session_auth_hash(encoded, secret=servers.secret) for user_id, encoded in rows}
        sessions = open_sessions(connection, hashes, secret=servers.secret)
    yield sessions
    with psycopg.connect(servers.postgresql.url) as connection:
        connection.execute(_UNSEEN)
        connection.execute("DELETE FROM auth_user WHERE username LIKE %s", [_GUESTS])
        connection.execute("DELETE FROM django_session WHERE session_key = ANY(%s)", [list(sessions.values())])


def _token(signing_key: str, user_id: str) -> str:
    claims = {"token_type": "access", "user_id": user_id, "jti": uuid.uuid4().hex}
    return jwt.encode(claims | {"exp": int(time.time()) + _LIFETIME}, signing_key, "HS256")


async def _present(server: Server, asker: Asker, headers: Iterator[dict[str, str]], *, kind: str) -> None:
    async def ask_on() -> None:
        for each in headers:
            await asker.ask(server, "GET", "/users/me/", expect=[200], kind=kind, who="a guest", headers=each)

    await asyncio.gather(*(ask_on() for _ in range(_AT_ONCE)))
