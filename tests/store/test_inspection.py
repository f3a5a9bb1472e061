"""Questions to the database about itself."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from bridge.profile import UserTable
from bridge.store.database import Database, open_database
from bridge.store.inspection import Inspection
from bridge.store.privileges import Privilege, needed_privileges
from tests.conftest import Cast, execute_on_server

STOCK: Final = UserTable()

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def service(service_url: str) -> AsyncIterator[Database]:
    """The database as the bridge's own role sees it."""
    opened = await open_database(service_url)
    yield opened
    await opened.close()


def inspection(database: Database, table: UserTable = STOCK) -> Inspection:
    return Inspection(database, table)


# The user table -------------------------------------------------------------------------------------------------------

ABSENT: Final = {
    "table": replace(STOCK, name="crm_customer"),
    "key": replace(STOCK, key="customer_id"),
    "username": replace(STOCK, username="login"),
    "column": replace(STOCK, columns={**STOCK.columns, "nickname": 30}),
    "case": replace(STOCK, name="Auth_User_"),
}


async def test_the_stock_table_is_there(service: Database):
    assert await inspection(service).has_table() is True


@pytest.mark.parametrize("table", ABSENT.values(), ids=ABSENT.keys())
async def test_a_table_that_differs_is_not(service: Database, table: UserTable):
    assert await inspection(service, table).has_table() is False


async def test_a_table_that_lost_a_column_is_not(service: Database, database: Database):
    await database.execute("ALTER TABLE auth_user RENAME COLUMN first_name TO given_name")

    assert await inspection(service).has_table() is False


async def test_a_table_with_more_columns_is(service: Database, database: Database):
    await database.execute("ALTER TABLE auth_user ADD COLUMN nickname varchar(30)")

    assert await inspection(service).has_table() is True


async def test_a_table_with_odd_names_is_there(database: Database):
    await database.execute('CREATE TABLE "or""der" ("Key 1" integer PRIMARY KEY, "se lect" text, password text)')
    table = UserTable(name='or"der', key="Key 1", username="se lect", columns={"password": None})

    assert await inspection(database, table).has_table() is True


# Rights ---------------------------------------------------------------------------------------------------------------


async def test_the_services_role_lacks_nothing(service: Database):
    assert await inspection(service).missing_privileges() == []


@on_postgresql
@pytest.mark.parametrize("privilege", list(needed_privileges(STOCK)), ids=lambda each: f"{each.right}-{each.table}")
async def test_a_right_that_was_taken_away_is_missed(
    service: Database, database_url: str, service_role: str, privilege: Privilege
):
    execute_on_server(database_url, f"REVOKE {privilege.right} ON {privilege.table} FROM {service_role}")

    assert await inspection(service).missing_privileges() == [privilege]


@on_postgresql
@pytest.mark.parametrize("column", ["password", "last_login"])
async def test_a_right_on_one_of_its_columns_is_not_enough(
    service: Database, database_url: str, service_role: str, column: str
):
    execute_on_server(database_url, f"REVOKE UPDATE ({column}) ON auth_user FROM {service_role}")

    assert await inspection(service).missing_privileges() == [
        Privilege("auth_user", "UPDATE", ("password", "last_login"))
    ]


@on_postgresql
async def test_a_table_that_may_not_be_read_is_there_all_the_same(
    service: Database, database_url: str, service_role: str
):
    """Its missing right is what the operator has to hear of."""
    execute_on_server(database_url, f"REVOKE SELECT ON auth_user FROM {service_role}")

    assert await inspection(service).has_table() is True


@on_postgresql
async def test_a_table_of_permissions_that_is_not_there_is_missed(service: Database, database: Database):
    await database.execute("ALTER TABLE auth_group_permissions RENAME TO grants")

    assert await inspection(service).missing_privileges() == [Privilege("auth_group_permissions", "SELECT")]


@on_postgresql
async def test_an_owner_lacks_nothing(database: Database):
    assert await inspection(database).missing_privileges() == []


@on_postgresql
async def test_a_table_whose_password_column_has_another_name_can_be_asked_about(database: Database):
    await database.execute("ALTER TABLE auth_user RENAME COLUMN password TO pwd")
    table = replace(STOCK, columns={name: length for name, length in STOCK.columns.items() if name != "password"})

    assert await inspection(database, table).missing_privileges() == []


# Time -----------------------------------------------------------------------------------------------------------------


async def test_the_servers_time_is_aware_and_this_machines(service: Database):
    now = await inspection(service).now()

    assert now.tzinfo is not None
    assert abs(now - datetime.now(UTC)) < timedelta(seconds=10)


@on_postgresql
async def test_the_servers_time_does_not_depend_on_its_time_zone(database: Database, database_url: str):
    name = database_url.partition("?")[0].rpartition("/")[2]
    execute_on_server(database_url, f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'")
    opened = await open_database(database_url)

    assert abs(await inspection(opened).now() - datetime.now(UTC)) < timedelta(seconds=10)
    await opened.close()


# Usernames ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usernames", "found"),
    [
        ((), []),
        (("ada", "grace"), []),
        (("ada", "ada2", "ad"), []),
        (("ada", "ADA"), ["ada"]),
        (("ada", "Ada", "ADA"), ["ada"]),
        (("Ärger", "ärger"), ["ärger"]),
        (("ΑΘΗΝΑ", "αθηνα"), ["αθηνα"]),
    ],
    ids=["nobody", "different", "alike", "two", "three", "umlaut", "greek"],
)
async def test_usernames_that_differ_by_case_are_found(
    service: Database, cast: Cast, usernames: tuple[str, ...], found: list[str]
):
    for username in usernames:
        await cast.add(username, encoded="!")

    assert await inspection(service).usernames_differing_by_case() == found


@pytest.mark.parametrize(
    ("username", "is_found"),
    [
        ("ada", False),
        ("zoë", False),
        ("zoe\N{COMBINING DIAERESIS}", True),
        ("so\N{LATIN SMALL LIGATURE FI}a", True),
        ("\N{FULLWIDTH LATIN SMALL LETTER A}da", True),
        ("\N{OHM SIGN}", True),
        ("日本", False),
        ("🎩", False),
    ],
    ids=["ascii", "composed", "decomposed", "ligature", "fullwidth", "compatible", "kanji", "emoji"],
)
async def test_usernames_that_no_form_can_produce_are_found(
    service: Database, cast: Cast, username: str, *, is_found: bool
):
    await cast.add(username, encoded="!")

    assert await inspection(service).usernames_not_normalised() == ([username] if is_found else [])


async def test_a_few_names_are_enough(service: Database, cast: Cast):
    for number in range(8):
        for name in (f"ada{number}", f"Ada{number}", f"\N{LATIN SMALL LIGATURE FI}{number}"):
            await cast.add(name, encoded="!")

    assert len(await inspection(service).usernames_differing_by_case()) == 5
    assert len(await inspection(service).usernames_not_normalised()) == 5
