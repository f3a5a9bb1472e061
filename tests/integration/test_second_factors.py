"""Whoever has a second factor at the site gives it at the bridge, too, and no code passes twice: real packages."""

import asyncio
import base64
import json
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import httpx
import pytest

from bridge.store.database import Database, open_database
from bridge.web.app import create_app
from tests.conftest import PASSWORD, Cast, FrozenClock, log_in, running, settings_for
from tests.guarded import DJANGO, GUARDED, KEY, PERIOD, Guarded, code_of, guarded_site
from tests.integration.test_both_apps import Browser
from tests.processes import server, talking_to
from tests.web.conftest import INCORRECT

PARALLEL: Final = 16


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


# Users with second factors --------------------------------------------------------------------------------------------


class Keyring:
    """Gives users the second factors that the packages keep in their tables."""

    def __init__(self, database: Database) -> None:
        self.cast = Cast(database)
        self.database = database
        self.devices: dict[str, str] = {}
        """django-otp's names for the devices, by kind."""

    async def user(self, username: str) -> int:
        return await self.cast.add(username)

    async def otp_totp(self, username: str, *, confirmed: bool = True, **columns: Any) -> int:
        row = {"key": KEY.hex(), "step": PERIOD, "t0": 0, "digits": 6, "tolerance": 1, "drift": 0, "last_t": -1}
        device = await self._device("otp_totp_totpdevice", username, confirmed=confirmed, **row | columns)
        self.devices["totp"] = f"otp_totp.totpdevice/{device}"
        return device

    async def otp_static(self, username: str, *tokens: str) -> int:
        device = await self._device("otp_static_staticdevice", username)
        self.devices["static"] = f"otp_static.staticdevice/{device}"
        for token in tokens:
            await self.database.execute(
                "INSERT INTO otp_static_statictoken (device_id, token) VALUES (:device, :token)",
                {"device": device, "token": token},
            )
        return device

    async def _device(self, table: str, username: str, *, confirmed: bool = True, **columns: Any) -> int:
        row = {"name": "phone", "confirmed": confirmed, "throttling_failure_count": 0, **columns}
        return await self._insert(table, username, row)

    async def otp_email(self, username: str, clock: FrozenClock) -> int:
        row = {"name": "mail", "confirmed": True, "throttling_failure_count": 0, "valid_until": clock()}
        return await self._insert("otp_email_emaildevice", username, row)

    async def allauth(self, username: str, kind: str, **data: Any) -> int:
        row = {"type": kind, "data": json.dumps(data), "created_at": "2026-01-01 00:00:00+00:00"}
        return await self._insert("mfa_authenticator", username, row)

    async def allauth_totp(self, username: str) -> int:
        return await self.allauth(username, "totp", secret=base64.b32encode(KEY).decode())

    async def _insert(self, table: str, username: str, row: dict[str, Any]) -> int:
        names, slots = ", ".join(row), ", ".join(f":{name}" for name in row)
        inserted = await self.database.fetch_one(
            f"INSERT INTO {table} (user_id, {names})"
            f" SELECT u.id, {slots} FROM auth_user u WHERE u.username = :username RETURNING id"
            if self.database.dialect == "sqlite"
            else f"INSERT INTO {table} (user_id, {names})"
            f" VALUES ((SELECT id FROM auth_user WHERE username = :username), {slots}) RETURNING id",
            {**row, "username": username},
        )
        assert inserted is not None
        key: int = inserted["id"]
        return key


@pytest.fixture
async def keyring(database: Database, username: str) -> Keyring:
    keyring = Keyring(database)
    await keyring.user(username)
    return keyring


def step_of(clock: FrozenClock) -> int:
    return int(clock().timestamp()) // PERIOD


async def required(client: httpx.AsyncClient, username: str) -> str:
    """Give the right password, and the token that comes for it."""
    answer = await log_in(client, username)
    assert (answer.status_code, answer.json()["error"]) == (401, "mfa_required"), answer.text
    token: str = answer.json()["mfa_token"]
    return token


