"""What a server of the bridge's keeps in memory of a request before anybody has looked at it."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import uvicorn

from bridge.web.server import BoundedHttp


async def hello(scope, receive, send) -> None:
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body"})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    server = uvicorn.Server(uvicorn.Config(hello, http=BoundedHttp, port=0, lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve())
    async with asyncio.timeout(20):
        while not server.started:  # noqa: ASYNC110  # uvicorn has nothing to wait on
            await asyncio.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


async def answered(port: int, *pieces: bytes) -> list[bytes]:
    """Send, until the server wants no more, and give the status of each answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
        writer.write_eof()
        async with asyncio.timeout(20):
            text = await reader.read()
    except ConnectionError:
        text = b""
    finally:
        writer.close()
    return [part[:3] for part in text.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize("head", [b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\nX-A: "], ids=["path", "header"])
async def test_a_head_without_end_is_cut_off(port: int, head: bytes):
    assert await answered(port, head, *[b"a" * 16_384] * 64) in ([b"431"], [])


async def test_long_heads_and_bodies_that_end_are_read_one_after_the_other(port: int):
    get = b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 60_000 + b"\r\n\r\n"
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 300000\r\n\r\n" + b"b" * 300_000

    assert await answered(port, get, post, get, get) == [b"200"] * 4
