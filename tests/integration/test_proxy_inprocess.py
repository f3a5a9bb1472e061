"""A site in the bridge's own process: its threads come back, and nothing runs for who is no longer there."""

import asyncio
import threading
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.errors import ConfigurationError
from bridge.web.proxy.forwarding import Forwarding
from bridge.web.proxy.inprocess import InProcess, load_application
from tests.integration.test_proxy_failures import ask, problem, serving, until
from tests.wire import request

SECONDS: Final = 20.0
THREADS: Final = 10
LARGE: Final = 24 * 1024 * 1024
PLAIN: Final = [("Content-Type", "text/plain")]

StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Site:
    """A WSGI application that does as it is told by the path, and tells what became of it."""

    def __init__(self) -> None:
        self.closed = threading.Event()
        self.released = threading.Event()
        self.broken_off = threading.Event()
        self.written: list[str] = []
        self.waiting: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        behave: Callable[[dict[str, Any], StartResponse], Iterable[bytes]] = getattr(self, environ["PATH_INFO"][1:])
        return behave(environ, start_response)

    def fine(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
        return [b"fine"]

    def empty(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*PLAIN, ("Content-Length", "0")])
        return []

    def tells(self, environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
        yield b"fi"
        yield b"ne"
        self.written.append("what is done after the last byte")

    def goes_on(self, environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", [*PLAIN, ("Content-Length", "4")])
        try:
            while True:
                yield b"fine"
        finally:
            self.closed.set()

    def streams(self, environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        try:
            while True:
                yield b"more" * 4096
        finally:
            self.closed.set()

    def large(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", PLAIN)
        return [b"x" * LARGE]

    def waits(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        self.waiting.append(environ["PATH_INFO"])
        self.released.wait(SECONDS)
        return self.fine(environ, start_response)

    def stops(self, environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        yield b"half"
        self.released.wait(SECONDS)

    def writes(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        self.written.append(environ["REQUEST_METHOD"])
        return self.fine(environ, start_response)

    def reads(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        try:
            environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
        except OSError:
            self.broken_off.set()
            raise
        return self.fine(environ, start_response)

    def echoes(self, environ: dict[str, Any], start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", PLAIN)
        while True:
            yield environ["wsgi.input"].read(4)

    def lies(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [*PLAIN, ("Content-Length", "3")])
        return [b"longer than it said"] * 100


def mounted(site: Site, *, patience: float = SECONDS) -> ASGIApp:
    forwarding = Forwarding(trusted_proxies=(), scheme_header=None)
    mount = InProcess(site, forwarding=forwarding, timeout=timedelta(seconds=patience))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await mount(scope, receive, send)

    return app


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    yield made
    made.released.set()


async def test_a_client_that_hangs_up_ends_an_endless_answer(site: Site):
    async with serving(mounted(site)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/streams"))
        await asyncio.wait_for(reader.readuntil(b"more"), SECONDS)
        writer.close()

        assert await asyncio.to_thread(site.closed.wait, SECONDS)


async def test_threads_come_back_from_clients_that_stopped_reading_and_left(site: Site):
    async with serving(mounted(site)) as port:
        for _ in range(THREADS + 1):
            site.closed.clear()
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request("/streams"))
            await asyncio.wait_for(reader.readuntil(b"more"), SECONDS)
            writer.transport.abort()
            assert await asyncio.to_thread(site.closed.wait, SECONDS)

        assert (await ask(port, request("/fine"))).body == b"fine"


async def test_threads_come_back_from_clients_that_stay_and_read_nothing(site: Site):
    async with serving(mounted(site, patience=0.5)) as port:
        idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(THREADS)]
        for _, writer in idle:
            writer.write(request("/streams"))
        await asyncio.gather(*(reader.readuntil(b"more") for reader, _ in idle))

        # Each waits for a thread no longer than the site has: until one is let go, it is told to be late.
        async with asyncio.timeout(SECONDS):
            while (await ask(port, request("/fine"))).body != b"fine":
                pass
        for _, writer in idle:
            writer.transport.abort()


async def test_a_client_that_reads_slowly_is_given_all_of_a_large_answer(site: Site):
    """The patience is for a step on the way, and not for an answer that the site gave in one piece."""
    async with serving(mounted(site, patience=1.0)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=2**16)
        writer.write(request("/large", "Connection: close"))
        end = b""
        while part := await asyncio.wait_for(reader.read(2**20), SECONDS):
            end = (end + part)[-16:]
            await asyncio.sleep(0.03)  # the pace is what is tested
        writer.close()

    assert end.endswith(b"\r\n0\r\n\r\n")


async def test_a_site_that_says_nothing_is_a_504(site: Site):
    async with serving(mounted(site, patience=0.3)) as port:
        assert problem(await ask(port, request("/waits"))) == (504, "upstream_timeout")
        site.released.set()


async def test_an_answer_that_stops_cuts_the_client_off(site: Site):
    async with serving(mounted(site, patience=2.0)) as port:
        answer = await ask(port, request("/stops"))
        site.released.set()

    assert (answer.body, answer.is_whole) == (b"half", False)


async def test_what_was_told_to_be_late_is_not_done_later(site: Site):
    async with serving(mounted(site, patience=2.0)) as port:
        waiting = [asyncio.create_task(ask(port, request("/waits"))) for _ in range(THREADS)]
        await until(lambda: len(site.waiting) == THREADS)
        late = await ask(port, request("/writes", "Content-Length: 2", method="POST", body=b"{}"))
        site.released.set()
        await asyncio.gather(*waiting)
        assert (await ask(port, request("/writes"))).body == b"fine"

    assert problem(late) == (504, "upstream_timeout")
    assert site.written == ["GET"]


async def test_half_an_upload_is_never_taken_for_all_of_it(site: Site):
    async with serving(mounted(site)) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/reads", "Content-Length: 9000", method="POST", body=b"only the beginning"))
        await writer.drain()
        writer.close()

        assert await asyncio.to_thread(site.broken_off.wait, SECONDS)


async def test_threads_come_back_from_uploads_that_have_stopped(site: Site):
    half = request("/reads", "Content-Length: 10", method="POST", body=b"half")
    async with serving(mounted(site, patience=0.5)) as port, asyncio.timeout(SECONDS):
        refused = await asyncio.gather(*(ask(port, half) for _ in range(THREADS)))

        assert {problem(answer) for answer in refused} == {(408, "request_timeout")}
        assert await asyncio.to_thread(site.broken_off.wait, SECONDS)
        assert (await ask(port, request("/fine"))).body == b"fine"


async def test_an_upload_that_stops_under_an_answer_cuts_the_client_off(site: Site):
    half = request("/echoes", "Content-Length: 10", method="POST", body=b"half")
    async with serving(mounted(site, patience=0.5)) as port, asyncio.timeout(SECONDS):
        answer = await ask(port, half)

    assert (answer.body, answer.is_whole) == (b"half", False)


@pytest.mark.parametrize(("method", "path"), [("GET", "/fine"), ("GET", "/empty"), ("HEAD", "/fine")])
async def test_an_answer_is_complete_with_the_last_byte_that_it_announced(site: Site, method: str, path: str):
    """Its client leaves then, and whoever compares answers would never know that it had all of this one."""
    got, left = bytearray(), asyncio.Event()
    sent: list[Message] = []

    async def receive() -> Message:
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        sent.append(message)
        got.extend(message.get("body", b""))
        if bytes(got) == (b"fine" if (method, path) == ("GET", "/fine") else b""):
            left.set()
            for _ in range(5):  # whatever watches the client has its turn
                await asyncio.sleep(0)

    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b""}
    connection = {"headers": [(b"host", b"localhost")], "scheme": "http", "http_version": "1.1", "root_path": ""}
    await mounted(site)({**scope, **connection, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 2)}, receive, send)

    assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
    assert not sent[-1].get("more_body", False)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_a_site_does_after_the_last_byte_is_done(site: Site, method: str):
    async with serving(mounted(site)) as port:
        for _ in range(20):
            answer = await ask(port, request("/tells", "Connection: close", method=method))
            assert answer.body == (b"fine" if method == "GET" else b"")
        await until(lambda: len(site.written) == 20)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_thread_comes_back_from_an_answer_that_never_ends_and_said_that_it_would(site: Site, method: str):
    async with serving(mounted(site)) as port:
        answer = await ask(port, request("/goes_on", "Connection: close", method=method))

        assert answer.body == (b"fine" if method == "GET" else b"")
        assert await asyncio.to_thread(site.closed.wait, SECONDS)


async def test_a_thread_comes_back_from_an_answer_that_is_longer_than_it_said(site: Site):
    async with serving(mounted(site)) as port:
        for _ in range(THREADS + 1):
            await ask(port, request("/lies"))

        assert (await ask(port, request("/fine"))).body == b"fine"


async def test_more_requests_than_threads_are_all_answered(site: Site):
    async with serving(mounted(site)) as port:
        asked = [asyncio.create_task(ask(port, request("/waits"))) for _ in range(3 * THREADS)]
        await until(lambda: len(site.waiting) == THREADS)
        site.released.set()

        assert {answer.body for answer in await asyncio.gather(*asked)} == {b"fine"}


@pytest.mark.parametrize(
    "name",
    ["nowhere.wsgi:application", "legacy_django.wsgi:app", "legacy_django.wsgi:os"],
    ids=["module", "name", "kind"],
)
def test_an_application_that_is_not_there_is_one_line_with_its_cure(name: str):
    with pytest.raises(ConfigurationError, match="BRIDGE_UPSTREAM=wsgi:") as refused:
        load_application(name)

    assert "\n" not in str(refused.value)
