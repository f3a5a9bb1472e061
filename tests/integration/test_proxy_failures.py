"""What the bridge does when its upstream, or its client, does not do its part: servers that count, cut and hang."""

import asyncio
import itertools
import json
import re
import socket
import struct
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import uvicorn
import uvloop
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.web.proxy import open_upstream
from bridge.web.server import BoundedHttp
from tests.site.passing import Passing
from tests.wire import Answer, parsed, request

SECONDS: Final = 20.0
PATIENT: Final = timedelta(seconds=SECONDS)
# Where it must run out: at once, and after what has to be in time.
IMPATIENT: Final = timedelta(seconds=0.4)
SOON: Final = timedelta(seconds=2)
POSTED: Final[Scope] = {
    "type": "http",
    "http_version": "1.1",
    "scheme": "http",
    "method": "POST",
    "path": "/",
    "raw_path": b"/",
    "query_string": b"",
    "headers": [(b"host", b"shop")],
    "client": ("192.0.2.1", 1),
}
ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

Reader = asyncio.StreamReader
Writer = asyncio.StreamWriter
Run = Callable[[Coroutine[Any, Any, tuple[int, bytes]]], tuple[int, bytes]]


@dataclass
class Seen:
    """What an upstream saw.

    Attributes:
        connections: how many.
        heads: of the requests, each with its place on its connection.
    """

    connections: int = 0
    heads: list[tuple[int, bytes]] = field(default_factory=list)
    left: asyncio.Event = field(default_factory=asyncio.Event)

    def methods(self) -> list[str]:
        return [head.partition(b" ")[0].decode() for _, head in self.heads]


# An upstream's part from the head of a request on; whether it goes on with this connection.
Play = Callable[[bytes, Reader, Writer, int], Awaitable[bool]]