async def give(client: httpx.AsyncClient, mfa_token: str, code: str) -> httpx.Response:
    return await client.post("/auth/mfa", json={"mfa_token": mfa_token, "code": code})


def assert_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["error"], answer.json()["detail"]) == (
        401,
        "invalid_grant",
        "Incorrect code",
    ), answer.text


def assert_expired(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["error"]) == (401, "expired_token"), answer.text


async def at_otp(browser: Browser, keyring: Keyring, username: str, code: str) -> bool:
    """Log in at django-otp's own page, and say whether it let the user in."""
    device = keyring.devices["totp" if code.isdigit() else "static"]
    answer = await browser.submit(
        "/otp/login/", username=username, password=PASSWORD, otp_device=device, otp_token=code
    )
    assert answer.status_code in (200, 302), answer.text
    return answer.status_code == 302


async def at_allauth(browser: Browser, keyring: Keyring, username: str, code: str) -> bool:
    """Log in at allauth's own pages, and say whether they let the user in."""
    answer = await browser.submit("/allauth/login/", login=username, password=PASSWORD)
    assert answer.headers["location"] == "/allauth/2fa/authenticate/", answer.text
    answer = await browser.submit("/allauth/2fa/authenticate/", code=code)
    assert answer.status_code in (200, 302), answer.text
    return answer.status_code == 302


@dataclass(frozen=True)
class Ada:
    """A user who has not been seen before, at both apps."""

    client: httpx.AsyncClient
    browser: Browser
    keyring: Keyring
    username: str
    clock: FrozenClock


@pytest.fixture
def ada(client: httpx.AsyncClient, browser: Browser, keyring: Keyring, username: str, clock: FrozenClock) -> Ada:
    return Ada(client, browser, keyring, username, clock)


AT_DJANGO: Final[dict[str, Callable[[Browser, Keyring, str, str], Awaitable[bool]]]] = {
    "otp_totp": at_otp,
    "allauth_totp": at_allauth,
    "otp_static": at_otp,
    "allauth": at_allauth,
    "migrated": at_allauth,
}

TOTP = pytest.mark.parametrize("factor", ["otp_totp", "allauth_totp"])


# The password alone ---------------------------------------------------------------------------------------------------


@TOTP
async def test_a_right_password_alone_logs_nobody_in(ada: Ada, factor: str):
    await getattr(ada.keyring, factor)(ada.username)

    answer = await log_in(ada.client, ada.username)

    assert answer.status_code == 401
    assert answer.json().keys() == {"error", "error_description", "detail", "mfa_token"}
    assert answer.headers["cache-control"] == "no-store"
    assert await ada.keyring.cast.column(ada.username, "last_login") is None


async def test_the_hash_is_upgraded_at_the_password_and_the_login_counted_at_the_code(ada: Ada):
    await ada.keyring.otp_totp(ada.username)

    mfa_token = await required(ada.client, ada.username)

    assert (await ada.keyring.cast.stored_password(ada.username)).startswith("argon2$")
    metrics = (await ada.client.get("/metrics")).text
    assert 'bridge_events_total{event="login_succeeded"} 0.0' in metrics
    assert (await give(ada.client, mfa_token, code_of(step_of(ada.clock)))).status_code == 200
    assert await ada.keyring.cast.column(ada.username, "last_login") is not None
    assert 'bridge_events_total{event="login_succeeded"} 1.0' in (await ada.client.get("/metrics")).text


async def test_a_wrong_password_tells_nothing_about_second_factors(ada: Ada):
    await ada.keyring.otp_totp(ada.username)

    answer = await log_in(ada.client, ada.username, "wrong")

    assert (answer.status_code, answer.json()) == (401, INCORRECT)


async def test_a_device_that_was_never_confirmed_is_no_second_factor(ada: Ada):
    await ada.keyring.otp_totp(ada.username, confirmed=False)

    assert (await log_in(ada.client, ada.username)).status_code == 200


