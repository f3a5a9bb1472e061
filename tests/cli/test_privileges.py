"""``bridge privileges``: the least rights, and that they are enough and no more."""

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Final
from urllib.parse import quote, urlsplit, urlunsplit

import psycopg
import pytest
from django.contrib.auth.hashers import check_password
from psycopg import sql

from bridge.profile import UserTable
from bridge.store.database import Database, open_database
from bridge.store.privileges import grant_statements
from tests.cli.conftest import Run
from tests.conftest import PASSWORD, Cast, Serve, bearer, execute_on_server, log_in
from tests.web.conftest import PublishedProfile, assert_problem

STOCK: Final = """\
GRANT SELECT ("id", "username", "password", "email", "first_name", "last_name", "is_active", "is_staff", \
"is_superuser", "date_joined", "last_login") ON "auth_user" TO "bridge";
GRANT UPDATE ("password", "last_login") ON "auth_user" TO "bridge";
GRANT SELECT ON "django_session" TO "bridge";
GRANT DELETE ON "django_session" TO "bridge";
GRANT SELECT ON "auth_permission" TO "bridge";
GRANT SELECT ON "django_content_type" TO "bridge";
GRANT SELECT ON "auth_user_user_permissions" TO "bridge";
GRANT SELECT ON "auth_group" TO "bridge";
GRANT SELECT ON "auth_group_permissions" TO "bridge";
GRANT SELECT ON "auth_user_groups" TO "bridge";
GRANT SELECT ON "bridge_site_profile" TO "bridge";
GRANT SELECT ON "bridge_activity" TO "bridge";
GRANT INSERT ON "bridge_activity" TO "bridge";
GRANT UPDATE ON "bridge_activity" TO "bridge";
GRANT SELECT ON "bridge_revoked_token" TO "bridge";
GRANT INSERT ON "bridge_revoked_token" TO "bridge";
GRANT DELETE ON "bridge_revoked_token" TO "bridge";
GRANT SELECT ON "bridge_grant" TO "bridge";
GRANT INSERT ON "bridge_grant" TO "bridge";
GRANT UPDATE ON "bridge_grant" TO "bridge";
GRANT DELETE ON "bridge_grant" TO "bridge";
GRANT SELECT ON "bridge_password_lineage" TO "bridge";
GRANT INSERT ON "bridge_password_lineage" TO "bridge";
GRANT UPDATE ON "bridge_password_lineage" TO "bridge";
GRANT DELETE ON "bridge_password_lineage" TO "bridge";
GRANT SELECT ON "bridge_password_upgrade" TO "bridge";
GRANT INSERT ON "bridge_password_upgrade" TO "bridge";
GRANT UPDATE ON "bridge_password_upgrade" TO "bridge";
GRANT DELETE ON "bridge_password_upgrade" TO "bridge";
GRANT SELECT ON "bridge_rehash_journal" TO "bridge";
GRANT INSERT ON "bridge_rehash_journal" TO "bridge";
GRANT DELETE ON "bridge_rehash_journal" TO "bridge";
GRANT SELECT ON "bridge_second_factor" TO "bridge";
GRANT INSERT ON "bridge_second_factor" TO "bridge";
GRANT UPDATE ON "bridge_second_factor" TO "bridge";
GRANT SELECT ON "bridge_census_snapshot" TO "bridge";
GRANT INSERT ON "bridge_census_snapshot" TO "bridge";
GRANT UPDATE ON "bridge_census_snapshot" TO "bridge";
GRANT DELETE ON "bridge_census_snapshot" TO "bridge";
GRANT SELECT ON "bridge_endpoint_stage" TO "bridge";
GRANT INSERT ON "bridge_endpoint_stage" TO "bridge";
GRANT UPDATE ON "bridge_endpoint_stage" TO "bridge";
GRANT SELECT ON "bridge_endpoint_change" TO "bridge";
GRANT INSERT ON "bridge_endpoint_change" TO "bridge";
GRANT SELECT ON "bridge_endpoint_traffic" TO "bridge";
GRANT INSERT ON "bridge_endpoint_traffic" TO "bridge";
GRANT UPDATE ON "bridge_endpoint_traffic" TO "bridge";
GRANT DELETE ON "bridge_endpoint_traffic" TO "bridge";
GRANT SELECT ON "bridge_endpoint_parity" TO "bridge";
GRANT INSERT ON "bridge_endpoint_parity" TO "bridge";
GRANT UPDATE ON "bridge_endpoint_parity" TO "bridge";
GRANT DELETE ON "bridge_endpoint_parity" TO "bridge";
GRANT SELECT ON "bridge_endpoint_difference" TO "bridge";
GRANT INSERT ON "bridge_endpoint_difference" TO "bridge";
GRANT UPDATE ON "bridge_endpoint_difference" TO "bridge";
GRANT DELETE ON "bridge_endpoint_difference" TO "bridge";
GRANT SELECT ON "token_blacklist_outstandingtoken" TO "bridge";
GRANT INSERT ON "token_blacklist_outstandingtoken" TO "bridge";
GRANT SELECT ON "token_blacklist_blacklistedtoken" TO "bridge";
GRANT INSERT ON "token_blacklist_blacklistedtoken" TO "bridge";
"""
SEQUENCES: Final = """\
GRANT USAGE ON SEQUENCE public.token_blacklist_blacklistedtoken_id_seq TO "bridge";
GRANT USAGE ON SEQUENCE public.token_blacklist_outstandingtoken_id_seq TO "bridge";
"""
UPDATES: Final = 'GRANT UPDATE ("email", "first_name", "last_name") ON "auth_user" TO "bridge";'
INSERTS: Final = 'GRANT INSERT ON "auth_user" TO "bridge";'


