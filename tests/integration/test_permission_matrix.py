"""The bridge says of every user, permission and group what Django's own ``has_perm`` says, on the same database."""

import asyncio
import itertools
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import pytest
from fastapi import APIRouter
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.services.permissions import Permissions
from bridge.store.database import open_database
from bridge.store.rights import Rights
from bridge.store.users import StoredUser
from bridge.web.app import create_app
from bridge.web.composition import identities_of, site_profile
from bridge.web.dependencies import require_group, require_permission
from tests.conftest import (
    CHECKOUT,
    as_role,
    bridge_command,
    execute_on_server,
    manage,
    running,
    settings_for,
    site_environment,
    with_database,
)
from tests.web.demanding import token

SITES: Final = {"shop": "tests.site.settings", "club": "tests.site.custom_settings"}

# By content type, because a codename is unique in one only: there may be two `shop.approve`.
PERMISSIONS: Final = (
    "shop.order.change_order",
    "shop.order.view_order",
    "shop.order.approve",
    "shop.item.approve",
    "shop.order.can.approve",
    "auth.group.view_group",
    "auth.group.view_order",
)
GROUPS: Final = ("editors", "Größe 'ß' %s :x", "empty")
ASKED_PERMISSIONS: Final = (
    *dict.fromkeys(f"{label}.{codename}" for label, _, codename in (each.split(".", 2) for each in PERMISSIONS)),
    "shop.can",
    "shop.no_such",
    "nowhere.view_order",
    "Shop.view_order",
    "shop.View_order",
    "shop.view_order ",
    "shop.%",
)
ASKED_GROUPS: Final = (*GROUPS, "Editors", "editors ", "nowhere")

# A world is {"groups": {name: [permission]}, "users": [{"flags": {}, "permissions": [], "groups": []}]}.
DJANGO: Final = '''
import json, sys
from functools import cache
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.contrib.contenttypes.models import ContentType
from django.db import transaction

User = get_user_model()

@cache
def permission(named):
    label, model, codename = named.split(".", 2)
    of = ContentType.objects.get(app_label=label, model=model)
    return Permission.objects.get_or_create(content_type=of, codename=codename, defaults={"name": codename})[0]

def link(name, pairs):
    """Fill one of the users' many-to-many fields: with `set`, a world of hundreds takes thousands of statements."""
    field = User._meta.get_field(name)
    through = field.remote_field.through
    sides = field.m2m_field_name(), field.m2m_reverse_field_name()
    through.objects.bulk_create(through(**dict(zip(sides, pair, strict=True))) for pair in pairs)

@transaction.atomic
def build(world):
    User.objects.all().delete()
    Group.objects.all().delete()
    groups = {}
    for name, permissions in world["groups"].items():
        groups[name] = Group.objects.create(name=name)
        groups[name].permissions.set(map(permission, permissions))
    users = User.objects.bulk_create(
        User(**{User.USERNAME_FIELD: f"u{number}@example.com"}, **each["flags"])
        for number, each in enumerate(world["users"])
    )
    each_of = list(zip(users, world["users"], strict=True))
    link("user_permissions", [(user, permission(named)) for user, each in each_of for named in each["permissions"]])
    link("groups", [(user, groups[name]) for user, each in each_of for name in each["groups"]])

def told(user, asked):
    return {
        "id": str(user.pk),
        "is_active": user.is_active,
        "permissions": [name for name in asked["permissions"] if user.has_perm(name)],
        "groups": list(user.groups.filter(name__in=asked["groups"]).values_list("name", flat=True)),
    }

for line in sys.stdin:
    world = json.loads(line)
    build(world)
    print(json.dumps([told(user, world["asked"]) for user in User.objects.all()]), flush=True)
'''


# A site, the bridge on its database, and Django as a process that tells -----------------------------------------------