async def test_recovery_codes_of_allauth_alone_are_no_second_factor(ada: Ada):
    await ada.keyring.allauth(ada.username, "recovery_codes", seed="00" * 40, used_mask=0)

    assert (await log_in(ada.client, ada.username)).status_code == 200


@pytest.mark.parametrize("factor", ["mail", "webauthn"])
async def test_whose_factor_only_the_site_can_verify_is_sent_there(ada: Ada, factor: str):
    if factor == "mail":
        await ada.keyring.otp_email(ada.username, ada.clock)
    else:
        await ada.keyring.allauth(ada.username, "webauthn", name="key")

    answer = await log_in(ada.client, ada.username)

    assert (answer.status_code, answer.json()["error"]) == (401, "mfa_required")
    assert "mfa_token" not in answer.json()
    assert "log in there" in answer.json()["detail"]


# SimpleJWT's tokens, which are for a password alone -------------------------------------------------------------------


async def give_factor(keyring: Keyring, username: str, factor: str) -> None:
    """Give a user a second factor of a kind, or what only looks like one."""
    if factor == "otp_email":
        await keyring.otp_email(username, FrozenClock())
    elif factor == "webauthn":
        await keyring.allauth(username, "webauthn", name="key")
    elif factor == "unconfirmed":
        await keyring.otp_totp(username, confirmed=False)
    elif factor == "recovery_codes":
        await keyring.allauth(username, "recovery_codes", seed="00" * 40, used_mask=0)
    elif factor != "none":
        await getattr(keyring, factor)(username)


EVERY_FACTOR = pytest.mark.parametrize("factor", ["otp_totp", "otp_static", "otp_email", "allauth_totp", "webauthn"])
NO_FACTOR = pytest.mark.parametrize("factor", ["none", "unconfirmed", "recovery_codes"])


async def obtain(ada: Ada, path: str = "/stock/token/", **more: str) -> httpx.Response:
    return await ada.browser.client.post(path, json={"username": ada.username, "password": PASSWORD, **more})


async def refresh(ada: Ada, token: str, *, at: str) -> httpx.Response:
    if at == "bridge":
        return await ada.client.post("/auth/refresh", json={"refresh_token": token})
    return await ada.browser.client.post("/api/token/refresh/", json={"refresh": token})


async def grants_of(ada: Ada) -> int:
    statement = "SELECT id FROM bridge_grant WHERE user_id = :id"
    return len(
        await ada.keyring.database.fetch_all(statement, {"id": str(await ada.keyring.cast.column(ada.username, "id"))})
    )


BOTH_APPS = pytest.mark.parametrize("app", ["bridge", "django"])


@EVERY_FACTOR
async def test_a_token_for_a_password_alone_begins_no_login_in_either_app(ada: Ada, factor: str):
    await give_factor(ada.keyring, ada.username, factor)
    token = (await obtain(ada)).json()["refresh"]

    here, there = await refresh(ada, token, at="bridge"), await refresh(ada, token, at="django")

    assert (here.status_code, here.json()["error"]) == (401, "invalid_grant")
    assert here.json()["detail"] == "The refresh token is spent, revoked or expired"
    assert (there.status_code, there.json()["code"]) == (401, "token_not_valid")
    assert await grants_of(ada) == 0


@BOTH_APPS
@NO_FACTOR
async def test_who_has_no_second_factor_begins_a_login_with_one(ada: Ada, factor: str, app: str):
    await give_factor(ada.keyring, ada.username, factor)

    assert (await refresh(ada, (await obtain(ada)).json()["refresh"], at=app)).status_code == 200
    assert await grants_of(ada) == 1


