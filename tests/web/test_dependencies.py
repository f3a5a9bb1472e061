"""Who may call a migrated endpoint: every dependency, alone and together, in one statement."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

import httpx
import jwt
import pytest
from django.contrib.sessions.backends.db import SessionStore
from fastapi import APIRouter, Depends, FastAPI, Request, Security
from prometheus_client import CollectorRegistry

from bridge.passwords.pool import HashingPool
from bridge.profile import UserTable
from bridge.services.clock import system_clock
from bridge.services.endpoints import Rules
from bridge.services.floor import Floor
from bridge.services.preconditions import Safety
from bridge.services.recording import Recorder
from bridge.services.stages import Stages
from bridge.sessions.auth_hash import session_auth_hash
from bridge.store.database import Batch, Database, Dialect, Executor, Parameters, Reading, Row, open_database
from bridge.store.endpoints import Endpoints
from bridge.store.users import Users
from bridge.tokens import KeySet
from bridge.tokens.issuer import TokenIssuer
from bridge.tokens.keys import SigningKey
from bridge.web.app import create_app
from bridge.web.composition import Foundation, compose, site_profile
from bridge.web.composition.limits import limits_of
from bridge.web.dependencies import (
    CurrentUser,
    OptionalUser,
    SitePermissions,
    StaffUser,
    StoredUser,
    SuperUser,
    TokenBearer,
    current_user,
    optional_user,
    require_group,
    require_permission,
    staff_user,
)
from tests.conftest import DJANGO_SECRET_KEY, SIGNING_KEY, Cast, Serve, bearer, execute_on_server, settings_for
from tests.web.conftest import assert_problem, before_any_database

CHANGE: Final = "shop.change_order"
VIEW: Final = "shop.view_order"
SCOPED: Final = ("orders:read", "orders:write")


# The endpoints of these tests -----------------------------------------------------------------------------------------

router = APIRouter()

Changer = Annotated[StoredUser, require_permission(CHANGE)]
Reader = Annotated[StoredUser, Security(current_user, scopes=["orders:read"])]


async def a_customers_own(user: Annotated[StoredUser, require_permission(VIEW)]) -> str:
    return user.username


@router.get("/optional")
async def optional(user: OptionalUser) -> str:
    return user.username if user else "nobody"


@router.get("/current")
async def current(user: CurrentUser) -> str:
    return user.username


@router.get("/staff")
async def staff(user: StaffUser) -> str:
    return user.username


@router.get("/super")
async def superuser(user: SuperUser) -> str:
    return user.username


@router.get("/permission")
async def permission(user: Changer) -> str:
    return user.username


@router.get("/on-route", dependencies=[require_permission(CHANGE)])
async def on_route() -> str:
    return "welcome"


@router.get("/two", dependencies=[require_permission(CHANGE, VIEW)])
async def two(user: CurrentUser) -> str:
    return user.username


@router.get("/nested")
async def nested(name: Annotated[str, Depends(a_customers_own)]) -> str:
    return name


@router.get("/group")
async def group(user: Annotated[StoredUser, require_group("editors")]) -> str:
    return user.username


@router.get("/groups", dependencies=[require_group("editors", "Größe & \N{PILE OF POO}'\"%:x")])
async def groups() -> str:
    return "welcome"


@router.get("/scoped")
async def scoped(user: Reader) -> str:
    return user.username


@router.get("/scoped-twice", dependencies=[Security(current_user, scopes=["orders:write"])])
async def scoped_twice(user: Reader, holder: TokenBearer) -> str:
    return user.username + holder.user.username


@router.get("/scoped-staff")
async def scoped_staff(user: Annotated[StoredUser, Security(staff_user, scopes=["orders:read"])]) -> str:
    return user.username


@router.get("/scoped-optional")
async def scoped_optional(user: Annotated[StoredUser | None, Security(optional_user, scopes=["orders:read"])]) -> str:
    return user.username if user else "nobody"


@router.get("/scoped-oddly")
async def scoped_oddly(user: Annotated[StoredUser, Security(current_user, scopes=['a "b', "é"])]) -> str:
    return user.username


@router.get("/found-out")
async def found_out(user: CurrentUser, permissions: SitePermissions, request: Request) -> list[list[str]]:
    asked = request.query_params.getlist("name")
    return [sorted(await permissions.of(user, *asked)), sorted(await permissions.groups_of(user, *asked))]


child = APIRouter(dependencies=[require_permission(VIEW)])


@child.get("/everything", dependencies=[require_group("editors")])
async def everything(user: Changer, reader: Reader, holder: TokenBearer, guest: OptionalUser) -> str:
    return user.username


parent = APIRouter(prefix="/below", dependencies=[require_group("authors")])
parent.include_router(child, dependencies=[require_permission("auth.view_group")])
router.include_router(parent, dependencies=[require_permission("shop.add_item")])


# Users, what they hold, and their tokens ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Grants:
    """Writes into Django's tables what its admin would."""

    database: Database

    async def give(self, user: int, *names: str) -> None:
        for name in names:
            await self._insert("auth_user_user_permissions", user_id=user, permission_id=await self._id(name))

    async def group(self, name: str, *permissions: str) -> int:
        row = await self.database.fetch_one("INSERT INTO auth_group (name) VALUES (:name) RETURNING id", {"name": name})
        assert row is not None
        key: int = row["id"]
        for each in permissions:
            await self._insert("auth_group_permissions", group_id=key, permission_id=await self._id(each))
        return key

    async def join(self, user: int, group: int) -> None:
        await self._insert("auth_user_groups", user_id=user, group_id=group)

    async def _insert(self, table: str, **row: int) -> None:
        names, slots = ", ".join(row), ", ".join(f":{name}" for name in row)
        await self.database.execute(f"INSERT INTO {table} ({names}) VALUES ({slots})", row)

    async def _id(self, name: str) -> int:
        label, _, codename = name.partition(".")
        row = await self.database.fetch_one(
            "SELECT p.id FROM auth_permission p JOIN django_content_type c ON c.id = p.content_type_id"
            " WHERE c.app_label = :label AND p.codename = :codename",
            {"label": label, "codename": codename},
        )
        assert row is not None, name
        key: int = row["id"]
        return key


