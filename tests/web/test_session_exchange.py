"""From the site's session to tokens: POST /auth/session, and that both end together."""

from datetime import timedelta
from typing import Any, Final

import httpx
import pytest
from django.contrib.auth.hashers import make_password
from django.core import signing

from bridge.sessions.auth_hash import session_auth_hash
from bridge.web.app import create_app
from tests.conftest import DJANGO_SECRET_KEY, Cast, FrozenClock, Serve, bearer, running, settings_for
from tests.web.conftest import PublishedProfile, assert_problem, before_any_database
from tests.web.test_sessions import Browsers, browsers, with_cookie

__all__ = ["browsers"]

ME: Final = "/users/me/"
CSRF: Final = "abcdefghijklmnopqrstuvwxyz012345"


def from_the_site(key: str) -> dict[str, str]:
    """What a page of the site sends: its cookies, and the CSRF token in the header."""
    return {"Cookie": f"sessionid={key}; csrftoken={CSRF}", "X-CSRFToken": CSRF}


def header(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def exchanged(client: httpx.AsyncClient, key: str) -> dict[str, Any]:
    answer = await client.post("/auth/session", headers=from_the_site(key))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def test_a_session_is_exchanged_for_tokens(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")
    tokens = await exchanged(client, await browsers.log_in())

    assert (await client.get(ME, headers=header(tokens))).json()["username"] == "ada"
    refreshed = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert refreshed.status_code == 200


async def test_a_logout_by_the_token_ends_the_session_too(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")
    key = await browsers.log_in()
    tokens = await exchanged(client, key)

    await client.post("/auth/logout", headers=header(tokens))

    assert (await client.get(ME, headers=with_cookie(key))).status_code == 401
    assert await cast.database.fetch_all("SELECT * FROM django_session") == []


async def test_it_ends_whatever_else_the_user_exchanged_the_session_for(
    client: httpx.AsyncClient, cast: Cast, browsers: Browsers
):
    await cast.add("ada")
    key = await browsers.log_in()
    first, second = await exchanged(client, key), await exchanged(client, key)
    other = await bearer(client, "ada")

    await client.post("/auth/logout", headers=header(first))

    assert (await client.get(ME, headers=header(second))).status_code == 401
    answer = await client.post("/auth/refresh", json={"refresh_token": second["refresh_token"]})
    assert answer.status_code == 401
    assert len(await cast.database.fetch_all("SELECT id FROM token_blacklist_blacklistedtoken")) == 2
    assert (await client.get(ME, headers=other)).status_code == 200


async def test_a_revocation_of_one_leaves_the_others(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")
    key = await browsers.log_in()
    first, second = await exchanged(client, key), await exchanged(client, key)

    await client.post("/auth/revoke", data={"token": first["refresh_token"]})

    assert (await client.get(ME, headers=header(second))).status_code == 200


async def test_a_logout_from_everywhere_does_as_well(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")
    key = await browsers.log_in()
    await exchanged(client, key)

    await client.post("/auth/logout-all", headers=await bearer(client, "ada"))

    assert (await client.get(ME, headers=with_cookie(key))).status_code == 401


async def test_a_reused_refresh_token_does_as_well(
    client: httpx.AsyncClient, cast: Cast, browsers: Browsers, clock: FrozenClock
):
    await cast.add("ada")
    key = await browsers.log_in()
    tokens = await exchanged(client, key)
    body = {"refresh_token": tokens["refresh_token"]}
    await client.post("/auth/refresh", json=body)
    clock.advance(timedelta(minutes=1))

    assert (await client.post("/auth/refresh", json=body)).status_code == 401

    assert (await client.get(ME, headers=with_cookie(key))).status_code == 401


async def test_other_logins_leave_the_session_alone(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")
    key = await browsers.log_in()
    await exchanged(client, key)

    await client.post("/auth/logout", headers=await bearer(client, "ada"))

    assert (await client.get(ME, headers=with_cookie(key))).status_code == 200


async def test_a_changed_password_ends_what_was_exchanged(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")
    tokens = await exchanged(client, await browsers.log_in())

    await cast.database.execute("UPDATE auth_user SET password = :new", {"new": make_password("another one")})

    assert (await client.get(ME, headers=header(tokens))).status_code == 401


async def test_no_other_page_can_ask_for_tokens(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")
    key = await browsers.log_in()

    forged = await client.post("/auth/session", headers=with_cookie(key))
    elsewhere = await client.post("/auth/session", headers=from_the_site(key) | {"Origin": "https://evil.example"})

    assert [(each.status_code, each.json()["code"]) for each in (forged, elsewhere)] == [(403, "csrf_failed")] * 2
    assert "evil" not in forged.text


async def test_neither_a_token_nor_nothing_is_a_session(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    for headers in (await bearer(client, "ada"), {}, with_cookie("x" * 32)):
        answer = await client.post("/auth/session", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (401, "not_authenticated")


async def test_a_session_that_ends_meanwhile_opens_nothing(
    service_url: str, cast: Cast, browsers: Browsers, clock: FrozenClock
):
    await cast.add("ada")
    key = await browsers.log_in()
    app = create_app(settings_for(service_url), clock=clock)
    async with running(app):
        found = await app.state.bridge.identity.of_session(key)
        await cast.database.execute("DELETE FROM django_session")

        assert await app.state.bridge.granting.open_for(found.session) is None
    assert await cast.database.fetch_all("SELECT * FROM bridge_grant WHERE ended_at IS NULL") == []


async def test_sessions_that_the_bridge_cannot_read_end_by_their_rows_as_well(
    serve: Serve, cast: Cast, browsers: Browsers, profile: PublishedProfile
):
    """As those that the site's view opened for a token, and pickled."""
    await cast.add("ada")
    key = await browsers.log_in()
    await profile.edit(lambda document: document["sessions"].update(serializer="shop.PickleSerializer"))
    async with serve() as client:
        headers = await bearer(client, "ada")
        await cast.database.execute("UPDATE bridge_grant SET session_key = :key", {"key": key})

        await client.post("/auth/logout", headers=headers)

    assert await cast.database.fetch_all("SELECT * FROM django_session") == []


# Sessions that are their own cookies ----------------------------------------------------------------------------------


class SignedCookies:
    """A site that keeps sessions in their cookies."""

    engine: Final = "django.contrib.sessions.backends.signed_cookies"

    def __init__(self, cast: Cast, profile: PublishedProfile) -> None:
        self._cast = cast
        self._profile = profile

    async def log_in(self, **content: Any) -> str:
        """Log ada in; give the cookie's value."""
        key = await self._cast.add("ada")
        await self._profile.edit(lambda document: document["sessions"].update(engine=self.engine))
        logged_in = {
            "_auth_user_id": str(key),
            "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
            "_auth_user_hash": session_auth_hash(await self._cast.stored_password("ada"), secret=DJANGO_SECRET_KEY),
        }
        return signing.dumps(logged_in | content, key=DJANGO_SECRET_KEY, salt=self.engine)


@pytest.fixture
def signed(cast: Cast, profile: PublishedProfile) -> SignedCookies:
    return SignedCookies(cast, profile)


NAME: Final = "0123456789abcdef" * 2


async def test_a_signed_cookie_ends_with_its_tokens(serve: Serve, cast: Cast, signed: SignedCookies):
    cookie = await signed.log_in(_bridge_session=NAME)
    async with serve() as client:
        tokens = await exchanged(client, cookie)
        assert (await client.get(ME, headers=with_cookie(cookie))).status_code == 200
        (grant,) = await cast.database.fetch_all("SELECT session_key FROM bridge_grant")
        assert grant["session_key"] == NAME

        await client.post("/auth/logout", headers=header(tokens))

        assert (await client.get(ME, headers=with_cookie(cookie))).status_code == 401
        again = await client.post("/auth/session", headers=from_the_site(cookie))
        assert (again.status_code, again.json()["code"]) == (401, "not_authenticated")


async def test_one_whose_grant_the_new_password_ended_goes_on_with_that(
    serve: Serve, cast: Cast, signed: SignedCookies
):
    cookie = await signed.log_in(_bridge_session=NAME)
    async with serve() as client:
        await exchanged(client, cookie)
        await cast.database.execute("UPDATE bridge_grant SET ended_at = created_at, ended_by = 'password'")

        assert (await client.get(ME, headers=with_cookie(cookie))).status_code == 200


async def test_one_that_ends_meanwhile_opens_nothing(
    service_url: str, cast: Cast, signed: SignedCookies, clock: FrozenClock
):
    cookie = await signed.log_in(_bridge_session=NAME)
    app = create_app(settings_for(service_url), clock=clock)
    async with running(app) as client:
        await exchanged(client, cookie)
        found = await app.state.bridge.identity.of_session(cookie)
        await cast.database.execute("UPDATE bridge_grant SET ended_at = created_at, ended_by = 'logout'")

        assert await app.state.bridge.granting.open_for(found.session) is None
    assert await cast.database.fetch_all("SELECT * FROM bridge_grant WHERE ended_at IS NULL") == []


@before_any_database
@pytest.mark.parametrize(
    "content",
    [{}, {"_bridge_session": ""}, {"_bridge_session": "x" * 32}, {"_bridge_session": NAME * 2}, {"_bridge_session": 7}],
    ids=["without_a_name", "an_empty_one", "no_hex", "too_long", "no_text"],
)
async def test_one_that_could_not_end_with_its_tokens_is_given_none(
    serve: Serve, cast: Cast, signed: SignedCookies, content: dict[str, Any]
):
    cookie = await signed.log_in(**content)
    async with serve() as client:
        answer = await client.post("/auth/session", headers=from_the_site(cookie))

        assert_problem(answer, status=401, code="login_required")
        assert "log in at the site again" in answer.json()["detail"]
        assert (await client.get(ME, headers=with_cookie(cookie))).status_code == 200
    assert await cast.database.fetch_all("SELECT * FROM bridge_grant") == []
