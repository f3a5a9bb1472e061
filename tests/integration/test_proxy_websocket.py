"""WebSockets through the bridge: a real client, and a small site that echoes, refuses and closes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Final

import pytest
from starlette.types import Receive, Scope, Send
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.integration.test_proxy_failures import bridge, serving
from tests.site.passing import Passing

SECONDS: Final = 20.0
MESSAGE_BOUND: Final = 16 * 1024 * 1024
BODIES: Final = {"/at-length": b"no " * 20_000, "/at-too-great-length": b"no " * 40_000}


async def site(scope: Scope, receive: Receive, send: Send) -> None:
    """Echoes; what it is asked for by its path, it does."""
    if scope["type"] == "lifespan":
        return
    await receive()
    if scope["path"] in BODIES:
        body = BODIES[scope["path"]]
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "websocket.http.response.start", "status": 418, "headers": headers})
        for start in range(0, len(body), 1000):
            await send({"type": "websocket.http.response.body", "body": body[start : start + 1000], "more_body": True})
            await asyncio.sleep(0)
        await send({"type": "websocket.http.response.body", "body": b""})
        return
    if scope["path"] == "/refuses":
        await send({"type": "websocket.http.response.start", "status": 401, "headers": [(b"x-why", b"no session")]})
        await send({"type": "websocket.http.response.body", "body": b"log in"})
        return
    headers = [(b"set-cookie", b"seen=1"), (b"set-cookie", b"twice=2")]
    protocol = next((each for each in scope["subprotocols"] if each == "chat.v2"), None)
    await send({"type": "websocket.accept", "subprotocol": protocol, "headers": headers})
    if scope["path"] == "/tells":
        told = {name: value for name, value in scope["headers"] if name in (b"cookie", b"origin", b"x-forwarded-for")}
        asked = scope["raw_path"] + b"?" + scope["query_string"]
        await send({"type": "websocket.send", "bytes": b"\n".join((asked, *sorted(told.values())))})
    if scope["path"] == "/closes":
        await send({"type": "websocket.close", "code": 4003, "reason": "enough"})
        return
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})
    left.append((message["code"], message.get("reason")))


left: Final[list[tuple[int, str | None]]] = []


@pytest.fixture
async def address() -> AsyncIterator[str]:
    left.clear()
    async with AsyncExitStack() as stack:
        port = await stack.enter_async_context(serving(site))
        yield f"ws://127.0.0.1:{await stack.enter_async_context(bridge(f'http://127.0.0.1:{port}'))}"


async def received(connection: ClientConnection) -> str | bytes:
    return await asyncio.wait_for(connection.recv(), SECONDS)


@pytest.mark.parametrize("message", ["text \u00e9", b"\x00\xff", "", b"", "x" * 1_000_000], ids=ascii)
async def test_a_message_goes_both_ways(address: str, message: str | bytes):
    async with connect(address) as connection:
        await connection.send(message)

        assert await received(connection) == message


async def test_messages_keep_their_order(address: str):
    async with connect(address) as connection:
        for number in range(200):
            await connection.send(str(number))

        assert [await received(connection) for _ in range(200)] == [str(number) for number in range(200)]


async def test_the_site_chooses_the_subprotocol(address: str):
    async with connect(address, subprotocols=["chat.v1", "chat.v2"]) as connection:  # type: ignore[list-item]  # names
        assert connection.subprotocol == "chat.v2"


async def test_the_handshake_goes_on_as_it_came(address: str):
    told = {"Cookie": "sessionid=abc", "X-Forwarded-For": "6.6.6.6"}
    async with connect(f"{address}/tells?b&c=%20", additional_headers=told, origin="http://shop") as connection:  # type: ignore[arg-type]  # a name
        assert await received(connection) == b"/tells?b&c=%20\n127.0.0.1\nhttp://shop\nsessionid=abc"


async def test_the_handshakes_answer_comes_back_as_it_is(address: str):
    async with connect(address) as connection:
        assert connection.response is not None
        assert connection.response.headers.get_all("set-cookie") == ["seen=1", "twice=2"]


async def test_a_refused_handshake_is_refused_as_by_the_site(address: str):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{address}/refuses"):
            pass

    answer = refused.value.response
    assert (answer.status_code, answer.headers["x-why"], answer.body) == (401, "no session", b"log in")


@pytest.mark.parametrize(("path", "status"), [("/at-length", 418), ("/at-too-great-length", 403)])
async def test_a_refusal_is_given_whole_or_not_at_all(address: str, path: str, status: int):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(f"{address}{path}"):
            pass

    answer = refused.value.response
    assert answer.status_code == status
    assert status == 403 or answer.body == BODIES[path]


async def test_a_handshake_for_several_hosts_is_refused(address: str):
    with pytest.raises(InvalidStatus) as refused:
        async with connect(address, additional_headers={"Host": "elsewhere.example"}):
            pass

    assert refused.value.response.status_code == 403


async def test_a_site_that_is_away_refuses():
    async with bridge("http://127.0.0.1:1") as port:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{port}"):
                pass

    assert refused.value.response.status_code == 403


async def test_the_client_hears_why_the_site_closed(address: str):
    async with connect(f"{address}/closes") as connection:
        with pytest.raises(ConnectionClosed) as closed:
            await received(connection)

    assert closed.value.rcvd is not None
    assert (closed.value.rcvd.code, closed.value.rcvd.reason) == (4003, "enough")


async def test_the_site_hears_why_the_client_closed(address: str):
    async with connect(address) as connection:
        await connection.send("here")
        await received(connection)
        await connection.close(4001, "done")

    async with asyncio.timeout(SECONDS):
        while not left:  # noqa: ASYNC110  # the site is another server
            await asyncio.sleep(0.005)
    assert left == [(4001, "done")]


async def test_a_ping_is_answered(address: str):
    async with connect(address) as connection:
        await asyncio.wait_for(await connection.ping(), SECONDS)


async def test_a_message_over_the_bound_ends_the_connection(address: str):
    async with connect(address, max_size=None) as connection:
        sent = asyncio.create_task(connection.send(bytes(MESSAGE_BOUND + 1)))
        with pytest.raises(ConnectionClosed) as closed:
            await received(connection)
        await asyncio.wait({sent}, timeout=SECONDS)
        sent.exception()

    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


async def test_a_site_in_this_process_has_no_websockets():
    async with serving(Passing("wsgi:legacy_django.wsgi:application")) as port:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{port}"):
                pass

    assert refused.value.response.status_code == 403