async def test_a_token_that_begins_no_login_is_counted_apart(ada: Ada):
    await ada.keyring.otp_totp(ada.username)

    await refresh(ada, (await obtain(ada)).json()["refresh"], at="bridge")

    metrics = (await ada.client.get("/metrics")).text
    assert 'bridge_events_total{event="refresh_without_second_factor"} 1.0' in metrics
    assert 'bridge_events_total{event="refresh_refused"} 0.0' in metrics


@BOTH_APPS
async def test_a_login_that_began_before_the_second_factor_goes_on(ada: Ada, app: str):
    begun = (await refresh(ada, (await obtain(ada)).json()["refresh"], at="bridge")).json()

    await ada.keyring.otp_totp(ada.username)

    assert (await refresh(ada, begun["refresh_token"], at=app)).status_code == 200


@BOTH_APPS
async def test_a_lost_answer_of_such_a_login_is_given_again(ada: Ada, app: str):
    token = (await obtain(ada)).json()["refresh"]
    await refresh(ada, token, at="bridge")

    await ada.keyring.otp_totp(ada.username)

    assert (await refresh(ada, token, at=app)).status_code == 200


@BOTH_APPS
async def test_a_login_with_a_code_goes_on_in_either_app(ada: Ada, app: str):
    await ada.keyring.otp_totp(ada.username)
    opened = await give(ada.client, await required(ada.client, ada.username), code_of(step_of(ada.clock)))

    assert (await refresh(ada, opened.json()["refresh_token"], at=app)).status_code == 200


async def test_simple_jwts_access_token_opens_both_apps_for_its_few_minutes(ada: Ada):
    await ada.keyring.otp_totp(ada.username)
    headers = {"Authorization": f"Bearer {(await obtain(ada)).json()['access']}"}

    assert (await ada.client.get("/users/me/", headers=headers)).status_code == 200
    assert (await ada.browser.client.get("/api/me/", headers=headers)).status_code == 200
    assert (await ada.browser.client.get("/whoami/", headers=headers)).status_code == 200


@TOTP
async def test_the_apps_own_login_at_simple_jwts_view_gives_nothing_for_a_password_alone(ada: Ada, factor: str):
    await give_factor(ada.keyring, ada.username, factor)

    answer = await obtain(ada, "/api/token/")

    assert (answer.status_code, answer.json()["code"]) == (401, "mfa_required")
    assert answer.json().keys() == {"detail", "code"}
    assert "log in at the bridge" in answer.json()["detail"]
    assert await grants_of(ada) == 0
    assert await ada.keyring.cast.column(ada.username, "last_login") is None


async def test_it_logs_in_whose_device_was_never_confirmed(ada: Ada):
    await ada.keyring.otp_totp(ada.username, confirmed=False)

    assert (await obtain(ada, "/api/token/")).status_code == 200


async def test_it_tells_a_wrong_password_nothing_about_second_factors(ada: Ada):
    unknown = {"username": f"nobody-{ada.username}", "password": PASSWORD}
    expected = await ada.browser.client.post("/api/token/", json=unknown)
    await ada.keyring.otp_totp(ada.username)

    answer = await ada.browser.client.post("/api/token/", json={"username": ada.username, "password": "wrong"})

    assert (answer.status_code, answer.json()) == (401, expected.json())


async def test_a_login_of_the_sites_own_that_asks_for_the_code_opens_a_grant(ada: Ada):
    await ada.keyring.otp_totp(ada.username)

    unasked = await obtain(ada, "/asking/token/")
    asked = await obtain(ada, "/asking/token/", code=code_of(step_of(ada.clock)))

    assert (unasked.status_code, unasked.json()["code"]) == (401, "mfa_required")
    assert (await refresh(ada, asked.json()["refresh"], at="bridge")).status_code == 200


# The code -------------------------------------------------------------------------------------------------------------


@TOTP
async def test_a_code_completes_the_login(ada: Ada, factor: str):
    await getattr(ada.keyring, factor)(ada.username)

    answer = await give(ada.client, await required(ada.client, ada.username), code_of(step_of(ada.clock)))

    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    me = await ada.client.get("/users/me/", headers={"Authorization": f"Bearer {answer.json()['access_token']}"})
    assert me.json()["username"] == ada.username


