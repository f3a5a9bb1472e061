"""Who answers: the bridge's own endpoints, those that move by their stage, and Django for all else."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from starlette.middleware.cors import CORSMiddleware
from starlette.types import Message

from bridge.cutover import WHOLE, Observed, Side, Stage, Trip
from bridge.store.database import Database
from bridge.web.app import create_app
from tests.conftest import Serve, running, settings_for
from tests.site.telling import router
from tests.web.conftest import PublishedProfile, assert_problem, before_any_database
from tests.web.front import OWN, UPSTREAM, Front, by, in_front

pytestmark = before_any_database

MOVED: Final = "GET /moved/"
SECONDS: Final = 20.0


@pytest.fixture
async def front(service_url: str, database: Database) -> AsyncIterator[Front]:
    async with in_front(service_url, database) as started:
        yield started


# Whose it is ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "OPTIONS"])
async def test_the_bridge_answers_what_is_its_own_by_whatever_method(front: Front, method: str):
    preflight = {"Access-Control-Request-Method": "POST"} if method == "OPTIONS" else {}

    for path in ("/healthz", "/docs", "/auth/token", "/users/me/", "/migration/report", "/metrics"):
        assert await front.ask(path, method, headers=preflight) == OWN, path


async def test_django_answers_all_that_nobody_else_has(front: Front):
    await front.set(MOVED, Stage.MIGRATED)

    for path in ("/", "/nothing/of/this/", "/moved", "/auth/", "/auth/%2e%2e/healthz", "//healthz", "//moved/"):
        assert await front.ask(path) == "django", path
    for method in ("DELETE", "BREW", "OPTIONS"):
        assert await front.ask("/moved/", method) == "django", method


async def test_a_new_handler_waits_until_it_is_released(front: Front):
    assert await front.ask("/moved/") == "django"


@pytest.mark.parametrize(
    ("stage", "share", "side"),
    [
        (Stage.LEGACY, None, "django"),
        (Stage.SHADOW, None, "django"),
        (Stage.CANARY, 0, "django"),
        (Stage.CANARY, WHOLE, "bridge"),
        (Stage.MIGRATED, None, "bridge"),
        (Stage.MIGRATED, WHOLE, "bridge"),
        (Stage.RETIRED, None, "bridge"),
    ],
    ids=str,
)
async def test_the_stage_decides(front: Front, stage: Stage, share: int | None, side: str):
    await front.set(MOVED, stage, share)

    assert await front.ask("/moved/") == side
    assert await front.ask("/moved/", "HEAD") == side
    assert await front.ask("/again/") == "django"


async def test_methods_and_templates_move_by_themselves(front: Front):
    await front.set("POST /moved/", Stage.MIGRATED)
    await front.set("GET /moved/{number}/", Stage.MIGRATED)

    assert await front.ask("/moved/", "POST") == "bridge"
    assert await front.ask("/moved/7/") == "bridge"
    assert await front.ask("/moved/") == "django"


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_handler_with_a_parameter_takes_no_path_that_django_has_a_view_of_its_own_for(
    front: Front, method: str
):
    """The shop has ``/api/items/``, for GET alone: no part of it has moved with ``/api/{name}/``."""
    await front.set(f"{method} /api/{{name}}/", Stage.MIGRATED)

    assert await front.ask("/api/items/", method) == "django"
    assert await front.ask("/api/nothing-of-djangos/", method) == "bridge"


async def test_who_leaves_out_the_slash_of_what_is_retired_is_sent_there(front: Front):
    """Django has no view any more that it would send them to (APPEND_SLASH); before, it has."""
    await front.set(MOVED, Stage.MIGRATED)
    before = await front.client.get("/moved")
    await front.set(MOVED, Stage.RETIRED)
    after = await front.client.get("/moved?a=1")

    assert by(before) == "django"
    assert (after.status_code, after.headers["location"]) == (307, "http://bridge/moved/?a=1")
    assert await front.ask("/moved", "POST") == "django"


async def test_a_preflight_follows_the_method_that_it_asks_for(front: Front):
    """The bridge has no CORS of its own: its answer is a 405."""
    await front.set("POST /moved/", Stage.MIGRATED)

    for asked, side in (("POST", OWN), ("GET", "django"), ("HEAD", "django"), ("DELETE", "django"), ("", "django")):
        assert await front.ask("/moved/", "OPTIONS", headers={"Access-Control-Request-Method": asked}) == side, asked


async def test_what_other_origins_may_do_with_what_has_moved_is_for_the_teams_own_middleware(
    service_url: str, database: Database
):
    app = create_app(settings_for(service_url, upstream=UPSTREAM), routers=[router])
    app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"], allow_methods=["POST"])
    async with running(app) as client:
        front = Front(app, client, database)
        await front.set("POST /moved/", Stage.MIGRATED)
        origin = {"Origin": "https://shop.example"}
        preflight = await client.options("/moved/", headers=origin | {"Access-Control-Request-Method": "POST"})
        answer = await client.post("/moved/", headers=origin)

        assert await front.ask("/moved/", "OPTIONS", headers=origin | {"Access-Control-Request-Method": "GET"}) == (
            "django"
        )
    assert (preflight.status_code, preflight.headers["access-control-allow-methods"]) == (200, "POST")
    assert by(answer) == "bridge"
    assert {each.headers["access-control-allow-origin"] for each in (preflight, answer)} == {"https://shop.example"}


async def test_head_is_answered_as_get_is_without_a_body(front: Front):
    await front.set(MOVED, Stage.MIGRATED)

    answer = await front.client.head("/moved/")

    assert (by(answer), answer.status_code, answer.headers["content-length"], answer.content) == (
        "bridge",
        200,
        "2",
        b"",
    )


async def test_back_with_django_after_a_rollback(front: Front):
    await front.set(MOVED, Stage.MIGRATED)
    await front.set(MOVED, Stage.LEGACY)

    assert await front.ask("/moved/") == "django"


async def test_a_handler_that_the_bridges_own_endpoint_hides_changes_nothing(front: Front):
    await front.set("GET /healthz", Stage.MIGRATED)

    assert (await front.client.get("/healthz")).json() == {"status": "ok"}


async def test_without_an_upstream_the_bridge_answers_all_that_it_has(serve: Serve):
    async with serve(routers=(router,)) as client:
        assert by(await client.get("/moved/")) == "bridge"
        assert_problem(await client.get("/nothing/of/this/"), status=404, code="not_found")


async def test_a_shadowed_endpoint_is_answered_by_django_and_compared(front: Front):
    await front.set(MOVED, Stage.SHADOW)

    assert await front.ask("/moved/") == "django"

    async with asyncio.timeout(SECONDS):
        while not await front.counted("bridge_shadow_total"):  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0.01)
    assert list(await front.counted("bridge_shadow_total")) == ["operation=GET /moved/,verdict=mismatch"]


# Requests that two servers could read differently --------------------------------------------------------------------


@dataclass
class Site:
    """A site's server, as far as a socket goes."""

    address: str
    asked: list[bytes] = field(default_factory=list)