@dataclass(frozen=True)
class Site:
    """A site whose Django makes worlds and tells of them."""

    service_url: str
    process: "subprocess.Popen[str]"

    def matrix_of(self, world: dict[str, Any]) -> list[dict[str, Any]]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        asked = {"permissions": ASKED_PERMISSIONS, "groups": ASKED_GROUPS}
        self.process.stdin.write(json.dumps(world | {"asked": asked}) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        assert line, "Django ended"
        told: list[dict[str, Any]] = json.loads(line)
        return told


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An empty database."""
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("matrix")
        yield f"sqlite:///{folder / secrets.token_hex(6)}.sqlite3"
        return
    server: str = request.getfixturevalue("postgresql_server")
    name = f"matrix_{secrets.token_hex(6)}"
    execute_on_server(server, f"CREATE DATABASE {name}")
    yield with_database(server, name)
    execute_on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module", params=SITES)
def site(request: pytest.FixtureRequest, address: str, service_role: str) -> Iterator[Site]:
    """Stock users and a model of the site's own; on PostgreSQL the bridge has the rights that it asks for, no more."""
    url = address + (f".{request.param}" if address.startswith("sqlite") else "")
    environment = {"DJANGO_SETTINGS_MODULE": SITES[request.param]}
    if address.startswith("postgresql"):
        execute_on_server(url, "DROP SCHEMA public CASCADE")
        execute_on_server(url, "CREATE SCHEMA public")
        execute_on_server(url, f"GRANT USAGE ON SCHEMA public TO {service_role}")
    manage(url, "migrate", "--verbosity", "0", **environment)
    service_url = url
    if address.startswith("postgresql"):
        execute_on_server(url, bridge_command(url, "privileges", "--role", service_role).stdout)
        service_url = as_role(url, service_role)
    with subprocess.Popen(
        [sys.executable, "-m", "legacy_django.manage", "shell", "--verbosity", "0", "-c", DJANGO],
        env=site_environment(url, **environment),
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Site(service_url, process)
        assert process.stdin is not None
        process.stdin.close()


# What the bridge says -------------------------------------------------------------------------------------------------

ASKED: Final = Rights(permissions=frozenset(ASKED_PERMISSIONS), groups=frozenset(ASKED_GROUPS))


async def _matrix(url: str, ids: list[str]) -> tuple[list[tuple[set[str], set[str]]], list[tuple[set[str], set[str]]]]:
    database = await open_database(url)
    try:
        identities = identities_of(database, await site_profile(database))
        permissions = Permissions(identities)
        with_user, later = [], []
        for each in ids:
            found = await identities.of_token(user_id=each, token_id="any", asked=ASKED)
            assert found is not None
            with_user.append((set(found.held.permissions), set(found.held.groups)))
            later.append(await _found_out(permissions, found.user))
        return with_user, later
    finally:
        await database.close()


async def _found_out(permissions: Permissions, user: StoredUser) -> tuple[set[str], set[str]]:
    held = await permissions.of(user, *ASKED_PERMISSIONS)
    return set(held), set(await permissions.groups_of(user, *ASKED_GROUPS))


def assert_as_django(site: Site, world: dict[str, Any]) -> None:
    told = site.matrix_of(world)
    # Django lists an inactive user's groups, too; at the bridge nobody inactive comes so far as to be asked for theirs.
    expected = [(set(each["permissions"]), set(each["groups"]) if each["is_active"] else set()) for each in told]

    with_user, later = asyncio.run(_matrix(site.service_url, [each["id"] for each in told]))

    assert len(told) == len(world["users"])
    assert with_user == expected
    assert later == expected


# The same -------------------------------------------------------------------------------------------------------------

FLAGS: Final = [
    dict(zip(("is_active", "is_staff", "is_superuser"), values, strict=True))
    for values in itertools.product([True, False], repeat=3)
]
OWN: Final = [[], *([each] for each in PERMISSIONS), list(PERMISSIONS[:2]), list(PERMISSIONS)]
MEMBERSHIPS: Final = [list(chosen) for number in range(4) for chosen in itertools.combinations(GROUPS, number)]
EVERYBODY: Final = {
    "groups": {GROUPS[0]: [PERMISSIONS[0], PERMISSIONS[3]], GROUPS[1]: [PERMISSIONS[5], PERMISSIONS[0]], GROUPS[2]: []},
    "users": [
        {"flags": flags, "permissions": own, "groups": groups}
        for flags, own, groups in itertools.product(FLAGS, OWN, MEMBERSHIPS)
    ],
}


def test_every_kind_of_user_holds_what_django_says(site: Site):
    assert_as_django(site, EVERYBODY)


def lists_of(names: tuple[str, ...]) -> st.SearchStrategy[list[str]]:
    return st.lists(st.sampled_from(names), unique=True)


WORLDS: Final = st.fixed_dictionaries(
    {
        "groups": st.fixed_dictionaries({name: lists_of(PERMISSIONS) for name in GROUPS}),
        "users": st.lists(
            st.fixed_dictionaries(
                {
                    "flags": st.fixed_dictionaries(
                        {"is_active": st.booleans(), "is_staff": st.booleans(), "is_superuser": st.booleans()}
                    ),
                    "permissions": lists_of(PERMISSIONS),
                    "groups": lists_of(GROUPS),
                }
            ),
            min_size=1,
            max_size=8,
        ),
    }
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(world=WORLDS)
def test_any_user_holds_what_django_says(site: Site, world: dict[str, Any]):
    assert_as_django(site, world)


# Over HTTP ------------------------------------------------------------------------------------------------------------

router = APIRouter()


@router.get("/orders")
async def orders(user: Annotated[StoredUser, require_permission("shop.change_order", "auth.view_group")]) -> str:
    return user.id


@router.get("/editors", dependencies=[require_group("editors")])
async def editors() -> str:
    return "welcome"


def test_endpoints_open_to_whom_django_would_let_in(site: Site):
    told = site.matrix_of(EVERYBODY)

    def expected(user: dict[str, Any], *, holds: bool) -> int:
        return (200 if holds else 403) if user["is_active"] else 401

    async def answered() -> list[tuple[int, int]]:
        async with running(create_app(settings_for(site.service_url), routers=(router,))) as client:
            return [
                (
                    (await client.get("/orders", headers=token(each["id"]))).status_code,
                    (await client.get("/editors", headers=token(each["id"]))).status_code,
                )
                for each in told
            ]

    assert asyncio.run(answered()) == [
        (
            expected(each, holds={"shop.change_order", "auth.view_group"} <= set(each["permissions"])),
            expected(each, holds="editors" in each["groups"]),
        )
        for each in told
    ]