async def test_the_scope_that_came_with_the_password_restricts_the_tokens(ada: Ada):
    await ada.keyring.otp_totp(ada.username)
    form = {"grant_type": "password", "username": ada.username, "password": PASSWORD, "scope": "orders:read"}
    mfa_token = (await ada.client.post("/auth/token", data=form)).json()["mfa_token"]

    answer = await give(ada.client, mfa_token, code_of(step_of(ada.clock)))

    assert answer.json()["scope"] == "orders:read"


async def test_the_login_goes_on_by_its_refresh_token(ada: Ada):
    await ada.keyring.otp_totp(ada.username)
    opened = await give(ada.client, await required(ada.client, ada.username), code_of(step_of(ada.clock)))

    answer = await ada.client.post("/auth/refresh", json={"refresh_token": opened.json()["refresh_token"]})

    assert answer.status_code == 200


@TOTP
async def test_a_code_that_was_used_here_is_refused_here_and_there(ada: Ada, factor: str):
    await getattr(ada.keyring, factor)(ada.username)
    mfa_token, code = await required(ada.client, ada.username), code_of(step_of(ada.clock))
    assert (await give(ada.client, mfa_token, code)).status_code == 200

    assert_refused(await give(ada.client, mfa_token, code))
    assert not await AT_DJANGO[factor](ada.browser, ada.keyring, ada.username, code)


@TOTP
async def test_a_code_that_was_used_there_is_refused_here(ada: Ada, factor: str):
    await getattr(ada.keyring, factor)(ada.username)
    code = code_of(step_of(ada.clock))
    assert await AT_DJANGO[factor](ada.browser, ada.keyring, ada.username, code)

    assert_refused(await give(ada.client, await required(ada.client, ada.username), code))


@TOTP
async def test_the_next_code_is_taken_there_after_one_was_used_here(ada: Ada, factor: str):
    await getattr(ada.keyring, factor)(ada.username)
    assert (
        await give(ada.client, await required(ada.client, ada.username), code_of(step_of(ada.clock)))
    ).status_code == 200

    assert await AT_DJANGO[factor](ada.browser, ada.keyring, ada.username, code_of(step_of(ada.clock) + 1))


@TOTP
async def test_of_many_that_give_one_code_at_once_one_is_let_in(ada: Ada, factor: str):
    await getattr(ada.keyring, factor)(ada.username)
    mfa_token, code = await required(ada.client, ada.username), code_of(step_of(ada.clock))

    answers = await asyncio.gather(*(give(ada.client, mfa_token, code) for _ in range(PARALLEL)))

    assert sorted(answer.status_code for answer in answers).count(200) == 1


@pytest.mark.parametrize("offset", [-2, 2])
async def test_a_code_beyond_the_tolerance_is_refused(ada: Ada, offset: int):
    await ada.keyring.otp_totp(ada.username)

    assert_refused(
        await give(ada.client, await required(ada.client, ada.username), code_of(step_of(ada.clock) + offset))
    )


async def test_the_drift_of_a_device_follows_the_codes(ada: Ada):
    await ada.keyring.otp_totp(ada.username)
    mfa_token = await required(ada.client, ada.username)

    assert (await give(ada.client, mfa_token, code_of(step_of(ada.clock) + 1))).status_code == 200
    assert (await give(ada.client, mfa_token, code_of(step_of(ada.clock) + 2))).status_code == 200


@pytest.mark.parametrize("columns", [{"key": "no hex"}, {"key": ""}, {"step": 0}, {"digits": 5}], ids=str)
async def test_a_device_that_nobody_can_read_lets_nobody_in(ada: Ada, columns: dict[str, Any]):
    await ada.keyring.otp_totp(ada.username, **columns)

    assert_refused(await give(ada.client, await required(ada.client, ada.username), code_of(step_of(ada.clock))))