# What is printed ------------------------------------------------------------------------------------------------------


def test_the_stock_tables_rights_are_printed(run: Run, database_url: str):
    done = run("privileges", url=database_url)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == STOCK + (SEQUENCES if database_url.startswith("postgresql") else "")


@pytest.mark.parametrize(
    ("options", "more"),
    [
        (["--profile-updates"], [UPDATES]),
        (["--registration"], [INSERTS]),
        (["--profile-updates", "--registration"], [UPDATES, INSERTS]),
    ],
    ids=["profile_updates", "registration", "both"],
)
def test_what_is_optional_is_printed_on_demand(run: Run, sqlite_url: str, options: list[str], more: list[str]):
    printed = run("privileges", *options, url=sqlite_url).stdout

    assert set(more) <= set(printed.removeprefix(STOCK).splitlines())
    assert printed.startswith(STOCK)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_sites_own_table_is_named(run: Run, database: Database, database_url: str):
    await PublishedProfile(database).edit(
        lambda document: document.update(
            user_table={
                "name": "Club members",
                "key": "uid",
                "key_type": "uuid",
                "username": "email",
                "columns": {"password": 128, "email": 254, "is_active": None},
                "groups": {"table": "Club roles", "user": "member", "other": "role"},
                "permissions": None,
            }
        )
    )

    printed = run("privileges", "--profile-updates", url=database_url).stdout.splitlines()

    assert printed[:10] == [
        'GRANT SELECT ("uid", "email", "password", "is_active") ON "Club members" TO "bridge";',
        'GRANT UPDATE ("password") ON "Club members" TO "bridge";',
        'GRANT SELECT ON "django_session" TO "bridge";',
        'GRANT DELETE ON "django_session" TO "bridge";',
        'GRANT SELECT ON "auth_permission" TO "bridge";',
        'GRANT SELECT ON "django_content_type" TO "bridge";',
        'GRANT SELECT ON "auth_group" TO "bridge";',
        'GRANT SELECT ON "auth_group_permissions" TO "bridge";',
        'GRANT SELECT ON "Club roles" TO "bridge";',
        'GRANT SELECT ON "bridge_site_profile" TO "bridge";',
    ]
    assert 'GRANT UPDATE ("email") ON "Club members" TO "bridge";' not in printed  # it is what they log in with


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("told", "is_named"),
    [
        ({"engine": "django.contrib.sessions.backends.cached_db"}, True),
        ({"engine": "django.contrib.sessions.backends.signed_cookies"}, False),
        ({"engine": "django.contrib.sessions.backends.cache"}, False),
        ({"serializer": "shop.PickleSerializer"}, True),
        ({"in_use": False}, False),
    ],
    ids=["cached_db", "signed_cookies", "cache", "pickled", "no_sessions"],
)
async def test_the_sessions_are_named_where_they_are_in_the_database(
    run: Run, database: Database, database_url: str, told: dict[str, Any], *, is_named: bool
):
    await PublishedProfile(database).edit(lambda document: document["sessions"].update(told))

    assert ("django_session" in run("privileges", url=database_url).stdout) is is_named