@asynccontextmanager
async def upstream(play: Play, *, path: str | None = None) -> AsyncIterator[tuple[str, Seen]]:
    """A server that does as it is told, and its address."""
    seen = Seen()

    async def serve(reader: Reader, writer: Writer) -> None:
        seen.connections += 1
        place = 0
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                seen.heads.append((place, head))
                if not await play(head, reader, writer, place):
                    break
                place += 1
        except (asyncio.IncompleteReadError, OSError):
            pass
        finally:
            seen.left.set()
            writer.close()

    if path is None:
        listening = await asyncio.start_server(serve, "127.0.0.1", 0)
        address = f"http://127.0.0.1:{listening.sockets[0].getsockname()[1]}"
    else:
        listening = await asyncio.start_unix_server(serve, path)
        address = f"unix:{path}"
    try:
        yield address, seen
    finally:
        listening.close()


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[int]:
    """An app under a real server, as `bridge serve` has it run; its port."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app, http=BoundedHttp, log_config=None, proxy_headers=False, server_header=False, timeout_graceful_shutdown=2
    )
    server = uvicorn.Server(config)
    task = asyncio.create_task(server.serve([listening]))
    try:
        await until(lambda: server.started)
        yield listening.getsockname()[1]
    finally:
        server.should_exit = True
        await task
        listening.close()


@asynccontextmanager
async def bridge(url: str, *, patience: timedelta = PATIENT) -> AsyncIterator[int]:
    """The bridge before an upstream; its port."""
    async with serving(Passing(url, timeout=patience)) as port:
        yield port


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not holds():  # noqa: ASYNC110  # neither uvicorn nor a test's server tells
            await asyncio.sleep(0.005)


async def ask(port: int, sent: bytes) -> Answer:
    async with asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        received = await reader.read()
        writer.close()
    return parsed(received, is_head=sent.startswith(b"HEAD "))


async def answers(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
    writer.write(ANSWER)
    return True


async def hangs(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
    await reader.read()
    return False


async def cuts(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
    return False


def sending(*parts: bytes) -> Play:
    async def play(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        writer.writelines(parts)
        await writer.drain()
        return False

    return play


def problem(answer: Answer) -> tuple[int, str]:
    assert answer.all(b"content-type") == [b"application/problem+json"]
    assert answer.is_whole
    body = json.loads(answer.body)
    assert body["status"] == answer.status
    return answer.status, body["code"]


# Nothing comes -------------------------------------------------------------------------------------------------------


async def test_an_upstream_that_is_down_is_a_502():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        async with bridge(f"http://127.0.0.1:{taken.getsockname()[1]}") as port:
            assert problem(await ask(port, request("/"))) == (502, "upstream_unavailable")


async def test_an_upstream_that_does_not_speak_http_is_a_502():
    async with upstream(sending(b"220 smtp.example ESMTP\r\n\r\n")) as (url, _), bridge(url) as port:
        assert problem(await ask(port, request("/"))) == (502, "upstream_unavailable")


async def test_an_upstream_that_switches_protocols_unasked_is_a_502():
    switches = b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    async with upstream(sending(switches)) as (url, _), bridge(url) as port:
        assert problem(await ask(port, request("/"))) == (502, "upstream_unavailable")


async def test_an_upstream_that_says_nothing_is_a_504():
    async with upstream(hangs) as (url, _), bridge(url, patience=IMPATIENT) as port:
        assert problem(await ask(port, request("/"))) == (504, "upstream_timeout")


async def test_an_upstream_that_says_nothing_after_a_hint_is_a_504():
    async def hints(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        writer.write(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n")
        return await hangs(head, reader, writer, place)

    async with upstream(hints) as (url, _), bridge(url, patience=IMPATIENT) as port:
        assert problem(await ask(port, request("/"))) == (504, "upstream_timeout")


async def test_an_upstream_that_says_nothing_after_an_upload_is_a_504():
    async with upstream(hangs) as (url, _), bridge(url, patience=SOON) as port:
        for size in (2, 1_000_000):
            sent = request("/", f"Content-Length: {size}", method="POST", body=bytes(size))
            assert problem(await ask(port, sent)) == (504, "upstream_timeout")


async def test_an_upstream_that_does_not_take_an_upload_is_a_504():
    async def takes_nothing(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        await asyncio.sleep(SECONDS)
        return False

    size = 64 * 1024 * 1024
    async with upstream(takes_nothing) as (url, _), bridge(url, patience=IMPATIENT) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/", f"Content-Length: {size}", method="POST"))
        sending_on = asyncio.create_task(_pour(writer, size))
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
        sending_on.cancel()
        writer.close()

    assert head.startswith(b"HTTP/1.1 504 ")


async def _pour(writer: Writer, size: int) -> None:
    for _ in range(size // 65_536):
        writer.write(bytes(65_536))
        await writer.drain()


async def test_the_site_never_sees_a_request_that_was_for_no_path():
    async with upstream(answers) as (url, seen), bridge(url) as port:
        answer = await ask(port, request("/", method="CONNECT"))

    assert answer.status >= 400
    assert seen.heads == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_for_several_hosts_is_refused(method: str):
    async with upstream(answers) as (url, seen), bridge(url) as port:
        answer = await ask(port, request("/", "Host: elsewhere.example", method=method))

    assert answer.status == 400
    assert seen.heads == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_request_for_no_host_is_for_the_upstream(method: str):
    async with upstream(answers) as (url, seen), bridge(url) as port:
        await ask(port, f"{method} / HTTP/1.0\r\n\r\n".encode())

    [(_, head)] = seen.heads
    assert re.findall(rb"(?mi)^host: (.*)\r$", head) == [url.removeprefix("http://").encode()]


@pytest.mark.parametrize(
    "named",
    [
        {"headers": [(b"host", b"shop"), (b"x-mark", b"a\r\nx-forwarded-for: 6.6.6.6")]},
        {"headers": [(b"host", b"shop"), (b"x-mark", b"a\r\n\r\nGET /admin/ HTTP/1.1")]},
        {"headers": [(b"host", b"shop"), (b"x-m\xe4rk", b"a")]},
    ],
    ids=["a-header", "a-request", "no-name"],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_what_a_server_above_lets_through_cannot_become_another_line(method: str, named: dict[str, object]):
    async with upstream(answers) as (url, seen):
        status = await passed_by_hand(url, {"method": method, **named})

    assert status == 400
    assert seen.heads == []


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_path_that_no_line_can_hold_is_quoted(method: str):
    async with upstream(answers) as (url, seen):
        status = await passed_by_hand(url, {"method": method, "raw_path": b"/a b\r\nX: y\xe4", "query_string": b"c d"})

    assert status == 200
    [(_, head)] = seen.heads
    assert head.startswith(f"{method} /a%20b%0D%0AX:%20y%E4?c%20d HTTP/1.1\r\n".encode())


async def passed_by_hand(url: str, named: dict[str, object]) -> int:
    """Pass a request on that no HTTP server has looked at, and give the answer's status."""
    told: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        told.append(message)

    await passed_on(url, {**POSTED, **named}, receive, send)
    status: int = told[0]["status"]
    return status