# Recovery codes -------------------------------------------------------------------------------------------------------


async def generated(guarded: Guarded, username: str, **more: str) -> list[str]:
    """Recovery codes as allauth makes them."""
    return await asyncio.to_thread(
        guarded.python,
        "from django.contrib.auth import get_user_model\n"
        "from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes\n"
        f"user = get_user_model().objects.get(username={username!r})\n"
        "answer(RecoveryCodes.activate(user).generate_codes())\n",
        **more,
    )


async def with_recovery_codes(guarded: Guarded, keyring: Keyring, username: str, kind: str) -> tuple[str, str]:
    if kind == "otp_static":
        await keyring.otp_totp(username)
        await keyring.otp_static(username, "abcd2345", "efgh6789")
        return "abcd2345", "efgh6789"
    if kind == "migrated":
        await keyring.allauth_totp(username)
        await keyring.allauth(username, "recovery_codes", migrated_codes=["abc-123", "def-456"])
        return "abc-123", "def-456"
    await keyring.allauth(username, "webauthn", name="key")
    first, *_, last = await generated(guarded, username)
    return first, last


RECOVERY = pytest.mark.parametrize("factor", ["otp_static", "allauth", "migrated"])


@RECOVERY
async def test_a_recovery_code_is_good_once_in_either_app(ada: Ada, guarded: Guarded, factor: str):
    one, other = await with_recovery_codes(guarded, ada.keyring, ada.username, factor)
    assert await AT_DJANGO[factor](ada.browser, ada.keyring, ada.username, one)

    mfa_token = await required(ada.client, ada.username)
    assert_refused(await give(ada.client, mfa_token, one))
    ada.clock.advance(timedelta(seconds=90))
    assert (await give(ada.client, mfa_token, other)).status_code == 200
    assert_refused(await give(ada.client, mfa_token, other))


@RECOVERY
async def test_a_recovery_code_that_was_used_here_is_refused_there(ada: Ada, guarded: Guarded, factor: str):
    one, other = await with_recovery_codes(guarded, ada.keyring, ada.username, factor)
    assert (await give(ada.client, await required(ada.client, ada.username), one)).status_code == 200

    assert await AT_DJANGO[factor](ada.browser, ada.keyring, ada.username, other)
    ada.browser.client.cookies.clear()
    assert not await AT_DJANGO[factor](ada.browser, ada.keyring, ada.username, one)


@RECOVERY
async def test_of_many_that_give_one_recovery_code_at_once_one_is_let_in(ada: Ada, guarded: Guarded, factor: str):
    code, _ = await with_recovery_codes(guarded, ada.keyring, ada.username, factor)
    mfa_token = await required(ada.client, ada.username)

    answers = await asyncio.gather(*(give(ada.client, mfa_token, code) for _ in range(PARALLEL)))

    assert [answer.status_code for answer in answers].count(200) == 1


async def test_a_recovery_code_is_taken_as_people_type_it(ada: Ada, guarded: Guarded):
    await ada.keyring.allauth_totp(ada.username)
    code, *_ = await generated(guarded, ada.username)

    answer = await give(ada.client, await required(ada.client, ada.username), f" {code[:4]}-{code[4:]} ")

    assert answer.status_code == 200


# Wrong codes ----------------------------------------------------------------------------------------------------------


async def test_a_device_that_the_site_throttles_is_throttled_here(ada: Ada):
    device = await ada.keyring.otp_totp(ada.username)
    assert not await at_otp(ada.browser, ada.keyring, ada.username, "000000")
    await ada.keyring.database.execute(
        "UPDATE otp_totp_totpdevice SET throttling_failure_count = 9, throttling_failure_timestamp = :now"
        " WHERE id = :id AND throttling_failure_count = 1",
        {"id": device, "now": ada.clock()},
    )

    answer = await give(ada.client, await required(ada.client, ada.username), code_of(step_of(ada.clock)))

    assert (answer.status_code, answer.json()["error"]) == (429, "too_many_attempts")
    assert answer.headers["retry-after"] == "256"


