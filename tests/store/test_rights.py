"""What a user may do, where the model is not Django's; ``tests/integration/test_permission_matrix.py`` has the rest."""

from dataclasses import replace
from typing import Final

import pytest

from bridge.profile import Membership, UserTable
from bridge.store.database import Database
from bridge.store.identities import Identities
from bridge.store.rights import NOTHING, Rights, RightsColumns, auth_tables
from tests.conftest import Cast

STOCK: Final = UserTable()
ASKED: Final = Rights(permissions=frozenset({"shop.change_order"}), groups=frozenset({"editors"}))
GROUPS_PERMISSION: Final = """
    INSERT INTO auth_group_permissions (group_id, permission_id)
    SELECT 7, id FROM auth_permission WHERE codename = 'change_order'
"""
EVERYTHING_GIVEN: Final = (
    "INSERT INTO auth_group (id, name) VALUES (7, 'editors')",
    "INSERT INTO auth_user_groups (user_id, group_id) SELECT id, 7 FROM auth_user",
    """INSERT INTO auth_user_user_permissions (user_id, permission_id)
       SELECT u.id, p.id FROM auth_user u, auth_permission p WHERE p.codename = 'change_order'""",
    GROUPS_PERMISSION,
)


async def held(cast: Cast, table: UserTable, **flags: bool) -> Rights:
    key = await cast.add("ada", **{"is_active": True, **flags})  # type: ignore[arg-type]  # flags, no stored password
    for statement in EVERYTHING_GIVEN:
        await cast.database.execute(statement)
    found = await Identities(cast.database, table).of_token(user_id=str(key), token_id="any", asked=ASKED)
    assert found is not None
    return found.held


async def test_a_user_holds_what_was_given(cast: Cast):
    assert await held(cast, STOCK) == ASKED


async def test_an_inactive_user_holds_nothing(cast: Cast):
    assert await held(cast, STOCK, is_active=False, is_superuser=True) == NOTHING


async def test_without_the_fields_of_permissions_mixin_nothing_is_held_whatever_lies_about(cast: Cast):
    assert await held(cast, replace(STOCK, groups=None, permissions=None)) == NOTHING


async def test_without_them_superusers_hold_every_permission(cast: Cast):
    bare = replace(STOCK, groups=None, permissions=None)

    assert await held(cast, bare, is_superuser=True) == Rights(permissions=ASKED.permissions)


async def test_without_a_column_for_superusers_nobody_is_one(cast: Cast):
    columns = {name: limit for name, limit in STOCK.columns.items() if name != "is_superuser"}

    assert (
        await held(cast, replace(STOCK, columns=columns, groups=None, permissions=None), is_superuser=True) == NOTHING
    )


async def test_with_groups_alone_their_permissions_are_held(cast: Cast):
    assert await held(cast, replace(STOCK, permissions=None)) == ASKED


async def test_with_permissions_of_ones_own_alone_nobody_is_in_a_group(cast: Cast):
    assert await held(cast, replace(STOCK, groups=None)) == Rights(permissions=ASKED.permissions)


async def test_tables_and_columns_with_odd_names_are_read(database: Database):
    for statement in (
        'CREATE TABLE "Club members" ("Key" varchar(10) PRIMARY KEY, email text, is_active boolean, password text)',
        'CREATE TABLE "or""der" ("the user" varchar(10), "group" integer)',
        "INSERT INTO \"Club members\" VALUES ('held', 'ada@x.org', true, ''), ('own', 'grace@x.org', true, '')",
        "INSERT INTO auth_group (id, name) VALUES (7, 'editors')",
        'INSERT INTO "or""der" VALUES (\'held\', 7)',
        GROUPS_PERMISSION,
    ):
        await database.execute(statement)
    table = UserTable(
        name="Club members",
        key="Key",
        key_type="text",
        username="email",
        columns={"email": None, "is_active": None},
        groups=Membership('or"der', "the user", "group"),
        permissions=None,
    )

    identities = Identities(database, table)
    found = {key: await identities.of_token(user_id=key, token_id="any", asked=ASKED) for key in ("held", "own")}

    assert {key: each and each.held for key, each in found.items()} == {"held": ASKED, "own": NOTHING}


@pytest.mark.parametrize(
    ("table", "tables"),
    [
        (
            STOCK,
            {
                "auth_permission",
                "django_content_type",
                "auth_group",
                "auth_group_permissions",
                "auth_user_groups",
                "auth_user_user_permissions",
            },
        ),
        (
            replace(STOCK, groups=None),
            {"auth_permission", "django_content_type", "auth_user_user_permissions"},
        ),
        (
            replace(STOCK, permissions=None),
            {"auth_permission", "django_content_type", "auth_group", "auth_group_permissions", "auth_user_groups"},
        ),
        (replace(STOCK, groups=None, permissions=None), set()),
    ],
    ids=["stock", "no_groups", "no_permissions", "neither"],
)
def test_no_table_is_read_but_those_that_are_told(table: UserTable, tables: set[str]):
    columns = RightsColumns(table).of(ASKED)

    every = set(auth_tables(STOCK))
    assert set(auth_tables(table)) == tables
    assert not [name for name in every - tables if f" {name} " in columns or f'"{name}"' in columns]


def test_nothing_asked_is_no_column():
    assert (RightsColumns(STOCK).of(NOTHING), RightsColumns(STOCK).parameters(NOTHING)) == ("", {})
