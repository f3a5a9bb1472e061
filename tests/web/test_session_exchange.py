"""From the site's session to tokens: POST /auth/session, and that both end together."""

from datetime import timedelta
from typing import Any, Final

import httpx
from django.contrib.auth.hashers import make_password
from django.core import signing

from bridge.sessions.auth_hash import session_auth_hash
from bridge.web.app import create_app
from tests.conftest import DJANGO_SECRET_KEY, Cast, FrozenClock, Serve, bearer, running, settings_for
from tests.web.conftest import PublishedProfile
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
    assert await cast.database.fetch_all("SELECT * FROM bridge_grant") == []


async def test_a_signed_cookie_is_exchanged_and_nothing_is_left_to_end(
    serve: Serve, cast: Cast, profile: PublishedProfile, clock: FrozenClock
):
    key = await cast.add("ada")
    engine = "django.contrib.sessions.backends.signed_cookies"
    await profile.edit(lambda document: document["sessions"].update(engine=engine))
    content = {
        "_auth_user_id": str(key),
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": session_auth_hash(await cast.stored_password("ada"), secret=DJANGO_SECRET_KEY),
    }
    cookie = signing.dumps(content, key=DJANGO_SECRET_KEY, salt=engine)
    async with serve() as client:
        tokens = await exchanged(client, cookie)

        assert (await client.post("/auth/logout", headers=header(tokens))).status_code == 204
    (grant,) = await cast.database.fetch_all("SELECT session_key FROM bridge_grant")
    assert grant["session_key"] == ""