async def test_a_device_that_is_throttled_here_is_throttled_at_the_site(ada: Ada):
    await ada.keyring.otp_totp(ada.username)
    code = code_of(step_of(ada.clock))
    mfa_token = await required(ada.client, ada.username)
    ada.clock.advance(timedelta(seconds=100))
    assert_refused(await give(ada.client, mfa_token, "000000"))

    assert not await at_otp(ada.browser, ada.keyring, ada.username, code)


async def test_of_many_wrong_codes_at_once_one_is_looked_at(ada: Ada):
    await ada.keyring.otp_totp(ada.username)
    mfa_token = await required(ada.client, ada.username)

    answers = await asyncio.gather(*(give(ada.client, mfa_token, f"{number:06}") for number in range(PARALLEL)))

    assert sorted(answer.status_code for answer in answers) == [401] + [429] * (PARALLEL - 1)


async def test_no_more_wrong_codes_are_looked_at_than_allauth_allows(ada: Ada):
    await ada.keyring.allauth_totp(ada.username)
    mfa_token = await required(ada.client, ada.username)
    for _ in range(4):
        assert_refused(await give(ada.client, mfa_token, "000000"))

    answer = await give(ada.client, mfa_token, code_of(step_of(ada.clock)))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "600")
    another = await give(ada.client, await required(ada.client, ada.username), code_of(step_of(ada.clock)))
    assert another.status_code == 429

    ada.clock.advance(timedelta(seconds=600))
    assert (
        await give(ada.client, await required(ada.client, ada.username), code_of(step_of(ada.clock)))
    ).status_code == 200


async def test_a_right_code_forgets_the_wrong_ones(ada: Ada):
    await ada.keyring.allauth_totp(ada.username)
    mfa_token = await required(ada.client, ada.username)
    for offset in range(2):
        for _ in range(3):
            assert_refused(await give(ada.client, mfa_token, "000000"))
        assert (await give(ada.client, mfa_token, code_of(step_of(ada.clock) + offset))).status_code == 200


# The mfa token --------------------------------------------------------------------------------------------------------


async def test_an_mfa_token_is_good_for_five_minutes(ada: Ada):
    await ada.keyring.otp_totp(ada.username)
    mfa_token = await required(ada.client, ada.username)

    ada.clock.advance(timedelta(minutes=5))

    assert_expired(await give(ada.client, mfa_token, code_of(step_of(ada.clock))))


@pytest.mark.parametrize(
    "change", [{"password": "!"}, {"is_active": False}], ids=["another-password", "no-longer-active"]
)
async def test_an_mfa_token_ends_with_what_it_was_given_for(ada: Ada, change: dict[str, Any]):
    await ada.keyring.otp_totp(ada.username)
    mfa_token = await required(ada.client, ada.username)
    ((name, value),) = change.items()
    await ada.keyring.database.execute(
        f"UPDATE auth_user SET {name} = :value WHERE username = :username",
        {"value": value, "username": ada.username},
    )

    assert_expired(await give(ada.client, mfa_token, code_of(step_of(ada.clock))))


async def test_an_mfa_token_outlives_a_re_hash_by_another_login(ada: Ada):
    """Both logins verify the old value; whichever comes second finds it replaced, and its code is as good."""
    await ada.keyring.otp_totp(ada.username)
    tokens = await asyncio.gather(required(ada.client, ada.username), required(ada.client, ada.username))

    for number, mfa_token in enumerate(tokens):
        given = await give(ada.client, mfa_token, code_of(step_of(ada.clock) + number))

        assert given.status_code == 200, given.text


