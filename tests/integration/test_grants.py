"""One login in both apps: refreshed by either, spent in both, ended for both at once. Real servers, real databases."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final

import httpx
import jwt
import pytest
from django.conf import settings

from legacy_django.database import configuration
from tests.conftest import PASSWORD, SIGNING_KEY, Cast, log_in
from tests.integration.test_both_apps import NEW_PASSWORD, Browser, change_at_django, is_djangos_own
from tests.integration.test_sessions import (
    BRIDGE,
    DJANGO,
    LAST_YEAR,
    Change,
    browsing,
    by_changepassword,
    by_the_admin,
    site_database,
    variant,
)
from tests.integration.test_sessions import Addresses as SessionAddresses
from tests.processes import server, talking_to

REQUESTS: Final = 16
GUNICORN: Final = ("--bind", "127.0.0.1:0", "--workers", "2", "--threads", "8", "--no-control-socket")
SITE: Final = ("gunicorn", "legacy_django.wsgi:application", *GUNICORN)


# The servers, and their clients ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One database for all tests here; each of them has users of its own."""
    with site_database(request, tmp_path_factory.mktemp("grants")) as url:
        yield url


@pytest.fixture(scope="module")
def servers(database_url: str) -> Iterator[SessionAddresses]:
    with (
        server(database_url, *SITE) as django,
        server(database_url, *DJANGO, **LAST_YEAR) as last_year,
        server(database_url, *BRIDGE) as bridge,
    ):
        yield SessionAddresses(django, last_year, bridge)


@dataclass(frozen=True)
class Pair:
    """What a login or a refresh gives."""

    access: str
    refresh: str

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.access}"}

    @property
    def token_id(self) -> str:
        return str(jwt.decode(self.refresh, options={"verify_signature": False})["jti"])


@dataclass(frozen=True)
class Site:
    """Django, as an API client sees it."""

    client: httpx.AsyncClient

    async def log_in(self, username: str) -> Pair:
        answer = await self.client.post("/api/token/", json={"username": username, "password": PASSWORD})
        return self._pair(answer.raise_for_status())

    async def refresh(self, token: str) -> Pair | None:
        answer = await self.client.post("/api/token/refresh/", json={"refresh": token})
        assert answer.status_code in (200, 401), answer.text
        return self._pair(answer) if answer.status_code == 200 else None

    async def opens_to(self, pair: Pair) -> bool:
        """Whether any of its doors does; they have to agree."""
        api = await self.client.get("/api/me/", headers=pair.bearer)
        pages = [await self.client.get(path, headers=pair.bearer) for path in ("/whoami/", "/whoami/async/")]
        opened = {api.status_code == 200, *(page.status_code == 200 for page in pages)}
        assert len(opened) == 1, (api.text, pages)
        return opened.pop()

    async def log_out(self, pair: Pair) -> None:
        (await self.client.post("/api/token/blacklist/", json={"refresh": pair.refresh})).raise_for_status()

    @staticmethod
    def _pair(answer: httpx.Response) -> Pair:
        return Pair(answer.json()["access"], answer.json()["refresh"])


@dataclass(frozen=True)
class Service:
    """The bridge, likewise."""

    client: httpx.AsyncClient

    async def log_in(self, username: str) -> Pair:
        answer = await self.client.post("/auth/login", json={"username": username, "password": PASSWORD})
        return self._pair(answer.raise_for_status())

    async def refresh(self, token: str) -> Pair | None:
        answer = await self.client.post("/auth/refresh", json={"refresh_token": token})
        assert answer.status_code in (200, 401), answer.text
        return self._pair(answer) if answer.status_code == 200 else None

    async def opens_to(self, pair: Pair) -> bool:
        answer = await self.client.get("/users/me/", headers=pair.bearer)
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200

    async def log_out(self, pair: Pair) -> None:
        (await self.client.post("/auth/logout", headers=pair.bearer)).raise_for_status()

    @staticmethod
    def _pair(answer: httpx.Response) -> Pair:
        return Pair(answer.json()["access_token"], answer.json()["refresh_token"])


