"""What a request asks of its user is one statement, whatever its route demands, and what ends counts at once."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx
import jwt
import pytest
from django.contrib.sessions.backends.db import SessionStore
from fastapi import APIRouter

from bridge.profile import UserTable
from bridge.sessions.auth_hash import session_auth_hash
from bridge.store.database import Database
from bridge.store.users import Users
from bridge.web.dependencies import current_user, require_permission
from tests.conftest import DJANGO_SECRET_KEY, Cast, bearer
from tests.web.conftest import assert_problem, before_any_database
from tests.web.counting import Counted, counted
from tests.web.demanding import (
    CHANGE,
    SCOPED,
    VIEW,
    Grants,
    assert_welcome,
    client,
    current,
    grants,
    router,
    token,
    two,
)

__all__ = ["client", "grants"]


@pytest.fixture
async def counting(service_url: str) -> AsyncIterator[Counted]:
    async with counted(service_url, router) as running:
        yield running


@pytest.fixture
async def ada(cast: Cast, grants: Grants) -> int:
    """Somebody who may do all that the endpoints above ask for."""
    key = await cast.add("ada", is_staff=True)
    await grants.give(key, CHANGE, "auth.view_group")
    await grants.join(key, await grants.group("editors", VIEW))
    await grants.join(key, await grants.group("authors", "shop.add_item"))
    return key


@pytest.mark.parametrize(
    "path",
    [
        "/current",
        "/optional",
        "/staff",
        "/permission",
        "/on-route",
        "/two",
        "/nested",
        "/group",
        "/scoped",
        "/scoped-twice",
        "/scoped-staff",
        "/below/everything",
    ],
)
async def test_whatever_a_route_asks_is_one_statement(counting: Counted, ada: int, path: str):
    for number in (1, 2):
        answer = await counting.client.get(path, headers=token(ada, *SCOPED))

        assert answer.status_code == 200, answer.text
        assert len(counting.statements) == number


async def test_so_it_is_for_the_token_of_a_login(counting: Counted, client: httpx.AsyncClient, ada: int):
    headers = await bearer(client, "ada")

    assert (await counting.client.get("/below/everything", headers=headers)).json() == "ada"
    assert len(counting.statements) == 1


async def test_so_it_is_for_a_session_that_was_seen_before(counting: Counted, ada: int, cast: Cast):
    encoded = await cast.stored_password("ada")
    content = {
        "_auth_user_id": str(ada),
        "_auth_user_backend": "django.contrib.auth.backends.ModelBackend",
        "_auth_user_hash": session_auth_hash(encoded, secret=DJANGO_SECRET_KEY),
    }
    await cast.database.execute(
        "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (:key, :stored, :expires)",
        {"key": "s" * 32, "stored": SessionStore().encode(content), "expires": datetime.now(UTC) + timedelta(days=1)},
    )

    for number in (2, 3, 4):  # the first has to find out whose it is
        assert (await counting.client.get("/current", headers={"Cookie": f"sessionid={'s' * 32}"})).json() == "ada"
        assert len(counting.statements) == number
    many = await asyncio.gather(
        *(counting.client.get("/current", headers={"Cookie": f"sessionid={'s' * 32}"}) for _ in range(20))
    )
    assert {answer.json() for answer in many} == {"ada"}
    assert len(counting.statements) < 4 + len(many)


async def test_many_who_ask_at_once_share_statements_and_each_gets_their_own(counting: Counted, cast: Cast):
    keys = {name: await cast.add(name, encoded="!") for name in (f"user{number}" for number in range(20))}
    asking = [(name, token(key)) for _ in range(3) for name, key in keys.items()]
    gone = token(max(keys.values()) + 1)

    *answers, nobody = await asyncio.gather(
        *(counting.client.get("/current", headers=headers) for _, headers in asking),
        counting.client.get("/current", headers=gone),
    )

    assert [answer.json() for answer in answers] == [name for name, _ in asking]
    assert_problem(nobody, status=401, code="invalid_token")
    assert len(counting.statements) < len(asking)


ENDS: Final = {
    "a logout": "INSERT INTO bridge_revoked_token (token_id, user_id, expires_at, revoked_at)"
    " VALUES ('{token_id}', '{user_id}', '2100-01-01', '2020-01-01')",
    "being made inactive": "UPDATE auth_user SET is_active = false WHERE id = {user_id}",
    "its grant's end": "UPDATE bridge_grant SET ended_at = '2020-01-01', ended_by = 'logout' WHERE id = '{grant_id}'",
    "a new password": "UPDATE auth_user SET password = 'another' WHERE id = {user_id}",
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_token_that_is_remembered_ends_at_once(
    counting: Counted, client: httpx.AsyncClient, ada: int, cast: Cast, end: str
):
    headers = await bearer(client, "ada")
    for _ in range(2):
        assert_welcome(await counting.client.get("/current", headers=headers))
    claims = jwt.decode(headers["Authorization"].partition(" ")[2], options={"verify_signature": False})

    await cast.database.execute(ENDS[end].format(user_id=ada, token_id=claims["jti"], grant_id=claims["sid"]))

    assert_problem(await counting.client.get("/current", headers=headers), status=401, code="invalid_token")


async def test_so_is_a_refusal(counting: Counted, cast: Cast):
    answer = await counting.client.get("/below/everything", headers=token(await cast.add("ada")))

    assert_problem(answer, status=403, code="permission_denied")
    assert len(counting.statements) == 1


@pytest.mark.parametrize(
    ("taken", "code"),
    [
        ("DELETE FROM auth_user_user_permissions", "permission_denied"),
        ("DELETE FROM auth_group_permissions", "permission_denied"),
        ("DELETE FROM auth_user_groups", "permission_denied"),
        ("UPDATE auth_group SET name = 'writers' WHERE name = 'authors'", "group_required"),
        ("UPDATE auth_group SET name = 'writers' WHERE name = 'editors'", "group_required"),
    ],
    ids=["own", "granted", "memberships", "of_a_router_above", "of_the_route"],
)
async def test_what_the_routers_above_demand_is_demanded(
    counting: Counted, ada: int, database: Database, *, taken: str, code: str
):
    await database.execute(taken)

    answer = await counting.client.get("/below/everything", headers=token(ada, *SCOPED))

    assert_problem(answer, status=403, code=code)
    assert len(counting.statements) == 1


async def test_nothing_is_asked_where_a_user_is_optional_and_nobody_came(counting: Counted):
    assert_welcome(await counting.client.get("/optional"), "nobody")
    assert counting.statements == []


@before_any_database
async def test_nothing_is_asked_about_permissions_where_none_is_needed(counting: Counted, ada: int):
    await counting.client.get("/current", headers=token(ada))

    assert "auth_permission" not in counting.statements[0]
    assert "auth_group" not in counting.statements[0]


async def test_what_is_found_out_later_is_one_statement_more(counting: Counted, ada: int):
    await counting.client.get("/found-out", headers=token(ada), params={"name": [CHANGE, VIEW]})

    assert len(counting.statements) == 3  # the user; permissions of these names; groups of these names


async def test_a_route_that_was_added_since_is_guarded_too(counting: Counted, ada: int, cast: Cast):
    await counting.client.get("/permission", headers=token(ada))
    late = APIRouter()
    late.add_api_route("/late", two, dependencies=[require_permission(CHANGE)])
    counting.app.include_router(late)
    counting.statements.clear()

    assert_welcome(await counting.client.get("/late", headers=token(ada)))
    assert len(counting.statements) == 1
    refused = await counting.client.get("/late", headers=token(await cast.add("grace")))
    assert_problem(refused, status=403, code="permission_denied")


async def test_a_route_that_is_included_again_under_more_demands_is_held_to_them(
    counting: Counted, ada: int, cast: Cast, grants: Grants
):
    """What is known of the route is then too little: the demand looks up for itself."""
    grace = await cast.add("grace")
    await grants.give(grace, CHANGE)
    again = APIRouter()
    again.add_api_route("/again", current)
    counting.app.include_router(again)
    assert_welcome(await counting.client.get("/again", headers=token(grace)), "grace")
    counting.app.include_router(again, prefix="/more", dependencies=[require_permission(CHANGE, VIEW)])

    refused = await counting.client.get("/more/again", headers=token(grace))

    assert_problem(refused, status=403, code="permission_denied")
    assert_welcome(await counting.client.get("/more/again", headers=token(ada)))


async def test_a_customers_test_may_say_who_is_asking(counting: Counted, ada: int, cast: Cast):
    """FastAPI's way to test an endpoint: permissions are then looked up for that user."""
    users = Users(cast.database, UserTable())
    await cast.add("grace")
    found = {name: await users.by_username(name) for name in ("ada", "grace")}

    counting.app.dependency_overrides[current_user] = lambda: found["ada"]
    assert_welcome(await counting.client.get("/permission"))
    counting.app.dependency_overrides[current_user] = lambda: found["grace"]
    assert_problem(await counting.client.get("/permission"), status=403, code="permission_denied")
