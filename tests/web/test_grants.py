"""Where a login ends: logout, logout-all, one's own grants, revocation, and what introspection says of it."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.tokens import AccessToken

from tests.conftest import PASSWORD, Cast, FrozenClock, Serve, log_in
from tests.web.conftest import PublishedProfile, assert_problem
from tests.web.test_refresh import claims, issued_by_the_site

ME: Final = "/users/me/"
CLIENT: Final = ("orders-api", "a resource server's own secret, long enough")
CLIENTS: Final = {CLIENT[0]: CLIENT[1]}

Tokens = dict[str, str]


async def tokens_of(client: httpx.AsyncClient, username: str = "ada", *, device: str = "") -> Tokens:
    form = {"grant_type": "password", "username": username, "password": "correct horse battery staple"}
    answer = await client.post("/auth/token", data=form, headers={"User-Agent": device} if device else {})
    assert answer.status_code == 200, answer.text
    body: Tokens = answer.json()
    return body


def header(tokens: Tokens) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


async def is_alive(client: httpx.AsyncClient, tokens: Tokens) -> bool:
    """Whether anything of a login still opens something; its two halves must agree."""
    access = (await client.get(ME, headers=header(tokens))).status_code
    refresh = (await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})).status_code
    assert (access, refresh) in {(200, 200), (401, 401)}
    return access == 200


# Logging out ----------------------------------------------------------------------------------------------------------


async def test_a_logout_ends_the_refresh_token_too(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    ended, other = await tokens_of(client), await tokens_of(client)

    await client.post("/auth/logout", headers=header(ended))

    assert not await is_alive(client, ended)
    assert await is_alive(client, other)


async def test_a_logout_from_everywhere_ends_all_of_the_users_and_nobody_elses(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    await cast.add("bob")
    first, second, bobs = await tokens_of(client), await tokens_of(client), await tokens_of(client, "bob")

    answer = await client.post("/auth/logout-all", headers=header(first))

    assert (answer.status_code, answer.content) == (204, b"")
    assert [await is_alive(client, each) for each in (first, second, bobs)] == [False, False, True]


async def test_a_token_of_the_site_logs_out_from_everywhere_as_well(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    ours = await tokens_of(client)
    theirs = {"access_token": str(AccessToken.for_user(get_user_model()(pk=key)))}

    await client.post("/auth/logout-all", headers=header(theirs))

    assert not await is_alive(client, ours)
    assert (await client.get(ME, headers=header(theirs))).status_code == 401


@pytest.mark.parametrize("path", ["/auth/logout", "/auth/logout-all"])
async def test_a_body_is_neither_needed_nor_read(client: httpx.AsyncClient, cast: Cast, path: str):
    await cast.add("ada")
    tokens = await tokens_of(client)

    answer = await client.post(path, headers=header(tokens), content=b"anything at all")

    assert answer.status_code == 204


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "/users/me/", {"email": "eve@example.com"}),
        ("POST", "/auth/password", {"current_password": "correct horse battery staple", "new_password": "x" * 20}),
        ("POST", "/auth/logout-all", None),
        ("GET", "/auth/grants", None),
        ("DELETE", "/auth/grants/any", None),
    ],
    ids=str,
)
async def test_whoever_was_lent_a_scope_is_not_the_user(
    client: httpx.AsyncClient, cast: Cast, method: str, path: str, body: dict[str, str] | None
):
    await cast.add("ada")
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD, "scope": "items:read"}
    limited = (await client.post("/auth/token", data=form)).json()

    answer = await client.request(method, path, json=body, headers=header(limited))

    assert_problem(answer, status=403, code="insufficient_scope")
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'
    assert (await client.get(ME, headers=header(limited))).status_code == 200


async def test_a_logout_from_everywhere_spends_the_sites_tokens_as_well(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    theirs = issued_by_the_site(key)
    await cast.database.execute(
        "INSERT INTO token_blacklist_outstandingtoken (user_id, jti, token, created_at, expires_at)"
        " VALUES (:user, :jti, '', :now, :end)",
        {"user": key, "jti": theirs["jti"], "now": datetime.now(UTC), "end": datetime.now(UTC) + timedelta(days=1)},
    )

    await client.post("/auth/logout-all", headers=header(await tokens_of(client)))

    answer = await client.post("/auth/refresh", json={"refresh_token": str(theirs)})
    assert answer.status_code == 401


# One's own grants -----------------------------------------------------------------------------------------------------


async def test_users_see_where_they_are_logged_in(client: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    await cast.add("bob")
    await tokens_of(client, "bob")
    phone = await tokens_of(client, device="Phone/1.0")
    clock.advance(timedelta(minutes=5))
    laptop = await tokens_of(client, device="L" * 300)

    listed = (await client.get("/auth/grants", headers=header(phone))).json()

    assert [(each["device"], each["current"]) for each in listed] == [("L" * 255, False), ("Phone/1.0", True)]
    assert set(listed[0]) == {"id", "device", "created_at", "last_used_at", "expires_at", "current"}
    assert await is_alive(client, laptop)


async def test_a_refresh_is_a_use(client: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    first = await tokens_of(client)
    before = (await client.get("/auth/grants", headers=header(first))).json()
    clock.advance(timedelta(minutes=5))

    await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})

    after = (await client.get("/auth/grants", headers=header(first))).json()
    assert after[0]["last_used_at"] > before[0]["last_used_at"]
    assert after[0]["created_at"] == before[0]["created_at"]


async def test_users_end_one_of_their_logins(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    lost, kept = await tokens_of(client, device="lost"), await tokens_of(client, device="kept")
    listed = (await client.get("/auth/grants", headers=header(kept))).json()
    grant_id = next(each["id"] for each in listed if each["device"] == "lost")

    answer = await client.delete(f"/auth/grants/{grant_id}", headers=header(kept))

    assert answer.status_code == 204
    assert [await is_alive(client, each) for each in (lost, kept)] == [False, True]
    again = await client.delete(f"/auth/grants/{grant_id}", headers=header(kept))
    assert_problem(again, status=404, code="no_such_grant")


async def test_nobody_ends_anothers_login(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    await cast.add("eve")
    adas, eves = await tokens_of(client), await tokens_of(client, "eve")
    (grant,) = (await client.get("/auth/grants", headers=header(adas))).json()

    answer = await client.delete(f"/auth/grants/{grant['id']}", headers=header(eves))

    assert_problem(answer, status=404, code="no_such_grant")
    assert await is_alive(client, adas)


@pytest.mark.parametrize("grant_id", ["x", "%00", "%ED%A0%80", "x" * 5000])
async def test_any_other_id_is_nobodys(client: httpx.AsyncClient, cast: Cast, grant_id: str):
    await cast.add("ada")
    tokens = await tokens_of(client)

    answer = await client.delete(f"/auth/grants/{grant_id}", headers=header(tokens))

    assert_problem(answer, status=404, code="no_such_grant")


# Revocation (RFC 7009) ------------------------------------------------------------------------------------------------


async def revoke(client: httpx.AsyncClient, token: str, **more: str) -> httpx.Response:
    return await client.post("/auth/revoke", data={"token": token, **more})


@pytest.mark.parametrize("hint", [{}, {"token_type_hint": "refresh_token"}, {"token_type_hint": "nonsense"}], ids=str)
async def test_a_revoked_refresh_token_ends_its_login(client: httpx.AsyncClient, cast: Cast, hint: dict[str, str]):
    await cast.add("ada")
    tokens = await tokens_of(client)

    answer = await revoke(client, tokens["refresh_token"], **hint)

    assert (answer.status_code, answer.content) == (200, b"")
    assert not await is_alive(client, tokens)


async def test_a_revoked_access_token_leaves_its_refresh_token(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    tokens = await tokens_of(client)

    await revoke(client, tokens["access_token"])

    assert (await client.get(ME, headers=header(tokens))).status_code == 401
    refreshed = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert await is_alive(client, refreshed.json())


async def test_a_spent_refresh_token_still_ends_its_login(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    first = await tokens_of(client)
    second = (await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})).json()

    await revoke(client, first["refresh_token"])

    assert not await is_alive(client, second)


async def test_a_refresh_token_of_the_site_takes_the_login_that_it_began_with_it(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    token = str(issued_by_the_site(key))
    tokens = (await client.post("/auth/refresh", json={"refresh_token": token})).json()

    await revoke(client, token)

    assert not await is_alive(client, tokens)


@pytest.mark.parametrize("keeps_blacklist", [True, False], ids=["blacklist", "no_blacklist"])
async def test_a_revoked_refresh_token_of_the_site_begins_no_login(
    serve: Serve, cast: Cast, profile: PublishedProfile, *, keeps_blacklist: bool
):
    token = str(issued_by_the_site(await cast.add("ada")))
    await profile.edit(lambda document: document["simple_jwt"].update(keeps_blacklist=keeps_blacklist))
    async with serve(introspection_clients=CLIENTS) as client:
        await revoke(client, token)

        refreshed = await client.post("/auth/refresh", json={"refresh_token": token})
        introspected = await client.post("/auth/introspect", data={"token": token}, auth=CLIENT)

    assert (refreshed.status_code, introspected.json()) == (401, {"active": False})


async def test_the_site_does_not_take_it_either(client: httpx.AsyncClient, cast: Cast):
    token = str(issued_by_the_site(await cast.add("ada")))

    await revoke(client, token)

    (spent,) = await cast.database.fetch_all(
        "SELECT o.jti AS jti FROM token_blacklist_outstandingtoken o"
        " JOIN token_blacklist_blacklistedtoken b ON b.token_id = o.id"
    )
    assert spent["jti"] == claims(token)["jti"]


async def test_a_revoked_refresh_token_of_a_user_who_is_gone_is_as_good_as_revoked(
    client: httpx.AsyncClient, cast: Cast
):
    token = str(issued_by_the_site(await cast.add("ada")))
    await cast.database.execute("DELETE FROM auth_user")

    assert (await revoke(client, token)).status_code == 200


@pytest.mark.parametrize("token", ["x", "a.b.c", "\0", "ü" * 9000], ids=ascii)
async def test_a_token_that_nobody_believes_is_as_good_as_revoked(client: httpx.AsyncClient, token: str):
    assert (await revoke(client, token)).status_code == 200


@pytest.mark.parametrize("path", ["/auth/revoke", "/auth/introspect"])
@pytest.mark.parametrize(
    "body", [{"data": {}}, {"data": {"token": ["a", "b"]}}, {"json": {"token": "a"}}, {"data": {"token": ""}}], ids=str
)
async def test_what_is_no_form_with_one_token_is_malformed(serve: Serve, path: str, body: dict[str, Any]):
    async with serve(introspection_clients=CLIENTS) as client:
        answer = await client.post(path, auth=CLIENT, **body)

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


# Introspection (RFC 7662) ---------------------------------------------------------------------------------------------


async def introspected(client: httpx.AsyncClient, token: str) -> dict[str, Any]:
    answer = await client.post("/auth/introspect", data={"token": token}, auth=CLIENT)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body: dict[str, Any] = answer.json()
    return body


async def test_introspection_tells_of_both_kinds(serve: Serve, cast: Cast):
    key = await cast.add("ada")
    async with serve(introspection_clients=CLIENTS) as client:
        tokens = await tokens_of(client)

        access = await introspected(client, tokens["access_token"])
        refresh = await introspected(client, tokens["refresh_token"])

    for said, kind in ((access, "bearer"), (refresh, "refresh_token")):
        assert (said["active"], said["token_type"], said["sub"], said["username"]) == (True, kind, str(key), "ada")
    assert access["sid"] == refresh["sid"]
    assert refresh["exp"] - access["exp"] == 1_209_600 - 900


async def test_what_has_ended_is_not_active_and_says_nothing_else(serve: Serve, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    async with serve(introspection_clients=CLIENTS) as client:
        first, ended = await tokens_of(client), await tokens_of(client)
        await client.post("/auth/refresh", json={"refresh_token": first["refresh_token"]})
        await client.post("/auth/logout", headers=header(ended))

        dead = [first["refresh_token"], ended["access_token"], ended["refresh_token"], "x", "a.b.c"]
        assert [await introspected(client, token) for token in dead] == [{"active": False}] * len(dead)


async def test_a_site_token_is_active_until_it_is_used(serve: Serve, cast: Cast):
    key = await cast.add("ada")
    token = str(issued_by_the_site(key))
    async with serve(introspection_clients=CLIENTS) as client:
        assert (await introspected(client, token))["active"]

        await client.post("/auth/refresh", json={"refresh_token": token})

        assert not (await introspected(client, token))["active"]


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "Basic",
        "Basic !",
        "Basic " + base64.b64encode(b"orders-api").decode(),
        "Basic " + base64.b64encode(b"orders-api:").decode(),
        "Basic " + base64.b64encode(b"orders-api:wrong").decode(),
        "Basic " + base64.b64encode(f"other:{CLIENT[1]}".encode()).decode(),
        "Basic " + base64.b64encode(b":").decode(),
        "Basic " + base64.b64encode(b"\xff").decode(),
        f"Bearer {CLIENT[1]}",
    ],
    ids=str,
)
async def test_only_named_clients_are_told_anything(serve: Serve, cast: Cast, authorization: str | None):
    await cast.add("ada")
    async with serve(introspection_clients=CLIENTS) as client:
        tokens = await tokens_of(client)
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = await client.post("/auth/introspect", data={"token": tokens["access_token"]}, headers=headers)

    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_without_named_clients_nobody_is(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    tokens = await tokens_of(client)

    for auth in (CLIENT, ("", "")):
        answer = await client.post("/auth/introspect", data={"token": tokens["access_token"]}, auth=auth)
        assert answer.status_code == 401


async def test_a_users_own_password_is_none_of_its_business(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    assert (await log_in(client, "ada")).status_code == 200

    answer = await client.post("/auth/introspect", data={"token": "x"}, auth=("ada", "correct horse battery staple"))

    assert answer.status_code == 401
