"""What is staff's and the account's own at a site with second factors and a lockout demands what the site demands."""

import secrets
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest

from bridge.store.database import Database, open_database
from bridge.web.app import create_app
from tests.conftest import PASSWORD, Cast, FrozenClock, running, settings_for
from tests.guarded import KEY, PERIOD, Guarded, code_of, guarded_site
from tests.web.conftest import assert_problem
from tests.web.dashboard import as_browser, cookies_of
from tests.web.test_sessions import Browsers, with_cookie

LOGIN, CODE = "/migration/login", "/migration/code"


@pytest.fixture(scope="module", params=["sqlite"])
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    with guarded_site(request, tmp_path_factory.mktemp("guarded")) as site:
        yield site


@pytest.fixture
async def database(guarded: Guarded) -> AsyncIterator[Database]:
    opened = await open_database(guarded.database_url)
    yield opened
    await opened.close()


@pytest.fixture
async def client(guarded: Guarded, clock: FrozenClock) -> AsyncIterator[httpx.AsyncClient]:
    async with running(create_app(settings_for(guarded.service_url), clock=clock)) as started:
        yield started


async def add_generator(database: Database, user_id: int) -> None:
    """Give a user a TOTP device of django-otp's."""
    row: dict[str, Any] = {
        "user_id": user_id, "name": "app", "confirmed": True, "key": KEY.hex(), "step": PERIOD, "t0": 0, "digits": 6,
        "tolerance": 1, "drift": 0, "last_t": -1, "throttling_failure_count": 0,
    }  # fmt: skip
    names, slots = ", ".join(f'"{name}"' for name in row), ", ".join(f":{name}" for name in row)
    await database.execute(f"INSERT INTO otp_totp_totpdevice ({names}) VALUES ({slots})", row)


async def test_a_second_factor_is_asked_for_and_no_wrong_code_is_let_in(
    client: httpx.AsyncClient, cast: Cast, database: Database, clock: FrozenClock
):
    await add_generator(database, await cast.add("otto", is_staff=True))
    visit = as_browser(client)

    asked = await visit.log_in("otto")
    wrong = await visit.post(CODE, code="000000")
    clock.advance(timedelta(seconds=2))  # django-otp wants a pause after a failure
    right = await visit.post(CODE, code=code_of(int(clock().timestamp()) // PERIOD))

    assert (asked.status_code, wrong.status_code) == (200, 401)
    assert "Second factor" in asked.text
    assert "Incorrect code." in wrong.text
    assert not [each for each in (asked, wrong) if "bridge_dashboard" in cookies_of(each)]
    assert (right.status_code, right.headers["location"]) == (303, "./")
    assert (await visit.get()).status_code == 200


async def test_a_code_form_needs_the_browser_that_it_was_shown_to_and_five_minutes_are_all_it_has(
    client: httpx.AsyncClient, cast: Cast, database: Database, clock: FrozenClock
):
    await add_generator(database, await cast.add("vera", is_staff=True))
    visit = as_browser(client)
    await visit.log_in("vera")
    code = code_of(int(clock().timestamp()) // PERIOD)

    forged = await visit.post(CODE, code=code, form_token="")
    assert forged.status_code == 403
    await visit.log_in("vera")
    clock.advance(timedelta(minutes=6))
    late = await visit.post(CODE, code=code_of(int(clock().timestamp()) // PERIOD))

    assert late.status_code == 401
    assert "The login has expired; start again with the password." in late.text
    assert 'name="password"' in late.text


async def test_a_session_whose_code_is_outstanding_does_not_open_the_dashboard(
    client: httpx.AsyncClient, cast: Cast, database: Database, clock: FrozenClock
):
    cookie = await half_login(database, cast, clock)

    answer = await as_browser(client).get(**with_cookie(cookie))

    assert (answer.status_code, answer.headers.get("location")) == (303, "login")


SECRET = "a" * 32
MOVE = {"operation": "GET /orders/", "stage": "shadow", "reason": "half a login"}
OWN = {
    "stage": ("PUT", "/migration/endpoints/stage", MOVE),
    "rollback": ("POST", "/migration/endpoints/rollback", {"operation": None, "reason": "half a login"}),
    "endpoints": ("GET", "/migration/endpoints", None),
    "report": ("GET", "/migration/report", None),
    "profile": ("PATCH", "/users/me/", {"first_name": "Nina"}),
    "password": ("POST", "/auth/password", {"current_password": PASSWORD, "new_password": "quite another one"}),
}


async def half_login(database: Database, cast: Cast, clock: FrozenClock, *, has_code: bool = False) -> str:
    """Open a session of staff with a generator as the site does, before its code or after; give the cookie's value."""
    name = f"nina-{secrets.token_hex(4)}"
    await add_generator(database, await cast.add(name, is_staff=True))
    device = await database.fetch_one("SELECT max(id) AS id FROM otp_totp_totpdevice")
    assert device is not None
    otp = {"otp_device_id": f"otp_totp.totpdevice/{device['id']}"} if has_code else {}
    await database.execute("DELETE FROM django_session")
    return await Browsers(database, cast, clock).log_in(name, **otp)


@pytest.mark.parametrize("own", OWN.values(), ids=OWN)
async def test_a_session_whose_code_is_outstanding_opens_nothing_of_the_bridges_own(
    client: httpx.AsyncClient, cast: Cast, database: Database, clock: FrozenClock, own: tuple[str, str, Any]
):
    method, path, content = own
    session = await half_login(database, cast, clock)
    headers = {"Cookie": f"sessionid={session}; csrftoken={SECRET}", "X-CSRFToken": SECRET, "Origin": "http://bridge"}

    half = await client.request(method, path, json=content, headers=headers)
    # What Django's views say of it, the handlers that replace them may say as well.
    shown = await client.get("/users/me/", headers=headers)

    assert_problem(half, status=401, code="mfa_required")
    assert (shown.status_code, shown.json()["first_name"]) == (200, "")


async def test_the_same_session_opens_it_once_its_code_was_given(
    client: httpx.AsyncClient, cast: Cast, database: Database, clock: FrozenClock
):
    cookie = await half_login(database, cast, clock, has_code=True)

    assert (await client.get("/migration/report", headers=with_cookie(cookie))).status_code == 200


async def test_the_sites_lockout_holds_here_and_says_how_long(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada", is_staff=True)
    visit = as_browser(client)
    while (refused := await visit.log_in("ada", "wrong")).status_code == 401:
        pass

    right = await visit.log_in("ada", PASSWORD)

    assert (refused.status_code, right.status_code) == (429, 429)
    assert int(right.headers["retry-after"]) > 60
    assert "Too many failed attempts. Try again in" in right.text
    assert "bridge_dashboard" not in cookies_of(right)