async def test_an_mfa_token_outlives_a_re_hash_at_the_site(ada: Ada, guarded: Guarded, clock: FrozenClock):
    await ada.keyring.otp_totp(ada.username)
    async with running(create_app(settings_for(guarded.service_url, rehash="off"), clock=clock)) as verifying:
        mfa_token = await required(verifying, ada.username)
        assert not (await ada.keyring.cast.stored_password(ada.username)).startswith("argon2$")
        await ada.browser.submit("/accounts/login/", username=ada.username, password=PASSWORD)
        assert (await ada.keyring.cast.stored_password(ada.username)).startswith("argon2$")

        assert (await give(verifying, mfa_token, code_of(step_of(ada.clock)))).status_code == 200


async def test_an_mfa_token_opens_nothing_in_either_app(ada: Ada):
    await ada.keyring.otp_totp(ada.username)
    headers = {"Authorization": f"Bearer {await required(ada.client, ada.username)}"}

    assert (await ada.client.get("/users/me/", headers=headers)).status_code == 401
    assert (await ada.browser.client.get("/api/me/", headers=headers)).status_code == 401
    assert (await ada.browser.client.get("/whoami/", headers=headers)).status_code in (302, 401)


async def test_an_access_token_is_no_mfa_token(ada: Ada):
    await ada.keyring.otp_totp(ada.username)
    opened = await give(ada.client, await required(ada.client, ada.username), code_of(step_of(ada.clock)))

    assert_expired(await give(ada.client, opened.json()["access_token"], code_of(step_of(ada.clock) + 1)))


BODIES: Final = {
    "empty": b"",
    "no-json": b"{",
    "a-list": b"[]",
    "no-code": b'{"mfa_token": "x"}',
    "numbers": b'{"mfa_token": 1, "code": 2}',
    "deep": b"[" * 60_000,
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in BODIES.items()])
async def test_what_is_no_answer_at_all_is_malformed(ada: Ada, body: bytes):
    answer = await ada.client.post("/auth/mfa", content=body, headers={"Content-Type": "application/json"})

    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.parametrize(
    "code",
    ["", "1" * 65, "1" * 30_000, "\x00", "\ud800", "\uff11\uff12\uff13\uff14\uff15\uff16", "-1", "🐍"],
    ids=lambda code: repr(code)[:12],
)
async def test_no_code_however_odd_is_taken_or_breaks_anything(ada: Ada, guarded: Guarded, code: str):
    await ada.keyring.allauth_totp(ada.username)
    await ada.keyring.allauth(ada.username, "recovery_codes", migrated_codes=["abc"])
    await ada.keyring.otp_totp(ada.username)
    await ada.keyring.otp_static(ada.username, "abcd2345")
    mfa_token = await required(ada.client, ada.username)

    answer = await ada.client.post("/auth/mfa", content=json.dumps({"mfa_token": mfa_token, "code": code}))

    assert_refused(answer)


@pytest.mark.parametrize("mfa_token", ["", "x", "a.b.c", "\x00", "é" * 5000], ids=range(5))
async def test_no_mfa_token_however_odd_is_taken_or_breaks_anything(ada: Ada, mfa_token: str):
    assert_expired(await give(ada.client, mfa_token, "000000"))


# The site's side ------------------------------------------------------------------------------------------------------


async def test_allauth_goes_on_by_itself_where_the_bridges_table_is_missing(ada: Ada, guarded: Guarded):
    await ada.keyring.allauth_totp(ada.username)
    code = code_of(step_of(ada.clock))

    verdicts = await asyncio.to_thread(
        guarded.python,
        "from django.db import connection, transaction\n"
        "from allauth.mfa.models import Authenticator\n"
        f"totp = Authenticator.objects.get(user__username={ada.username!r}).wrap()\n"
        "with transaction.atomic():\n"
        "    connection.cursor().execute('ALTER TABLE bridge_second_factor RENAME TO gone')\n"
        f"    verdicts = [totp.validate_code({code!r}), totp.validate_code({code!r})]\n"
        "    transaction.set_rollback(True)\n"
        "answer(verdicts)\n",
    )

    assert verdicts == [True, False]
