"""Who is logged in to Django stays so over a re-hash, and nobody does over a change: real servers, real browsers."""

import asyncio
import json
import secrets
import shutil
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import httpx
import pytest
from django.contrib.auth.hashers import make_password

from bridge.store.database import open_database
from tests.conftest import (
    CHECKOUT,
    PASSWORD,
    Cast,
    bridge_command,
    execute_on_server,
    log_in,
    manage,
    old_hash,
    site_environment,
    with_database,
)
from tests.integration.test_both_apps import (
    NEW_PASSWORD,
    OPEN_SESSION,
    Browser,
    change_at_django,
    is_djangos_own,
)
from tests.processes import START_SECONDS, server, talking_to

OLDER_KEY: Final = "the tests' own secret key of last year, which opens nothing anywhere either"
BROWSERS: Final = 4
PARALLEL: Final = 8
ROUNDS: Final = 10
GUNICORN: Final = ("--bind", "127.0.0.1:0", "--workers", "1", "--threads", str(PARALLEL), "--no-control-socket")
DJANGO: Final = ("gunicorn", "legacy_django.wsgi:application", *GUNICORN)
BRIDGE: Final = ("bridge", "serve", "--port", "0")


# The servers ----------------------------------------------------------------------------------------------------------


@contextmanager
def site_database(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """A copy of the migrated site's database, of the kind that the test is parametrised with."""
    if request.param == "sqlite":
        yield f"sqlite:///{shutil.copy(request.getfixturevalue('migrated_sqlite'), folder / 'site.sqlite3')}"
        return
    address: str = request.getfixturevalue("postgresql_server")
    name = f"sessions_{secrets.token_hex(6)}"
    execute_on_server(address, f"CREATE DATABASE {name} TEMPLATE {request.getfixturevalue('migrated_postgresql')}")
    yield with_database(address, name)
    execute_on_server(address, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One database for all tests here; each of them has users of its own."""
    with site_database(request, tmp_path_factory.mktemp("sessions")) as url:
        yield url


def variant(**settings: object) -> dict[str, str]:
    """The environment of a site with other settings."""
    return {"DJANGO_SETTINGS_MODULE": "tests.site.variant_settings", "SITE_VARIANT": json.dumps(settings)}


def preferring(hasher: str) -> dict[str, str]:
    """The environment of a site that writes passwords with another hasher."""
    others = ("tests.site.hashers.CheapPBKDF2PasswordHasher", "tests.site.hashers.CheapArgon2PasswordHasher")
    return variant(PASSWORD_HASHERS=[hasher, *(other for other in others if other != hasher)])


LAST_YEAR: Final = preferring("tests.site.hashers.CheapPBKDF2PasswordHasher")
OTHER_ARGON2: Final = preferring("tests.contrib.hashers.SaltierArgon2")


@dataclass(frozen=True)
class Addresses:
    """Base URLs: of the site as it is, as it was before it preferred argon2, and of the bridge."""

    django: str
    last_year: str
    bridge: str


@pytest.fixture(scope="module")
def servers(database_url: str) -> Iterator[Addresses]:
    with (
        server(database_url, *DJANGO) as django,
        server(database_url, *DJANGO, **LAST_YEAR) as last_year,
        server(database_url, *BRIDGE) as bridge,
    ):
        yield Addresses(django, last_year, bridge)


@pytest.fixture
async def bridge(servers: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with talking_to(servers.bridge) as client:
        yield client


# The browsers ---------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def browsing(url: str, number: int = 1) -> AsyncIterator[list[Browser]]:
    """Browsers that share nothing, at one address."""
    async with AsyncExitStack() as stack:
        clients = [talking_to(url) for _ in range(number)]
        yield [Browser(await stack.enter_async_context(client)) for client in clients]


@pytest.fixture
async def browsers(servers: Addresses) -> AsyncIterator[list[Browser]]:
    """Four at the site as it is."""
    async with browsing(servers.django, BROWSERS) as opened:
        yield opened


@pytest.fixture
def username() -> str:
    return f"ada-{secrets.token_hex(4)}"


async def log_in_last_year(servers: Addresses, browsers: list[Browser], username: str) -> None:
    """Fill in the site's form while it still writes PBKDF2; a browser keeps cookies by host, whatever the port."""
    for browser in browsers:
        answer = await browser.submit(f"{servers.last_year}/accounts/login/", username=username, password=PASSWORD)
        assert answer.status_code == 302, answer.text


@pytest.fixture
async def member(servers: Addresses, browsers: list[Browser], cast: Cast, username: str) -> str:
    """A user of last year whom four browsers are logged in for."""
    await cast.add(username)
    await log_in_last_year(servers, browsers, username)
    assert (await cast.stored_password(username)).startswith("pbkdf2_sha256$")
    return username


async def rehash(bridge: httpx.AsyncClient, cast: Cast, username: str, password: str = PASSWORD) -> None:
    """Log in at the bridge, and see that this re-hashes."""
    before = await cast.stored_password(username)
    assert (await log_in(bridge, username, password)).status_code == 200
    assert await cast.stored_password(username) != before


async def everyone(browsers: list[Browser]) -> list[str | None]:
    return [await browser.who() for browser in browsers]


async def all_at_once(browsers: list[Browser]) -> list[str | None]:
    """Each browser sends eight requests before it has an answer to any."""
    return await asyncio.gather(*(browser.who() for browser in browsers for _ in range(PARALLEL)))


def keys(browsers: list[Browser]) -> list[str | None]:
    return [browser.client.cookies.get("sessionid") for browser in browsers]


# A re-hash ends no session --------------------------------------------------------------------------------------------


async def test_a_re_hash_at_the_bridge_leaves_every_browser_logged_in(
    bridge: httpx.AsyncClient, browsers: list[Browser], cast: Cast, member: str
):
    before = keys(browsers)
    await rehash(bridge, cast, member)

    assert is_djangos_own(await cast.stored_password(member))
    assert await everyone(browsers) == [member] * BROWSERS
    assert await everyone(browsers) == [member] * BROWSERS
    assert keys(browsers) == before


async def at_the_bridge(servers: Addresses, browsers: list[Browser]) -> list[int]:
    """Ask the bridge who each browser is; they send it the site's cookie by themselves."""
    return [(await browser.client.get(f"{servers.bridge}/users/me/")).status_code for browser in browsers]


async def test_they_are_logged_in_at_the_bridge_as_well_and_out_with_the_password(
    servers: Addresses, bridge: httpx.AsyncClient, browsers: list[Browser], cast: Cast, member: str
):
    assert await at_the_bridge(servers, browsers) == [200] * BROWSERS
    await rehash(bridge, cast, member)
    assert await at_the_bridge(servers, browsers) == [200] * BROWSERS

    await change_at_django(browsers[0])

    assert await at_the_bridge(servers, browsers) == [200] + [401] * (BROWSERS - 1)


async def test_parallel_requests_after_a_re_hash_lose_no_session(
    servers: Addresses, bridge: httpx.AsyncClient, browsers: list[Browser], cast: Cast
):
    """Ten rounds of four browsers of eight requests: with stock Django, some of them lose their cookie."""
    lost = []
    for _ in range(ROUNDS):
        username = f"ada-{secrets.token_hex(4)}"
        for browser in browsers:
            browser.client.cookies.clear()
        await cast.add(username)
        await log_in_last_year(servers, browsers, username)
        before = keys(browsers)
        await rehash(bridge, cast, username)

        answers = await all_at_once(browsers)

        lost += [answer for answer in answers if answer != username]
        assert keys(browsers) == before
        assert await everyone(browsers) == [username] * BROWSERS
    assert lost == []


async def test_requests_during_the_re_hash_lose_no_session(
    bridge: httpx.AsyncClient, browsers: list[Browser], cast: Cast, member: str
):
    answers, *_ = await asyncio.gather(all_at_once(browsers), rehash(bridge, cast, member), all_at_once(browsers))

    assert answers == [member] * BROWSERS * PARALLEL
    assert await everyone(browsers) == [member] * BROWSERS


async def test_with_djangos_own_middleware_a_browser_that_asks_one_at_a_time_stays_logged_in(
    servers: Addresses, bridge: httpx.AsyncClient, cast: Cast, username: str, database_url: str
):
    """What parallel requests would lose there is a race, and no test of ours."""
    stock = {"DJANGO_SETTINGS_MODULE": "tests.site.stock_middleware_settings"}
    with server(database_url, *DJANGO, **stock) as django:
        async with browsing(django) as browsers:
            await cast.add(username)
            await log_in_last_year(servers, browsers, username)
            before = keys(browsers)
            await rehash(bridge, cast, username)

            assert [await browsers[0].who() for _ in range(3)] == [username] * 3
            assert keys(browsers) != before  # it is another middleware


async def test_an_upgrade_at_django_leaves_the_users_other_browsers_logged_in(
    browsers: list[Browser], cast: Cast, member: str, servers: Addresses
):
    async with browsing(servers.django) as [elsewhere]:
        assert await elsewhere.log_in(member)
        assert is_djangos_own(await cast.stored_password(member))

        assert await all_at_once(browsers) == [member] * BROWSERS * PARALLEL
        assert await everyone([*browsers, elsewhere]) == [member] * (BROWSERS + 1)


async def test_wrapping_leaves_every_browser_logged_in_and_so_does_the_next_login_at_django(
    servers: Addresses, browsers: list[Browser], cast: Cast, member: str, database_url: str
):
    done = bridge_command(database_url, "hashes", "wrap", "--algorithm", "pbkdf2_sha256")
    assert done.returncode == 0, done.stderr
    assert (await cast.stored_password(member)).startswith("argon2_pbkdf2_sha256$")

    assert await all_at_once(browsers) == [member] * BROWSERS * PARALLEL
    assert await at_the_bridge(servers, browsers) == [200] * BROWSERS
    async with browsing(servers.django) as [elsewhere]:
        assert await elsewhere.log_in(member)
        assert is_djangos_own(await cast.stored_password(member))
        assert await everyone([*browsers, elsewhere]) == [member] * (BROWSERS + 1)


async def test_lineage_holds_neither_hash_nor_part_of_one(bridge: httpx.AsyncClient, cast: Cast, member: str):
    old = await cast.stored_password(member)
    await rehash(bridge, cast, member)
    new = await cast.stored_password(member)

    key = {"user": str(await cast.column(member, "id"))}
    tables = ("bridge_password_lineage", "bridge_password_upgrade")
    rows = [await cast.database.fetch_all(f"SELECT * FROM {table} WHERE user_id = :user", key) for table in tables]

    assert all(rows)
    parts = [part for value in (old, new) for part in value.split("$") if len(part) > 15]
    assert len(parts) == 4  # two salts and two digests
    assert not [part for part in parts if part in repr(rows)]


# Several re-hashes ----------------------------------------------------------------------------------------------------


async def test_a_session_that_was_never_used_between_lives_over_re_hashes_at_either_app(
    bridge: httpx.AsyncClient, browsers: list[Browser], cast: Cast, member: str, database_url: str
):
    """PBKDF2, argon2 by the bridge, argon2 of other costs by Django, argon2 by the bridge."""
    await rehash(bridge, cast, member)
    assert await browsers[0].who() == member
    with server(database_url, *DJANGO, **OTHER_ARGON2) as django:
        async with browsing(django) as [elsewhere]:
            assert await elsewhere.log_in(member)
    assert not is_djangos_own(await cast.stored_password(member))
    assert await browsers[1].who() == member
    await rehash(bridge, cast, member)
    assert is_djangos_own(await cast.stored_password(member))

    assert await everyone(browsers) == [member] * BROWSERS


@pytest.fixture(params=["sqlite", "postgresql"])
def own_database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """For one test, which may change what the site publishes."""
    with site_database(request, tmp_path) as url:
        yield url


async def test_a_session_lives_while_the_site_changes_its_argon2_and_the_bridge_follows(
    own_database_url: str, username: str
):
    """The second bridge upgrades what the first one wrote."""
    url = own_database_url
    async with AsyncExitStack() as stack:
        database = await open_database(url)
        stack.push_async_callback(database.close)
        cast = Cast(database)
        await cast.add(username)
        django = stack.enter_context(server(url, *DJANGO))
        unused, used = await stack.enter_async_context(browsing(django, 2))
        for browser in (unused, used):
            opened = manage(url, "shell", "--verbosity", "0", "-c", OPEN_SESSION.format(username=username))
            browser.client.cookies["sessionid"] = opened.strip()

        for site in (OTHER_ARGON2, {}):
            manage(url, "bridge_profile", **site)
            with server(url, *BRIDGE) as address:
                async with talking_to(address) as bridge:
                    await rehash(bridge, cast, username)
            assert await used.who() == username

        assert is_djangos_own(await cast.stored_password(username))
        assert await everyone([unused, used]) == [username] * 2


async def test_a_link_that_has_expired_logs_out(
    bridge: httpx.AsyncClient, browsers: list[Browser], cast: Cast, member: str
):
    await rehash(bridge, cast, member)
    assert await browsers[0].who() == member
    await cast.database.execute(
        "UPDATE bridge_password_lineage SET expires_at = :past WHERE user_id = :user",
        {"past": datetime.now(UTC) - timedelta(seconds=1), "user": str(await cast.column(member, "id"))},
    )

    assert await everyone(browsers) == [member, None, None, None]


# A change ends every session ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """What somebody who changes a password needs."""

    servers: Addresses
    cast: Cast
    database_url: str
    username: str
    password: str


@pytest.fixture(params=[NEW_PASSWORD, PASSWORD], ids=["to_another", "to_the_same"])
def change(request: pytest.FixtureRequest, servers: Addresses, cast: Cast, member: str, database_url: str) -> Change:
    return Change(servers, cast, database_url, member, request.param)


async def by_the_admin(change: Change) -> None:
    staff = f"staff-{secrets.token_hex(4)}"
    await change.cast.add(staff, is_staff=True, is_superuser=True)
    key = await change.cast.column(change.username, "id")
    fields = {"password1": change.password, "password2": change.password, "usable_password": "true"}
    async with browsing(change.servers.django) as [browser]:
        assert await browser.log_in(staff)
        changed = await browser.submit(f"/admin/auth/user/{key}/password/", **fields, **{"set-password": "x"})
    assert changed.status_code == 302, changed.text


async def by_changepassword(change: Change) -> None:
    """In a session of its own, where getpass finds no terminal and reads its standard input."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "legacy_django.manage", "changepassword", change.username],
        env=site_environment(change.database_url),
        cwd=CHECKOUT,
        input=f"{change.password}\n{change.password}\n",
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        start_new_session=True,
        check=False,
    )
    assert "Password changed successfully" in done.stdout, done.stderr


async def write(cast: Cast, username: str, encoded: str) -> None:
    changed = await cast.database.execute(
        "UPDATE auth_user SET password = :new WHERE username = :name", {"new": encoded, "name": username}
    )
    assert changed == 1


async def by_sql(change: Change) -> None:
    await write(change.cast, change.username, make_password(change.password))


CHANGES: Final[dict[str, Callable[[Change], Awaitable[None]]]] = {
    "admin": by_the_admin,
    "changepassword": by_changepassword,
    "sql": by_sql,
}
TO: Final = pytest.mark.parametrize("password", [NEW_PASSWORD, PASSWORD], ids=["to_another", "to_the_same"])


@pytest.mark.parametrize("means", CHANGES.values(), ids=CHANGES.keys())
async def test_a_changed_password_ends_every_session(
    bridge: httpx.AsyncClient, browsers: list[Browser], change: Change, means: Callable[[Change], Awaitable[None]]
):
    """Those that were used since the re-hash, and those that were not."""
    await rehash(bridge, change.cast, change.username)
    assert await everyone(browsers[:2]) == [change.username] * 2

    await means(change)

    assert await everyone(browsers) == [None] * BROWSERS
    assert keys(browsers) == [None] * BROWSERS


@TO
async def test_a_password_changed_by_its_owner_ends_every_other_session(
    bridge: httpx.AsyncClient, browsers: list[Browser], cast: Cast, member: str, password: str
):
    await rehash(bridge, cast, member)
    assert await everyone(browsers[:2]) == [member] * 2

    if password == NEW_PASSWORD:
        await change_at_django(browsers[0])
    else:
        fields = {"old_password": PASSWORD, "new_password1": PASSWORD, "new_password2": PASSWORD}
        assert (await browsers[0].submit("/accounts/password_change/", **fields)).status_code == 302

    assert await everyone(browsers) == [member, None, None, None]


async def test_a_change_while_django_still_holds_the_old_hash_ends_every_other_session(
    browsers: list[Browser], cast: Cast, member: str
):
    """The form checks the old password, which upgrades it, and then changes it."""
    await change_at_django(browsers[0])

    assert await everyone(browsers) == [member, None, None, None]


@TO
async def test_a_re_hash_after_a_change_brings_no_session_back(
    bridge: httpx.AsyncClient, browsers: list[Browser], cast: Cast, member: str, password: str
):
    await rehash(bridge, cast, member)
    assert await everyone(browsers[:2]) == [member] * 2
    await write(cast, member, old_hash(password))
    await rehash(bridge, cast, member, password)

    assert await everyone(browsers) == [None] * BROWSERS


# SECRET_KEY_FALLBACKS -------------------------------------------------------------------------------------------------

FALLBACKS: Final = json.dumps([OLDER_KEY])


@contextmanager
def rotated_site(database_url: str) -> Iterator[str]:
    """The site once its key is another, and the older one a fallback."""
    with server(database_url, *DJANGO, **variant(SECRET_KEY_FALLBACKS=[OLDER_KEY])) as django:
        yield django


async def open_under_the_older_key(browsers: list[Browser], cast: Cast, database_url: str, username: str) -> None:
    await cast.add(username)
    script = OPEN_SESSION.format(username=username)
    for browser in browsers:
        opened = manage(database_url, "shell", "--verbosity", "0", "-c", script, DJANGO_SECRET_KEY=OLDER_KEY)
        browser.client.cookies["sessionid"] = opened.strip()


async def test_sessions_of_an_older_key_live_over_a_re_hash_at_the_bridge(cast: Cast, username: str, database_url: str):
    with (
        rotated_site(database_url) as django,
        server(database_url, *BRIDGE, BRIDGE_DJANGO_SECRET_KEY_FALLBACKS=FALLBACKS) as address,
    ):
        async with browsing(django, 2) as browsers, talking_to(address) as bridge:
            await open_under_the_older_key(browsers, cast, database_url, username)
            await rehash(bridge, cast, username)

            assert await all_at_once(browsers) == [username] * 2 * PARALLEL
            assert await everyone(browsers) == [username] * 2


async def test_sessions_of_an_older_key_live_over_an_upgrade_at_django(cast: Cast, username: str, database_url: str):
    with rotated_site(database_url) as django:
        async with browsing(django, 3) as [elsewhere, *browsers]:
            await open_under_the_older_key(browsers, cast, database_url, username)
            assert await elsewhere.log_in(username)
            assert is_djangos_own(await cast.stored_password(username))

            assert await everyone(browsers) == [username] * 2


async def test_sessions_of_a_key_that_the_site_no_longer_lists_are_over(
    bridge: httpx.AsyncClient, browsers: list[Browser], cast: Cast, username: str, database_url: str
):
    await open_under_the_older_key(browsers[:2], cast, database_url, username)
    await rehash(bridge, cast, username)

    assert await everyone(browsers[:2]) == [None] * 2
