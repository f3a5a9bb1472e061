"""What anybody may know, and how the running bridge follows its key directory."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
import pytest

from bridge.errors import ConfigurationError
from bridge.services.keyrotation import KeyRotation
from bridge.store.keyfiles import KeyDirectory
from bridge.tokens import SigningKey
from bridge.tokens.keyset import PUBLICATION, DatedKey, KeyTimes
from bridge.web.app import create_app
from tests.conftest import Cast, FrozenClock, Serve, bearer, log_in, running, settings_for
from tests.web.conftest import before_any_database

JWKS: Final = "/.well-known/jwks.json"
METADATA: Final = "/.well-known/oauth-authorization-server"
BOUND: Final = 20.0  # seconds, for a test that would otherwise wait for ever
LONGEST: Final = timedelta(seconds=1_209_600)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def rotation(path: Path, clock: FrozenClock) -> KeyRotation:
    return KeyRotation(directory=KeyDirectory(path), times=KeyTimes(longest_token=LONGEST), clock=clock)


async def kids(client: httpx.AsyncClient) -> list[str]:
    return [each["kid"] for each in (await client.get(JWKS)).json()["keys"]]


async def signing_kid(client: httpx.AsyncClient) -> str:
    token = (await log_in(client, "ada")).json()["access_token"]
    kid: str = jwt.get_unverified_header(token)["kid"]
    return kid


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(BOUND):
        while not await holds():  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)  # the follower has its turn


# The key set ----------------------------------------------------------------------------------------------------------


@before_any_database
async def test_a_shared_secret_is_not_published(client: httpx.AsyncClient):
    answer = await client.get(JWKS)

    assert (answer.status_code, answer.json()) == (200, {"keys": []})


@before_any_database
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_a_lone_key_pair_is_published_and_opens_what_it_signed(serve: Serve, cast: Cast, algorithm: str):
    await cast.add("ada")
    key = SigningKey.generate(algorithm)

    async with serve(signing_key=key.to_pem(), signing_algorithm=algorithm) as client:
        (published,) = (await client.get(JWKS)).json()["keys"]
        assert (published["kid"], published["alg"], published["use"]) == (key.kid, algorithm, "sig")
        assert "d" not in published
        header = await bearer(client, "ada")
        token = header["Authorization"].removeprefix("Bearer ")
        assert jwt.decode(token, jwt.PyJWK(published), audience="django")["user_id"] == "1"
        assert (await client.get("/users/me/", headers=header)).status_code == 200


@before_any_database
async def test_the_key_set_may_be_kept_for_a_minute(client: httpx.AsyncClient):
    answer = await client.get(JWKS)

    assert answer.headers["cache-control"] == "public, max-age=60"
    assert answer.headers["content-type"] == "application/json"


@before_any_database
async def test_a_shorter_publication_makes_for_a_shorter_cache(serve: Serve):
    async with serve(key_publication_seconds=70) as client:
        assert (await client.get(JWKS)).headers["cache-control"] == "public, max-age=10"


@before_any_database
@pytest.mark.parametrize("where", [JWKS, METADATA])
@pytest.mark.parametrize(
    "form", ["{}", "W/{}", '"other", {}', "*", '"a,b",{}'], ids=["exact", "weak", "list", "any", "comma"]
)
async def test_whoever_has_the_document_gets_no_other(client: httpx.AsyncClient, where: str, form: str):
    etag = (await client.get(where)).headers["etag"]

    answer = await client.get(where, headers={"If-None-Match": form.format(etag)})

    assert (answer.status_code, answer.content) == (304, b"")
    assert answer.headers["etag"] == etag


@before_any_database
@pytest.mark.parametrize("given", ['"other"', "", ",", "other", "W/", "\xff" * 5000])
async def test_whoever_has_another_gets_it(client: httpx.AsyncClient, given: str):
    answer = await client.get(JWKS, headers={b"If-None-Match": given.encode("latin-1")})

    assert (answer.status_code, answer.json()) == (200, {"keys": []})


# The metadata ---------------------------------------------------------------------------------------------------------


@before_any_database
@pytest.mark.parametrize(
    ("issuer", "base", "cached"),
    [
        ("bridge", "http://bridge", "no-cache"),
        ("https://id.example", "https://id.example", "public, max-age=60"),
        ("https://id.example/", "https://id.example", "public, max-age=60"),
        ("https://shop.example/bridge", "https://shop.example/bridge", "public, max-age=60"),
        ("urn:example:bridge", "http://bridge", "no-cache"),
    ],
)
async def test_clients_learn_where_the_endpoints_are(serve: Serve, issuer: str, base: str, cached: str):
    async with serve(issuer=issuer) as client:
        answer = await client.get(METADATA)

    assert answer.json() == {
        "issuer": issuer,
        "token_endpoint": f"{base}/auth/token",
        "token_endpoint_auth_methods_supported": ["none"],
        "revocation_endpoint": f"{base}/auth/revoke",
        "revocation_endpoint_auth_methods_supported": ["none"],
        "introspection_endpoint": f"{base}/auth/introspect",
        "introspection_endpoint_auth_methods_supported": ["client_secret_basic"],
        "jwks_uri": f"{base}/.well-known/jwks.json",
        "grant_types_supported": ["password", "refresh_token"],
        "response_types_supported": [],
    }
    assert answer.headers["cache-control"] == cached


# A directory that changes ---------------------------------------------------------------------------------------------


def remove(path: Path) -> None:
    path.rename(path.with_name("gone"))


Follow = Callable[[], Any]


@pytest.fixture
def follow(service_url: str, path: Path, clock: FrozenClock) -> Follow:
    """Start a bridge that looks at its key directory all the time."""

    def start() -> Any:
        given = settings_for(service_url, signing_key=str(path), signing_algorithm="ES256")
        return running(create_app(given, clock=clock, follow_every=timedelta(milliseconds=10)))

    return start


async def test_a_rotation_needs_no_restart(follow: Follow, cast: Cast, clock: FrozenClock, rotation: KeyRotation):
    await cast.add("ada")
    old = rotation.add(None).kid

    async with follow() as client:
        of_old = await bearer(client, "ada")
        new = rotation.add(None).kid

        async def is_published() -> bool:
            return await kids(client) == [old, new]

        await until(is_published)
        assert await signing_kid(client) == old

        clock.advance(PUBLICATION + timedelta(seconds=1))
        assert await signing_kid(client) == new

        rotation.retire(old)
        assert (await client.get("/users/me/", headers=of_old)).status_code == 200
        assert await kids(client) == [old, new]


async def test_a_refresh_token_outlives_the_rotation_of_its_key(
    follow: Follow, cast: Cast, clock: FrozenClock, rotation: KeyRotation
):
    await cast.add("ada")
    old, new = (rotation.add(None).kid for _ in range(2))

    async with follow() as client:
        refresh_token = (await log_in(client, "ada")).json()["refresh_token"]
        assert jwt.get_unverified_header(refresh_token)["kid"] == old
        clock.advance(PUBLICATION + timedelta(seconds=1))
        rotation.retire(old)
        clock.advance(LONGEST - PUBLICATION - timedelta(seconds=2))

        pair = (await client.post("/auth/refresh", json={"refresh_token": refresh_token})).json()

    assert {jwt.get_unverified_header(pair[name])["kid"] for name in ("access_token", "refresh_token")} == {new}


async def test_a_key_begins_to_sign_by_the_clock_alone(
    service_url: str, path: Path, cast: Cast, clock: FrozenClock, rotation: KeyRotation
):
    """Nothing is read again meanwhile: the directory is not even there any more."""
    await cast.add("ada")
    old = rotation.add(None).kid
    clock.advance(timedelta(days=1))
    new = rotation.add(None).kid
    settings = settings_for(service_url, signing_key=str(path), signing_algorithm="ES256")

    async with running(create_app(settings, clock=clock)) as client:
        remove(path)
        clock.advance(PUBLICATION - timedelta(seconds=1))
        assert await signing_kid(client) == old
        clock.advance(timedelta(seconds=2))  # a token is dated to the full second, and so is its key
        assert await signing_kid(client) == new


async def test_a_retired_key_leaves_the_key_set_by_the_clock_alone(
    follow: Follow, clock: FrozenClock, rotation: KeyRotation
):
    old = rotation.add(None).kid
    new = rotation.add(None).kid
    clock.advance(PUBLICATION + timedelta(seconds=1))
    rotation.retire(old)

    async with follow() as client:
        before = await client.get(JWKS)
        assert await kids(client) == [old, new]
        clock.advance(LONGEST + timedelta(minutes=1))
        assert await kids(client) == [new]
        assert (await client.get(JWKS)).headers["etag"] != before.headers["etag"]


def cut(path: Path) -> None:
    next(path.iterdir()).write_text('{"kid": ')


def empty(path: Path) -> None:
    for file in path.iterdir():
        file.unlink()


@before_any_database
@pytest.mark.parametrize("damage", [remove, cut, empty])
async def test_a_directory_that_breaks_changes_nothing_and_is_logged(
    follow: Follow, path: Path, cast: Cast, *, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
):
    await cast.add("ada")
    key = SigningKey.generate("ES256")
    KeyDirectory(path).write(DatedKey(key))

    async with follow() as client:
        header = await bearer(client, "ada")
        damage(path)

        async def is_logged() -> bool:
            assert (await client.get("/users/me/", headers=header)).status_code == 200
            return "the signing keys were not read anew" in caplog.text

        await until(is_logged)
        assert await kids(client) == [key.kid]
        assert await signing_kid(client) == key.kid
    assert key.to_pem().splitlines()[1] not in caplog.text


@before_any_database
async def test_a_compromised_keys_tokens_are_void_once_it_is_gone(follow: Follow, cast: Cast, rotation: KeyRotation):
    await cast.add("ada")
    stolen, new = (rotation.add(None).kid for _ in range(2))

    async with follow() as client:
        of_stolen = await bearer(client, "ada")
        rotation.drop(stolen)

        async def is_void() -> bool:
            answer: httpx.Response = await client.get("/users/me/", headers=of_stolen)
            return answer.status_code == httpx.codes.UNAUTHORIZED

        await until(is_void)
        assert await kids(client) == [new]
        assert await signing_kid(client) == new


@before_any_database
async def test_a_bridge_does_not_start_on_a_broken_directory(follow: Follow, rotation: KeyRotation, path: Path):
    rotation.add(None)
    empty(path)

    with pytest.raises(ConfigurationError, match="which holds no key"):
        async with follow():
            pass
