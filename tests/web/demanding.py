"""Endpoints that demand all that an endpoint can, users who hold some of it, and their tokens."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import httpx
import pytest
from fastapi import APIRouter, Depends, Request, Security

from bridge.store.database import Database
from bridge.tokens import KeySet
from bridge.tokens.issuer import TokenIssuer
from bridge.tokens.keys import SigningKey
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
from tests.conftest import SIGNING_KEY, Serve

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
