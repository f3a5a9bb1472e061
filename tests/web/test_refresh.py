"""Keeping a login going: POST /auth/refresh and the refresh_token grant of POST /auth/token."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import jwt
import psycopg
import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import make_password
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from bridge.sessions.auth_hash import session_auth_hash
from bridge.sessions.lineage import links_between
from bridge.store.lineage import Lineage
from bridge.tokens import unverified_session_id
from tests.conftest import DJANGO_SECRET_KEY, PASSWORD, SIGNING_KEY, Cast, FrozenClock, Serve, log_in
from tests.web.conftest import FULL_COST, PublishedProfile, events, moment

ME: Final = "/users/me/"
REFUSED: Final = {
    "error": "invalid_grant",
    "error_description": "The refresh token is spent, revoked or expired",
    "detail": "The refresh token is spent, revoked or expired",
}
GRACE: Final = timedelta(seconds=10)


async def tokens_of(client: httpx.AsyncClient, username: str = "ada") -> dict[str, str]:
    answer = await log_in(client, username)
    assert answer.status_code == 200, answer.text
    body: dict[str, str] = answer.json()
    return body


async def refresh(client: httpx.AsyncClient, token: str) -> httpx.Response:
    return await client.post("/auth/refresh", json={"refresh_token": token})


async def refreshed(client: httpx.AsyncClient, token: str) -> dict[str, str]:
    answer = await refresh(client, token)
    assert answer.status_code == 200, answer.text
    body: dict[str, str] = answer.json()
    return body


async def opens(client: httpx.AsyncClient, tokens: dict[str, str]) -> bool:
    answer = await client.get(ME, headers={"Authorization": f"Bearer {tokens['access_token']}"})
    assert answer.status_code in (200, 401)
    return answer.status_code == 200


async def assert_refused(client: httpx.AsyncClient, token: str) -> None:
    answer = await refresh(client, token)
    assert (answer.status_code, answer.json()) == (401, REFUSED)


def claims(token: str) -> dict[str, Any]:
    read: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return read


# Rotation -------------------------------------------------------------------------------------------------------------


async def test_a_refresh_gives_a_new_pair(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    first = await tokens_of(client)

    answer = await refresh(client, first["refresh_token"])

    second = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert set(second) == {"access_token", "token_type", "expires_in", "refresh_token", "scope"}
    assert second["refresh_token"] != first["refresh_token"]
    assert await opens(client, second)


async def test_the_form_does_the_same(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    first = await tokens_of(client)

    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    answer = await client.post("/auth/token", data=form)

    assert answer.status_code == 200
    assert await opens(client, answer.json())


async def test_a_chain_of_refreshes_stays_one_login(client: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    tokens = first = await tokens_of(client)

    for _ in range(5):
        clock.advance(timedelta(days=1))
        tokens = await refreshed(client, tokens["refresh_token"])

    assert unverified_session_id(tokens["access_token"]) == unverified_session_id(first["access_token"])
    (grant,) = await cast.database.fetch_all("SELECT * FROM bridge_grant")
    assert grant["current_token_id"] == claims(tokens["refresh_token"])["jti"]


async def test_a_refresh_token_opens_no_endpoint(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    tokens = await tokens_of(client)

    assert not await opens(client, {"access_token": tokens["refresh_token"]})


async def test_an_access_token_refreshes_nothing(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    tokens = await tokens_of(client)

    await assert_refused(client, tokens["access_token"])


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "\0", "\ud800", "ü" * 9000], ids=ascii)
async def test_anything_else_is_refused(client: httpx.AsyncClient, token: str):
    body = json.dumps({"refresh_token": token})

    answer = await client.post("/auth/refresh", content=body, headers={"Content-Type": "application/json"})

    assert answer.status_code == (400 if not token else 401)
    assert answer.json()["error"] == ("invalid_request" if not token else "invalid_grant")


# A lost answer, and theft ---------------------------------------------------------------------------------------------


async def test_a_lost_answer_is_given_again(client: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    first = await tokens_of(client)
    lost = await refreshed(client, first["refresh_token"])
    clock.advance(GRACE)

    again = await refreshed(client, first["refresh_token"])

    assert again["refresh_token"] == lost["refresh_token"]
    assert await opens(client, again)


async def test_a_token_that_comes_back_after_the_grace_ends_the_login(
    client: httpx.AsyncClient, cast: Cast, clock: FrozenClock
):
    await cast.add("ada")
    first = await tokens_of(client)
    second = await refreshed(client, first["refresh_token"])
    clock.advance(GRACE + timedelta(seconds=1))

    await assert_refused(client, first["refresh_token"])

    await assert_refused(client, second["refresh_token"])
    assert not await opens(client, first)
    assert not await opens(client, second)
    assert (await events(client))["refresh_reused"] == 1


async def test_a_token_whose_successor_was_used_ends_the_login_at_once(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    first = await tokens_of(client)
    second = await refreshed(client, first["refresh_token"])
    third = await refreshed(client, second["refresh_token"])

    await assert_refused(client, first["refresh_token"])

    assert not await opens(client, third)
    await assert_refused(client, third["refresh_token"])


async def test_the_end_of_one_login_leaves_the_others_alone(client: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    stolen, other = await tokens_of(client), await tokens_of(client)
    await refreshed(client, stolen["refresh_token"])
    clock.advance(timedelta(minutes=1))

    await assert_refused(client, stolen["refresh_token"])

    assert await opens(client, await refreshed(client, other["refresh_token"]))


async def test_of_sixteen_at_once_one_wins_and_all_get_its_token(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve() as here, serve() as there:
        first = await tokens_of(here)

        answers = await asyncio.gather(
            *(refresh(client, first["refresh_token"]) for client in (here, there) for _ in range(8))
        )

        assert {answer.status_code for answer in answers} == {200}
        (only,) = {answer.json()["refresh_token"] for answer in answers}
        assert await opens(here, await refreshed(there, only))
    assert len(await cast.database.fetch_all("SELECT * FROM bridge_grant")) == 1


async def test_a_grace_of_nothing_is_none(serve: Serve, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    async with serve(refresh_grace=0) as client:
        first = await tokens_of(client)
        await refreshed(client, first["refresh_token"])
        clock.advance(timedelta(milliseconds=1))

        await assert_refused(client, first["refresh_token"])


# Lifetimes ------------------------------------------------------------------------------------------------------------


async def test_a_login_that_is_not_refreshed_expires(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    tokens = await tokens_of(client)

    read = claims(tokens["refresh_token"])

    assert read["exp"] - read["iat"] == 1_209_600


async def test_a_login_ends_however_often_it_is_refreshed(serve: Serve, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    async with serve(refresh_token_lifetime=3600, grant_lifetime=5400) as client:
        first = await tokens_of(client)
        clock.advance(timedelta(minutes=45))
        second = await refreshed(client, first["refresh_token"])
        left = claims(second["refresh_token"])

        assert left["exp"] - left["iat"] in (2699, 2700)

        clock.advance(timedelta(minutes=46))
        await assert_refused(client, second["refresh_token"])


async def test_an_expired_refresh_token_is_refused(serve: Serve, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    async with serve(refresh_token_lifetime=60) as client:
        tokens = await tokens_of(client)
        clock.advance(timedelta(seconds=60))

        await assert_refused(client, tokens["refresh_token"])


# What it hangs on -----------------------------------------------------------------------------------------------------


async def test_a_changed_password_ends_every_login_at_once(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    tokens = await tokens_of(client)

    await set_password(cast, make_password("another one"))

    assert not await opens(client, tokens)
    await assert_refused(client, tokens["refresh_token"])


async def test_setting_the_same_password_again_ends_them_too(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    tokens = await tokens_of(client)

    await set_password(cast, make_password(PASSWORD))

    assert not await opens(client, tokens)


async def test_a_silent_rehash_ends_none(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(rehash="off") as before:
        tokens = await tokens_of(before)
    old = await cast.stored_password("ada")
    async with serve() as after:
        await tokens_of(after)

        assert await cast.stored_password("ada") != old
        assert await opens(after, tokens)
        second = await refreshed(after, tokens["refresh_token"])
        assert await opens(after, second)


async def test_a_later_rehash_brings_none_back(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(rehash="off") as before:
        tokens = await tokens_of(before)
    await set_password(cast, make_password(PASSWORD, hasher="pbkdf2_sha256"))
    async with serve() as after:
        await tokens_of(after)

        assert not await opens(after, tokens)
        await assert_refused(after, tokens["refresh_token"])


async def test_an_inactive_user_refreshes_nothing(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    tokens = await tokens_of(client)
    await cast.database.execute("UPDATE auth_user SET is_active = :no", {"no": False})

    await assert_refused(client, tokens["refresh_token"])


async def test_a_secret_key_that_became_a_fallback_keeps_logins(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve() as before:
        tokens = await tokens_of(before)
    async with serve(django_secret_key="n" * 50, django_secret_key_fallbacks=[DJANGO_SECRET_KEY]) as after:
        assert await opens(after, tokens)
        assert await opens(after, await refreshed(after, tokens["refresh_token"]))


async def test_a_login_that_the_database_cannot_keep_lets_the_user_in_for_once(serve: Serve, cast: Cast):
    await cast.add("ada")
    await cast.database.execute("ALTER TABLE bridge_grant RENAME COLUMN device TO gone")
    async with serve() as client:
        tokens = (await log_in(client, "ada")).json()

        assert tokens["refresh_token"] is None
        assert await opens(client, tokens)


# Scope ----------------------------------------------------------------------------------------------------------------


async def test_a_login_can_be_restricted_and_its_refreshes_stay_so(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD, "scope": "items profile"}
    first = (await client.post("/auth/token", data=form)).json()

    second = await refreshed(client, first["refresh_token"])

    assert (first["scope"], second["scope"]) == ("items profile", "items profile")
    assert claims(second["access_token"])["scope"] == "items profile"


async def test_a_refresh_can_narrow_a_scope_and_never_widen_it(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD, "scope": "items profile"}
    first = (await client.post("/auth/token", data=form)).json()

    asked = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], "scope": "items"}
    second = (await client.post("/auth/token", data=asked)).json()
    third = await refreshed(client, second["refresh_token"])

    assert (second["scope"], third["scope"]) == ("items", "items profile")
    wider = {"grant_type": "refresh_token", "refresh_token": third["refresh_token"], "scope": "items admin"}
    answer = await client.post("/auth/token", data=wider)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


@pytest.mark.parametrize("scope", ['it"ems', "a\\b", "ü", "x" * 1025], ids=ascii)
async def test_a_malformed_scope_is_refused(client: httpx.AsyncClient, cast: Cast, scope: str):
    await cast.add("ada")
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD, "scope": scope}

    answer = await client.post("/auth/token", data=form)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_scope")


# Where the site keeps a blacklist, and where it keeps none ------------------------------------------------------------


async def blacklisted(cast: Cast) -> set[str]:
    rows = await cast.database.fetch_all(
        "SELECT o.jti AS jti FROM token_blacklist_outstandingtoken o"
        " JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id"
    )
    return {row["jti"] for row in rows}


async def test_what_is_spent_here_the_site_takes_no_more(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    first = await tokens_of(client)
    second = await refreshed(client, first["refresh_token"])

    assert await blacklisted(cast) == {claims(first["refresh_token"])["jti"]}

    await client.post("/auth/logout", headers={"Authorization": f"Bearer {second['access_token']}"})

    assert await blacklisted(cast) == {claims(each["refresh_token"])["jti"] for each in (first, second)}


async def test_what_the_site_lists_of_a_token_opens_nothing(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    await tokens_of(client)

    (row,) = await cast.database.fetch_all("SELECT token FROM token_blacklist_outstandingtoken")

    assert row["token"].endswith(".")
    await assert_refused(client, row["token"])


async def test_what_the_site_has_blacklisted_is_refused_with_its_login(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    tokens = await tokens_of(client)
    await cast.database.execute(
        "INSERT INTO token_blacklist_blacklistedtoken (token_id, blacklisted_at)"
        " SELECT id, created_at FROM token_blacklist_outstandingtoken"
    )

    await assert_refused(client, tokens["refresh_token"])

    assert not await opens(client, tokens)


async def test_a_site_without_a_blacklist_loses_nothing_of_it(
    serve: Serve, cast: Cast, profile: PublishedProfile, clock: FrozenClock
):
    await cast.add("ada")
    await profile.edit(lambda document: document["simple_jwt"].update(keeps_blacklist=False))
    async with serve() as client:
        first = await tokens_of(client)
        second = await refreshed(client, first["refresh_token"])
        clock.advance(GRACE + timedelta(seconds=1))

        await assert_refused(client, first["refresh_token"])

        assert not await opens(client, second)
    assert await cast.database.fetch_all("SELECT * FROM token_blacklist_outstandingtoken") == []


# The site's own refresh tokens ----------------------------------------------------------------------------------------


async def test_a_refresh_token_of_the_site_becomes_a_login_of_the_bridge(
    client: httpx.AsyncClient, cast: Cast, clock: FrozenClock
):
    key = await cast.add("ada")
    token = str(issued_by_the_site(key))

    first = await refreshed(client, token)
    second = await refreshed(client, first["refresh_token"])

    assert await opens(client, second)
    clock.advance(timedelta(minutes=1))
    await assert_refused(client, token)
    assert not await opens(client, second)


async def test_sixteen_at_once_open_one_login(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    token = str(issued_by_the_site(key))

    answers = await asyncio.gather(*(refresh(client, token) for _ in range(16)))

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1
    assert len(await cast.database.fetch_all("SELECT * FROM bridge_grant")) == 1


async def test_a_foreign_sid_of_a_site_token_is_nobodys_grant(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    access = AccessToken.for_user(get_user_model()(pk=key))
    access["sid"] = "a session of another issuer"
    stray = issued_by_the_site(key)
    stray["sid"] = "a session of another issuer"

    assert await opens(client, {"access_token": str(access)})
    await assert_refused(client, str(stray))


async def test_a_token_that_names_anothers_grant_is_refused(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    eve = await cast.add("eve")
    grant = claims((await tokens_of(client))["refresh_token"])
    forged = jwt.encode({**grant, "user_id": str(eve), "sub": str(eve)}, SIGNING_KEY, "HS256")

    await assert_refused(client, forged)


# Without a profile ----------------------------------------------------------------------------------------------------


async def test_a_token_of_a_site_that_told_nothing_may_be_spent_there(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    token = issued_by_the_site(await cast.add("ada"))
    await profile.withdraw()
    async with serve(**FULL_COST) as client:
        await assert_refused(client, str(token))

        tokens = await tokens_of(client)
        assert await opens(client, await refreshed(client, tokens["refresh_token"]))


@pytest.mark.parametrize("table", ["otp_totp_totpdevice", "mfa_authenticator", "axes_accessattempt"])
async def test_a_guarded_site_that_told_nothing_is_not_passed_by(
    serve: Serve, cast: Cast, profile: PublishedProfile, table: str
):
    await cast.add("ada")
    await profile.withdraw()
    await cast.database.execute(f"CREATE TABLE {table} (id integer)")
    async with serve(**FULL_COST) as client:
        answer = await log_in(client, "ada")

    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert table in answer.json()["detail"]


# A re-hash while a refresh waits --------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_rehash_while_a_refresh_waits_ends_nothing(serve: Serve, cast: Cast, database_url: str):
    await cast.add("ada")
    async with serve(rehash="off") as client:
        tokens = await tokens_of(client)
        old, new = await cast.stored_password("ada"), make_password(PASSWORD)
        async with cast.database.transaction() as other:
            await other.fetch_all("SELECT id FROM bridge_grant FOR UPDATE")
            waiting = asyncio.create_task(refresh(client, tokens["refresh_token"]))
            await until_somebody_waits(database_url)
            await other.execute("UPDATE auth_user SET password = :new", {"new": new})
            for link in links_between(
                old, new, user_id="1", secrets=[DJANGO_SECRET_KEY], expires_at=datetime.now(UTC) + GRACE
            ):
                await Lineage(cast.database).record(link, executor=other)
            hanging = session_auth_hash(new, secret=DJANGO_SECRET_KEY)
            await other.execute("UPDATE bridge_grant SET auth_hash = :hash", {"hash": hanging})

        assert (await waiting).status_code == 200


async def until_somebody_waits(url: str) -> None:
    """Look at the server, and not at the clock."""
    statement = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection, asyncio.timeout(10):
        while (await (await connection.execute(statement)).fetchone()) == (0,):
            pass


# Pruning --------------------------------------------------------------------------------------------------------------


async def test_grants_whose_tokens_have_all_expired_are_dropped(serve: Serve, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    async with serve() as client:
        await tokens_of(client)
        clock.advance(timedelta(days=10))
        await tokens_of(client)
    clock.advance(timedelta(days=6))

    async with serve(), asyncio.timeout(10):
        while len(rows := await cast.database.fetch_all("SELECT created_at FROM bridge_grant")) > 1:
            pass  # each look gives the service its turn

    assert [moment(row["created_at"]) for row in rows] == [clock.now - timedelta(days=6)]


def issued_by_the_site(key: int) -> RefreshToken:
    """What stock SimpleJWT gives at a login, but for its note in the database."""
    token = RefreshToken()
    token["user_id"] = str(key)
    return token


async def test_a_restricted_token_of_the_site_stays_restricted(client: httpx.AsyncClient, cast: Cast):
    token = issued_by_the_site(await cast.add("ada"))
    token["scope"] = "items"

    first = await refreshed(client, str(token))
    second = await refreshed(client, first["refresh_token"])

    assert (first["scope"], second["scope"]) == ("items", "items")


@pytest.mark.parametrize("scope", [None, 7, ["items"], " ", "items\0", "x" * 1025], ids=lambda each: ascii(each)[:20])
async def test_a_restriction_that_cannot_be_read_is_not_lifted(client: httpx.AsyncClient, cast: Cast, scope: Any):
    token = issued_by_the_site(await cast.add("ada"))
    token["scope"] = scope

    await assert_refused(client, str(token))


async def test_what_began_with_a_token_of_the_site_is_known_for_as_long_as_that_lives(
    serve: Serve, cast: Cast, profile: PublishedProfile, clock: FrozenClock
):
    token = issued_by_the_site(await cast.add("ada"))
    token.set_exp(lifetime=timedelta(days=400))
    await profile.edit(lambda document: document["simple_jwt"].update(keeps_blacklist=False))
    async with serve() as client:
        tokens = await refreshed(client, str(token))
        await client.post("/auth/logout", headers={"Authorization": f"Bearer {tokens['access_token']}"})
    clock.advance(timedelta(days=300))

    # Grants are pruned when it starts: an old login of nobody's says when that is done.
    await cast.database.execute(
        "INSERT INTO bridge_grant SELECT 'other', user_id, auth_hash, 'c', 'p', NULL, session_key, scope, device,"
        " created_at, rotated_at, created_at, ended_at, ended_by FROM bridge_grant"
    )
    async with serve() as client, asyncio.timeout(10):
        while len(await cast.database.fetch_all("SELECT id FROM bridge_grant")) > 1:
            pass
        await assert_refused(client, str(token))


async def set_password(cast: Cast, encoded: str) -> None:
    await cast.database.execute("UPDATE auth_user SET password = :encoded", {"encoded": encoded})
