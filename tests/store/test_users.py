"""The site's user table, whatever it is called and however it is keyed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from bridge.errors import ConstraintViolated
from bridge.profile import UserTable
from bridge.store.database import Database, open_database
from bridge.store.identities import Identities
from bridge.store.text import is_storable
from bridge.store.users import StoredUser, Users
from tests.conftest import Cast, execute_on_server

NOW: Final = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
MEMBERS: Final = UserTable(
    name="Club members",
    key="uid",
    key_type="uuid",
    username="email",
    columns={
        "password": 128,
        "email": 254,
        "first_name": 30,
        "is_active": None,
        "is_staff": None,
        "is_superuser": None,
        "date_joined": None,
        "last_login": None,
    },
)


async def read(users: Users, username: str) -> StoredUser:
    user = await users.by_username(username)
    assert user is not None
    return user


# Stock auth_user ------------------------------------------------------------------------------------------------------


@pytest.fixture
def users(database: Database) -> Users:
    return Users(database, UserTable())


@pytest.fixture
def identities(database: Database) -> Identities:
    return Identities(database, UserTable())


async def test_a_user_is_read_by_exact_username(users: Users, cast: Cast):
    key = await cast.add("ada", encoded="stored", email="ada@example.com", first_name="Ada", is_staff=True)

    assert await users.by_username("ada") == StoredUser(
        id=str(key),
        key=key,
        username="ada",
        email="ada@example.com",
        first_name="Ada",
        last_name="",
        is_active=True,
        is_staff=True,
        is_superuser=False,
        date_joined=datetime(2020, 1, 1, tzinfo=UTC),
        last_login=None,
        encoded="stored",
    )


async def test_the_newest_users_are_those_with_the_highest_keys(users: Users, cast: Cast):
    for name in ("ada", "bob", "eve"):
        await cast.add(name, encoded=f"stored of {name}")

    assert [(user.username, user.encoded) for user in await users.newest(2)] == [
        ("eve", "stored of eve"),
        ("bob", "stored of bob"),
    ]


@pytest.mark.parametrize("username", ["Ada", "ad", "ada ", "", "ada\0", "\ud800", "%", "x" * 100_000], ids=ascii)
async def test_any_other_username_is_nobodys(users: Users, cast: Cast, username: str):
    await cast.add("ada")

    assert await users.by_username(username) is None


async def test_no_stored_password_is_shown_by_repr(users: Users, cast: Cast):
    await cast.add("ada", encoded="swordfish")

    assert "swordfish" not in repr(await users.by_username("ada"))


async def test_a_user_is_read_by_key_and_of_a_token_alike(users: Users, identities: Identities, cast: Cast):
    key = await cast.add("ada", encoded="stored")

    with_password = await users.with_password(str(key))
    of_token = await identities.of_token(user_id=str(key), token_id="any")

    assert with_password is not None
    assert of_token is not None
    assert with_password.encoded == "stored"
    assert (of_token.user, of_token.encoded) == (replace(with_password, encoded=""), "stored")


NO_KEYS: Final = (
    "0x{}",
    "-{}",
    "+{}",
    " {}",
    "{} ",
    "{}\n",
    "{}.0",
    "{}e0",
    "{}_0",
    "{}\0",
    "{} OR 1=1",
    "\N{FULLWIDTH DIGIT ONE}",
    "\N{SUPERSCRIPT ONE}",
    "\N{ARABIC-INDIC DIGIT ONE}",
    "",
    "null",
    "True",
    "\ud800",
    "9" * 18,
    str(2**31),
    str(2**63),
    "1" * 5_000,
)


async def test_a_key_in_another_form_is_nobodys(users: Users, identities: Identities, cast: Cast):
    key = await cast.add("ada")
    forms = [form.format(key) for form in NO_KEYS]

    assert [form for form in forms if await users.with_password(form)] == []
    assert [form for form in forms if await identities.of_token(user_id=form, token_id="any")] == []


async def test_a_password_is_replaced_only_where_it_is_still_the_one_that_was_read(users: Users, cast: Cast):
    await cast.add("ada", encoded="read")
    user = await read(users, "ada")

    assert await users.replace_password(user, encoded="first") is True
    assert await users.replace_password(user, encoded="second") is False
    assert await cast.stored_password("ada") == "first"


async def test_of_many_replacements_at_once_one_holds(users: Users, cast: Cast):
    await cast.add("ada", encoded="read")
    user = await read(users, "ada")

    held = await asyncio.gather(*(users.replace_password(user, encoded=f"new {n}") for n in range(8)))

    assert sorted(held) == [False] * 7 + [True]
    assert await cast.stored_password("ada") == f"new {held.index(True)}"


async def test_an_update_writes_what_is_given_and_gives_the_row_as_it_is_then(users: Users, cast: Cast):
    key = await cast.add("ada", email="before@example.com", last_name="Before")

    updated = await users.update(str(key), {"first_name": "Ada", "last_name": "Lovelace"})

    assert updated == replace(await read(users, "ada"), encoded="")
    assert updated is not None
    assert (updated.email, updated.first_name, updated.last_name) == ("before@example.com", "Ada", "Lovelace")


async def test_an_update_of_nobody_gives_nobody(users: Users):
    assert await users.update("12345", {"first_name": "Ada"}) is None


async def test_a_created_user_is_ordinary_and_active(users: Users):
    created = await users.create(username="ada", encoded="stored", texts={"email": "ada@example.com"}, now=NOW)

    assert created is not None
    assert created == replace(await read(users, "ada"), encoded="")
    assert (created.is_active, created.is_staff, created.is_superuser) == (True, False, False)
    assert (created.date_joined, created.last_login, created.email) == (NOW, None, "ada@example.com")


@pytest.mark.parametrize("username", ["ada", "ADA"])
async def test_a_taken_username_creates_nobody(users: Users, cast: Cast, username: str):
    await cast.add("Ada")

    assert await users.create(username=username, encoded="x", texts={}, now=NOW) is None


@pytest.mark.parametrize(
    ("known", "username"), [("admin", "adm\u0131n"), ("\u03c3\u03c2", "\u03c3\u03c3"), ("ix", "\u0130x")], ids=ascii
)
async def test_a_username_is_taken_where_djangos_own_form_says_so(
    users: Users, cast: Cast, database: Database, known: str, username: str
):
    await cast.add(known)
    # `iexact`, as Django asks each of the two.
    condition = ":known LIKE :username" if database.dialect == "sqlite" else "upper(:known) = upper(:username)"
    asked = await database.fetch_one(f"SELECT {condition} AS is_taken", {"known": known, "username": username})

    created = await users.create(username=username, encoded="x", texts={}, now=NOW)

    assert asked == {"is_taken": created is None}


async def test_columns_are_known_by_their_lengths(users: Users):
    assert (users.limit("first_name"), users.limit("is_active"), users.limit("nickname")) == (150, None, None)
    assert (users.has("email"), users.has("nickname")) == (True, False)


# A site without time zones (USE_TZ = False) ---------------------------------------------------------------------------


@pytest.fixture
async def naive(database: Database, database_url: str) -> AsyncIterator[Database]:
    """The table of a site with USE_TZ off: local times on SQLite; on PostgreSQL, as ever, ``timestamp with time zone``.

    There the server's zone is neither the site's nor UTC.
    """
    if database_url.startswith("sqlite"):
        yield database
        return
    execute_on_server(database_url, f"ALTER DATABASE {urlsplit(database_url).path[1:]} SET timezone = 'Asia/Tokyo'")
    elsewhere = await open_database(database_url)
    yield elsewhere
    await elsewhere.close()


def instant(stored: Any, *, zone: str) -> datetime:
    """Read a column as Django does at such a site, with TIME_ZONE for the connection's zone."""
    if isinstance(stored, str):
        return datetime.fromisoformat(stored).replace(tzinfo=ZoneInfo(zone))
    assert isinstance(stored, datetime)
    assert stored.tzinfo is not None
    return stored