def statements(columns: dict[str, int | None], *, role: str = "bridge", **more: bool) -> list[str]:
    table = UserTable(name="people", username="phone", columns=columns)
    chosen = {"profile_updates": False, "registration": False} | more
    return list(
        grant_statements(role, table, profile_updates=chosen["profile_updates"], registration=chosen["registration"])
    )


def test_a_user_model_without_permissions_needs_none_of_their_tables():
    table = UserTable(groups=None, permissions=None)

    granted = list(grant_statements("bridge", table, profile_updates=False, registration=False))

    assert [each for each in granted if "permission" in each or "auth_group" in each or "content_type" in each] == []


def test_nothing_that_may_be_updated_is_not_everything():
    """A table with neither address nor names: a GRANT without columns would be on all of them, is_superuser too."""
    granted = statements({"password": 128, "is_superuser": None}, profile_updates=True)

    assert not [each for each in granted if each.startswith("GRANT UPDATE ON") and "people" in each]


def test_a_table_without_the_passwords_column_is_not_granted_as_a_whole():
    granted = statements({"is_superuser": None})

    assert not [each for each in granted if each.startswith("GRANT UPDATE ON") and "people" in each]


@pytest.mark.parametrize("role", ['we"ird', "Upper Case", "x; DROP TABLE auth_user; --", 'a" TO PUBLIC; --'])
def test_a_roles_name_is_quoted(run: Run, sqlite_url: str, role: str):
    printed = run("privileges", "--role", role, url=sqlite_url).stdout

    assert printed == STOCK.replace('"bridge";', '"' + role.replace('"', '""') + '";')


def test_it_needs_the_database_alone(run: Run, sqlite_url: str):
    done = run("privileges", url=sqlite_url, BRIDGE_DJANGO_SECRET_KEY=None, BRIDGE_SIGNING_KEY=None)

    assert (done.returncode, done.stdout) == (0, STOCK)


async def test_it_changes_nothing(run: Run, postgresql_url: str):
    database = await open_database(postgresql_url)
    query = "SELECT grantee, table_name, privilege_type FROM information_schema.role_table_grants ORDER BY 1, 2, 3"
    before = await database.fetch_all(query)

    run("privileges", "--role", "postgres", "--profile-updates", url=postgresql_url)

    assert await database.fetch_all(query) == before
    await database.close()


# A role with exactly that ---------------------------------------------------------------------------------------------

Role = Callable[..., str]


