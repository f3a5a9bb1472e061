"""Limits at each endpoint that has one: what is answered, that it is the same for everybody, and who gets in."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import httpx
import pytest

from tests.conftest import PASSWORD, Cast, Serve, bearer, log_in
from tests.web.conftest import assert_problem, before_any_database, events
from tests.web.dashboard import as_browser

pytestmark = before_any_database
DEVICE: Final = "bridge_device"


def assert_limited(answer: httpx.Response) -> None:
    """Hold an answer of an OAuth endpoint to its form."""
    assert (answer.status_code, answer.json()["error"]) == (429, "too_many_attempts"), answer.text
    assert 0 < int(answer.headers["retry-after"]) <= 3600
    assert answer.headers["cache-control"] == "no-store"


async def test_an_accounts_limit_is_the_same_whether_there_is_one(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(limit_account="2/hour") as client:
        for name in ("ada", "nobody"):
            assert [(await log_in(client, name, "wrong")).status_code for _ in range(2)] == [401, 401]

        there, not_there = await log_in(client, "ada"), await log_in(client, "nobody")
        in_json = await client.post("/auth/login", json={"username": " ada ", "password": PASSWORD})
        counted = await events(client)

    for answer in (there, not_there, in_json):
        assert_limited(answer)
    assert there.content == not_there.content == in_json.content
    assert counted == {"login_refused": 4, "login_limited": 3}
    # Nothing was hashed, looked up or written for it.
    rows = await cast.database.fetch_all("SELECT event, count FROM bridge_activity")
    assert [dict(row) for row in rows] == [{"event": "login_refused", "count": 4}]


async def test_logins_that_succeed_use_nothing_up(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(limit_account="1/hour", limit_network="1/hour", limit_everybody="1/hour") as client:
        for _ in range(3):
            assert (await log_in(client, "ada")).status_code == 200
            client.cookies.clear()


async def test_a_network_is_limited_whatever_names_it_tries(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(limit_network="2/hour") as client:
        await log_in(client, "nobody")
        await log_in(client, "somebody")

        assert_limited(await log_in(client, "ada"))


async def test_the_network_is_the_clients_own_where_the_proxy_is_trusted(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(limit_network="1/hour", trusted_proxies=("127.0.0.1",)) as client:
        for address, status in (("203.0.113.1", 401), ("203.0.113.1", 429), ("203.0.113.2", 401)):
            client.headers["X-Forwarded-For"] = address
            assert (await log_in(client, "nobody")).status_code == status


# Known devices --------------------------------------------------------------------------------------------------------


async def test_a_user_gets_in_where_they_have_been_before_whatever_strangers_try(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(limit_account="2/hour", limit_network="2/hour") as client:
        mark = (await log_in(client, "ada")).cookies[DEVICE]
        client.cookies.clear()
        for _ in range(2):
            await log_in(client, "ada", "wrong")
        assert_limited(await log_in(client, "ada"))

        client.cookies.set(DEVICE, mark)
        answer = await log_in(client, "ada")

    assert answer.status_code == 200
    assert DEVICE not in answer.cookies  # what it has is good for months


async def test_a_devices_mark_is_for_nobodys_eyes_but_the_bridges(serve: Serve, cast: Cast):
    await cast.add("some_unmistakable_name")
    async with serve(trusted_proxies=("127.0.0.1",)) as client:
        client.headers["X-Forwarded-Proto"] = "https"
        given = (await log_in(client, "some_unmistakable_name")).headers["set-cookie"]
        refused = await log_in(client, "some_unmistakable_name", "wrong")

    assert "some_unmistakable_name" not in given
    assert {"HttpOnly", "Secure", "SameSite=strict", "Path=/"} <= set(given.split("; "))
    assert "set-cookie" not in refused.headers


async def test_another_sites_page_marks_no_device(serve: Serve, cast: Cast):
    """A form of somebody's with their own password would put their mark over that of who opens the page."""
    await cast.add("ada")
    credentials = {"username": "ada", "password": PASSWORD}
    async with serve() as client:
        for site, is_marked in (("cross-site", False), ("same-site", True)):
            answer = await client.post("/auth/login", json=credentials, headers={"Sec-Fetch-Site": site})
            assert (answer.status_code, DEVICE in answer.cookies) == (200, is_marked), site


async def test_no_device_is_known_where_none_is_to_be(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(known_device_days=0) as client:
        assert "set-cookie" not in (await log_in(client, "ada")).headers


async def test_the_dashboards_login_is_limited_and_known_like_any_other(serve: Serve, cast: Cast):
    await cast.add("staff", is_staff=True)
    async with serve(limit_account="1/hour") as client:
        mark = (await as_browser(client).log_in("staff")).cookies[DEVICE]
        visit = as_browser(client)
        statuses = [(await visit.log_in("staff", password)).status_code for password in ("wrong", PASSWORD)]
        client.cookies.set(DEVICE, mark)
        statuses.append((await visit.log_in("staff")).status_code)

    assert statuses == [401, 429, 303]


# Everything else ------------------------------------------------------------------------------------------------------

Ask = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]
OAUTH: Final[dict[str, tuple[dict[str, str], Ask, int]]] = {
    "refresh": (
        {"limit_tokens": "2/hour"},
        lambda client: client.post("/auth/refresh", json={"refresh_token": "x"}),
        401,
    ),
    "refresh_by_form": (
        {"limit_tokens": "2/hour"},
        lambda client: client.post("/auth/token", data={"grant_type": "refresh_token", "refresh_token": "x"}),
        401,
    ),
    "introspect": (
        {"limit_tokens": "2/hour"},
        lambda client: client.post("/auth/introspect", data={"token": "x"}, auth=("a", "b")),
        401,
    ),
    "code": (
        {"limit_network": "2/hour"},
        lambda client: client.post("/auth/mfa", json={"mfa_token": "x", "code": "123456"}),
        401,
    ),
}


@pytest.mark.parametrize(("rules", "ask", "refused"), OAUTH.values(), ids=OAUTH.keys())
async def test_refusals_of_a_network_are_limited(serve: Serve, rules: dict[str, str], ask: Ask, refused: int):
    async with serve(**rules) as client:
        assert [(await ask(client)).status_code for _ in range(2)] == [refused, refused]
        assert_limited(await ask(client))
        assert (await events(client))["request_limited"] == 1


async def test_refreshes_that_succeed_use_nothing_up(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(limit_tokens="1/hour") as client:
        token = (await log_in(client, "ada")).json()["refresh_token"]
        for _ in range(3):
            answer = await client.post("/auth/refresh", json={"refresh_token": token})
            assert answer.status_code == 200
            token = answer.json()["refresh_token"]


async def test_registrations_of_a_network_are_limited(serve: Serve):
    async with serve(registration="on", limit_registration="1/hour") as client:
        answers = [
            await client.post("/auth/register", json={"username": name, "password": PASSWORD})
            for name in ("ada", "eve")
        ]

    assert answers[0].status_code == 201
    assert_problem(answers[1], status=429, code="too_many_attempts")


async def test_guesses_at_ones_own_password_are_limited(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(limit_account="2/hour") as client:
        headers = await bearer(client, "ada")

        async def change(current: str) -> Any:
            body = {"current_password": current, "new_password": "another good battery"}
            return await client.post("/auth/password", json=body, headers=headers)

        assert [(await change("wrong")).status_code for _ in range(2)] == [403, 403]
        limited = await change(PASSWORD)

    assert_problem(limited, status=429, code="too_many_attempts")
    assert int(limited.headers["retry-after"]) > 0