async def test_times_are_read_as_the_site_stored_them(naive: Database, database_url: str):
    users = Users(naive, UserTable(), time_zone="Europe/Berlin")
    berlin = NOW.astimezone(ZoneInfo("Europe/Berlin"))
    stored = berlin.replace(tzinfo=None) if database_url.startswith("sqlite") else berlin
    await Cast(naive).add("ada", date_joined=stored)

    assert (await read(users, "ada")).date_joined == NOW


async def test_times_are_written_as_the_site_would(naive: Database):
    users = Users(naive, UserTable(), time_zone="Europe/Berlin")
    cast = Cast(naive)
    await cast.add("ada", date_joined=datetime(2020, 1, 1))  # noqa: DTZ001  # as the site stores it

    await users.record_login(await read(users, "ada"), now=NOW)

    assert instant(await cast.column("ada", "last_login"), zone="Europe/Berlin") == NOW
    assert (await read(users, "ada")).last_login == NOW


async def test_a_created_user_joined_at_the_sites_time(naive: Database):
    users = Users(naive, UserTable(), time_zone="America/New_York")

    created = await users.create(username="ada", encoded="x", texts={}, now=NOW)

    assert instant(await Cast(naive).column("ada", "date_joined"), zone="America/New_York") == NOW
    assert created is not None
    assert created.date_joined == NOW


