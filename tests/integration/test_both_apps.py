"""Django under gunicorn and the bridge under uvicorn on one database, as their users see them: through HTTP."""

import asyncio
import hashlib
import re
import secrets
import shutil
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import pytest
from argon2 import PasswordHasher
from django.contrib.auth.hashers import (
    BCryptPasswordHasher,
    BCryptSHA256PasswordHasher,
    ScryptPasswordHasher,
    check_password,
    make_password,
)

from bench.crowd import Values, gather, logging_in
from tests.conftest import (
    CHECKOUT,
    PASSWORD,
    Cast,
    bearer,
    execute_on_server,
    log_in,
    manage,
    old_hash,
    site_environment,
    with_database,
)
from tests.forked import run_module, running_module
from tests.processes import START_SECONDS, server, talking_to

NEW_PASSWORD: Final = "an entirely different set of words"
ARGON2_OF_THE_SITE: Final = "argon2$argon2id$v=19$m=64,t=1,p=1$"


# The two servers ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One copy of the migrated site's database for all tests here; each of them has users of its own."""
    if request.param == "sqlite":
        path: Path = request.getfixturevalue("migrated_sqlite")
        yield f"sqlite:///{shutil.copy(path, tmp_path_factory.mktemp('both') / 'site.sqlite3')}"
        return
    server: str = request.getfixturevalue("postgresql_server")
    template: str = request.getfixturevalue("migrated_postgresql")
    name = f"both_{secrets.token_hex(6)}"
    execute_on_server(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield with_database(server, name)
    execute_on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True)
class Addresses:
    """Base URLs."""

    django: str
    bridge: str


@pytest.fixture(scope="module")
def servers(database_url: str) -> Iterator[Addresses]:
    gunicorn = ("--bind", "127.0.0.1:0", "--workers", "1", "--threads", "4", "--no-control-socket")
    endpoints = ("--endpoints", "bridge.demo.endpoints:router")
    with (
        server(database_url, "gunicorn", "legacy_django.wsgi:application", *gunicorn) as django,
        server(database_url, "bridge", "serve", "--port", "0", *endpoints) as bridge,
    ):
        yield Addresses(django, bridge)


@pytest.fixture
async def bridge(servers: Addresses) -> AsyncIterator[httpx.AsyncClient]:
    async with talking_to(servers.bridge) as client:
        yield client