@dataclass(frozen=True)
class Apps:
    """Both of them."""

    django: Site
    bridge: Service

    def named(self, name: str) -> list[Site | Service]:
        every: dict[str, list[Site | Service]] = {"django": [self.django], "bridge": [self.bridge]}
        return every["django"] + every["bridge"] if name == "both" else every[name]

    async def take(self, *pairs: Pair) -> bool:
        """Whether all of these access tokens open both apps, or none opens either."""
        opened = {await app.opens_to(pair) for app in (self.django, self.bridge) for pair in pairs}
        assert len(opened) == 1
        return opened.pop()

    async def let_nothing_live(self, *pairs: Pair) -> bool:
        refreshed = [await app.refresh(pair.refresh) for app in (self.django, self.bridge) for pair in pairs]
        return refreshed == [None] * len(refreshed) and not await self.take(*pairs)


@pytest.fixture
async def apps(servers: SessionAddresses) -> AsyncIterator[Apps]:
    async with (
        talking_to(servers.django) as django,
        talking_to(servers.bridge) as bridge,
    ):
        yield Apps(Site(django), Service(bridge))


@pytest.fixture
async def member(cast: Cast) -> str:
    """A user whom no other test knows."""
    username = f"ada-{secrets.token_hex(4)}"
    await cast.add(username)
    return username


Opener = Callable[[], Awaitable[Pair]]


@pytest.fixture(params=["django", "bridge"], ids=["of_django", "of_the_bridge"])
def opener(request: pytest.FixtureRequest, apps: Apps, member: str) -> Opener:
    """Logs the member in at either app."""
    [app] = apps.named(request.param)
    return partial(app.log_in, member)


@pytest.fixture
async def pair(opener: Opener) -> Pair:
    return await opener()


@pytest.fixture
def a_minute_later(cast: Cast, member: str) -> Callable[[], Awaitable[None]]:
    """Lets the last rotation of each of the member's logins be a minute ago: no lost answer is given again."""

    async def age() -> None:
        key = {"user": await key_of(cast, member)}
        rows = await cast.database.fetch_all("SELECT id, rotated_at FROM bridge_grant WHERE user_id = :user", key)
        for row in rows:
            earlier = moment(row["rotated_at"]) - timedelta(minutes=1)
            await cast.database.execute(
                "UPDATE bridge_grant SET rotated_at = :earlier WHERE id = :id", {"earlier": earlier, "id": row["id"]}
            )

    return age


def moment(value: Any) -> datetime:
    read: datetime = datetime.fromisoformat(value) if isinstance(value, str) else value
    return read if read.tzinfo else read.replace(tzinfo=UTC)


# A login is the other app's as well -----------------------------------------------------------------------------------


async def test_a_login_at_either_app_opens_both(apps: Apps, pair: Pair):
    assert await apps.take(pair)


@pytest.mark.parametrize(
    "way", [["django", "bridge"] * 3, ["bridge", "django"] * 3], ids=["django_first", "bridge_first"]
)
async def test_the_apps_can_take_turns_in_refreshing(apps: Apps, pair: Pair, way: list[str]):
    for name in way:
        [app] = apps.named(name)
        refreshed = await app.refresh(pair.refresh)
        assert refreshed is not None
        assert refreshed.token_id != pair.token_id
        pair = refreshed

    assert await apps.take(pair)


# One winner -----------------------------------------------------------------------------------------------------------


async def refresh_at_once(apps: list[Site | Service], token: str) -> list[Pair]:
    answers = await asyncio.gather(*(apps[number % len(apps)].refresh(token) for number in range(REQUESTS)))
    return [answer for answer in answers if answer is not None]


where: Final = pytest.mark.parametrize("asked", ["django", "bridge", "both"])


@where
async def test_of_sixteen_refreshes_at_once_one_child_lives(apps: Apps, pair: Pair, asked: str):

    children = await refresh_at_once(apps.named(asked), pair.refresh)

    assert len(children) == REQUESTS
    assert len({child.token_id for child in children}) == 1
    assert await apps.take(*children)


@where
async def test_and_it_is_the_only_one_that_goes_on(apps: Apps, pair: Pair, asked: str):
    """Once its own child is used, nothing that the sixteen were given is worth anything."""
    children = await refresh_at_once(apps.named(asked), pair.refresh)
    grandchild = await apps.django.refresh(children[0].refresh)
    assert grandchild is not None
    assert await apps.bridge.refresh(grandchild.refresh) is not None

    assert [await apps.bridge.refresh(child.refresh) for child in children] == [None] * REQUESTS