@pytest.fixture
def grants(database: Database) -> Grants:
    return Grants(database)


def token(user: int | str, *scope: str) -> dict[str, str]:
    """The header of a token of the bridge; limited if scopes are named."""
    issuer = TokenIssuer(
        keys=KeySet.of_one(SigningKey.load(SIGNING_KEY, algorithm="HS256")),
        issuer="bridge",
        audience="django",
        lifetime=timedelta(minutes=5),
    )
    return {"Authorization": f"Bearer {issuer.issue(user_id=str(user), now=datetime.now(UTC), scope=scope)[0]}"}


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(routers=(router,)) as started:
        yield started


def assert_welcome(answer: httpx.Response, said: object = "ada") -> None:
    assert (answer.status_code, answer.json()) == (200, said), answer.text


# Without credentials, with wrong ones ---------------------------------------------------------------------------------

DEMANDING: Final = (
    "/current",
    "/staff",
    "/super",
    "/permission",
    "/on-route",
    "/two",
    "/nested",
    "/group",
    "/groups",
    "/scoped",
    "/scoped-twice",
    "/scoped-staff",
    "/scoped-oddly",
    "/found-out",
    "/below/everything",
)


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


# One statement --------------------------------------------------------------------------------------------------------


@dataclass
class Counting:
    """A database that remembers what it was asked."""

    database: Database
    statements: list[str] = field(default_factory=list)

    @property
    def dialect(self) -> Dialect:
        return self.database.dialect

    @dialect.setter
    def dialect(self, _: Dialect) -> None:
        raise AttributeError("it is the database's")

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        self.statements.append(statement)
        return await self.database.fetch_one(statement, parameters)

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> Sequence[Row]:
        self.statements.append(statement)
        return await self.database.fetch_all(statement, parameters)

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        self.statements.append(statement)
        return await self.database.execute(statement, parameters)

    def transaction(self) -> AbstractAsyncContextManager[Executor]:
        raise NotImplementedError  # nothing that these tests ask for writes

    def batch(self) -> AbstractAsyncContextManager[Batch]:
        raise NotImplementedError  # likewise

    def read_only(self, *, statement_timeout: timedelta) -> AbstractAsyncContextManager[Reading]:
        raise NotImplementedError  # nor is any of it run a second time

    def unhurried(self) -> Database:
        return self

    async def close(self) -> None:
        await self.database.close()


@dataclass(frozen=True)
class Counted:
    """A bridge, and what its database was asked."""

    app: FastAPI
    client: httpx.AsyncClient
    statements: list[str]


