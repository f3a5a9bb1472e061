"""The shop in this process, on SQLite, and the tokens that the bridge would give its users."""

import uuid
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from asgiref.sync import async_to_sync, sync_to_async
from django.conf import settings
from django.contrib.auth.models import User
from django.db import connections
from django.db.models import F
from django.http import HttpResponse
from django.test import AsyncClient, Client

from bridge.contrib.django.liveness import database, is_migrated
from bridge.contrib.django.models import Grant
from bridge.sessions.auth_hash import session_auth_hash
from bridge.tokens.claims import RefreshClaims
from bridge.tokens.issuer import TokenIssuer
from bridge.tokens.keys import SigningKey
from bridge.tokens.keyset import KeySet
from tests.conftest import PASSWORD, SIGNING_KEY

LIFETIME: Final = timedelta(minutes=15)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Let pytest-django create the site's database in a file of this worker's own.

    In memory, Django closes no connection (``DatabaseWrapper.close`` of its SQLite backend): there, one that our code
    leaves open could not be told from one that it closed.
    """
    site = settings.DATABASES["default"]
    if site["ENGINE"] == "django.db.backends.sqlite3":
        site.setdefault("TEST", {})["NAME"] = str(tmp_path_factory.mktemp("site") / "site.sqlite3")


@pytest.fixture(autouse=True)
def _with_database(db: None) -> None:
    """Every test here may use the site's database; nothing of it is left behind."""


@pytest.fixture
async def _queries_off_the_loop() -> AsyncIterator[None]:
    """For tests on an event loop: their queries run in a thread that asgiref keeps until the process ends."""
    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture
def ada() -> User:
    # A process asks once whether the tables are there: no test that counts queries is the first to.
    assert is_migrated(database())
    return User.objects.create_user("ada", email="ada@example.com", password=PASSWORD)


@pytest.fixture
def grace() -> User:
    return User.objects.create_user("grace", password=PASSWORD)


@pytest.fixture
def site() -> Client:
    """A browser at the site."""
    return Client()


class Shop:
    """The shop's ``whoami`` page, under one kind of server and behind one kind of view."""

    def __init__(self, client: Client | AsyncClient, path: str) -> None:
        self.client = client
        self.path = path

    def get(self, **headers: str) -> HttpResponse:
        return self._send("get", headers)

    def post(self, **headers: str) -> HttpResponse:
        return self._send("post", headers)

    def _send(self, method: str, headers: dict[str, str]) -> HttpResponse:
        send: Any = getattr(self.client, method)
        # As Django's own test cases do: the event loop gets a thread of its own, the ORM stays in this one.
        send = async_to_sync(awaiting(send)) if isinstance(self.client, AsyncClient) else send
        answer: HttpResponse = send(self.path, headers=headers)
        return answer


def awaiting(send: Any) -> Any:
    """Before Django 5.0 an async client's methods are plain functions that give a coroutine."""

    async def sent(*arguments: Any, **named: Any) -> Any:
        return await send(*arguments, **named)

    return sent


SERVERS: Final[dict[str, type[Client | AsyncClient]]] = {"wsgi": Client, "asgi": AsyncClient}
PAGES: Final = {"sync_view": "/whoami/", "async_view": "/whoami/async/"}


@pytest.fixture(params=PAGES.values(), ids=list(PAGES))
def page(request: pytest.FixtureRequest) -> str:
    path: str = request.param
    return path


@pytest.fixture(params=SERVERS.values(), ids=list(SERVERS))
def shop(request: pytest.FixtureRequest, page: str) -> Shop:
    """The page under either kind of server and view."""
    return Shop(request.param(), page)


@pytest.fixture(params=SERVERS.values(), ids=list(SERVERS))
def strict_shop(request: pytest.FixtureRequest, page: str) -> Shop:
    """The same, with the CSRF check that the test client waives by itself."""
    return Shop(request.param(enforce_csrf_checks=True), page)


def issued(
    user_id: object,
    *,
    age: timedelta = timedelta(0),
    key: str = SIGNING_KEY,
    issuer: str = "bridge",
    audience: str = "django",
    session_id: str | None = None,
    scope: tuple[str, ...] = (),
) -> str:
    """An access token as the bridge signs them, ``age`` ago."""
    signer = TokenIssuer(
        keys=KeySet.of_one(SigningKey.load(key, algorithm="HS256")),
        issuer=issuer,
        audience=audience,
        lifetime=LIFETIME,
    )
    token, _ = signer.issue(user_id=str(user_id), now=datetime.now(UTC) - age, session_id=session_id, scope=scope)
    return token


def open_at_the_bridge(user: User) -> Grant:
    """A grant as the bridge opens them."""
    now = datetime.now(UTC)
    return Grant.objects.create(
        id=uuid.uuid4().hex,
        user_id=str(user.pk),
        auth_hash=session_auth_hash(user.password, secret=settings.SECRET_KEY),
        current_token_id=uuid.uuid4().hex,
        created_at=now,
        rotated_at=now,
        expires_at=now + timedelta(days=90),
    )


def refresh_token_of(grant: Grant) -> str:
    """A grant's newest refresh token, as the bridge signs them."""
    keys = KeySet.of_one(SigningKey.load(SIGNING_KEY, algorithm="HS256"))
    signer = TokenIssuer(keys=keys, issuer="bridge", audience="django", lifetime=LIFETIME)
    issued_at = grant.rotated_at.replace(microsecond=0)
    return signer.issue_refresh(
        RefreshClaims(
            user_id=grant.user_id,
            token_id=grant.current_token_id,
            issued_at=issued_at,
            expires_at=issued_at + timedelta(days=14),
            session_id=grant.pk,
        )
    )


def age_rotation(by: timedelta) -> None:
    """Let it be that much longer since every grant's last rotation."""
    Grant.objects.update(rotated_at=F("rotated_at") - by)


def bearer(token: str) -> str:
    return f"Bearer {token}"