# A table of the site's own --------------------------------------------------------------------------------------------


@pytest.fixture
async def members(database: Database, database_url: str) -> Users:
    """UUID keys, the e-mail address as username, no last_name, and a name that must be quoted."""
    uuid, moment = ("char(32)", "datetime") if database_url.startswith("sqlite") else ("uuid", "timestamptz")
    await database.execute(
        f'CREATE TABLE "Club members" (uid {uuid} PRIMARY KEY, email varchar(254) NOT NULL UNIQUE,'
        " password varchar(128) NOT NULL, first_name varchar(30) NOT NULL, is_active boolean NOT NULL,"
        f" is_staff boolean NOT NULL, is_superuser boolean NOT NULL, date_joined {moment} NOT NULL,"
        f" last_login {moment})"
    )
    return Users(database, MEMBERS)


async def create(members: Users, email: str = "ada@example.com", **texts: str) -> StoredUser:
    created = await members.create(username=email, encoded="stored", texts=texts, now=NOW)
    assert created is not None
    return created


async def test_a_member_is_created_with_a_key_and_found_by_address(members: Users):
    created = await create(members, first_name="Ada")

    found = await read(members, "ada@example.com")

    assert found == replace(created, encoded="stored")
    assert (found.username, found.email, found.first_name, found.last_name) == (
        "ada@example.com",
        "ada@example.com",
        "Ada",
        "",
    )


async def test_a_uuid_key_has_dashes_as_django_writes_it_into_tokens(members: Users):
    created = await create(members)

    assert created.id == created.key == str(UUID(created.id))


@pytest.mark.parametrize("form", ["{}", "hex", "upper"])
async def test_a_member_is_found_by_key(members: Users, database: Database, form: str):
    created = await create(members)
    user_id = {"{}": created.id, "hex": UUID(created.id).hex, "upper": created.id.upper()}[form]

    found = await Identities(database, MEMBERS).of_token(user_id=user_id, token_id="any")

    assert found is not None
    assert (found.user, found.encoded) == (created, "stored")


@pytest.mark.parametrize(
    "user_id", ["1", "", "not a uuid", "\0", "\ud800", "12345678-1234-5678-1234-567812345678"], ids=ascii
)
async def test_any_other_key_is_nobodys(members: Users, user_id: str):
    await create(members)

    assert await members.with_password(user_id) is None


async def test_a_members_password_is_replaced_once(members: Users):
    await create(members)
    user = await read(members, "ada@example.com")

    assert await members.replace_password(user, encoded="new") is True
    assert await members.replace_password(user, encoded="newer") is False
    assert (await read(members, "ada@example.com")).encoded == "new"


async def test_a_members_login_is_recorded(members: Users):
    user = await create(members)

    await members.record_login(user, now=NOW)

    assert (await read(members, "ada@example.com")).last_login == NOW