@asynccontextmanager
async def counted(url: str, *routers: APIRouter) -> AsyncIterator[Counted]:
    """Compose the bridge as ``create_app`` does, on a database that counts."""
    app = create_app(settings_for(url), routers=routers)
    database = Counting(await open_database(url))
    pool, registry = HashingPool(workers=1), CollectorRegistry()
    recorder = Recorder(database=database, registry=registry, clock=system_clock)
    source = settings_for(url).key_source()
    foundation = Foundation(
        settings_for(url),
        database,
        pool,
        recorder,
        registry,
        Safety(system_clock),
        source,
        system_clock,
        Rules(),
        Endpoints(database),
        Stages(Endpoints(database)),
        Floor(pool),
        limits_of(settings_for(url), registry, system_clock),
    )
    app.state.bridge = compose(foundation, await site_profile(database), source.look())
    database.statements.clear()
    transport = httpx.ASGITransport(app)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://bridge") as client:
            yield Counted(app, client, database.statements)
    finally:
        await pool.close()
        await database.close()


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


# Before the first request ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["change_order", "", ".", "shop.", ".change_order", "shop change.order", "shop/change", "shop.\0", "shop.\ud800"],
    ids=ascii,
)
def test_what_is_no_permission_is_refused_where_it_is_written(name: str):
    with pytest.raises(ValueError, match="no permission"):
        require_permission(CHANGE, name)


@pytest.mark.parametrize("name", ["", "\0", "\ud800"], ids=ascii)
def test_what_can_be_no_groups_name_is_refused_where_it_is_written(name: str):
    with pytest.raises(ValueError, match="no name of a group"):
        require_group("editors", name)


@pytest.mark.parametrize("require", [require_permission, require_group])
@pytest.mark.parametrize("names", [(), (None,), (7,), (["shop.change_order"],), (b"shop.change_order",)], ids=repr)
def test_what_is_no_name_at_all_is_refused_where_it_is_written(require: Any, names: Sequence[Any]):
    with pytest.raises(TypeError):
        require(*names)


@pytest.mark.parametrize("name", ["shop.change_order", "shop.can.approve", "shop.kann prüfen", "größe.x", "a.*"])
def test_what_django_takes_for_a_permission_is_taken(name: str):
    require_permission(name)


# What is documented ---------------------------------------------------------------------------------------------------


@pytest.fixture
def operations() -> dict[str, Any]:
    paths = create_app(settings_for("sqlite:///nowhere"), routers=(router,)).openapi()["paths"]
    return {path: operation["get"] for path, operation in paths.items() if "get" in operation}


@pytest.mark.parametrize("path", [*DEMANDING, "/optional"])
def test_every_endpoint_says_that_it_takes_no_wrong_token(operations: dict[str, Any], path: str):
    assert operations[path]["responses"]["401"]["description"] == "No valid access token"


@pytest.mark.parametrize(
    ("path", "codes"),
    [
        ("/staff", "staff_only"),
        ("/super", "superuser_only"),
        ("/permission", "permission_denied"),
        ("/on-route", "permission_denied"),
        ("/nested", "permission_denied"),
        ("/group", "group_required"),
        ("/scoped", "insufficient_scope"),
        ("/scoped-staff", "insufficient_scope, staff_only"),
        ("/below/everything", "group_required, insufficient_scope, permission_denied"),
    ],
)
def test_every_endpoint_says_whom_it_refuses(operations: dict[str, Any], path: str, codes: str):
    assert operations[path]["responses"]["403"]["description"] == f"Not allowed: {codes}"


@pytest.mark.parametrize("path", ["/current", "/optional", "/found-out"])
def test_an_endpoint_that_refuses_nobody_says_nothing_of_it(operations: dict[str, Any], path: str):
    assert "403" not in operations[path]["responses"]


def test_a_user_is_optional_in_the_document_too(operations: dict[str, Any]):
    assert {} in operations["/optional"]["security"]
    assert {} not in operations["/current"]["security"]


def test_an_endpoints_own_words_stay(operations: dict[str, Any]):
    assert operations["/healthz"]["responses"].keys() == {"200"}
    assert operations["/migration/report"]["responses"]["403"]["description"] != ""


@before_any_database
async def test_the_document_is_served(client: httpx.AsyncClient):
    for _ in range(2):
        document = (await client.get("/openapi.json")).json()
        assert document["paths"]["/permission"]["get"]["responses"]["403"]["description"].endswith("permission_denied")
        assert document["paths"]["/optional"]["get"]["security"].count({}) == 1
