"""A site whose users are not Django's: UUID keys, e-mail addresses for names, a table and columns of its own."""

import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from uuid import UUID, uuid4

import httpx
import pytest
from django.contrib.auth.hashers import make_password

from bridge.store.database import Database, open_database
from tests.conftest import (
    PASSWORD,
    as_role,
    bearer,
    bridge_command,
    execute_on_server,
    log_in,
    manage,
    old_hash,
    with_database,
)
from tests.contrib.conftest import issued
from tests.integration.test_both_apps import NEW_PASSWORD, Browser, change_at_django, is_djangos_own
from tests.processes import server, talking_to

CLUB: Final = {"DJANGO_SETTINGS_MODULE": "tests.site.custom_settings"}
GUNICORN: Final = ("--bind", "127.0.0.1:0", "--workers", "1", "--threads", "4", "--no-control-socket")


# The club's site and the bridge ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Club:
    """Where everything is."""

    database_url: str
    service_url: str
    django: str
    bridge: str


def migrated(url: str) -> str:
    """All that the site's operator does: the profile comes with it."""
    manage(url, "migrate", "--verbosity", "0", **CLUB)
    return url


def grant_to(role: str, url: str) -> str:
    """Give the bridge's role what `bridge privileges` prints for this table; the same database, as that role."""
    printed = bridge_command(url, "privileges", "--role", role)
    assert printed.returncode == 0, printed.stderr
    execute_on_server(url, printed.stdout)
    return as_role(url, role)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_urls(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """A database of the club's, as its site opens it and as the bridge does: with the least rights that do."""
    if request.param == "sqlite":
        folder: Path = tmp_path_factory.mktemp("club")
        url = migrated(f"sqlite:///{folder / 'club.sqlite3'}")
        yield url, url
        return
    address: str = request.getfixturevalue("postgresql_server")
    role: str = request.getfixturevalue("service_role")
    name = f"club_{secrets.token_hex(6)}"
    execute_on_server(address, f"CREATE DATABASE {name}")
    url = migrated(with_database(address, name))
    yield url, grant_to(role, url)
    execute_on_server(address, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def club(database_urls: tuple[str, str]) -> Iterator[Club]:
    url, service_url = database_urls
    with (
        server(url, "gunicorn", "legacy_django.wsgi:application", *GUNICORN, **CLUB) as django,
        server(url, "bridge", "serve", "--port", "0", BRIDGE_DATABASE_URL=service_url) as bridge,
    ):
        yield Club(url, service_url, django, bridge)


@pytest.fixture
async def bridge(club: Club) -> AsyncIterator[httpx.AsyncClient]:
    async with talking_to(club.bridge) as client:
        yield client


@pytest.fixture
async def observer(club: Club) -> AsyncIterator[Database]:
    opened = await open_database(club.database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def browsers(club: Club) -> AsyncIterator[list[Browser]]:
    """Two at the club's site, which share nothing."""
    async with AsyncExitStack() as stack:
        clients = [talking_to(club.django) for _ in range(2)]
        yield [Browser(await stack.enter_async_context(client)) for client in clients]


# Members --------------------------------------------------------------------------------------------------------------

OPEN_SESSIONS: Final = """
from django.contrib.auth import get_user_model, login
from django.contrib.sessions.backends.db import SessionStore
from django.http import HttpRequest
for _ in range({number}):
    request = HttpRequest()
    request.session = SessionStore()
    user = get_user_model().objects.get(email={email!r})
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    print(request.session.session_key)
"""


@dataclass(frozen=True)
class Member:
    """A row of the club's."""

    database: Database
    uid: UUID
    email: str

    async def stored_password(self) -> str:
        row = await self.database.fetch_one(
            "SELECT password FROM club_members WHERE member_uid = :uid", {"uid": self.uid}
        )
        assert row is not None
        value: str = row["password"]
        return value

    async def change_password(self, encoded: str) -> None:
        changed = await self.database.execute(
            "UPDATE club_members SET password = :new WHERE member_uid = :uid", {"new": encoded, "uid": self.uid}
        )
        assert changed == 1


@pytest.fixture
async def member(observer: Database) -> Member:
    """Somebody who joined before the site preferred argon2."""
    joined = Member(observer, uuid4(), f"ada-{secrets.token_hex(4)}@example.com")
    row = {
        "member_uid": joined.uid,
        "email": joined.email,
        "password": old_hash(PASSWORD),
        "nickname": "Ada",
        "is_active": True,
        "is_staff": False,
        "is_superuser": False,
        "joined_at": datetime(2020, 1, 1, tzinfo=UTC),
    }
    names, slots = ", ".join(row), ", ".join(f":{name}" for name in row)
    await observer.execute(f"INSERT INTO club_members ({names}) VALUES ({slots})", row)
    return joined


@pytest.fixture
def sessions(club: Club, browsers: list[Browser], member: Member) -> list[Browser]:
    """Both browsers, logged in since before the site preferred argon2."""
    script = OPEN_SESSIONS.format(number=len(browsers), email=member.email)
    opened = manage(club.database_url, "shell", "--verbosity", "0", "-c", script, **CLUB).split()
    for browser, key in zip(browsers, opened, strict=True):
        browser.client.cookies["sessionid"] = key
    return browsers


async def everyone(browsers: list[Browser]) -> list[str | None]:
    return [await browser.who() for browser in browsers]


# One login ------------------------------------------------------------------------------------------------------------


async def test_a_login_at_the_bridge_upgrades_the_hash_in_the_clubs_table(bridge: httpx.AsyncClient, member: Member):
    assert (await log_in(bridge, member.email)).status_code == 200

    assert is_djangos_own(await member.stored_password())


async def test_django_takes_what_the_bridge_wrote_and_leaves_it(
    bridge: httpx.AsyncClient, browsers: list[Browser], member: Member
):
    await log_in(bridge, member.email)
    upgraded = await member.stored_password()

    assert await browsers[0].log_in(member.email)
    assert await member.stored_password() == upgraded


async def test_a_wrong_password_opens_nothing_and_changes_nothing(
    bridge: httpx.AsyncClient, browsers: list[Browser], member: Member
):
    before = await member.stored_password()

    assert (await log_in(bridge, member.email, "wrong")).status_code == 401
    assert not await browsers[0].log_in(member.email, "wrong")
    assert await member.stored_password() == before


async def test_a_login_leaves_its_time_in_the_clubs_table(bridge: httpx.AsyncClient, member: Member):
    before = datetime.now(UTC)
    await log_in(bridge, member.email)

    headers = await bearer(bridge, member.email)
    told = (await bridge.get("/users/me/", headers=headers)).json()["last_login"]
    assert before <= datetime.fromisoformat(told) <= datetime.now(UTC)


# Sessions -------------------------------------------------------------------------------------------------------------


async def test_sessions_live_over_a_re_hash_at_the_bridge(
    bridge: httpx.AsyncClient, sessions: list[Browser], member: Member
):
    await log_in(bridge, member.email)

    assert is_djangos_own(await member.stored_password())
    assert await everyone(sessions) == [member.email] * 2
    assert await everyone(sessions) == [member.email] * 2


async def test_sessions_live_over_an_upgrade_at_django(club: Club, sessions: list[Browser], member: Member):
    async with talking_to(club.django) as client:
        assert await Browser(client).log_in(member.email)

    assert is_djangos_own(await member.stored_password())
    assert await everyone(sessions) == [member.email] * 2


async def test_sessions_end_with_the_password(bridge: httpx.AsyncClient, sessions: list[Browser], member: Member):
    await log_in(bridge, member.email)
    await member.change_password(make_password(NEW_PASSWORD))

    assert await everyone(sessions) == [None] * 2


async def test_the_other_session_ends_with_a_change_at_django(
    bridge: httpx.AsyncClient, sessions: list[Browser], member: Member
):
    await log_in(bridge, member.email)
    await change_at_django(sessions[0])

    assert await everyone(sessions) == [member.email, None]
    assert (await log_in(bridge, member.email, NEW_PASSWORD)).status_code == 200


# Tokens ---------------------------------------------------------------------------------------------------------------


async def test_a_member_is_shown_with_what_the_table_has(bridge: httpx.AsyncClient, member: Member):
    shown = (await bridge.get("/users/me/", headers=await bearer(bridge, member.email))).json()

    assert (shown["id"], shown["username"], shown["email"]) == (str(member.uid), member.email, member.email)
    assert (shown["first_name"], shown["last_name"], shown["full_name"], shown["date_joined"]) == ("", "", "", None)
    assert (shown["is_active"], shown["is_staff"], shown["is_superuser"]) == (True, False, False)


@pytest.mark.parametrize(("path", "name"), [("/whoami/", "username"), ("/api/me/", "email")])
async def test_a_token_of_the_bridge_opens_django(
    bridge: httpx.AsyncClient, browsers: list[Browser], member: Member, path: str, name: str
):
    answer = await browsers[0].client.get(path, headers=await bearer(bridge, member.email))

    assert answer.status_code == 200, answer.text
    assert answer.json()[name] == member.email


async def test_a_token_of_django_opens_the_bridge(bridge: httpx.AsyncClient, browsers: list[Browser], member: Member):
    given = await browsers[0].client.post("/api/token/", data={"email": member.email, "password": PASSWORD})
    headers = {"Authorization": f"Bearer {given.raise_for_status().json()['access']}"}

    assert (await bridge.get("/users/me/", headers=headers)).json()["id"] == str(member.uid)


async def test_a_logout_ends_the_token_in_both_apps(bridge: httpx.AsyncClient, browsers: list[Browser], member: Member):
    headers = await bearer(bridge, member.email)
    assert (await browsers[0].client.get("/whoami/", headers=headers)).status_code == 200

    assert (await bridge.post("/auth/logout", headers=headers)).status_code == 204

    assert (await bridge.get("/users/me/", headers=headers)).status_code == 401
    assert (await browsers[0].client.get("/whoami/", headers=headers)).status_code == 302


@pytest.mark.parametrize("user_id", ["1", "ada", str(UUID(int=0)), ""], ids=["number", "word", "nobodys", "empty"])
async def test_a_token_for_a_key_that_is_no_members_opens_neither_app(
    bridge: httpx.AsyncClient, browsers: list[Browser], user_id: str
):
    headers = {"Authorization": f"Bearer {issued(user_id)}"}

    assert (await bridge.get("/users/me/", headers=headers)).status_code == 401
    assert (await browsers[0].client.get("/whoami/", headers=headers)).status_code == 302


async def test_a_change_at_the_bridge_is_djangos_at_once(
    bridge: httpx.AsyncClient, sessions: list[Browser], member: Member
):
    changed = await bridge.post(
        "/auth/password",
        json={"current_password": PASSWORD, "new_password": NEW_PASSWORD},
        headers=await bearer(bridge, member.email),
    )

    assert changed.status_code == 204, changed.text
    assert await everyone(sessions) == [None] * 2
    assert await sessions[0].log_in(member.email, NEW_PASSWORD)


# The operator ---------------------------------------------------------------------------------------------------------


async def test_the_report_counts_the_clubs_members(club: Club, bridge: httpx.AsyncClient, member: Member):
    def counted() -> dict[str, int]:
        told = bridge_command(club.database_url, "report", "--json", BRIDGE_DATABASE_URL=club.service_url)
        assert told.returncode == 0, told.stderr
        return {each["algorithm"]: each["users"] for each in json.loads(told.stdout)["by_algorithm"]}

    before = counted()
    await log_in(bridge, member.email)
    after = counted()

    assert before["pbkdf2_sha256"] - after.get("pbkdf2_sha256", 0) == 1
    assert after["argon2"] - before.get("argon2", 0) == 1
    assert sum(before.values()) == sum(after.values())


async def test_the_doctor_finds_the_club_safe(club: Club):
    told = bridge_command(club.database_url, "doctor", "--json", BRIDGE_DATABASE_URL=club.service_url)

    assert told.returncode == 0, told.stdout + told.stderr
    assert [check for check in json.loads(told.stdout)["checks"] if not check["ok"]] == []