async def test_a_member_is_updated(members: Users):
    user = await create(members)

    updated = await members.update(user.id, {"first_name": "Ada"})

    assert updated is not None
    assert (updated.id, updated.first_name) == (user.id, "Ada")


async def test_an_address_that_is_the_username_cannot_be_changed_to_somebody_elses(members: Users):
    """``email`` is EDITABLE, and here it is what people log in with."""
    await create(members, "grace@example.com")
    user = await create(members)

    with pytest.raises(ConstraintViolated):
        await members.update(user.id, {"email": "grace@example.com"})


async def test_an_address_that_differs_in_case_only_is_taken(members: Users):
    await create(members)

    assert await members.create(username="ADA@example.com", encoded="x", texts={}, now=NOW) is None


async def test_a_column_that_the_table_lacks_is_not_asked_for(members: Users):
    assert members.has("last_name") is False
    assert (await create(members)).last_name == ""


# Odd names and keys ---------------------------------------------------------------------------------------------------

ODD: Final = UserTable(
    name="order", key="Key 1", key_type="text", username="loginName2", columns={"password": 128, "is_active": None}
)


@pytest.fixture
async def odd(database: Database) -> Users:
    """Names that only quoting makes possible, and text for a key."""
    await database.execute(
        'CREATE TABLE "order" ("Key 1" varchar(20) PRIMARY KEY, "loginName2" varchar(20) NOT NULL UNIQUE,'
        " password varchar(128) NOT NULL, is_active boolean NOT NULL)"
    )
    for key in ("a b", "0x1", "1"):
        await database.execute(
            'INSERT INTO "order" VALUES (:key, :name, :password, :yes)',
            {"key": key, "name": f"name {key}", "password": "stored", "yes": True},
        )
    return Users(database, ODD)


async def test_a_user_with_odd_columns_is_found_by_username(odd: Users):
    user = await read(odd, "name a b")

    assert (user.id, user.key, user.encoded, user.is_active) == ("a b", "a b", "stored", True)
    assert (user.email, user.is_staff, user.date_joined) == ("", False, None)


@pytest.mark.parametrize(
    ("user_id", "found"), [("a b", True), ("0x1", True), ("1", True), ("01", False), ("\0", False)]
)
async def test_a_text_key_is_compared_as_it_stands(odd: Users, user_id: str, *, found: bool):
    assert (await odd.with_password(user_id) is not None) is found


async def test_a_username_column_of_any_name_takes_new_users(database: Database, database_url: str):
    key = "integer PRIMARY KEY" if database_url.startswith("sqlite") else "serial PRIMARY KEY"
    await database.execute(
        f'CREATE TABLE "People" (id {key}, "loginName2" varchar(20) NOT NULL UNIQUE, password varchar(128) NOT NULL)'
    )
    users = Users(database, UserTable(name="People", username="loginName2", columns={"password": 128}))

    created = await users.create(username="ada", encoded="stored", texts={}, now=NOW)

    assert created is not None
    assert (await read(users, "ada")).id == created.id


@pytest.mark.parametrize("always_active", [True, False])
async def test_a_table_without_is_active_has_active_users_only_where_the_model_knows_no_others(
    database: Database, *, always_active: bool
):
    await database.execute("CREATE TABLE people (id integer PRIMARY KEY, username varchar(9), password varchar(9))")
    await database.execute("INSERT INTO people VALUES (1, 'ada', 'stored')")
    users = Users(database, UserTable(name="people", columns={"password": 9}, always_active=always_active))

    assert (await read(users, "ada")).is_active is always_active


# What a column can hold -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "storable"),
    [
        ("", True),
        ("ada", True),
        ("日本語 🎩", True),
        ("\0", False),
        ("a\0b", False),
        ("\ud800", False),
        ("a\udfff", False),
    ],
    ids=ascii,
)
def test_nul_and_lone_surrogates_cannot_be_stored(text: Any, *, storable: bool):
    assert is_storable(text) is storable