async def passed_on(url: str, scope: Scope, receive: Receive, send: Send) -> None:
    site = await open_upstream(url)
    try:
        await site(scope, receive, send)
    finally:
        await site.close()


# Once and not twice --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("sent", [("Content-Length: 2", b"{}"), ("X-Nothing: sent", b"")], ids=["body", "no-body"])
async def test_an_unsafe_request_is_sent_once(method: str, sent: tuple[str, bytes]):
    async with upstream(cuts) as (url, seen), bridge(url) as port:
        answer = await ask(port, request("/", sent[0], method=method, body=sent[1]))

    assert problem(answer) == (502, "upstream_unavailable")
    assert seen.methods() == [method]


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_a_safe_request_is_sent_twice_and_no_more(method: str):
    async with upstream(cuts) as (url, seen), bridge(url) as port:
        answer = await ask(port, request("/", method=method))

    assert answer.status == 502
    assert seen.methods() == [method, method]


async def answers_once_a_connection(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
    if place == 0:
        writer.write(ANSWER)
    return place == 0


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
async def test_a_connection_that_went_stale_fails_no_request(method: str):
    async with upstream(answers_once_a_connection) as (url, seen), bridge(url) as port:
        for _ in range(3):
            await ask(port, request("/"))
            assert (await ask(port, request("/", method=method))).body == b"ok"

    assert {place for place, head in seen.heads if not head.startswith(b"GET ")} <= {0}


async def test_connections_are_kept_for_what_is_safe():
    async with upstream(answers) as (url, seen), bridge(url) as port:
        for _ in range(5):
            await ask(port, request("/"))

    assert seen.connections == 1


EMPTY: Final = {
    "to-head": ("HEAD", b"200 OK", b"Content-Length: 2\r\n", False),
    "to-head-in-chunks": ("HEAD", b"200 OK", b"Transfer-Encoding: chunked\r\n", False),
    "nothing-and-a-length": ("GET", b"204 No Content", b"Content-Length: 2\r\n", False),
    "unchanged-and-a-length": ("GET", b"304 Not Modified", b"Content-Length: 2\r\n", False),
    "to-head-of-nothing": ("HEAD", b"200 OK", b"Content-Length: 0\r\n", True),
    "nothing": ("GET", b"204 No Content", b"", True),
    "unchanged": ("GET", b"304 Not Modified", b"", True),
}


@pytest.mark.parametrize(("method", "status", "header", "is_kept"), EMPTY.values(), ids=EMPTY.keys())
async def test_a_body_that_must_not_follow_becomes_nobodys_answer(
    method: str, status: bytes, header: bytes, *, is_kept: bool
):
    async def empty_at_first(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        begins = len(seen.heads) == 1
        writer.write(b"HTTP/1.1 %b\r\n%b\r\n" % (status, header) if begins else ANSWER)
        return True

    async with upstream(empty_at_first) as (url, seen), bridge(url) as port:
        await ask(port, request("/", method=method))
        answer = await ask(port, request("/"))

    assert answer.body == b"ok"
    assert [place for place, _ in seen.heads] == [0, 1 if is_kept else 0]


@pytest.mark.parametrize("unasked", [ANSWER.replace(b"ok", b"!!"), b"!!"], ids=["an-answer", "anything"])
async def test_what_an_upstream_says_unasked_is_nobodys_answer(unasked: bytes):
    connections: list[Writer] = []

    async def keeps(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        connections.append(writer)
        return await answers(head, reader, writer, place)

    async with upstream(keeps) as (url, seen), bridge(url) as port:
        await ask(port, request("/"))
        connections[0].write(unasked)
        answer = await ask(port, request("/"))

    assert answer.body == b"ok"
    assert [place for place, _ in seen.heads] == [0, 0]


# Ends early ----------------------------------------------------------------------------------------------------------

HALVES: Final = {
    "of-a-length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
    "of-chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    "of-a-chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
}


@pytest.mark.parametrize("half", HALVES.values(), ids=HALVES.keys())
async def test_an_answer_that_ends_early_cuts_the_client_off(half: bytes):
    async with upstream(sending(half)) as (url, _), bridge(url) as port:
        answer = await ask(port, request("/"))

    assert (answer.status, answer.is_whole) == (200, False)


HEAD_ALONE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


async def test_an_answer_that_ends_after_its_head_is_a_502():
    async with upstream(sending(HEAD_ALONE)) as (url, _), bridge(url) as port:
        assert problem(await ask(port, request("/"))) == (502, "upstream_unavailable")


async def test_an_answer_that_stops_after_its_head_is_a_504():
    async def stops(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        writer.write(HEAD_ALONE)
        return await hangs(head, reader, writer, place)

    async with upstream(stops) as (url, seen), bridge(url, patience=IMPATIENT) as port:
        assert problem(await ask(port, request("/"))) == (504, "upstream_timeout")
        await asyncio.wait_for(seen.left.wait(), SECONDS)


@pytest.mark.parametrize(
    ("goes_on", "refusals"),
    [
        pytest.param(False, {b"408", b"504"}, id="that has stopped"),  # neither goes on: whose time is up first
        pytest.param(True, {b"504"}, id="that goes on"),
    ],
)
async def test_an_upload_keeps_nobody_waiting_for_an_answer_that_stops_after_its_head(
    refusals: set[bytes], *, goes_on: bool
):
    async def stops(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        writer.write(HEAD_ALONE)
        return await hangs(head, reader, writer, place)

    async with upstream(stops) as (url, _), bridge(url, patience=IMPATIENT) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/", "Content-Length: 1000000", method="POST", body=b"only the beginning"))
        answering = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        async with asyncio.timeout(SECONDS):
            while goes_on and not answering.done():
                writer.write(b"x")
                await asyncio.wait([answering], timeout=IMPATIENT.total_seconds() / 8)
            head = await answering
        writer.close()

    assert head.split(b" ", 2)[1] in refusals


async def test_an_answer_of_no_announced_length_begins_with_its_head():
    may_go_on = asyncio.Event()

    async def streams(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        await may_go_on.wait()
        writer.write(b"4\r\nbody\r\n0\r\n\r\n")
        return False

    async with upstream(streams) as (url, _), bridge(url) as port, asyncio.timeout(SECONDS):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/"))
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK\r\n")
        may_go_on.set()
        assert b"body" in await reader.read()
        writer.close()


async def test_an_answer_that_stops_cuts_the_client_off():
    async def stops(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        writer.write(HALVES["of-a-length"])
        return await hangs(head, reader, writer, place)

    async with upstream(stops) as (url, _), bridge(url, patience=SOON) as port:
        answer = await ask(port, request("/"))

    assert (answer.body, answer.is_whole) == (b"half", False)


async def test_an_answer_that_goes_astray_cuts_the_client_off():
    half_is_there = asyncio.Event()

    async def goes_astray(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        writer.write(HALVES["of-chunks"])
        await half_is_there.wait()
        writer.write(b"no chunk\r\n")
        return await hangs(head, reader, writer, place)

    async with upstream(goes_astray) as (url, _), bridge(url, patience=SOON) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/"))
        async with asyncio.timeout(SECONDS):
            begun = await reader.readuntil(b"half\r\n")
            half_is_there.set()
            answer = parsed(begun + await reader.read())
        writer.close()

    assert (answer.body, answer.is_whole) == (b"half", False)


async def test_an_answer_that_ends_with_its_connection_is_whole():
    async with upstream(sending(b"HTTP/1.0 200 OK\r\n\r\nall of it")) as (url, _), bridge(url) as port:
        answer = await ask(port, request("/"))

    assert (answer.body, answer.is_whole) == (b"all of it", True)


async def test_an_early_answer_comes_before_the_upload_ends():
    async def refuses(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        writer.write(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig")
        await reader.read()  # lingers, as servers do
        return False

    async with upstream(refuses) as (url, _), bridge(url, patience=timedelta(seconds=10)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/", "Content-Length: 1000000", method="POST", body=b"only the beginning"))
        async with asyncio.timeout(5):
            head = await reader.readuntil(b"\r\n\r\n")
            body = await reader.readexactly(3)
        writer.close()

    assert head.startswith(b"HTTP/1.1 413 ")
    assert body == b"big"


async def test_a_client_that_closes_hears_an_early_answer_while_it_uploads():
    """A server that closes on who is sending resets the connection, and the client may never read what came."""
    early = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 3\r\n\r\nbig"
    size = 20 * 1024 * 1024
    async with upstream(sending(early)) as (url, _), bridge(url, patience=timedelta(seconds=10)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/", f"Content-Length: {size}", method="POST"))
        async with asyncio.timeout(SECONDS):
            await _pour(writer, size)
            answer = parsed(await reader.read())
        writer.close()

    assert (answer.status, answer.body, answer.is_whole) == (413, b"big", True)


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX], ids=["tcp", "unix"])
@pytest.mark.parametrize("size", [3, 100_000], ids=["short", "long"])
def test_an_early_answer_is_heard_where_its_connection_was_reset_before_the_next_write(
    run: Run, family: socket.AddressFamily, size: int, tmp_path: Path
):
    early = b"HTTP/1.1 413 Content Too Large\r\nContent-Length: %d\r\n\r\n%s" % (size, b"x" * size)
    with socket.socket(family) as listening:
        listening.bind(("127.0.0.1", 0) if family == socket.AF_INET else str(tmp_path / "site"))
        listening.listen()
        place = listening.getsockname()
        url = f"http://127.0.0.1:{place[1]}" if family == socket.AF_INET else f"unix:{place}"

        assert run(refused_while_uploading(url, listening, early)) == (413, b"x" * size)


async def refused_while_uploading(url: str, listening: socket.socket, early: bytes) -> tuple[int, bytes]:
    """Pass an upload on; before its second part goes on, the answer has come, and the connection is reset."""
    parts = itertools.count(1)
    told: list[Message] = []
    has_told = asyncio.Event()

    async def receive() -> Message:
        part = next(parts)
        if part == 2:
            answer_and_reset(listening, early)
        if part > 4:
            await has_told.wait()
        return {"type": "http.request", "body": b"a part", "more_body": True}

    async def send(message: Message) -> None:
        told.append(message)
        if not message.get("more_body", True):
            has_told.set()

    headers = [(b"host", b"shop"), (b"content-length", b"1000000")]
    async with asyncio.timeout(SECONDS):
        await passed_on(url, {**POSTED, "headers": headers}, receive, send)
    return told[0]["status"], b"".join(each["body"] for each in told[1:])


def answer_and_reset(listening: socket.socket, early: bytes) -> None:
    """Close on a client that is still sending; the event loop stands still, and can have read nothing of it."""
    connection, _ = listening.accept()
    with connection:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.sendall(early)


async def test_what_is_said_before_an_answer_is_not_taken_for_it():
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n"
    async with upstream(sending(hints, ANSWER)) as (url, _), bridge(url) as port:
        assert (await ask(port, request("/"))).body == b"ok"


async def test_a_length_without_a_body_does_not_hold_up_the_answer():
    not_modified = b"HTTP/1.1 304 Not Modified\r\nContent-Length: 512\r\nETag: x\r\n\r\n"
    async with upstream(sending(not_modified)) as (url, _), bridge(url) as port:
        answer = await ask(port, request("/"))

    assert (answer.status, answer.all(b"etag"), answer.is_whole) == (304, [b"x"], True)


# The client's part ----------------------------------------------------------------------------------------------------


async def streams(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"4\r\nmore\r\n")
        await writer.drain()
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("play", "sent", "waits_for"),
    [
        pytest.param(hangs, request("/"), b"", id="while-it-waits"),
        pytest.param(streams, request("/"), b"more", id="while-it-reads"),
        pytest.param(hangs, request("/", "Content-Length: 2", method="POST", body=b"{}"), b"", id="after-its-upload"),
        pytest.param(
            hangs, request("/", "Content-Length: 9000", method="POST", body=b"{}"), b"", id="while-it-uploads"
        ),
    ],
)
async def test_a_client_that_hangs_up_ends_what_runs_for_it(play: Play, sent: bytes, waits_for: bytes):
    async with upstream(play) as (url, seen), bridge(url, patience=timedelta(seconds=60)) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(sent)
        await until(lambda: bool(seen.heads))
        async with asyncio.timeout(SECONDS):
            if waits_for:
                await reader.readuntil(waits_for)
            writer.close()
            await seen.left.wait()


async def test_a_client_that_stays_and_reads_nothing_holds_no_connection_of_the_upstream():
    async def pours(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            writer.write(b"more" * 16_384)
            await writer.drain()

    async with upstream(pours) as (url, seen), bridge(url, patience=SOON) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/"))
        async with asyncio.timeout(SECONDS):
            await reader.readuntil(b"more")
            await seen.left.wait()
        writer.transport.abort()


async def test_a_client_that_stops_in_the_midst_of_an_upload_is_told_so():
    async with upstream(hangs) as (url, _), bridge(url, patience=IMPATIENT) as port:
        answer = await ask(port, request("/", "Content-Length: 9000", method="POST", body=b"only the beginning"))

    assert problem(answer) == (408, "request_timeout")


async def test_a_slow_upload_is_no_late_answer():
    """The upstream's time begins when it has all of it."""

    async def reads(head: bytes, reader: Reader, writer: Writer, place: int) -> bool:
        await reader.readexactly(8)
        return await answers(head, reader, writer, place)

    async with upstream(reads) as (url, _), bridge(url, patience=SOON) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request("/", "Content-Length: 8", method="POST"))
        for _ in range(8):
            await asyncio.sleep(SOON.total_seconds() / 6)
            writer.write(b"x")
        answer = parsed(await asyncio.wait_for(reader.read(), SECONDS))
        writer.close()

    assert answer.body == b"ok"


# What is sent on ------------------------------------------------------------------------------------------------------


def lines(head: bytes) -> list[bytes]:
    """A request's head, without what the bridge says of the client."""
    first, *rest = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    return [first, *sorted(line.lower() for line in rest if not re.match(rb"x-(forwarded|real)", line, re.IGNORECASE))]


@pytest.mark.parametrize(
    ("sent", "arrives"),
    [
        pytest.param(request("/"), [b"GET / HTTP/1.1", b"host: 127.0.0.1"], id="get"),
        pytest.param(request("/", method="DELETE"), [b"DELETE / HTTP/1.1", b"connection: close", b"host: 127.0.0.1"],
                     id="no-body-where-there-was-none"),
        pytest.param(request("//a/../%2F/\x7e?b&c=%20&d=%C3%A9"),
                     [b"GET //a/../%2F/~?b&c=%20&d=%C3%A9 HTTP/1.1", b"host: 127.0.0.1"], id="raw-path-and-query"),
        pytest.param(request("/", "Connection: X-Mine, Host", "X-Mine: 1", "TE: trailers", "Keep-Alive: 5"),
                     [b"GET / HTTP/1.1", b"host: 127.0.0.1"], id="hop-by-hop"),
        pytest.param(request("/", "X-Two: 1", "X-Two: 2"),
                     [b"GET / HTTP/1.1", b"host: 127.0.0.1", b"x-two: 1", b"x-two: 2"], id="repeated"),
    ],
)  # fmt: skip
async def test_a_request_goes_on_as_it_came(sent: bytes, arrives: list[bytes]):
    async with upstream(answers) as (url, seen), bridge(url) as port:
        await ask(port, sent)

    assert [lines(head) for _, head in seen.heads] == [arrives]


async def test_an_upstream_may_listen_on_a_socket_file():
    with tempfile.TemporaryDirectory() as folder:  # its path must be short
        async with upstream(answers, path=str(Path(folder) / "s")) as (url, _), bridge(url) as port:
            assert (await ask(port, request("/"))).body == b"ok"


async def test_more_clients_than_connections_all_get_their_answers():
    async with upstream(answers) as (url, _), bridge(url) as port:
        found = await asyncio.gather(*(ask(port, request("/")) for _ in range(300)))

    assert {answer.body for answer in found} == {b"ok"}
