"""Who may call a migrated endpoint: every dependency, alone and together."""

from collections.abc import Sequence
from typing import Any, Final

import httpx
import pytest

from bridge.store.database import Database
from tests.conftest import Cast, execute_on_server
from tests.web.conftest import assert_problem, before_any_database
from tests.web.demanding import CHANGE, DEMANDING, SCOPED, VIEW, Grants, assert_welcome, client, grants, token

__all__ = ["client", "grants"]


# Without credentials, with wrong ones ---------------------------------------------------------------------------------


@before_any_database
@pytest.mark.parametrize("path", DEMANDING)
async def test_whoever_says_nothing_is_challenged(client: httpx.AsyncClient, path: str):
    answer = await client.get(path)

    assert_problem(answer, status=401, code="not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("path", ["/optional", "/scoped-optional"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic YWRhOng="}], ids=["none", "others"])
async def test_where_a_user_is_optional_nobody_may_come(client: httpx.AsyncClient, path: str, headers: dict[str, str]):
    assert_welcome(await client.get(path, headers=headers), "nobody")


@pytest.mark.parametrize("path", [*DEMANDING, "/optional", "/scoped-optional"])
async def test_a_token_that_is_not_to_be_believed_is_refused_everywhere(client: httpx.AsyncClient, path: str):
    answer = await client.get(path, headers=token(12345))

    assert_problem(answer, status=401, code="invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


@before_any_database
@pytest.mark.parametrize("value", ["Bearer", "Bearer two words", "Bearer garbage"])
async def test_an_optional_token_is_read_as_strictly(client: httpx.AsyncClient, value: str):
    assert_problem(await client.get("/optional", headers={"Authorization": value}), status=401, code="invalid_token")


@pytest.mark.parametrize("path", [*DEMANDING, "/optional"])
async def test_nobody_inactive_comes_in_superuser_or_not(client: httpx.AsyncClient, cast: Cast, path: str):
    key = await cast.add("ada", is_active=False, is_superuser=True, is_staff=True)

    assert_problem(await client.get(path, headers=token(key)), status=401, code="invalid_token")


# Kinds of users -------------------------------------------------------------------------------------------------------

KINDS: Final[dict[str, dict[str, Any]]] = {
    "anybody": {},
    "staff": {"is_staff": True},
    "superuser": {"is_superuser": True},
    "both": {"is_staff": True, "is_superuser": True},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("path", "passing", "code"),
    [
        ("/current", "anybody staff superuser both", ""),
        ("/optional", "anybody staff superuser both", ""),
        ("/staff", "staff both", "staff_only"),
        ("/super", "superuser both", "superuser_only"),
        ("/permission", "superuser both", "permission_denied"),
        ("/two", "superuser both", "permission_denied"),
        ("/nested", "superuser both", "permission_denied"),
        ("/group", "", "group_required"),
    ],
)
async def test_a_user_passes_by_what_they_are(
    client: httpx.AsyncClient, cast: Cast, kind: str, *, path: str, passing: str, code: str
):
    answer = await client.get(path, headers=token(await cast.add("ada", **KINDS[kind])))

    if kind in passing.split():
        assert_welcome(answer)
    else:
        assert_problem(answer, status=403, code=code)


# Permissions and groups -----------------------------------------------------------------------------------------------


async def test_a_permission_of_ones_own_opens(client: httpx.AsyncClient, cast: Cast, grants: Grants):
    key = await cast.add("ada")
    await grants.give(key, CHANGE)

    assert_welcome(await client.get("/permission", headers=token(key)))
    assert_welcome(await client.get("/on-route", headers=token(key)), "welcome")


async def test_a_permission_of_ones_group_opens(client: httpx.AsyncClient, cast: Cast, grants: Grants):
    key = await cast.add("ada")
    await grants.join(key, await grants.group("shop", CHANGE))

    assert_welcome(await client.get("/permission", headers=token(key)))


async def test_another_permission_and_anothers_permission_do_not(client: httpx.AsyncClient, cast: Cast, grants: Grants):
    ada, grace = await cast.add("ada"), await cast.add("grace")
    await grants.give(ada, VIEW)
    await grants.give(grace, CHANGE)
    await grants.join(grace, await grants.group("shop", CHANGE))

    assert_problem(await client.get("/permission", headers=token(ada)), status=403, code="permission_denied")


async def test_of_two_permissions_both_are_needed_wherever_they_come_from(
    client: httpx.AsyncClient, cast: Cast, grants: Grants
):
    key = await cast.add("ada")
    await grants.give(key, CHANGE)
    before = await client.get("/two", headers=token(key))
    await grants.join(key, await grants.group("shop", VIEW))

    assert_problem(before, status=403, code="permission_denied")
    assert_welcome(await client.get("/two", headers=token(key)))


async def test_a_permission_that_a_dependency_of_ones_own_needs_is_needed(
    client: httpx.AsyncClient, cast: Cast, grants: Grants
):
    key = await cast.add("ada")
    await grants.give(key, VIEW)

    assert_welcome(await client.get("/nested", headers=token(key)))


async def test_what_is_given_and_taken_counts_at_once(
    client: httpx.AsyncClient, cast: Cast, grants: Grants, database: Database
):
    key = await cast.add("ada")
    await grants.give(key, CHANGE)
    before = await client.get("/permission", headers=token(key))
    await database.execute("DELETE FROM auth_user_user_permissions")

    assert_welcome(before)
    assert_problem(await client.get("/permission", headers=token(key)), status=403, code="permission_denied")


async def test_a_group_opens_to_its_members_superusers_or_not(client: httpx.AsyncClient, cast: Cast, grants: Grants):
    editors = await grants.group("editors")
    for name, flags in KINDS.items():
        key = await cast.add(name, **flags)
        await grants.join(key, editors)

        assert_welcome(await client.get("/group", headers=token(key)), name)


async def test_of_two_groups_both_are_needed_whatever_they_are_called(
    client: httpx.AsyncClient, cast: Cast, grants: Grants
):
    key = await cast.add("ada")
    await grants.join(key, await grants.group("editors"))
    before = await client.get("/groups", headers=token(key))
    await grants.join(key, await grants.group("Größe & \N{PILE OF POO}'\"%:x"))

    assert_problem(before, status=403, code="group_required")
    assert_welcome(await client.get("/groups", headers=token(key)), "welcome")


async def test_a_group_is_told_by_its_exact_name(client: httpx.AsyncClient, cast: Cast, grants: Grants):
    key = await cast.add("ada")
    for name in ("Editors", "editors ", "editor", "editors2"):
        await grants.join(key, await grants.group(name))

    assert_problem(await client.get("/group", headers=token(key)), status=403, code="group_required")


async def test_a_refusal_does_not_say_what_would_open(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    refusals = [await client.get(path, headers=token(key)) for path in ("/permission", "/group")]

    assert [each.status_code for each in refusals] == [403, 403]
    assert not [each for each in refusals if CHANGE in each.text or "editors" in each.text]


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_role_that_may_not_read_permissions_lets_nobody_in_who_needs_one(
    client: httpx.AsyncClient, cast: Cast, database_url: str, service_role: str
):
    key = await cast.add("ada", is_superuser=True)
    execute_on_server(database_url, f"REVOKE SELECT ON auth_group_permissions FROM {service_role}")

    assert_problem(await client.get("/permission", headers=token(key)), status=503, code="write_refused")
    assert_welcome(await client.get("/current", headers=token(key)))


# Found out while the endpoint runs ------------------------------------------------------------------------------------


async def test_permissions_and_groups_can_be_asked_for_by_any_name(
    client: httpx.AsyncClient, cast: Cast, grants: Grants
):
    key = await cast.add("ada")
    await grants.give(key, CHANGE)
    await grants.join(key, await grants.group("editors", VIEW))
    names = [
        CHANGE,
        VIEW,
        "shop.add_item",
        "editors",
        "authors",
        "",
        ".",
        "a.",
        ".b",
        "no dot",
        "\0.x",
        "a.\0",
        "%s.:x",
    ]

    answer = await client.get("/found-out", headers=token(key), params={"name": names})

    assert_welcome(answer, [[CHANGE, VIEW], ["editors"]])


async def test_nothing_can_be_asked_for(client: httpx.AsyncClient, cast: Cast):
    assert_welcome(await client.get("/found-out", headers=token(await cast.add("ada"))), [[], []])


async def test_superusers_hold_whatever_is_asked_and_are_where_they_were_put(
    client: httpx.AsyncClient, cast: Cast, grants: Grants
):
    key = await cast.add("ada", is_superuser=True)
    await grants.join(key, await grants.group("editors"))
    await grants.group("authors")

    answer = await client.get("/found-out", headers=token(key), params={"name": ["no.such", "editors", "authors"]})

    assert_welcome(answer, [["authors", "editors", "no.such"], ["editors"]])  # has_perm asks no table for a superuser


# Scopes ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "scope", "demanded"),
    [
        ("/scoped", ("orders:write",), "orders:read"),
        ("/scoped", ("orders:read:all", "orders"), "orders:read"),
        ("/scoped", ("ORDERS:READ",), "orders:read"),
        ("/scoped-twice", ("orders:read",), "orders:write"),
        ("/scoped-twice", ("orders:write",), "orders:read"),
        ("/scoped-staff", ("orders:write",), "orders:read"),
        ("/scoped-optional", ("orders:write",), "orders:read"),
    ],
)
async def test_a_token_that_lacks_a_scope_is_told_which(
    client: httpx.AsyncClient, cast: Cast, path: str, scope: Sequence[str], demanded: str
):
    key = await cast.add("ada", is_staff=True, is_superuser=True)

    answer = await client.get(path, headers=token(key, *scope))

    assert_problem(answer, status=403, code="insufficient_scope")
    assert answer.headers["www-authenticate"] == f'Bearer error="insufficient_scope", scope="{demanded}"'


async def test_scopes_that_cannot_be_quoted_are_not(client: httpx.AsyncClient, cast: Cast):
    answer = await client.get("/scoped-oddly", headers=token(await cast.add("ada"), "orders:read"))

    assert_problem(answer, status=403, code="insufficient_scope")
    assert answer.headers["www-authenticate"] == 'Bearer error="insufficient_scope"'


@pytest.mark.parametrize(
    ("path", "said"),
    [("/scoped", "ada"), ("/scoped-twice", "adaada"), ("/scoped-staff", "ada"), ("/scoped-optional", "ada")],
)
@pytest.mark.parametrize("scope", [SCOPED, (*SCOPED, "more"), ()], ids=["exact", "more", "unlimited"])
async def test_a_token_with_every_scope_passes_and_so_does_one_that_was_never_limited(
    client: httpx.AsyncClient, cast: Cast, path: str, said: str, scope: Sequence[str]
):
    key = await cast.add("ada", is_staff=True)

    assert_welcome(await client.get(path, headers=token(key, *scope)), said)


async def test_a_limited_token_opens_what_demands_no_scope(client: httpx.AsyncClient, cast: Cast):
    assert_welcome(await client.get("/current", headers=token(await cast.add("ada"), "unrelated")))


async def test_a_scope_is_no_permission(client: httpx.AsyncClient, cast: Cast):
    answer = await client.get("/permission", headers=token(await cast.add("ada"), CHANGE))

    assert_problem(answer, status=403, code="permission_denied")
