"""OAuth clients that nobody here wrote, unmodified, at a real bridge: Authlib, and requests-oauthlib over oauthlib.

Each is used as its documentation says; what they need is then what any client of RFC 6749, 7009 and 8414 needs.
"""

import asyncio
import secrets
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session as AuthlibSession
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from oauthlib.oauth2 import InvalidGrantError, LegacyApplicationClient
from requests_oauthlib import OAuth2Session as RequestsSession

from bridge.store.database import open_database
from tests.conftest import PASSWORD, Cast
from tests.processes import NO_TLS, START_SECONDS, server

CLIENT_ID: Final = "some-app"


@dataclass(frozen=True)
class Endpoints:
    """Where the bridge is."""

    base: str

    @property
    def token(self) -> str:
        return f"{self.base}/auth/token"

    @property
    def revocation(self) -> str:
        return f"{self.base}/auth/revoke"

    @property
    def me(self) -> str:
        return f"{self.base}/users/me/"


@pytest.fixture(scope="module")
def database_url(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One kind of database is enough: what clients send does not depend on it."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path_factory.mktemp('clients') / 'site.sqlite3')}"


@pytest.fixture(scope="module")
def bridge(database_url: str) -> Iterator[Endpoints]:
    with server(database_url, "bridge", "serve", "--port", "0") as address:
        yield Endpoints(address)


@pytest.fixture
def username(database_url: str) -> str:
    """A user that no other test has."""
    name = f"ada-{secrets.token_hex(4)}"
    asyncio.run(add(database_url, name))
    return name


async def add(database_url: str, username: str) -> None:
    database = await open_database(database_url)
    await Cast(database).add(username)
    await database.close()


def opens(bridge: Endpoints, access_token: str) -> bool:
    """Ask with no library in between."""
    answer = httpx.get(
        bridge.me, headers={"Authorization": f"Bearer {access_token}"}, timeout=START_SECONDS, verify=NO_TLS
    )
    assert answer.status_code in (httpx.codes.OK, httpx.codes.UNAUTHORIZED)
    return answer.status_code == httpx.codes.OK


# Authlib --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def metadata(bridge: Endpoints) -> AuthorizationServerMetadata:
    """What Authlib finds where RFC 8414 says that it is."""
    answer = httpx.get(get_well_known_url(bridge.base, external=True), timeout=START_SECONDS, verify=NO_TLS)
    return AuthorizationServerMetadata(answer.json())


@pytest.fixture
def authlib(metadata: AuthorizationServerMetadata) -> Iterator[AuthlibSession]:
    with AuthlibSession(CLIENT_ID, token_endpoint=metadata["token_endpoint"], default_timeout=START_SECONDS) as session:
        yield session


def test_authlib_finds_the_endpoints_in_the_metadata(bridge: Endpoints, metadata: AuthorizationServerMetadata):
    """All but two of its checks hold.

    BRIDGE_ISSUER is no URL here. And there is no response type to support, for which RFC 8414 has no words: section 2
    requires the list, section 3.2 forbids an empty one, and Authlib goes by both.
    """
    metadata.validate_authorization_endpoint()
    metadata.validate_token_endpoint()
    metadata.validate_jwks_uri()
    metadata.validate_grant_types_supported()
    metadata.validate_token_endpoint_auth_methods_supported()
    metadata.validate_revocation_endpoint()
    metadata.validate_revocation_endpoint_auth_methods_supported()
    metadata.validate_introspection_endpoint()
    metadata.validate_introspection_endpoint_auth_methods_supported()

    assert metadata["token_endpoint"] == bridge.token
    assert metadata["revocation_endpoint"] == bridge.revocation


def test_authlib_logs_in_and_calls_an_endpoint(authlib: AuthlibSession, bridge: Endpoints, username: str):
    token = authlib.fetch_token(username=username, password=PASSWORD)

    assert token["token_type"] == "bearer"
    assert authlib.get(bridge.me).json()["username"] == username


def test_authlib_understands_a_refused_login(authlib: AuthlibSession, username: str):
    with pytest.raises(OAuthError) as refused:
        authlib.fetch_token(username=username, password="another")

    assert refused.value.error == "invalid_grant"
    assert refused.value.description == "Incorrect username or password"


def test_authlib_refreshes_when_asked_to(authlib: AuthlibSession, bridge: Endpoints, username: str):
    first = dict(authlib.fetch_token(username=username, password=PASSWORD))

    second = authlib.refresh_token()

    assert second["refresh_token"] != first["refresh_token"]
    assert opens(bridge, second["access_token"])


def test_authlib_refreshes_by_itself_when_the_access_token_has_expired(
    authlib: AuthlibSession, bridge: Endpoints, username: str
):
    first = dict(authlib.fetch_token(username=username, password=PASSWORD))
    authlib.token = first | {"expires_at": 1}

    assert authlib.get(bridge.me).json()["username"] == username
    assert authlib.token["refresh_token"] != first["refresh_token"]


def test_authlib_revokes_an_access_token(
    authlib: AuthlibSession, bridge: Endpoints, metadata: AuthorizationServerMetadata, username: str
):
    token = authlib.fetch_token(username=username, password=PASSWORD)

    answer = authlib.revoke_token(
        metadata["revocation_endpoint"], token=token["access_token"], token_type_hint="access_token"
    )

    assert answer.status_code == httpx.codes.OK
    assert not opens(bridge, token["access_token"])


def test_authlib_revokes_a_refresh_token_and_with_it_the_login(
    authlib: AuthlibSession, bridge: Endpoints, metadata: AuthorizationServerMetadata, username: str
):
    token = dict(authlib.fetch_token(username=username, password=PASSWORD))

    authlib.revoke_token(metadata["revocation_endpoint"], token=token["refresh_token"], token_type_hint="refresh_token")

    with pytest.raises(OAuthError) as refused:
        authlib.refresh_token(refresh_token=token["refresh_token"])
    assert refused.value.error == "invalid_grant"
    assert not opens(bridge, token["access_token"])


# requests-oauthlib ----------------------------------------------------------------------------------------------------


@pytest.fixture
def session(bridge: Endpoints, monkeypatch: pytest.MonkeyPatch) -> Iterator[RequestsSession]:
    """It refreshes by itself, and keeps what it got."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # the bridge listens on 127.0.0.1
    client = LegacyApplicationClient(client_id=CLIENT_ID)
    with RequestsSession(client=client, auto_refresh_url=bridge.token, token_updater=lambda _: None) as opened:
        yield opened


def fetched(session: RequestsSession, bridge: Endpoints, username: str, **how: Any) -> dict[str, Any]:
    token = session.fetch_token(bridge.token, username=username, password=PASSWORD, timeout=START_SECONDS, **how)
    return dict(token)


def revocation(bridge: Endpoints, token: str, hint: str | None = None) -> tuple[str, dict[str, str], str]:
    """Write the request as oauthlib does; requests-oauthlib leaves it to its user to send it."""
    client = LegacyApplicationClient(client_id=CLIENT_ID)
    prepared: tuple[str, dict[str, str], str] = client.prepare_token_revocation_request(bridge.revocation, token, hint)
    return prepared


# It names the client in HTTP Basic with an empty password, unless it is told to write it into the form.
@pytest.mark.parametrize("how", [{}, {"include_client_id": True}], ids=["client in the header", "client in the form"])
def test_requests_oauthlib_logs_in_and_calls_an_endpoint(
    session: RequestsSession, bridge: Endpoints, username: str, how: dict[str, Any]
):
    token = fetched(session, bridge, username, **how)

    assert token["token_type"] == "bearer"
    assert session.get(bridge.me, timeout=START_SECONDS).json()["username"] == username


def test_requests_oauthlib_understands_a_refused_login(session: RequestsSession, bridge: Endpoints, username: str):
    with pytest.raises(InvalidGrantError, match="Incorrect username or password"):
        session.fetch_token(bridge.token, username=username, password="another", timeout=START_SECONDS)


def test_requests_oauthlib_refreshes_when_asked_to(session: RequestsSession, bridge: Endpoints, username: str):
    first = fetched(session, bridge, username)

    second = session.refresh_token(bridge.token, timeout=START_SECONDS)

    assert second["refresh_token"] != first["refresh_token"]
    assert opens(bridge, second["access_token"])


def test_requests_oauthlib_refreshes_by_itself_when_the_access_token_has_expired(
    session: RequestsSession, bridge: Endpoints, username: str
):
    first = fetched(session, bridge, username)
    session.token = first | {"expires_at": 1, "expires_in": -1}

    assert session.get(bridge.me, timeout=START_SECONDS).json()["username"] == username
    assert session.token["refresh_token"] != first["refresh_token"]


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_requests_oauthlib_revokes(session: RequestsSession, bridge: Endpoints, username: str, kind: str):
    token = fetched(session, bridge, username)
    url, headers, body = revocation(bridge, token[kind], kind)

    answer = session.post(url, data=body, headers=headers, withhold_token=True, timeout=START_SECONDS)

    assert answer.status_code == httpx.codes.OK
    assert not opens(bridge, token["access_token"])


def test_requests_oauthlib_cannot_refresh_what_was_revoked(session: RequestsSession, bridge: Endpoints, username: str):
    token = fetched(session, bridge, username)
    url, headers, body = revocation(bridge, token["refresh_token"])
    session.post(url, data=body, headers=headers, withhold_token=True, timeout=START_SECONDS)

    with pytest.raises(InvalidGrantError):
        session.refresh_token(bridge.token, timeout=START_SECONDS)
