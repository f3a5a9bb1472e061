"""Looking at a token and taking it back: GET /auth/token, POST /auth/logout."""

import asyncio
from datetime import timedelta
from typing import Any, Final

import httpx
import jwt
import pytest
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.tokens import AccessToken

from tests.conftest import Cast, FrozenClock, Serve, bearer
from tests.web.conftest import assert_problem, moment

ME: Final = "/users/me/"


def claims_of(headers: dict[str, str]) -> dict[str, Any]:
    token = headers["Authorization"].removeprefix("Bearer ")
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


# What it says ---------------------------------------------------------------------------------------------------------


async def test_a_token_says_whose_it_is_and_until_when(client: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    key = await cast.add("ada")
    headers = await bearer(client, "ada")

    body = (await client.get("/auth/token", headers=headers)).json()

    issued_at = clock.now.replace(microsecond=0)
    assert moment(body.pop("issued_at")) == issued_at
    assert moment(body.pop("expires_at")) == issued_at + timedelta(seconds=900)
    assert body == {
        "subject": str(key),
        "username": "ada",
        "scopes": [],
        "token_id": claims_of(headers)["jti"],
    }


async def test_a_token_of_the_site_says_the_same(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    token = AccessToken.for_user(get_user_model()(pk=key))

    body = (await client.get("/auth/token", headers={"Authorization": f"Bearer {token}"})).json()

    assert (body["subject"], body["username"], body["token_id"]) == (str(key), "ada", token["jti"])


async def test_each_login_has_a_token_of_its_own(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    first, second = await bearer(client, "ada"), await bearer(client, "ada")

    assert claims_of(first)["jti"] != claims_of(second)["jti"]


async def test_a_token_can_be_read_by_simplejwt(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    headers = await bearer(client, "ada")

    token: Any = headers["Authorization"].removeprefix("Bearer ")
    assert AccessToken(token)["user_id"] == str(key)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_nobody_without_a_token_is_told_anything(client: httpx.AsyncClient, method: str):
    path = "/auth/token" if method == "GET" else "/auth/logout"

    assert_problem(await client.request(method, path), status=401, code="not_authenticated")


# Taking it back -------------------------------------------------------------------------------------------------------


async def test_a_logout_ends_the_token_at_once(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    headers = await bearer(client, "ada")

    answer = await client.post("/auth/logout", headers=headers)

    assert (answer.status_code, answer.content) == (204, b"")
    assert_problem(await client.get(ME, headers=headers), status=401, code="invalid_token")


async def test_a_logout_counts_on_every_replica(serve: Serve, cast: Cast):
    await cast.add("ada")

    async with serve() as here, serve() as there:
        headers = await bearer(here, "ada")
        assert (await there.get(ME, headers=headers)).status_code == 200

        await here.post("/auth/logout", headers=headers)

        assert_problem(await there.get(ME, headers=headers), status=401, code="invalid_token")


async def test_a_logout_outlives_a_restart(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve() as before:
        headers = await bearer(before, "ada")
        await before.post("/auth/logout", headers=headers)

    async with serve() as after:
        assert_problem(await after.get(ME, headers=headers), status=401, code="invalid_token")


async def test_a_second_logout_changes_nothing(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    headers = await bearer(client, "ada")
    await client.post("/auth/logout", headers=headers)
    before = await cast.database.fetch_all("SELECT * FROM bridge_revoked_token")

    await client.post("/auth/logout", headers=headers)

    assert_problem(await client.get(ME, headers=headers), status=401, code="invalid_token")
    assert await cast.database.fetch_all("SELECT * FROM bridge_revoked_token") == before


async def test_a_logout_leaves_the_users_other_tokens_alone(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    ended, other = await bearer(client, "ada"), await bearer(client, "ada")

    await client.post("/auth/logout", headers=ended)

    assert (await client.get(ME, headers=other)).status_code == 200


async def test_a_token_of_the_site_can_be_taken_back_too(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    headers = {"Authorization": f"Bearer {AccessToken.for_user(get_user_model()(pk=key))}"}

    await client.post("/auth/logout", headers=headers)

    assert_problem(await client.get(ME, headers=headers), status=401, code="invalid_token")


async def test_a_revocation_says_whose_token_it_was_and_how_long_it_matters(
    client: httpx.AsyncClient, cast: Cast, clock: FrozenClock
):
    key = await cast.add("ada")
    headers = await bearer(client, "ada")

    await client.post("/auth/logout", headers=headers)

    row = await cast.database.fetch_one("SELECT * FROM bridge_revoked_token")
    assert row is not None
    assert (row["token_id"], row["user_id"]) == (claims_of(headers)["jti"], str(key))
    assert moment(row["revoked_at"]) == clock.now
    assert moment(row["expires_at"]) == clock.now.replace(microsecond=0) + timedelta(seconds=900)


async def test_a_token_stays_revoked_where_the_clock_is_behind_that_of_whoever_prunes(
    serve: Serve, cast: Cast, clock: FrozenClock
):
    key = await cast.add("ada")
    headers = await revoked_by(serve, clock, key)
    # Pruning is over once an entry of long ago is gone.
    await cast.database.execute(
        "INSERT INTO bridge_revoked_token SELECT 'old', user_id, :past, revoked_at FROM bridge_revoked_token",
        {"past": clock.now - timedelta(days=30)},
    )

    clock.advance(timedelta(minutes=15))
    async with serve(), asyncio.timeout(10):
        while await cast.database.fetch_all("SELECT 1 AS one FROM bridge_revoked_token WHERE token_id = 'old'"):
            pass
    clock.advance(-timedelta(seconds=20))

    async with serve() as behind:
        assert_problem(await behind.get(ME, headers=headers), status=401, code="invalid_token")


async def revoked_by(serve: Serve, clock: FrozenClock, key: int) -> dict[str, str]:
    """A token of the site, which nothing but its revocation stands against."""
    token = AccessToken()
    token["user_id"] = str(key)
    token.payload |= {"iat": int(clock.now.timestamp()), "exp": int((clock.now + timedelta(minutes=15)).timestamp())}
    headers = {"Authorization": f"Bearer {token}"}
    async with serve() as client:
        assert (await client.post("/auth/logout", headers=headers)).status_code == 204
    return headers


async def test_a_logout_that_cannot_be_written_says_so(serve: Serve, cast: Cast, database_url: str):
    await cast.add("ada")
    async with serve() as client:
        headers = await bearer(client, "ada")
        await cast.database.execute("ALTER TABLE bridge_revoked_token RENAME COLUMN revoked_at TO gone")

        assert_problem(await client.post("/auth/logout", headers=headers), status=503, code="database_unavailable")
