"""Two replicas of the bridge in front of a site, as their operators and clients see them: real servers, PostgreSQL."""

import asyncio
import json
import re
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Final

import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from bridge.cutover import WHOLE, Stage, Standing, Trip
from bridge.cutover.operations import Operation
from bridge.services.clock import system_clock
from bridge.store.database import Database, open_database
from bridge.store.endpoints import Author, Endpoints
from bridge.store.traffic import EndpointCounts
from tests.conftest import (
    PASSWORD,
    Cast,
    as_role,
    bearer,
    bridge_command,
    execute_on_server,
    with_database,
)
from tests.processes import server, talking_to
from tests.site.telling import BY
from tests.web.test_health import allow_connections, end_every_connection
from tests.wire import ask, connected, parsed, request

SECONDS: Final = 30.0
PROMISED: Final = 1.0
ENDPOINTS: Final = '["tests.site.telling:router"]'
ITEMS: Final = "/users/me/items/"
GUNICORN: Final = ("--bind", "127.0.0.1:0", "--threads", "4", "--no-control-socket")
SERVE: Final = ("bridge", "serve", "--port", "0")
BROKEN: Final = "GET /broken/"
SLOW: Final = "POST /slow/"


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


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Database]:
    database = await open_database(url)
    try:
        yield database
    finally:
        await database.close()


@dataclass(frozen=True)
class Operator:
    """Moves endpoints, at the database."""

    database_url: str

    async def set(self, operation: str, stage: Stage, share: int | None = None) -> None:
        standing, author = Standing.of(stage, share), Author("tests", "", system_clock())
        database = await open_database(self.database_url)
        await Endpoints(database).change(
            Operation.parse(operation).shape, expected_version=None, standing=standing, author=author
        )
        await database.close()


@pytest.fixture
def operator(database_url: str) -> Operator:
    return Operator(database_url)


# Clients --------------------------------------------------------------------------------------------------------------


async def until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(SECONDS):
        while not await holds():  # noqa: ASYNC110  # no server tells
            await asyncio.sleep(0.02)


def said_by(answer: httpx.Response) -> str:
    side: str = answer.headers.get(BY, "nobody")
    return side


async def side_of(replica: str, path: str) -> str:
    async with talking_to(replica) as client:
        return said_by(await client.get(path))


async def until_answered_by(side: str, replicas: Iterable[str], path: str) -> None:
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

    clients: list[tuple[str, str]]
    answers: list[Answered] = field(default_factory=list)

    async def ask(self, replica: str, path: str) -> None:
        async with httpx.AsyncClient(base_url=replica, timeout=SECONDS) as client:
            while True:
                answer = await client.get(path)
                told = Answered(replica, path, answer.status_code, said_by(answer), time.monotonic())
                self.answers.append(told)
                await asyncio.sleep(0.01)

    async def more(self, number: int = 20) -> None:
        """Wait until each client was answered so many times more."""
        already = len(self.answers)

        async def are_there() -> bool:
            came = Counter((each.replica, each.path) for each in self.answers[already:])
            return all(came[client] >= number for client in self.clients)

        await until(are_there)

    def failed(self) -> list[Answered]:
        return [each for each in self.answers if each.status != 200]

    def sides(self, path: str) -> set[str]:
        return {each.side for each in self.answers if each.path == path}


@asynccontextmanager
async def load(replicas: tuple[str, str], *paths: str) -> AsyncIterator[Load]:
    """Have clients ask both replicas for every path, all the time; one that fails fails the test."""
    made = Load([(replica, path) for replica in replicas for path in paths])
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(made.ask(*client)) for client in made.clients]
        yield made
        for task in tasks:
            task.cancel()


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
        done = await asyncio.to_thread(bridge_command, database_url, "endpoints", "rollback", "--all")
        returned = time.monotonic()
        for path in ("/moved/", "/again/"):
            await until_answered_by("django", replicas, path)
        until_then = len(clients.answers)
        await clients.more()

    assert done.returncode == 0, done.stderr
    assert clients.failed() == []
    assert {each.side for each in clients.answers[: 2 * len(clients.clients)] if each.path != "/elsewhere/"} == {
        "bridge"
    }
    assert max(each.at for each in clients.answers if each.side == "bridge") < returned + PROMISED
    assert {each.side for each in clients.answers[until_then + len(clients.clients) :]} == {"django"}


async def test_a_database_that_stops_and_starts_again_fails_no_request_that_needs_none(
    replicas: tuple[str, str], operator: Operator, database_url: str, postgresql_server: str
):
    await operator.set("GET /moved/", Stage.MIGRATED)
    await operator.set("GET /again/", Stage.LEGACY)
    await until_answered_by("bridge", replicas, "/moved/")
    await until_answered_by("django", replicas, "/again/")

    async with load(replicas, "/moved/", "/again/", "/elsewhere/") as clients:
        await clients.more()
        end_every_connection(database_url, postgresql_server, and_allow_no_more=True)
        await clients.more(100)
        allow_connections(database_url, postgresql_server)
        await clients.more()
        seen = {path: clients.sides(path) for path in ("/moved/", "/again/", "/elsewhere/")}

        await operator.set("GET /again/", Stage.MIGRATED)
        await until_answered_by("bridge", replicas, "/again/")

    assert clients.failed() == []
    assert seen == {"/moved/": {"bridge"}, "/again/": {"django"}, "/elsewhere/": {"django"}}


