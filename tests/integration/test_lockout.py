"""axes' lockout holds at both logins, whichever of them saw the failures: real axes on the same database."""

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from bridge.profile import AxesProfile, SiteProfile, UserTable
from bridge.services.client import Client
from bridge.services.lockout import Lockout
from bridge.store.axes import AxesAttempts
from bridge.store.database import Database, open_database
from bridge.store.users import Users
from bridge.web.admission import DEVICE_COOKIE
from bridge.web.app import create_app
from bridge.web.composition import site_profile
from tests.conftest import PASSWORD, Cast, FrozenClock, log_in, running, settings_for
from tests.guarded import DJANGO, GUARDED, Guarded, guarded_site, variant
from tests.integration.test_both_apps import Browser
from tests.processes import server, talking_to
from tests.web.conftest import INCORRECT

PARALLEL: Final = 16
COOL_OFF: Final = timedelta(hours=1)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_site(request, tmp_path_factory.mktemp("guarded")) as site:
        yield site


@pytest.fixture(scope="module")
def django(guarded: Guarded) -> Iterator[str]:
    with server(guarded.database_url, *DJANGO, **GUARDED) as address:
        yield address


@pytest.fixture
async def database(guarded: Guarded) -> AsyncIterator[Database]:
    opened = await open_database(guarded.database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def profile(database: Database) -> SiteProfile:
    found = await site_profile(database)
    assert found is not None
    return found


@pytest.fixture
async def client(guarded: Guarded, clock: FrozenClock) -> AsyncIterator[httpx.AsyncClient]:
    async with running(create_app(settings_for(guarded.service_url), clock=clock)) as started:
        yield started


@pytest.fixture
async def browser(django: str) -> AsyncIterator[Browser]:
    async with talking_to(django) as opened:
        yield Browser(opened)


@pytest.fixture
def username() -> str:
    return f"ada-{secrets.token_hex(4)}"


@pytest.fixture
async def cast(database: Database, username: str) -> Cast:
    cast = Cast(database)
    await cast.add(username)
    return cast


async def at_django(browser: Browser, username: str, password: str) -> int:
    answer = await browser.submit("/accounts/login/", username=username, password=password)
    return answer.status_code


def assert_locked_out(answer: httpx.Response, *, retry_after: timedelta = COOL_OFF) -> None:
    assert (answer.status_code, answer.json()["error"]) == (429, "too_many_attempts"), answer.text
    assert int(answer.headers["retry-after"]) == retry_after.total_seconds()


async def rows(database: Database, table: str, username: str) -> list[dict[str, Any]]:
    found = await database.fetch_all(
        f"SELECT * FROM {table} WHERE username = :username ORDER BY id", {"username": username}
    )
    return [dict(row) for row in found]


# Honoured, and fed ----------------------------------------------------------------------------------------------------


async def test_who_was_locked_out_at_the_site_is_locked_out_here(
    client: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    assert [await at_django(browser, username, "wrong") for _ in range(3)] == [200, 200, 429]

    assert_locked_out(await log_in(client, username))


async def test_who_was_locked_out_here_is_locked_out_at_the_site(
    client: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    for _ in range(3):
        answer = await log_in(client, username, "wrong")
        assert (answer.status_code, answer.json()) == (401, INCORRECT)

    assert_locked_out(await log_in(client, username))
    assert await at_django(browser, username, PASSWORD) == 429


async def test_failures_of_both_apps_add_up(client: httpx.AsyncClient, browser: Browser, cast: Cast, username: str):
    assert await at_django(browser, username, "wrong") == 200
    assert (await log_in(client, username, "wrong")).status_code == 401
    assert (await log_in(client, username, "wrong")).status_code == 401

    assert_locked_out(await log_in(client, username))


async def test_a_name_that_is_nobodys_is_locked_out_alike(client: httpx.AsyncClient, username: str):
    for _ in range(3):
        assert (await log_in(client, username, "wrong")).status_code == 401

    assert_locked_out(await log_in(client, username, "wrong"))


async def test_the_json_login_is_locked_alike(client: httpx.AsyncClient, cast: Cast, username: str):
    for _ in range(3):
        await client.post("/auth/login", json={"username": username, "password": "wrong"})

    assert_locked_out(await client.post("/auth/login", json={"username": username, "password": PASSWORD}))


@pytest.mark.parametrize("odd", ["\x00", "\ud800", "x" * 5000, ""], ids=["nul", "surrogate", "long", "empty"])
async def test_names_that_no_row_can_hold_count_and_break_nothing(client: httpx.AsyncClient, odd: str):
    body = json.dumps({"username": secrets.token_hex(4) + odd, "password": "wrong"})

    answers = [await client.post("/auth/login", content=body) for _ in range(4)]

    assert [answer.status_code for answer in answers] == [401, 401, 401, 429]


async def test_the_lockout_ends_with_the_cool_off(
    client: httpx.AsyncClient, cast: Cast, username: str, clock: FrozenClock
):
    for _ in range(3):
        await log_in(client, username, "wrong")
    clock.advance(timedelta(minutes=59))
    assert_locked_out(await log_in(client, username))

    clock.advance(COOL_OFF)
    assert_locked_out(await log_in(client, username))  # the last attempt was at this cool-off's very start
    clock.advance(COOL_OFF + timedelta(seconds=1))

    assert (await log_in(client, username)).status_code == 200


async def test_a_login_forgets_the_failures(
    client: httpx.AsyncClient, browser: Browser, cast: Cast, database: Database, username: str
):
    for _ in range(2):
        await log_in(client, username, "wrong")

    assert (await log_in(client, username)).status_code == 200

    assert await rows(database, "axes_accessattempt", username) == []
    assert [await at_django(browser, username, "wrong") for _ in range(2)] == [200, 200]
    assert await at_django(browser, username, PASSWORD) == 302


async def test_failures_that_come_at_once_are_all_counted(
    client: httpx.AsyncClient, cast: Cast, database: Database, username: str
):
    await asyncio.gather(*(log_in(client, username, "wrong") for _ in range(PARALLEL)))

    assert [row["failures_since_start"] for row in await rows(database, "axes_accessattempt", username)] == [PARALLEL]


async def test_axes_tables_tell_the_same_of_either_app(
    client: httpx.AsyncClient, browser: Browser, cast: Cast, database: Database, username: str
):
    headers = {"User-Agent": "curl/8", "Accept": "text/html"}
    browser.client.headers.update(headers)
    client.headers.update(headers)
    for _ in range(2):
        await at_django(browser, username, "wrong")
    await log_in(client, username, "wrong")

    (attempt,) = await rows(database, "axes_accessattempt", username)
    assert attempt["failures_since_start"] == 3
    assert attempt["path_info"] == "/auth/token"
    log = await rows(database, "axes_accessfailurelog", username)
    alike = [{name: row[name] for name in ("user_agent", "http_accept", "ip_address")} for row in log]
    assert alike[0] == alike[2]
    assert [bool(row["locked_out"]) for row in log] == [False, False, True]
    assert [row["path_info"] for row in log] == ["/accounts/login/", "/accounts/login/", "/auth/token"]


async def test_a_login_is_in_axes_log(client: httpx.AsyncClient, cast: Cast, database: Database, username: str):
    await log_in(client, username)

    (entry,) = await rows(database, "axes_accesslog", username)
    assert (entry["path_info"], entry["session_hash"], entry["logout_time"]) == ("/auth/token", "", None)


async def test_a_right_password_that_waits_for_a_code_forgets_no_failures(
    client: httpx.AsyncClient, cast: Cast, database: Database, username: str
):
    await database.execute(
        "INSERT INTO otp_static_staticdevice (user_id, name, confirmed, throttling_failure_count)"
        " SELECT id, 'codes', true, 0 FROM auth_user WHERE username = :username",
        {"username": username},
    )
    await log_in(client, username, "wrong")

    assert (await log_in(client, username)).json()["error"] == "mfa_required"

    assert len(await rows(database, "axes_accessattempt", username)) == 1
    assert await rows(database, "axes_accesslog", username) == []


# Known devices --------------------------------------------------------------------------------------------------------


async def test_strangers_do_not_lock_a_user_out_of_a_device_that_they_have_logged_in_on(
    client: httpx.AsyncClient, browser: Browser, cast: Cast, username: str
):
    mark = (await log_in(client, username)).cookies[DEVICE_COOKIE]
    client.cookies.clear()
    for _ in range(3):
        await at_django(browser, username, "wrong")
    assert_locked_out(await log_in(client, username))

    client.cookies.set(DEVICE_COOKIE, mark)
    assert (await log_in(client, username)).status_code == 200


async def test_an_address_that_the_site_has_listed_is_locked_out_on_every_device(
    guarded: Guarded, profile: SiteProfile, clock: FrozenClock, username: str
):
    assert profile.axes is not None
    axes = replace(profile.axes, ip_blacklist=(ADDRESSES[0],))
    async with lockout(guarded, axes, clock) as ours:
        verdicts = [await ours.check(username, Client(address=each), is_known=True) for each in ADDRESSES]

    assert [verdict is None for verdict in verdicts] == [False, True]


# By axes' settings ----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def lockout(guarded: Guarded, axes: AxesProfile, clock: FrozenClock) -> AsyncIterator[Lockout]:
    """The bridge's lockout by settings of one's own."""
    database = await open_database(guarded.service_url)
    try:
        attempts = AxesAttempts(database, Users(database, UserTable()), axes)
        yield Lockout(profile=axes, attempts=attempts, clock=clock)
    finally:
        await database.close()


AGENTS: Final = ("curl/8", "Mozilla/5.0")
ADDRESSES: Final = ("192.0.2.1", "2001:db8::1")
PARAMETERS: Final[dict[str, list[Any]]] = {
    "username": ["username"],
    "address": ["ip_address"],
    "agent": ["user_agent"],
    "either": ["username", "ip_address"],
    "both": [["username", "ip_address"]],
    "all-three": [["username", "ip_address", "user_agent"]],
    "mixed": ["user_agent", ["username", "ip_address"]],
}


@pytest.mark.parametrize("parameters", [pytest.param(each, id=name) for name, each in PARAMETERS.items()])
async def test_lockout_parameters_mean_what_they_mean_to_axes(
    guarded: Guarded, database: Database, profile: SiteProfile, clock: FrozenClock, parameters: list[Any]
):
    for table in ("axes_accessattemptexpiration", "axes_accessattempt"):
        await database.execute(f"DELETE FROM {table}")
    assert profile.axes is not None
    combinations = tuple((each,) if isinstance(each, str) else tuple(each) for each in parameters)
    axes = replace(
        profile.axes, lockout_parameters=combinations, reset_cool_off_on_failure_during_lockout=False, failure_limit=2
    )
    clients = [(name, address, agent) for name in ("ada", "bob") for address in ADDRESSES for agent in AGENTS]
    async with lockout(guarded, axes, clock) as ours:
        for _ in range(2):
            await ours.failed("ada", Client(address=ADDRESSES[0], user_agent=AGENTS[0]))
        verdicts = [
            await ours.check(name, Client(address=address, user_agent=agent)) is None
            for name, address, agent in clients
        ]

    theirs = await asyncio.to_thread(
        guarded.python,
        "from django.test import RequestFactory\n"
        "from axes.handlers.proxy import AxesProxyHandler\n"
        "def verdict(name, address, agent):\n"
        "    request = RequestFactory().post('/', REMOTE_ADDR=address, HTTP_USER_AGENT=agent)\n"
        "    return AxesProxyHandler.is_allowed(request, {'username': name})\n"
        f"answer([verdict(*each) for each in {clients!r}])\n",
        **variant(AXES_LOCKOUT_PARAMETERS=parameters, AXES_FAILURE_LIMIT=2),
    )
    assert verdicts == theirs
    assert set(verdicts) == {True, False}


async def test_a_client_without_an_address_counts_as_one(
    guarded: Guarded, database: Database, profile: SiteProfile, clock: FrozenClock, username: str
):
    assert profile.axes is not None
    axes = replace(profile.axes, lockout_parameters=(("username", "ip_address"),))
    async with lockout(guarded, axes, clock) as ours:
        for address in (None, "not an address", ""):
            assert await ours.check(username, Client(address=address)) is None
            await ours.failed(username, Client(address=address))

        assert await ours.check(username, Client()) is not None
        assert await ours.check(username, Client(address="192.0.2.1")) is None


@pytest.mark.parametrize(
    ("more", "let_in", "kept_out"),
    [
        ({"ip_blacklist": ("192.0.2.1",)}, "192.0.2.2", "192.0.2.1"),
        ({"only_whitelist": True, "ip_whitelist": ("192.0.2.1",)}, "192.0.2.1", "192.0.2.2"),
    ],
    ids=["blacklist", "whitelist"],
)
async def test_listed_addresses_are_let_in_or_kept_out(
    guarded: Guarded, profile: SiteProfile, more: dict[str, Any], let_in: str, kept_out: str
):
    assert profile.axes is not None
    async with lockout(guarded, replace(profile.axes, **more), FrozenClock()) as ours:
        name = f"ada-{secrets.token_hex(4)}"
        assert await ours.check(name, Client(address=let_in)) is None
        assert await ours.check(name, Client(address=kept_out)) is not None


@pytest.mark.parametrize(
    "more",
    [
        {"never_lockout_whitelist": True, "ip_whitelist": ("192.0.2.1",)},
        {"lock_out_at_failure": False},
        {"only_admin_site": True},
    ],
    ids=["whitelisted", "recorded-only", "admin-only"],
)
async def test_who_axes_does_not_lock_out_is_not_locked_out_here(
    guarded: Guarded, profile: SiteProfile, clock: FrozenClock, username: str, more: dict[str, Any]
):
    assert profile.axes is not None
    client = Client(address="192.0.2.1")
    async with lockout(guarded, replace(profile.axes, **more), clock) as ours:
        for _ in range(5):
            await ours.failed(username, client)

        assert await ours.check(username, client) is None


async def test_a_lockout_for_good_is_worth_a_try_in_a_day(
    guarded: Guarded, profile: SiteProfile, clock: FrozenClock, username: str
):
    assert profile.axes is not None
    async with lockout(guarded, replace(profile.axes, cool_off_seconds=None), clock) as ours:
        for _ in range(3):
            await ours.failed(username, Client())
        clock.advance(timedelta(days=400))

        found = await ours.check(username, Client())

    assert found is not None
    assert found.retry_after == timedelta(days=1)


async def test_attempts_that_expire_are_dropped_as_axes_drops_them(
    guarded: Guarded, database: Database, profile: SiteProfile, clock: FrozenClock, username: str
):
    assert profile.axes is not None
    axes = replace(profile.axes, use_attempt_expiration=True)
    async with lockout(guarded, axes, clock) as ours:
        for _ in range(2):
            await ours.failed(username, Client())
        (attempt,) = await rows(database, "axes_accessattempt", username)
        expirations = await database.fetch_all(
            "SELECT * FROM axes_accessattemptexpiration WHERE access_attempt_id = :id", {"id": attempt["id"]}
        )
        assert (attempt["failures_since_start"], len(expirations)) == (2, 1)

        clock.advance(COOL_OFF)
        await ours.failed(username, Client())

    (attempt,) = await rows(database, "axes_accessattempt", username)
    assert attempt["failures_since_start"] == 1


async def test_the_failure_log_keeps_the_newest_of_each_name(
    guarded: Guarded, database: Database, profile: SiteProfile, clock: FrozenClock, username: str
):
    assert profile.axes is not None
    async with lockout(guarded, replace(profile.axes, access_failure_log_per_user_limit=2), clock) as ours:
        for path in ("/1", "/2", "/3"):
            await ours.failed(username, Client(path=path))

    assert [row["path_info"] for row in await rows(database, "axes_accessfailurelog", username)] == ["/2", "/3"]


async def test_a_site_whose_lockout_cannot_be_honoured_is_told_so_and_locks_nobody_out_here(
    guarded: Guarded, clock: FrozenClock, cast: Cast, username: str
):
    given = variant(AXES_HANDLER="tests.site.guarded_adapters.OwnHandler")
    await asyncio.to_thread(guarded.python, PUBLISH, **given)
    try:
        async with running(create_app(settings_for(guarded.service_url), clock=clock)) as client:
            for _ in range(5):
                assert (await log_in(client, username, "wrong")).status_code == 401
            assert (await log_in(client, username)).status_code == 200
    finally:
        await asyncio.to_thread(guarded.python, PUBLISH)


PUBLISH: Final = "from bridge.contrib.django.publishing import publish_profile\npublish_profile()\nanswer(0)"


async def test_a_site_in_local_time_counts_the_same_failures(
    guarded: Guarded, clock: FrozenClock, cast: Cast, username: str
):
    local = variant(USE_TZ=False, TIME_ZONE="Asia/Tokyo")
    await asyncio.to_thread(guarded.python, PUBLISH, **local)
    try:
        async with running(create_app(settings_for(guarded.service_url), clock=clock)) as client:
            await log_in(client, username, "wrong")
            await log_in(client, username, "wrong")
            program = (
                "from django.contrib.auth import authenticate\n"
                "from django.test import RequestFactory\n"
                "from axes.models import AccessAttempt\n"
                "request = RequestFactory().post('/', HTTP_USER_AGENT='curl/8')\n"
                f"authenticate(request, username={username!r}, password='wrong')\n"
                f"found = AccessAttempt.objects.filter(username={username!r})\n"
                "answer([sum(each.failures_since_start for each in found), request.axes_locked_out])\n"
            )
            assert await asyncio.to_thread(guarded.python, program, **local) == [3, True]
            answer = await log_in(client, username)
    finally:
        await asyncio.to_thread(guarded.python, PUBLISH)
    assert_locked_out(answer)