@pytest.fixture
def role(run: Run, postgresql_url: str) -> Iterator[Role]:
    """Make a role with exactly what is printed; gives the database's URL as that role."""
    made: list[str] = []

    def make(*options: str, name: str = "bridge") -> str:
        name = f"{name}_{secrets.token_hex(6)}"
        made.append(name)
        _execute(postgresql_url, sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'swordfish'").format(sql.Identifier(name)))
        printed = run("privileges", "--role", name, *options, url=postgresql_url)
        assert printed.returncode == 0, printed.stderr
        execute_on_server(postgresql_url, printed.stdout)
        parts = urlsplit(postgresql_url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit(parts._replace(netloc=f"{quote(name, safe='')}:swordfish@{host}"))

    yield make
    for name in made:
        for statement in ("DROP OWNED BY {}", "DROP ROLE {}"):
            _execute(postgresql_url, sql.SQL(statement).format(sql.Identifier(name)))


def _execute(url: str, statement: sql.Composed) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement)


on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@on_postgresql
async def test_it_can_log_in_upgrade_report_and_log_out(serve: Serve, cast: Cast, role: Role):
    await cast.add("ada", is_staff=True)

    async with serve(url=role()) as client:
        headers = await bearer(client, "ada")
        report = await client.get("/migration/report", headers=headers)
        me = await client.get("/users/me/", headers=headers)
        out = await client.post("/auth/logout", headers=headers)
        after = await client.get("/users/me/", headers=headers)

    assert (report.status_code, me.status_code, out.status_code, after.status_code) == (200, 200, 204, 401)
    assert report.json()["upgraded"] == 1
    assert check_password(PASSWORD, await cast.stored_password("ada"), setter=pytest.fail)
    assert await cast.column("ada", "last_login") is not None


@on_postgresql
async def test_a_role_of_an_odd_name_can(serve: Serve, cast: Cast, role: Role):
    await cast.add("ada")

    async with serve(url=role(name='we"ird RÖLE')) as client:
        assert (await log_in(client, "ada")).status_code == 200

    assert (await cast.stored_password("ada")).startswith("argon2$")


@on_postgresql
async def test_the_doctor_misses_nothing(run: Run, cast: Cast, role: Role):
    done = run("doctor", url=role())

    assert done.returncode == 0, done.stdout + done.stderr


FORBIDDEN: Final = {
    "username": "UPDATE auth_user SET username = 'eve'",
    "superuser": "UPDATE auth_user SET is_superuser = true",
    "email": "UPDATE auth_user SET email = 'eve@example.com'",
    "delete": "DELETE FROM auth_user",
    "insert": "INSERT INTO auth_user (username) VALUES ('eve')",
    "truncate": "TRUNCATE auth_user",
    "session": "UPDATE django_session SET session_data = ''",
    "new_session": "INSERT INTO django_session VALUES ('key', '', now())",
    "orders": "SELECT * FROM shop_order",
    "groups": "INSERT INTO auth_group (name) VALUES ('editors')",
    "permissions": "UPDATE auth_permission SET codename = 'x'",
    "grants": "INSERT INTO auth_group_permissions (group_id, permission_id) VALUES (1, 1)",
    "memberships": "INSERT INTO auth_user_groups (user_id, group_id) VALUES (1, 1)",
    "profile": "UPDATE bridge_site_profile SET document = '{}'",
    "journal": "UPDATE bridge_rehash_journal SET sealed = ''",
    "schema": "CREATE TABLE mine (id integer)",
}


@pytest.fixture
async def as_role(role: Role) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    async with await psycopg.AsyncConnection.connect(role(), autocommit=True) as connection:
        yield connection


@on_postgresql
async def test_it_can_do_nothing_else(cast: Cast, as_role: psycopg.AsyncConnection[Any]):
    await cast.add("ada")
    done = []

    for name, statement in FORBIDDEN.items():
        try:
            await as_role.execute(statement.encode())
        except psycopg.errors.InsufficientPrivilege:
            continue
        done.append(name)

    assert done == []


@on_postgresql
async def test_without_the_option_a_change_of_ones_profile_is_refused(serve: Serve, cast: Cast, role: Role):
    await cast.add("ada", first_name="Ada")

    async with serve(url=role()) as client:
        headers = await bearer(client, "ada")
        answer = await client.patch("/users/me/", headers=headers, json={"first_name": "Eve"})

    assert_problem(answer, status=503, code="write_refused")
    assert await cast.column("ada", "first_name") == "Ada"


@on_postgresql
async def test_with_the_option_it_is_taken(serve: Serve, cast: Cast, role: Role):
    await cast.add("ada")

    async with serve(url=role("--profile-updates")) as client:
        headers = await bearer(client, "ada")
        answer = await client.patch("/users/me/", headers=headers, json={"first_name": "Ada"})

    assert (answer.status_code, await cast.column("ada", "first_name")) == (200, "Ada")


NEWCOMER: Final = {"username": "grace", "password": "a password that nobody has guessed"}


@on_postgresql
async def test_without_the_option_a_registration_is_refused(serve: Serve, role: Role):
    async with serve(url=role(), registration="on") as client:
        assert_problem(await client.post("/auth/register", json=NEWCOMER), status=503, code="write_refused")


@on_postgresql
async def test_with_the_option_it_is_made(serve: Serve, role: Role):
    async with serve(url=role("--registration"), registration="on") as client:
        assert (await client.post("/auth/register", json=NEWCOMER)).status_code == 201


@on_postgresql
async def test_with_the_option_it_is_made_on_a_table_of_an_old_django_too(serve: Serve, database: Database, role: Role):
    """Before 4.1, Django's keys were ``serial``: a sequence that has rights of its own."""
    for statement in (
        "ALTER TABLE auth_user ALTER COLUMN id DROP IDENTITY",
        "CREATE SEQUENCE auth_user_id_seq OWNED BY auth_user.id",
        "ALTER TABLE auth_user ALTER COLUMN id SET DEFAULT nextval('auth_user_id_seq')",
    ):
        await database.execute(statement)

    async with serve(url=role("--registration"), registration="on") as client:
        assert (await client.post("/auth/register", json=NEWCOMER)).status_code == 201