async def test_a_replica_that_starts_while_the_database_is_away_passes_all_on_and_serves_when_it_is_back(
    database_url: str, service_role: str, operator: Operator, postgresql_server: str
):
    """A failover that restarts replicas is not to take the site down with them."""
    await operator.set("GET /moved/", Stage.MIGRATED)
    end_every_connection(database_url, postgresql_server, and_allow_no_more=True)
    with ExitStack() as stack:
        try:
            site = stack.enter_context(server(database_url, "gunicorn", "tests.site.telling:application", *GUNICORN))
            told = {"BRIDGE_UPSTREAM": site, "BRIDGE_ENDPOINTS": ENDPOINTS}
            replica = stack.enter_context(server(as_role(database_url, service_role), *SERVE, **told))
            away = [await side_of(replica, path) for path in ("/moved/", "/elsewhere/", "/orders/")]
            async with httpx.AsyncClient(base_url=replica) as client:
                statuses = {
                    path: (await client.get(path)).status_code
                    for path in ("/healthz", "/docs", "/readyz", "/metrics", "/users/me/", "/migration/report")
                }
                login = await client.post("/auth/token", data={"username": "ada", "password": PASSWORD})
        finally:
            allow_connections(database_url, postgresql_server)
        await until_answered_by("bridge", (replica,), "/moved/")
        async with httpx.AsyncClient(base_url=replica) as client:
            back = (await client.get("/readyz")).status_code

    assert away == ["django"] * 3
    assert statuses == {
        **dict.fromkeys(("/healthz", "/docs"), 200),
        **dict.fromkeys(("/readyz", "/metrics", "/users/me/", "/migration/report"), 503),
    }
    assert (login.status_code, login.headers["retry-after"]) == (503, "1")
    assert back == 200


async def test_a_canary_that_errs_goes_back_on_both_replicas_and_stays_until_it_is_re_armed(
    replicas: tuple[str, str], operator: Operator, database_url: str
):
    await operator.set(BROKEN, Stage.CANARY, WHOLE)
    await until_answered_by("nobody", replicas, "/broken/")

    await until_answered_by("django", replicas, "/broken/")  # asked until the first of both has had enough

    wanted = ("endpoints", "set", BROKEN, "canary", "--share", "100%")
    refused = await asyncio.to_thread(bridge_command, database_url, *wanted, BRIDGE_ENDPOINTS=ENDPOINTS)
    assert (refused.returncode, "--rearm" in refused.stderr) == (1, True)
    assert await side_of(replicas[1], "/broken/") == "django"

    done = await asyncio.to_thread(bridge_command, database_url, *wanted, "--rearm", BRIDGE_ENDPOINTS=ENDPOINTS)
    assert done.returncode == 0, done.stderr
    await until_answered_by("nobody", replicas, "/broken/")


async def test_what_is_migrated_and_slower_than_django_was_goes_back_by_what_django_took_before(
    replicas: tuple[str, str], operator: Operator, database_url: str
):
    """Nobody asks Django any more, least of all what must not be sent twice."""

    async def is_answered_by(side: str, replica: str, *, at_once: int) -> bool:
        async with talking_to(replica) as client:
            answers = await asyncio.gather(*(client.post("/slow/") for _ in range(at_once)))
        return {said_by(each) for each in answers} == {side}

    async def is_counted(database: Database) -> bool:
        return sum((await EndpointCounts(database).latencies(SLOW, sides=["legacy"])).values()) >= Trip().minimum

    for _ in range(Trip().minimum):
        assert await is_answered_by("django", replicas[0], at_once=1)
    async with opened(database_url) as database:
        await until(partial(is_counted, database))
    await operator.set(SLOW, Stage.MIGRATED)
    await until(partial(is_answered_by, "bridge", replicas[1], at_once=1))

    await until(partial(is_answered_by, "django", replicas[1], at_once=Trip().minimum))
    await until(partial(is_answered_by, "django", replicas[0], at_once=1))

    async with opened(database_url) as database:
        [last] = await Endpoints(database).history(SLOW, limit=1)
    assert last.is_tripped
    assert " answers of before: " in last.reason


# Clients that mean harm ----------------------------------------------------------------------------------------------

HIDDEN: Final = b"GET /hidden/ HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
CHUNKED: Final = b"0\r\n\r\n" + HIDDEN
LENGTH: Final = f"Content-Length: {len(HIDDEN)}"
IN_CHUNKS: Final = "Transfer-Encoding: chunked"