class Browser:
    """A browser at the Django site: it keeps cookies, and sends the forms that it was given."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def submit(self, path: str, **fields: str) -> httpx.Response:
        page = await self.client.get(path)
        found = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.text)
        assert found is not None, page.text
        return await self.client.post(path, data={**fields, "csrfmiddlewaretoken": found[1]})

    async def log_in(self, username: str, password: str = PASSWORD) -> bool:
        """Say whether the site let the user in."""
        answer = await self.submit("/accounts/login/", username=username, password=password)
        assert answer.status_code in (200, 302), answer.text
        return answer.status_code == 302

    async def who(self) -> str | None:
        """Ask the site who this is."""
        answer = await self.client.get("/whoami/")
        assert answer.status_code in (200, 302), answer.text
        return str(answer.json()["username"]) if answer.status_code == 200 else None


@pytest.fixture
async def browser(servers: Addresses) -> AsyncIterator[Browser]:
    async with talking_to(servers.django) as client:
        yield Browser(client)


@pytest.fixture
def username() -> str:
    """A name that no other test has used."""
    return f"ada-{secrets.token_hex(4)}"


# Hashes ---------------------------------------------------------------------------------------------------------------


def with_bcrypt(hasher: BCryptPasswordHasher | BCryptSHA256PasswordHasher) -> str:
    hasher.rounds = 4
    encoded: str = hasher.encode(PASSWORD, hasher.salt())
    return encoded


def argon2(*, memory_cost: int, salt_len: int) -> str:
    hasher = PasswordHasher(time_cost=1, memory_cost=memory_cost, parallelism=1, salt_len=salt_len)
    return "argon2" + hasher.hash(PASSWORD)


FORMATS: Final[dict[str, Callable[[], str]]] = {
    "pbkdf2_sha256": lambda: old_hash(PASSWORD),
    "pbkdf2_sha1": lambda: make_password(PASSWORD, hasher="pbkdf2_sha1"),
    "bcrypt_sha256": lambda: with_bcrypt(BCryptSHA256PasswordHasher()),
    "bcrypt": lambda: with_bcrypt(BCryptPasswordHasher()),
    "scrypt": lambda: ScryptPasswordHasher().encode(PASSWORD, "pepperandsalt", n=16),
    "md5": lambda: make_password(PASSWORD, hasher="md5"),
    "sha1": lambda: make_password(PASSWORD, hasher="sha1"),
    "unsalted_sha1": lambda: make_password(PASSWORD, hasher="unsalted_sha1"),
    "unsalted_md5": lambda: hashlib.md5(PASSWORD.encode(), usedforsecurity=False).hexdigest(),
    "unsalted_md5_with_its_prefix": lambda: "md5$$" + make_password(PASSWORD, hasher="unsalted_md5"),
    "argon2_of_other_costs": lambda: argon2(memory_cost=128, salt_len=22),
    "argon2_of_a_short_salt": lambda: argon2(memory_cost=64, salt_len=16),
}

every_format = pytest.mark.parametrize("encode", FORMATS.values(), ids=FORMATS.keys())


def is_djangos_own(stored: str) -> bool:
    """Whether Django takes it and would leave it alone."""
    rewritten: list[str] = []
    return (
        stored.startswith(ARGON2_OF_THE_SITE)
        and check_password(PASSWORD, stored, setter=rewritten.append)
        and not rewritten
    )


@every_format
async def test_what_the_bridge_upgrades_django_takes_and_leaves_byte_for_byte(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str, encode: Callable[[], str]
):
    await cast.add(username, encoded=encode())

    assert (await log_in(bridge, username)).status_code == 200
    upgraded = await cast.stored_password(username)
    assert is_djangos_own(upgraded)

    assert await browser.log_in(username)
    assert await cast.stored_password(username) == upgraded


@every_format
async def test_what_django_upgrades_the_bridge_takes_and_leaves_byte_for_byte(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str, encode: Callable[[], str]
):
    await cast.add(username, encoded=encode())

    assert await browser.log_in(username)
    upgraded = await cast.stored_password(username)
    assert is_djangos_own(upgraded)

    assert (await log_in(bridge, username)).status_code == 200
    assert await cast.stored_password(username) == upgraded


@every_format
async def test_a_wrong_password_opens_neither_app_and_changes_nothing(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str, encode: Callable[[], str]
):
    before = encode()
    await cast.add(username, encoded=before)

    assert (await log_in(bridge, username, "wrong")).status_code == 401
    assert not await browser.log_in(username, "wrong")
    assert await cast.stored_password(username) == before


OPEN_SESSION: Final = """
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
request = HttpRequest()
request.session = SessionStore()
login(request, User.objects.get(username={username!r}), backend="django.contrib.auth.backends.ModelBackend")
request.session.save()
print(request.session.session_key)
"""


async def add_with_session(browser: Browser, cast: Cast, database_url: str, username: str) -> None:
    """Add a user who has a session of the time before the site preferred argon2."""
    await cast.add(username)
    opened = manage(database_url, "shell", "--verbosity", "0", "-c", OPEN_SESSION.format(username=username))
    browser.client.cookies["sessionid"] = opened.strip()


async def test_an_upgrade_at_the_bridge_ends_no_session_at_django(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str, database_url: str
):
    await add_with_session(browser, cast, database_url, username)

    await log_in(bridge, username)

    assert is_djangos_own(await cast.stored_password(username))
    assert [await browser.who(), await browser.who()] == [username, username]


async def test_an_upgrade_at_django_ends_no_other_session_there(
    servers: Addresses, browser: Browser, cast: Cast, username: str, database_url: str
):
    await add_with_session(browser, cast, database_url, username)

    async with talking_to(servers.django) as elsewhere:
        assert await Browser(elsewhere).log_in(username)

    assert is_djangos_own(await cast.stored_password(username))
    assert await browser.who() == username


# Tokens ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/whoami/", "/whoami/async/", "/api/me/"])
async def test_a_token_of_the_bridge_opens_django(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str, path: str
):
    await cast.add(username)

    answer = await browser.client.get(path, headers=await bearer(bridge, username))

    assert (answer.status_code, answer.json()["username"]) == (200, username)


async def token_of_django(browser: Browser, username: str) -> dict[str, str]:
    answer = await browser.client.post("/api/token/", data={"username": username, "password": PASSWORD})
    return {"Authorization": f"Bearer {answer.raise_for_status().json()['access']}"}


async def test_a_token_of_django_opens_the_bridge(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)

    answer = await bridge.get("/users/me/", headers=await token_of_django(browser, username))

    assert (answer.status_code, answer.json()["username"]) == (200, username)


async def test_djangos_token_login_upgrades_as_its_form_does(browser: Browser, cast: Cast, username: str):
    await cast.add(username)

    await token_of_django(browser, username)

    assert is_djangos_own(await cast.stored_password(username))


@pytest.mark.parametrize("path", ["/whoami/", "/whoami/async/"])
async def test_a_logout_at_the_bridge_is_seen_by_djangos_plain_views(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str, path: str
):
    await cast.add(username)
    headers = await bearer(bridge, username)
    assert (await browser.client.get(path, headers=headers)).status_code == 200

    assert (await bridge.post("/auth/logout", headers=headers)).status_code == 204

    assert (await browser.client.get(path, headers=headers)).status_code == 302


async def test_a_token_of_django_can_be_logged_out_at_the_bridge(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)
    headers = await token_of_django(browser, username)

    assert (await bridge.post("/auth/logout", headers=headers)).status_code == 204

    assert (await browser.client.get("/whoami/", headers=headers)).status_code == 302
    assert (await bridge.get("/users/me/", headers=headers)).status_code == 401


async def test_a_logout_of_one_token_leaves_the_users_others(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)
    ended, kept = await bearer(bridge, username), await bearer(bridge, username)

    await bridge.post("/auth/logout", headers=ended)

    assert (await browser.client.get("/whoami/", headers=kept)).status_code == 200


# Sessions -------------------------------------------------------------------------------------------------------------


async def test_who_logged_in_to_djangos_form_is_known_to_the_bridge(
    servers: Addresses, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)
    assert (await browser.client.get(f"{servers.bridge}/users/me/")).status_code == 401

    await browser.log_in(username)
    answer = await browser.client.get(f"{servers.bridge}/users/me/")

    assert (answer.status_code, answer.json()["username"]) == (200, username)


async def test_a_page_of_the_site_may_write_to_the_bridge_and_another_site_may_not(
    servers: Addresses, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)
    await browser.log_in(username)
    me, change = f"{servers.bridge}/users/me/", {"first_name": "Ada"}
    token = {"X-CSRFToken": browser.client.cookies["csrftoken"]}

    forged = [
        await browser.client.patch(me, json=change),
        await browser.client.patch(me, json=change, headers=token | {"Origin": "https://evil.test"}),
    ]
    assert [(each.status_code, each.json()["code"]) for each in forged] == [(403, "csrf_failed")] * 2
    assert await cast.column(username, "first_name") == ""

    answer = await browser.client.patch(me, json=change, headers=token | {"Origin": servers.bridge})
    assert (answer.status_code, answer.json()["first_name"]) == (200, "Ada"), answer.text


async def test_who_logged_out_of_django_is_nobody_to_the_bridge(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)
    await browser.log_in(username)
    cookie = {"Cookie": f"sessionid={browser.client.cookies['sessionid']}"}
    assert (await bridge.get("/users/me/", headers=cookie)).status_code == 200

    token = browser.client.cookies["csrftoken"]
    left = await browser.client.post("/accounts/logout/", data={"csrfmiddlewaretoken": token})
    assert left.status_code == 302, left.text

    assert (await bridge.get("/users/me/", headers=cookie)).status_code == 401


# Passwords that change ------------------------------------------------------------------------------------------------


async def change_at_django(browser: Browser) -> None:
    fields = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    changed = await browser.submit("/accounts/password_change/", **fields)
    assert changed.headers["location"] == "/accounts/password_change/done/", changed.text


async def test_a_password_changed_at_django_is_the_bridges_at_once(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)
    assert (await log_in(bridge, username)).status_code == 200
    await browser.log_in(username)

    await change_at_django(browser)

    assert (await log_in(bridge, username, NEW_PASSWORD)).status_code == 200
    assert (await log_in(bridge, username)).status_code == 401


async def change_at_the_bridge(bridge: httpx.AsyncClient, username: str) -> None:
    changed = await bridge.post(
        "/auth/password",
        json={"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        headers=await bearer(bridge, username),
    )
    assert changed.status_code == 204, changed.text


async def test_a_password_changed_at_the_bridge_is_djangos_at_once(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)

    await change_at_the_bridge(bridge, username)

    assert not await browser.log_in(username)
    assert await browser.log_in(username, NEW_PASSWORD)


async def test_a_password_changed_at_the_bridge_is_left_by_django_byte_for_byte(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)
    await change_at_the_bridge(bridge, username)
    changed = await cast.stored_password(username)

    await browser.log_in(username, NEW_PASSWORD)

    assert await cast.stored_password(username) == changed


async def test_a_password_changed_at_the_bridge_ends_the_users_sessions_at_django(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)
    await browser.log_in(username)

    await change_at_the_bridge(bridge, username)

    assert await browser.who() is None


async def test_a_user_deactivated_in_the_table_is_out_of_both_apps_at_once(
    bridge: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    await cast.add(username)
    headers = await bearer(bridge, username)

    await cast.database.execute(
        "UPDATE auth_user SET is_active = :no WHERE username = :name", {"no": False, "name": username}
    )

    assert (await bridge.get("/users/me/", headers=headers)).status_code == 401
    assert (await browser.client.get("/whoami/", headers=headers)).status_code == 302


# The finish -----------------------------------------------------------------------------------------------------------


async def test_everybody_can_log_in_at_both_apps_while_a_wrap_is_killed_and_begun_again(
    servers: Addresses, database_url: str
):
    """The same with 10,000 users: ``python -m bench finish``."""
    command = ("bridge", "hashes", "wrap", "--algorithm", "pbkdf2_sha256")
    environment, users = site_environment(database_url), 300
    values = Values(database_url, users)
    await gather(database_url, users)

    with logging_in(servers.django, servers.bridge, users) as logins:
        throttled = (*command, "--per-second", "400")
        with running_module(*throttled, environment=environment, folder=CHECKOUT) as killed_at_the_end:
            async with asyncio.timeout(START_SECONDS):
                while not killed_at_the_end.errors.read_text():  # noqa: ASYNC110  # it tells after a hundred users
                    await asyncio.sleep(0)
        await values.look()
        done = run_module(*command, environment=environment, folder=CHECKOUT)
        await values.look()

    assert done.returncode == 0, done.stderr
    assert (logins.failures, values.wrong) == ([], [])
    assert values.wrapped > 0
    assert all(logins.answered[app] > 0 for app in ("the bridge", "Django"))
