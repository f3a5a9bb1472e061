"""How a server of the bridge's reads and writes: what it keeps of a request, and in how many pieces it answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn

from bridge.web.server import BoundedHttp, OnePiece

END = b"\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked" + END
CUT_OFF = [b"cut off"]


async def names_of_headers(scope, receive, send) -> None:
    if scope["path"] == "/streamed":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"8")]})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
    while (await receive()).get("more_body"):
        pass
    names = b" ".join(name for name, _ in scope["headers"])
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(names))]})
    await send({"type": "http.response.body", "body": names})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(names_of_headers, http=BoundedHttp, port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110  # uvicorn has nothing to wait on
            await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def answered(port: int, *pieces: bytes, patience: float = 20) -> list[bytes]:
    """Send piece by piece, each after the server has had its turns, and give each answer from its status on."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            for _ in range(9):
                await asyncio.sleep(0)
        if pieces[-1].endswith(END):
            writer.write_eof()
        async with asyncio.timeout(patience):
            text = await reader.read()
    except ConnectionError:
        return CUT_OFF
    finally:
        writer.close()
    return text.split(b"HTTP/1.1 ")[1:]


def statuses(answers: list[bytes]) -> list[bytes]:
    return answers if answers is CUT_OFF else [answer[:3] for answer in answers]


@pytest.mark.parametrize(
    "begins",
    [
        [b"GET /"],
        [b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "],
        [b"GET / HTTP/1.1\r\nHost: x" + END, b"GET /"],
        [CHUNKED + b"0\r\nX-A: "],
        [CHUNKED + b"0\r\n", b"X-A: a\r\n" * 10_000, b"X-A: "],
        [CHUNKED + b"5;x="],
    ],
    ids=["path", "header", "second", "trailer", "trailers", "extension-of-a-chunk"],
)
async def test_a_head_without_end_is_cut_off_and_so_is_what_follows_a_body(port: int, begins: list[bytes]):
    found = statuses(await answered(port, *begins, *[b"a" * 16_384] * 16, patience=5))

    assert found in ([b"431"], [b"200", b"431"], CUT_OFF)


@pytest.mark.parametrize("upgrade", [b"", b"Connection: upgrade\r\nUpgrade: h2c\r\n"], ids=["plain", "upgrade"])
async def test_what_follows_a_body_is_no_header(port: int, upgrade: bytes):
    head = CHUNKED.replace(b"\r\n", b"\r\n" + upgrade, 1)

    [answer] = await answered(port, head + b"3\r\nabc\r\n0\r\nX-Forwarded-For: 9.9.9.9\r\nAuthorization: x" + END)

    assert answer.endswith(b"host transfer-encoding")
    assert answer.startswith(b"200")


async def test_an_answer_that_is_under_way_is_cut_off_and_nothing_is_written_into_it(port: int):
    begins = CHUNKED.replace(b"/", b"/streamed", 1) + b"0\r\nX-A: "

    found = await answered(port, begins, *[b"a" * 16_384] * 16, patience=5)

    assert found is CUT_OFF or [answer[-4:] for answer in found] == [b"half"]


async def test_long_heads_and_bodies_that_end_are_read_one_after_the_other(port: int):
    get = (b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 30_000, b"a" * 30_000 + END)
    post = (b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n", b"b" * 300_000)

    chunks = (CHUNKED, *[b"4000\r\n" + b"c" * 0x4000 + b"\r\n"] * 9, b"0" + END)

    assert statuses(await answered(port, *get, *post, *chunks, *get, *get)) == [b"200"] * 5


class Written(asyncio.Transport):
    """A connection that remembers what was written to it, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[bytes] = []
        self.has_ended = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.pieces.append(bytes(data))

    def writelines(self, list_of_data) -> None:
        self.pieces.append(b"".join(list_of_data))

    def is_closing(self) -> bool:
        return self.has_ended

    def write_eof(self) -> None:
        self.pieces.append(b"<eof>")

    def close(self) -> None:
        self.has_ended = True


async def test_head_and_body_of_an_answer_are_one_write():
    written = Written()
    transport = OnePiece(written, asyncio.get_running_loop())

    transport.write(b"head ")
    transport.write(b"body")

    assert written.pieces == [b"head body"]


async def test_a_head_whose_body_is_not_there_yet_waits_for_one_turn_and_no_longer():
    written = Written()
    transport = OnePiece(written, asyncio.get_running_loop())

    transport.write(b"head")
    assert written.pieces == []
    await asyncio.sleep(0)
    assert written.pieces == [b"head"]
    transport.write(b"body")
    await asyncio.sleep(0)

    assert written.pieces == [b"head", b"body"]


async def test_nothing_that_was_written_is_lost_when_the_server_hangs_up_nor_written_after_it():
    written = Written()
    transport = OnePiece(written, asyncio.get_running_loop())

    transport.write(b"refusal")
    transport.close()
    assert (written.pieces, written.has_ended) == ([b"refusal"], True)
    transport.write(b"too late")
    await asyncio.sleep(0)

    assert written.pieces == [b"refusal"]


async def test_what_was_written_comes_before_what_is_written_in_another_way():
    written = Written()
    transport = OnePiece(written, asyncio.get_running_loop())

    transport.write(b"one ")
    transport.writelines([b"two ", b"three"])
    transport.write(b"four")
    transport.write_eof()

    assert b"".join(written.pieces) == b"one two threefour<eof>"