Respond = Callable[[asyncio.StreamWriter], Coroutine[Any, Any, None]]


async def answers_like_django(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def never_answers(_: asyncio.StreamWriter) -> None:
    await asyncio.Future()


async def breaks_off(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
    writer.write_eof()


@asynccontextmanager
async def listening(respond: Respond) -> AsyncIterator[Site]:
    site = Site("")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        site.asked.append(await reader.readuntil(b"\r\n\r\n"))
        answering = asyncio.create_task(respond(writer))
        await reader.read()
        answering.cancel()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    site.address = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield site
    server.close()


async def takes_all() -> None:
    pass


async def takes_nothing() -> None:
    await asyncio.Future()


async def has_hung_up() -> None:
    raise ConnectionResetError


async def exchanged(
    front: Front,
    messages: list[Message],
    *,
    pause: float = 0,
    take: Callable[[], Awaitable[None]] = takes_all,
    **scope: Any,
) -> list[Message]:
    """Play a server that is less strict than `bridge serve`'s, and a client that takes its time; give what is sent."""
    sent: list[Message] = []
    received = iter(messages)
    asked: dict[str, Any] = {
        "http_version": "1.1",
        "path": "/moved/",
        "query_string": b"",
        "headers": [(b"host", b"bridge")],
        "client": ("198.51.100.7", 1),
        "server": ("127.0.0.1", 80),
        "state": {},
        "extensions": {},
        **scope,
    }

    async def receive() -> Message:
        await asyncio.sleep(pause)
        try:
            return next(received)
        except StopIteration:
            return await asyncio.Future()

    async def send(message: Message) -> None:
        await asyncio.sleep(pause)
        await take()
        sent.append(message)

    async with asyncio.timeout(SECONDS):
        await front.app(asked, receive, send)
    return sent


@pytest.mark.parametrize(
    ("method", "path", "raw_path"),
    [
        pytest.param("GET", "/moved/#x", b"/moved/#x", id="fragment"),
        pytest.param("GET", "http://shop.example/moved/", b"http://shop.example/moved/", id="absolute"),
        pytest.param("GET", "moved/", b"moved/", id="relative"),
        pytest.param("get", "/moved/", b"/moved/", id="method-in-small-letters"),
        pytest.param("CONNECT", "shop.example:80", b"shop.example:80", id="authority"),
    ],
)
async def test_a_request_that_is_for_no_path_is_refused(front: Front, method: str, path: str, raw_path: bytes):
    """Django's server would take each of the first four for ``GET /moved/``, which has moved."""
    await front.set(MOVED, Stage.MIGRATED)
    request: Message = {"type": "http.request", "body": b"", "more_body": False}

    answer = await exchanged(front, [request], type="http", method=method, path=path, raw_path=raw_path, scheme="http")

    assert answer[0]["status"] == 400


@pytest.mark.parametrize(
    "raw_path", ["/healthz", "/moved/", "//moved/", "/moved/#x"], ids=["own", "moved", "slashes", "fragment"]
)
async def test_a_handshake_is_a_get_and_reaches_no_view_that_has_moved(
    service_url: str, database: Database, raw_path: str
):
    """A server of WSGI takes a WebSocket's handshake for what it also is: GET."""
    async with (
        listening(answers_like_django) as site,
        in_front(service_url, database, upstream=site.address) as front,
    ):
        await front.set(MOVED, Stage.MIGRATED)
        handshake: dict[str, Any] = {"type": "websocket", "scheme": "ws", "subprotocols": [], "path": raw_path}
        answer = await exchanged(front, [{"type": "websocket.connect"}], **handshake, raw_path=raw_path.encode())

    assert [message["type"] for message in answer] == ["websocket.close"]
    assert site.asked == []


# What is counted ------------------------------------------------------------------------------------------------------


async def test_a_preflight_is_no_answer_to_the_operation_that_it_asks_about(front: Front):
    """It is quicker: a handler that is set against it would seem slow."""
    await front.set(MOVED, Stage.CANARY, WHOLE)
    for method in ("GET", "HEAD"):
        await front.ask("/moved/", "OPTIONS", headers={"Access-Control-Request-Method": method})

    assert await front.counted("bridge_requests_total") == {"operation=other,side=legacy,status=2xx": 2}
    assert front.app.state.cutover.traffic.window(MOVED) == Observed()


HOSTILE: Final = ["/a'b\"%0A\\", "/%00", "/{}/{x}/", "/\u202e\U0001f642", "/" + "x" * 5_000, "/moved/1/2/3/", "/..//"]


async def test_requests_are_counted_by_operation_and_never_by_path(front: Front):
    await front.set("GET /moved/{number}/", Stage.MIGRATED)
    for path in ["/moved/1/", "/moved/%E2%82%AC%0A/", "/moved/", *HOSTILE, "/orders/", "/api/orders/17/"]:
        await front.client.get(path)
    await front.client.request("BREW", "/moved/")

    assert await front.counted("bridge_requests_total") == {
        "operation=GET /moved/{}/,side=bridge,status=2xx": 2,
        "operation=GET /moved/,side=legacy,status=2xx": 1,
        "operation=other,side=legacy,status=2xx": len(HOSTILE) + 1,
        "operation=GET /orders/,side=legacy,status=2xx": 1,
        "operation=GET /api/orders/{}/,side=legacy,status=2xx": 1,
    }


async def test_a_handler_trips_however_many_paths_of_the_site_were_asked_for_before(front: Front):
    """Anybody can ask for all of them."""
    traffic = front.app.state.cutover.traffic
    for number in range(2_500):
        traffic.count(f"GET /{number}/", side=Side.LEGACY, role="unknown", status=200, seconds=0)
    await front.set("GET /broken/", Stage.MIGRATED)
    tripping = front.app.state.cutover.tripping
    await tripping.look()

    for _ in range(Trip().minimum):
        await front.client.get("/broken/")
    await tripping.look()

    assert await front.ask("/broken/") == "django"


async def test_a_host_that_the_site_does_not_know_is_its_to_refuse(front: Front):
    await front.set(MOVED, Stage.MIGRATED)

    assert await front.ask("/moved/", headers={"Host": "evil.example"}) == "django"
    assert await front.ask("/moved/", headers={"Host": "localhost:8001"}) == "bridge"


async def test_the_host_is_judged_that_django_would_be_told(
    service_url: str, database: Database, profile: PublishedProfile
):
    """Nobody chooses a side by a header that goes no further: the client is no trusted proxy."""
    await profile.edit(lambda document: document["csrf"].update(use_x_forwarded_host=True))
    async with in_front(service_url, database) as front:
        await front.set(MOVED, Stage.MIGRATED)

        for host, said, side in (
            ("localhost", "evil.example", "bridge"),
            ("evil.example", "localhost", "django"),
        ):
            assert await front.ask("/moved/", headers={"Host": host, "X-Forwarded-Host": said}) == side, host


@pytest.mark.parametrize("path", ["//moved/", "///moved/"])
async def test_slashes_in_front_lead_past_no_stage(front: Front, path: str):
    """Django's own server takes them for one."""
    await front.set(MOVED, Stage.MIGRATED)

    assert await front.ask(f"http://bridge{path}") != "django"


async def test_a_line_break_at_the_end_is_another_path(front: Front):
    await front.set(MOVED, Stage.MIGRATED)

    assert await front.ask("/moved/%0A") == "django"
    assert await front.ask("/healthz%0A") == "django"


async def test_a_client_that_leaves_while_it_uploads_trips_nothing_and_raises_nothing(front: Front):
    """A handler that reads a body itself raises then; the server would log pages of it, for anybody who likes."""
    await front.set("POST /reading/", Stage.MIGRATED)
    leaving: list[Message] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]

    await exchanged(front, leaving, type="http", scheme="http", method="POST", path="/reading/", raw_path=b"/reading/")

    assert await front.counted("bridge_requests_total") == {"operation=POST /reading/,side=bridge,status=4xx": 1}


async def test_a_handler_that_raises_is_an_error_and_counts_as_one(front: Front):
    await front.set("GET /broken/", Stage.MIGRATED)

    assert (await front.client.get("/broken/")).status_code == 500
    assert await front.counted("bridge_requests_total") == {"operation=GET /broken/,side=bridge,status=5xx": 1}


async def test_a_client_that_hangs_up_is_no_error_of_either_app(service_url: str, database: Database):
    """Errors of Django's excuse those of a handler: nobody is to make any by leaving."""
    async with (
        listening(never_answers) as site,
        in_front(service_url, database, upstream=site.address) as front,
    ):
        request: Message = {"type": "http.request", "body": b"", "more_body": False}
        leaving: list[Message] = [request, {"type": "http.disconnect"}]
        assert await exchanged(front, leaving, type="http", scheme="http", method="GET", raw_path=b"/moved/") == []

        assert await front.counted("bridge_requests_total") == {"operation=GET /moved/,side=legacy,status=4xx": 1}


BREAKING_OFF: Final = "GET /breaking-off/"


async def test_a_handler_that_breaks_its_answer_off_has_failed_whatever_it_began_with(front: Front):
    """An export that breaks off for everybody is to go back to Django."""
    await front.set(BREAKING_OFF, Stage.MIGRATED)

    assert (await front.client.get("/breaking-off/")).status_code == 200

    assert await front.counted("bridge_requests_total") == {f"operation={BREAKING_OFF},side=bridge,status=5xx": 1}


async def test_handlers_that_break_off_for_everybody_trip(front: Front):
    await front.set(BREAKING_OFF, Stage.MIGRATED)
    tripping = front.app.state.cutover.tripping
    await tripping.look()

    for _ in range(Trip().minimum):
        await front.client.get("/breaking-off/")
    await tripping.look()

    assert await front.ask("/breaking-off/") == "django"


async def test_an_answer_that_the_site_breaks_off_is_an_error_of_the_sites(service_url: str, database: Database):
    async with (
        listening(breaks_off) as site,
        in_front(service_url, database, upstream=site.address) as front,
    ):
        await front.client.get("/moved/")

        assert await front.counted("bridge_requests_total") == {"operation=GET /moved/,side=legacy,status=5xx": 1}


ASKED: Final[Message] = {"type": "http.request", "body": b"", "more_body": False}
LEFT: Final[Message] = {"type": "http.disconnect"}


@pytest.mark.parametrize("path", ["/never-ending/", "/breaking-off/"])
async def test_a_client_that_leaves_in_the_midst_of_an_answer_makes_no_error(front: Front, path: str):
    operation = f"GET {path}"
    await front.set(operation, Stage.MIGRATED)

    await exchanged(front, [ASKED, LEFT], type="http", scheme="http", method="GET", path=path, raw_path=path.encode())

    assert await front.counted("bridge_requests_total") == {f"operation={operation},side=bridge,status=2xx": 1}


@pytest.mark.parametrize("take", [takes_nothing, has_hung_up])
async def test_a_client_that_cannot_be_sent_an_answer_makes_no_error_of_the_sites(
    service_url: str, database: Database, take: Callable[[], Awaitable[None]]
):
    """Errors of Django's excuse those of a handler."""
    async with (
        listening(answers_like_django) as site,
        in_front(service_url, database, upstream=site.address, upstream_timeout=1) as front,
    ):
        with pytest.raises(ConnectionError):
            await exchanged(front, [ASKED], take=take, type="http", scheme="http", method="GET", raw_path=b"/moved/")

        assert await front.counted("bridge_requests_total") == {"operation=GET /moved/,side=legacy,status=2xx": 1}


async def test_a_client_that_takes_its_time_makes_neither_app_slow(service_url: str, database: Database):
    """Slowness takes an endpoint back: nobody is to bring that about from outside."""
    body: Message = {"type": "http.request", "body": b"{}", "more_body": False}
    posted: dict[str, Any] = {
        "type": "http",
        "scheme": "http",
        "method": "POST",
        "raw_path": b"/moved/",
        "headers": [(b"host", b"bridge"), (b"content-length", b"2")],
    }
    async with (
        listening(answers_like_django) as site,
        in_front(service_url, database, upstream=site.address) as front,
    ):
        for stage in (Stage.LEGACY, Stage.MIGRATED):
            await front.set("POST /moved/", stage)
            answer = await exchanged(front, [body], pause=0.5, **posted)
            assert answer[0]["status"] == 200

        took = await front.counted("bridge_request_duration_seconds_sum")

    assert set(took) == {"operation=POST /moved/,side=legacy", "operation=POST /moved/,side=bridge"}
    assert max(took.values()) < 0.4