@where
@pytest.mark.parametrize("replayed_at", ["django", "bridge"])
async def test_after_a_replay_no_member_lives_in_either_app(
    apps: Apps, pair: Pair, a_minute_later: Callable[[], Awaitable[None]], asked: str, replayed_at: str
):
    children = await refresh_at_once(apps.named(asked), pair.refresh)
    await a_minute_later()
    [app] = apps.named(replayed_at)

    assert await app.refresh(pair.refresh) is None

    assert await apps.let_nothing_live(pair, children[0], children[1])


@where
async def test_sixteen_first_refreshes_of_a_token_of_before_the_app_begin_one_login(
    apps: Apps, cast: Cast, member: str, asked: str
):
    pair = await apps.django.log_in(member)
    old = as_of_before(pair)
    await cast.database.execute("DELETE FROM bridge_grant WHERE user_id = :user", {"user": await key_of(cast, member)})

    children = await refresh_at_once(apps.named(asked), old)

    assert len(children) == REQUESTS
    assert len({child.token_id for child in children}) == 1
    assert await apps.take(*children)


def as_of_before(pair: Pair) -> str:
    """The refresh token as SimpleJWT alone would have signed it."""
    claims = jwt.decode(pair.refresh, options={"verify_signature": False})
    del claims["sid"]
    return jwt.encode(claims, SIGNING_KEY, algorithm="HS256")


async def key_of(cast: Cast, member: str) -> str:
    return str(await cast.column(member, "id"))


# What ends a login ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended_by", ["django", "bridge"])
async def test_a_logout_at_either_app_ends_it_in_both_at_once(apps: Apps, opener: Opener, ended_by: str):
    pair, other = await opener(), await opener()
    assert await apps.take(pair, other)
    [app] = apps.named(ended_by)

    await app.log_out(pair)

    assert await apps.let_nothing_live(pair)
    assert await apps.take(other)


async def test_a_logout_everywhere_ends_all_of_them(apps: Apps, member: str, pair: Pair):
    pairs = [await apps.django.log_in(member), await apps.bridge.log_in(member), pair]

    (await apps.bridge.client.post("/auth/logout-all", headers=pairs[-1].bearer)).raise_for_status()

    assert await apps.let_nothing_live(*pairs)


async def test_a_session_that_was_exchanged_for_a_token_ends_with_it(
    apps: Apps, servers: SessionAddresses, member: str, pair: Pair
):
    async with browsing(servers.django) as [browser]:
        await exchange(browser, pair)
        assert await browser.who() == member

        await log_out_of(browser)

        assert await browser.who() is None
    assert await apps.let_nothing_live(pair)


async def exchange(browser: Browser, pair: Pair) -> None:
    assert (await browser.client.post("/bridge/session/", headers=pair.bearer)).status_code == 204


async def log_out_of(browser: Browser) -> None:
    token = browser.client.cookies["csrftoken"]
    answer = await browser.client.post("/accounts/logout/", data={"csrfmiddlewaretoken": token})
    assert answer.status_code == 302, answer.text


async def test_the_session_ends_with_the_refresh_token_at_django(
    apps: Apps, servers: SessionAddresses, member: str, pair: Pair
):
    async with browsing(servers.django) as [browser]:
        await exchange(browser, pair)

        await apps.django.log_out(pair)

        assert await browser.who() is None


# Passwords ------------------------------------------------------------------------------------------------------------


async def by_the_form(change: Change) -> None:
    async with browsing(change.servers.django) as [browser]:
        assert await browser.log_in(change.username)
        if change.password == NEW_PASSWORD:
            await change_at_django(browser)
            return
        fields = {"old_password": PASSWORD, "new_password1": PASSWORD, "new_password2": PASSWORD}
        assert (await browser.submit("/accounts/password_change/", **fields)).status_code == 302


CHANGES: Final[dict[str, Callable[[Change], Awaitable[None]]]] = {
    "form": by_the_form,
    "admin": by_the_admin,
    "changepassword": by_changepassword,
}


@pytest.fixture(params=[NEW_PASSWORD, PASSWORD], ids=["to_another", "to_the_same"])
def change(
    request: pytest.FixtureRequest, servers: SessionAddresses, cast: Cast, member: str, database_url: str
) -> Change:
    return Change(servers, cast, database_url, member, request.param)


