"""A session and the tokens that it was exchanged for end together, whatever keeps it: real servers, one browser."""

import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from bridge.store.database import open_database
from tests.conftest import Cast, bearer, manage
from tests.integration.test_both_apps import Browser
from tests.integration.test_sessions import variant
from tests.processes import server, talking_to

ENGINES: Final = ("db", "cached_db", "cache", "signed_cookies")
GUNICORN: Final = ("--bind", "127.0.0.1:0", "--workers", "1", "--threads", "4", "--no-control-socket")


@dataclass(frozen=True)
class Site:
    """A Django site with one of the engines, and the bridge next to it."""

    django: str
    bridge: str


@pytest.fixture(scope="module")
def database_url(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Both kinds answer these questions alike: one for all engines."""
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path_factory.mktemp('together') / 'site.sqlite3')}"


@pytest.fixture(scope="module", params=ENGINES)
def site(request: pytest.FixtureRequest, database_url: str) -> Iterator[Site]:
    chosen = variant(SESSION_ENGINE=f"django.contrib.sessions.backends.{request.param}")
    manage(database_url, "bridge_profile", **chosen)
    with (
        server(database_url, "gunicorn", "legacy_django.wsgi:application", *GUNICORN, **chosen) as django,
        server(database_url, "bridge", "serve", "--port", "0") as bridge,
    ):
        yield Site(django, bridge)


@pytest.fixture
async def bridge(site: Site) -> AsyncIterator[httpx.AsyncClient]:
    async with talking_to(site.bridge) as client:
        yield client


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[Browser]:
    async with talking_to(site.django) as client:
        yield Browser(client)


@pytest.fixture
async def username(request: pytest.FixtureRequest, database_url: str) -> str:
    """A user of this test's own."""
    database = await open_database(database_url)
    await Cast(database).add(request.node.name)
    await database.close()
    return str(request.node.name)


async def tokens_of(browser: Browser, site: Site) -> dict[str, str]:
    """Exchange the session for tokens, as a script of the site's pages does; give the header."""
    cookies = "; ".join(f"{name}={value}" for name, value in browser.client.cookies.items())
    given = {"Cookie": cookies, "X-CSRFToken": browser.client.cookies["csrftoken"]}
    async with talking_to("") as script:
        answer = await script.post(f"{site.bridge}/auth/session", headers=given)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return {"Authorization": f"Bearer {body['access_token']}"}


async def session_of(headers: dict[str, str], browser: Browser) -> None:
    """Exchange a token for a session at the site."""
    assert (await browser.client.post("/bridge/session/", headers=headers)).status_code == 204


async def opens(bridge: httpx.AsyncClient, headers: dict[str, str]) -> bool:
    return (await bridge.get("/users/me/", headers=headers)).status_code == 200


async def log_out_at_the_bridge(bridge: httpx.AsyncClient, headers: dict[str, str]) -> None:
    assert (await bridge.post("/auth/logout", headers=headers)).status_code == 204


async def log_out_at_the_site(browser: Browser) -> None:
    token = browser.client.cookies["csrftoken"]
    assert (await browser.client.post("/accounts/logout/", headers={"X-CSRFToken": token})).status_code == 302


@pytest.fixture
async def from_a_session(site: Site, bridge: httpx.AsyncClient, browser: Browser, username: str) -> dict[str, str]:
    """Tokens of a browser that is logged in at the site."""
    assert await browser.log_in(username)
    headers = await tokens_of(browser, site)
    assert (await browser.who(), await opens(bridge, headers)) == (username, True)
    return headers


@pytest.fixture
async def for_a_session(bridge: httpx.AsyncClient, browser: Browser, username: str) -> dict[str, str]:
    """Tokens of the bridge that a browser was given a session at the site for."""
    await browser.client.get("/accounts/login/")
    headers = await bearer(bridge, username)
    await session_of(headers, browser)
    assert (await browser.who(), await opens(bridge, headers)) == (username, True)
    return headers


readable = pytest.mark.parametrize("site", [each for each in ENGINES if each != "cache"], indirect=True)
"""By the bridge, which exchanges no others."""


@readable
async def test_tokens_of_a_session_end_it(bridge: httpx.AsyncClient, browser: Browser, from_a_session: dict[str, str]):
    await log_out_at_the_bridge(bridge, from_a_session)

    assert [await browser.who() for _ in range(2)] == [None, None]


@readable
async def test_they_end_with_it(bridge: httpx.AsyncClient, browser: Browser, from_a_session: dict[str, str]):
    await log_out_at_the_site(browser)

    assert not await opens(bridge, from_a_session)


async def test_tokens_that_a_session_was_given_for_end_it(
    bridge: httpx.AsyncClient, browser: Browser, for_a_session: dict[str, str]
):
    await log_out_at_the_bridge(bridge, for_a_session)

    assert [await browser.who() for _ in range(2)] == [None, None]


async def test_those_end_with_it_too(bridge: httpx.AsyncClient, browser: Browser, for_a_session: dict[str, str]):
    await browser.client.get("/accounts/login/")
    await log_out_at_the_site(browser)

    assert not await opens(bridge, for_a_session)