REFUSED: Final[dict[str, bytes]] = {
    "chunked-and-length": request("/x/", IN_CHUNKS, "Content-Length: 4", method="POST", body=CHUNKED),
    "length-and-chunked": request("/x/", "Content-Length: 4", IN_CHUNKS, method="POST", body=CHUNKED),
    "chunked-and-identity": request("/x/", IN_CHUNKS, "Transfer-Encoding: identity", method="POST", body=CHUNKED),
    "chunked-misspelt": request("/x/", "Transfer-Encoding: xchunked", LENGTH, method="POST", body=HIDDEN),
    "two-lengths": request("/x/", LENGTH, "Content-Length: 1", method="POST", body=HIDDEN),
    "lengths-in-one-line": request("/x/", f"{LENGTH}, 1", method="POST", body=HIDDEN),
    "length-with-a-sign": request("/x/", "Content-Length: +1", method="POST", body=HIDDEN),
    "space-before-a-colon": request("/x/", f"{LENGTH.replace(':', ' :')}", method="POST", body=HIDDEN),
    "folded-line": request("/x/", "A: b", " Transfer-Encoding: chunked", method="POST", body=CHUNKED),
    "name-of-odd-bytes": request("/x/", "X-\xe9: 1"),
    "carriage-return-in-a-value": request("/x/", "A: b\rTransfer-Encoding: chunked", method="POST", body=CHUNKED),
    "line-feeds-only": request("/x/").replace(b"\r", b""),
    "nul-in-a-value": request("/x/", "A: b\x00c"),
    "small-letters": request("/moved/", method="get"),
    "authority": request("127.0.0.1:80", method="CONNECT"),
    "no-path": request("http://127.0.0.1"),
    "space-in-a-path": request("/moved/ /x/"),
}  # fmt: skip

PASSED: Final[dict[str, bytes]] = {
    "underscores-instead-of-dashes": request("/x/", "Transfer_Encoding: chunked", LENGTH, method="POST", body=HIDDEN),
    "length-named-by-connection": request("/x/", "Connection: content-length", LENGTH, method="POST", body=HIDDEN),
    "length-in-a-get": request("/x/", LENGTH, body=HIDDEN),
    "path-before-the-path": request("/x/", "SCRIPT_NAME: /x", "Script-Name: /x", "X-Original-URL: /moved/"),
    "another-protocol": request("/x/", "Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMAAABk"),
}  # fmt: skip


def statuses(replica: str, sent: bytes) -> list[bytes]:
    with connected(replica) as connection:
        connection.sendall(sent)
        return re.findall(rb"HTTP/1.1 (\d{3})", connection.makefile("rb").read())


@pytest.mark.parametrize("sent", REFUSED.values(), ids=REFUSED.keys())
def test_a_request_that_could_be_read_in_two_ways_is_refused(replicas: tuple[str, str], sent: bytes):
    assert statuses(replicas[0], sent) == [b"400"]


@pytest.mark.parametrize("sent", PASSED.values(), ids=PASSED.keys())
def test_no_request_hides_in_another(replicas: tuple[str, str], sent: bytes):
    with connected(replicas[0]) as connection:
        connection.sendall(sent)
        received = connection.makefile("rb").read()

    answer = parsed(received)
    assert (received.count(b"HTTP/1.1 "), answer.status, json.loads(answer.body)["path"]) == (1, 200, "/x/")


PIECES: Final = [
    *("/", "//", "moved", "moved/", "healthz", "x", "..", ".", "%2e%2e", "%2F", "%2f", "%6d", "%00", "%0A", "%C3%A9"),
    *("%E9", ";", "#", "?", "\\", "%5C", "%23", "%3F", "%25", "http://127.0.0.1", "@", ":80", "*", "&", "~"),
]
TARGETS: Final = st.lists(st.sampled_from(PIECES), min_size=1, max_size=5).map("".join)


@pytest.fixture
async def moved(replicas: tuple[str, str], operator: Operator) -> str:
    """A replica where an endpoint has moved."""
    await operator.set("GET /moved/", Stage.MIGRATED)
    await until_answered_by("bridge", replicas, "/moved/")
    return replicas[0]


@settings(max_examples=300, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
@given(target=TARGETS, is_rooted=st.booleans())
@example(target="/moved/#x", is_rooted=False)
@example(target="http://127.0.0.1/moved/", is_rooted=False)
def test_however_a_path_is_written_django_is_not_asked_for_what_has_moved(moved: str, target: str, *, is_rooted: bool):
    answer = ask(moved, request(f"/{target}" if is_rooted else target))

    if answer.all(BY.encode()) == [b"django"]:
        assert json.loads(answer.body)["path"] not in {"/moved/", "/healthz"}
    else:
        assert answer.status in {200, 400}


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

        async def is_ready() -> bool:
            return (await opened.get("/readyz")).status_code == 200  # the outage of another test broke its connections

        await until(is_ready)
        await until(has_moved)
        yield opened


@pytest.fixture
async def username(database_url: str) -> str:
    database = await open_database(database_url)
    name = f"ada_{secrets.token_hex(4)}"
    await Cast(database).add(name)
    await database.close()
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