@pytest.mark.parametrize("means", CHANGES.values(), ids=list(CHANGES))
async def test_a_changed_password_ends_every_login_in_both_apps(
    apps: Apps, change: Change, means: Callable[[Change], Awaitable[None]]
):
    member = change.username
    pairs = [await apps.django.log_in(member), await apps.bridge.log_in(member)]
    assert await apps.take(*pairs)

    await means(change)

    assert not await apps.take(*pairs)
    assert await apps.let_nothing_live(*pairs)


async def test_a_re_hash_at_django_ends_no_login(apps: Apps, servers: SessionAddresses, cast: Cast, member: str):
    """Last year's site writes PBKDF2 over argon2, of the same password."""
    pairs = [await apps.django.log_in(member), await apps.bridge.log_in(member)]
    before = await cast.stored_password(member)
    async with browsing(servers.last_year) as [browser]:
        assert await browser.log_in(member)

    assert before != await cast.stored_password(member)
    await all_go_on(apps, pairs)


async def test_a_re_hash_at_the_bridge_ends_no_login(apps: Apps, servers: SessionAddresses, cast: Cast, member: str):
    async with talking_to(servers.last_year) as last_year:
        pairs = [await Site(last_year).log_in(member), await Site(last_year).log_in(member)]
    before = await cast.stored_password(member)
    assert (await log_in(apps.bridge.client, member)).status_code == 200

    assert before != await cast.stored_password(member)
    assert is_djangos_own(await cast.stored_password(member))
    await all_go_on(apps, pairs)


async def all_go_on(apps: Apps, pairs: list[Pair]) -> None:
    """Each of two logins, refreshed at one app each."""
    assert await apps.take(*pairs)
    refreshed = [await apps.django.refresh(pairs[0].refresh), await apps.bridge.refresh(pairs[1].refresh)]
    kept = [pair for pair in refreshed if pair is not None]
    assert len(kept) == len(pairs)
    assert await apps.take(*kept)


# Sites of other habits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_replay_ends_the_login_though_the_site_rolls_refused_requests_back(
    apps: Apps, cast: Cast, member: str, database_url: str, a_minute_later: Callable[[], Awaitable[None]]
):
    """ATOMIC_REQUESTS: Django REST framework undoes whatever a request that it answers 401 has written."""
    atomic = variant(DATABASES={"default": {**configuration(database_url), "ATOMIC_REQUESTS": True}})
    async with AsyncExitStack() as stack:
        address = stack.enter_context(server(database_url, *DJANGO, **atomic))
        client = await stack.enter_async_context(talking_to(address))
        first = await Site(client).log_in(member)
        second = await Site(client).refresh(first.refresh)
        assert second is not None
        await a_minute_later()

        assert await Site(client).refresh(first.refresh) is None

    assert await apps.let_nothing_live(first, second)
    row = await cast.database.fetch_one(
        "SELECT ended_by FROM bridge_grant WHERE user_id = :user", {"user": await key_of(cast, member)}
    )
    assert row == {"ended_by": "reuse"}


async def test_a_site_that_does_not_rotate_shares_its_logins_too(
    apps: Apps, cast: Cast, member: str, database_url: str
):
    lasting = variant(SIMPLE_JWT=simple_jwt_without_rotation())
    async with AsyncExitStack() as stack:
        address = stack.enter_context(server(database_url, *DJANGO, **lasting))
        client = await stack.enter_async_context(talking_to(address))
        answer = await client.post("/api/token/", json={"username": member, "password": PASSWORD})
        pair = Pair(answer.json()["access"], answer.json()["refresh"])
        again = [await client.post("/api/token/refresh/", json={"refresh": pair.refresh}) for _ in range(2)]
        assert [set(each.json()) for each in again] == [{"access"}] * 2
        await apps.bridge.log_out(pair)

        ended = await client.post("/api/token/refresh/", json={"refresh": pair.refresh})

    assert ended.status_code == 401
    assert not await apps.take(pair, *(Pair(each.json()["access"], "") for each in again))


def simple_jwt_without_rotation() -> dict[str, object]:
    """The shop's settings, as far as JSON can hold them: lifetimes are SimpleJWT's own."""
    given = {name: value for name, value in settings.SIMPLE_JWT.items() if not isinstance(value, timedelta)}
    return {**given, "ROTATE_REFRESH_TOKENS": False}
