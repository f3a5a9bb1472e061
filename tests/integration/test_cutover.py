"""Two replicas of the bridge in front of a site, as their operators and clients see them: real servers, PostgreSQL."""

import asyncio
import re
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx
import pytest

from bridge.cutover import WHOLE, Stage, Standing
from bridge.cutover.operations import Operation
from bridge.services.clock import system_clock
from bridge.store.database import Database, open_database
from bridge.store.endpoints import Author, Endpoints
from tests.conftest import (
    PASSWORD,
    Cast,
    as_role,
    bearer,
    bridge_command,
    execute_on_server,
    old_hash,
    with_database,
)
from tests.processes import server
from tests.site.telling import BY
from tests.web.test_health import allow_connections, end_every_connection

SECONDS: Final = 30.0
PROMISED: Final = 1.0
ENDPOINTS: Final = '["tests.site.telling:router"]'
ITEMS: Final = "/users/me/items/"
GUNICORN: Final = ("--bind", "127.0.0.1:0", "--threads", "4", "--no-control-socket")
SERVE: Final = ("bridge", "serve", "--port", "0")
BROKEN: Final = "GET /broken/"


# The servers ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def database_url(postgresql_server: str, migrated_postgresql: str) -> Iterator[str]:
    name = f"cutover_{secrets.token_hex(6)}"
    execute_on_server(postgresql_server, f"CREATE DATABASE {name} TEMPLATE {migrated_postgresql}")
    yield with_database(postgresql_server, name)
    execute_on_server(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def replicas(database_url: str, service_role: str) -> Iterator[tuple[str, str]]:
    """Two bridges in front of a site that needs no database."""
    with ExitStack() as stack:
        site = stack.enter_context(server(database_url, "gunicorn", "tests.site.telling:application", *GUNICORN))
        told = {"BRIDGE_UPSTREAM": site, "BRIDGE_ENDPOINTS": ENDPOINTS}
        url = as_role(database_url, service_role)
        yield stack.enter_context(server(url, *SERVE, **told)), stack.enter_context(server(url, *SERVE, **told))


@pytest.fixture(scope="module")
def shop(database_url: str, service_role: str) -> Iterator[str]:
    """A bridge in front of the shop."""
    with ExitStack() as stack:
        site = stack.enter_context(server(database_url, "gunicorn", "legacy_django.wsgi:application", *GUNICORN))
        told = {"BRIDGE_UPSTREAM": site, "BRIDGE_ENDPOINTS": '["bridge.demo.endpoints:router"]'}
        yield stack.enter_context(server(as_role(database_url, service_role), *SERVE, **told))


@dataclass(frozen=True)
class Operator:
    """Moves endpoints, at the database."""

    database: Database

    async def set(self, operation: str, stage: Stage, share: int | None = None) -> None:
        standing, author = Standing.of(stage, share), Author("tests", "", system_clock())
        await Endpoints(self.database).change(
            Operation.parse(operation).shape, expected_version=None, standing=standing, author=author
        )


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    opened = await open_database(database_url)
    yield opened
    await opened.close()


@pytest.fixture
def operator(database: Database) -> Operator:
    return Operator(database)


# Clients --------------------------------------------------------------------------------------------------------------


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await holds():
            await asyncio.sleep(0.02)


async def side_of(replica: str, path: str) -> str:
    async with httpx.AsyncClient(base_url=replica) as client:
        return (await client.get(path)).headers.get(BY, "nobody")


async def until_answered_by(side: str, replicas: tuple[str, str], path: str) -> None:
    for replica in replicas:

        async def is_there(replica: str = replica) -> bool:
            return await side_of(replica, path) == side

        await until(is_there)


@dataclass(frozen=True)
class Answered:
    """One answer, and when it was there."""

    replica: str
    path: str
    status: int
    side: str
    at: float


@dataclass
class Load:
    """What clients were answered that ask all the time."""

    answers: list[Answered] = field(default_factory=list)

    async def ask(self, replica: str, path: str) -> None:
        async with httpx.AsyncClient(base_url=replica, timeout=SECONDS) as client:
            while True:
                answer = await client.get(path)
                side = answer.headers.get(BY, "nobody")
                self.answers.append(Answered(replica, path, answer.status_code, side, time.monotonic()))
                await asyncio.sleep(0.01)

    async def more(self, number: int = 20) -> None:
        """Wait until each client was answered so many times more."""
        already = len(self.answers)

        async def are_there() -> bool:
            clients = {(each.replica, each.path) for each in self.answers}
            came = [(each.replica, each.path) for each in self.answers[already:]]
            return all(came.count(client) >= number for client in clients)

        await until(are_there)

    def failed(self) -> list[Answered]:
        return [each for each in self.answers if each.status != 200]

    def sides(self, path: str) -> set[str]:
        return {each.side for each in self.answers if each.path == path}


@asynccontextmanager
async def load(replicas: tuple[str, str], *paths: str) -> AsyncIterator[Load]:
    """Have clients ask both replicas for every path, all the time; one that fails fails the test."""
    made = Load()
    async with asyncio.TaskGroup() as group:
        clients = [group.create_task(made.ask(replica, path)) for replica in replicas for path in paths]
        yield made
        for client in clients:
            client.cancel()


# Two replicas ---------------------------------------------------------------------------------------------------------


async def test_a_rollback_is_in_force_on_both_replicas_within_a_second_and_no_request_fails(
    replicas: tuple[str, str], operator: Operator, database_url: str
):
    await operator.set("GET /moved/", Stage.MIGRATED)
    await operator.set("GET /again/", Stage.CANARY, WHOLE)
    for path in ("/moved/", "/again/"):
        await until_answered_by("bridge", replicas, path)

    async with load(replicas, "/moved/", "/again/", "/elsewhere/") as clients:
        await clients.more()
        assert clients.sides("/moved/") == clients.sides("/again/") == {"bridge"}
        done = await asyncio.to_thread(bridge_command, database_url, "endpoints", "rollback", "--all")
        returned = time.monotonic()
        for path in ("/moved/", "/again/"):
            await until_answered_by("django", replicas, path)
        await clients.more()

    assert done.returncode == 0, done.stderr
    assert clients.failed() == []
    assert max(each.at for each in clients.answers if each.side == "bridge") < returned + PROMISED
    for replica in replicas:
        assert {each.side for each in clients.answers[-12:] if each.replica == replica} == {"django"}


async def test_a_database_that_stops_and_starts_again_fails_no_request_that_needs_none(
    replicas: tuple[str, str], operator: Operator, database_url: str, postgresql_server: str
):
    await operator.set("GET /moved/", Stage.MIGRATED)
    await operator.set("GET /again/", Stage.LEGACY)
    await until_answered_by("bridge", replicas, "/moved/")

    async with load(replicas, "/moved/", "/again/", "/elsewhere/") as clients:
        await clients.more()
        end_every_connection(database_url, postgresql_server, and_allow_no_more=True)
        await until_ready(replicas, status=503)
        await clients.more()
        allow_connections(database_url, postgresql_server)
        await until_ready(replicas, status=200)
        await clients.more()

        assert clients.sides("/moved/") == {"bridge"}
        assert clients.sides("/again/") == {"django"}

        await operator.set("GET /again/", Stage.MIGRATED)
        await until_answered_by("bridge", replicas, "/again/")

    assert clients.failed() == []


async def until_ready(replicas: tuple[str, str], *, status: int) -> None:
    for replica in replicas:
        async with httpx.AsyncClient(base_url=replica, timeout=SECONDS) as client:

            async def says(client: httpx.AsyncClient = client) -> bool:
                return (await client.get("/readyz")).status_code == status

            await until(says)


async def test_a_canary_that_errs_goes_back_on_both_replicas_and_stays_until_it_is_re_armed(
    replicas: tuple[str, str], operator: Operator, database_url: str
):
    await operator.set(BROKEN, Stage.CANARY, WHOLE)
    await until_answered_by("nobody", replicas, "/broken/")

    async with httpx.AsyncClient(base_url=replicas[0]) as client:

        async def is_django() -> bool:
            return (await client.get("/broken/")).headers.get(BY) == "django"

        await until(is_django)
    await until_answered_by("django", replicas, "/broken/")

    wanted = ("endpoints", "set", BROKEN, "canary", "--share", "100%")
    refused = await asyncio.to_thread(bridge_command, database_url, *wanted, BRIDGE_ENDPOINTS=ENDPOINTS)
    assert (refused.returncode, "--rearm" in refused.stderr) == (1, True)
    assert await side_of(replicas[1], "/broken/") == "django"

    done = await asyncio.to_thread(bridge_command, database_url, *wanted, "--rearm", BRIDGE_ENDPOINTS=ENDPOINTS)
    assert done.returncode == 0, done.stderr
    await until_answered_by("nobody", replicas, "/broken/")


# People, through the bridge -------------------------------------------------------------------------------------------

TOKEN: Final = re.compile(r'name="csrfmiddlewaretoken" value="(\w+)"')


@dataclass(frozen=True)
class Browser:
    """Somebody who fills in forms at the bridge's address, and never heard of it."""

    client: httpx.AsyncClient

    async def post(self, page: str, action: str, **form: str) -> httpx.Response:
        """Send the form of a page, as a browser does."""
        shown = await self.client.get(page)
        token = TOKEN.search(shown.text)
        assert token is not None
        origin = {"Origin": str(self.client.base_url).rstrip("/"), "Referer": str(shown.url)}
        return await self.client.post(action, data={"csrfmiddlewaretoken": token[1], **form}, headers=origin)

    async def log_in(self, username: str) -> None:
        entered = await self.post("/accounts/login/", "/accounts/login/", username=username, password=PASSWORD)
        assert entered.status_code == 302, entered.text


@pytest.fixture
async def client(shop: str, operator: Operator) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the bridge in front of the shop, whose items have moved."""
    await operator.set(f"GET {ITEMS}", Stage.MIGRATED)
    async with httpx.AsyncClient(base_url=shop, timeout=SECONDS) as opened:

        async def has_moved() -> bool:
            return (await opened.get(ITEMS)).status_code == 401  # Django has none

        await until(has_moved)
        yield opened


@pytest.fixture
async def username(database: Database) -> str:
    name = f"ada_{secrets.token_hex(4)}"
    await Cast(database).add(name, encoded=old_hash(PASSWORD))
    return name


async def test_a_session_opened_through_the_bridge_holds_on_both_sides_until_it_is_closed(
    client: httpx.AsyncClient, username: str
):
    browser = Browser(client)
    await browser.log_in(username)

    assert username in (await client.get("/whoami/")).text  # Django's
    assert (await client.get(ITEMS)).status_code == 200  # moved
    assert (await client.get("/users/me/")).json()["username"] == username  # the bridge's own

    left = await browser.post("/accounts/profile/", "/accounts/logout/")

    assert left.status_code in {200, 302}
    assert username not in (await client.get("/whoami/")).text
    assert (await client.get(ITEMS)).status_code == 401


async def test_a_token_of_the_bridges_holds_on_both_sides_until_its_login_is_ended(
    client: httpx.AsyncClient, username: str
):
    headers = await bearer(client, username)
    paths = ("/api/items/", ITEMS, "/users/me/")

    assert [(await client.get(path, headers=headers)).status_code for path in paths] == [200, 200, 200]

    assert (await client.post("/auth/logout", headers=headers)).status_code == 204
    assert [(await client.get(path, headers=headers)).status_code for path in paths] == [401, 401, 401]


@pytest.mark.parametrize("origin", ["https://evil.example", "null"], ids=["foreign", "null"])
async def test_django_refuses_a_form_of_another_origin_through_the_bridge(
    client: httpx.AsyncClient, username: str, origin: str
):
    token = TOKEN.search((await client.get("/accounts/login/")).text)
    assert token is not None
    form = {"csrfmiddlewaretoken": token[1], "username": username, "password": PASSWORD}

    assert (await client.post("/accounts/login/", data=form, headers={"Origin": origin})).status_code == 403
