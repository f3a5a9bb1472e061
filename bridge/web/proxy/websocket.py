"""WebSockets to a site in another process: messages, subprotocols and close codes both ways."""

import asyncio
import logging
from contextvars import ContextVar
from datetime import timedelta
from http import HTTPStatus
from typing import Final

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse, ClientWebSocketResponse, WSMsgType
from starlette.types import Receive, Scope, Send
from yarl import URL

from bridge.web.proxy.forwarding import Forwarding, RawHeaders, answer_headers
from bridge.web.proxy.http import as_text, target_of, url_of, with_one_host

__all__ = ["WebSocketProxy"]

_logger: Final = logging.getLogger(__name__)

_LONGEST_MESSAGE: Final = 16 * 1024 * 1024  # uvicorn's own bound for what clients send
_LONGEST_REFUSAL: Final = 64 * 1024
_HEARTBEAT_SECONDS: Final = 20.0  # as uvicorn's towards the client: a peer that is gone without a word is noticed
_DENIAL: Final = "websocket.http.response"

_NORMAL: Final = 1000
_GOING_AWAY: Final = 1001
_BAD_GATEWAY: Final = 1014  # IANA's WebSocket Close Code Number Registry
_NEVER_SENT: Final = frozenset({0, 1004, 1005, 1006, 1015})  # RFC 6455 section 7.4.1

# The headers of the handshake's answer, which aiohttp keeps to itself.
_answered: ContextVar[RawHeaders] = ContextVar("answered", default=())


class _Refused(aiohttp.ClientError):
    """The upstream answered the handshake with something else; None for a body that is too long to be kept."""

    def __init__(self, answer: ClientResponse, body: bytes | None) -> None:
        super().__init__(f"answered {answer.status}")
        self.status = answer.status
        self.headers = answer.raw_headers
        self.body = body


class WebSocketProxy:
    """An ASGI app for WebSockets that has the upstream answer.

    Args:
        base: scheme and authority of the upstream.
        session: makes the connections.
        forwarding: makes the headers that go on.
        timeout: for the handshake.
    """

    def __init__(
        self, base: URL, *, session: aiohttp.ClientSession, forwarding: Forwarding, timeout: timedelta
    ) -> None:
        self._base = base
        self._session = session
        self._forwarding = forwarding
        self._patience = timeout.total_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the handshake on, and then messages both ways until either closes."""
        if (await receive())["type"] != "websocket.connect":
            return
        try:
            upstream = await self._connected(scope)
        except _Refused as refused:
            await _deny(scope, send, refused)
            return
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            _logger.warning("no WebSocket to the upstream: %s", type(exc).__name__)
            await _deny(scope, send, None)
            return
        async with upstream:
            await send(
                {
                    "type": "websocket.accept",
                    "subprotocol": upstream.protocol,
                    "headers": _own_headers(_answered.get()),
                }
            )
            await _pass_messages(upstream, receive, send)

    async def _connected(self, scope: Scope) -> "ClientWebSocketResponse[bool]":
        headers = with_one_host(as_text(self._forwarding.request_headers(scope)), self._base)
        async with asyncio.timeout(self._patience):
            return await self._session.ws_connect(
                url_of(self._base, *target_of(scope)),
                protocols=scope["subprotocols"],
                headers=[(name, value) for name, value in headers if not name.startswith("sec-websocket-")],
                heartbeat=_HEARTBEAT_SECONDS,
                autoclose=False,
                max_msg_size=_LONGEST_MESSAGE,
            )


async def keep_answer(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Keep what a handshake is answered with; no refusal is followed elsewhere.

    Raises:
        _Refused: it is no WebSocket.
    """
    answer = await handler(request)
    if answer.status != HTTPStatus.SWITCHING_PROTOCOLS:
        try:
            body = await _read(answer)
        finally:
            answer.close()
        raise _Refused(answer, body)
    _answered.set(answer.raw_headers)
    return answer


async def _read(answer: ClientResponse) -> bytes | None:
    body = bytearray()
    async for piece in answer.content.iter_any():
        body += piece
        if len(body) > _LONGEST_REFUSAL:
            return None
    return bytes(body)


async def _deny(scope: Scope, send: Send, refused: _Refused | None) -> None:
    """Refuse the client's handshake as the upstream did; by a plain 403 where the server above can say nothing else."""
    if refused is None or refused.body is None or _DENIAL not in scope.get("extensions", {}):
        await send({"type": "websocket.close"})
        return
    headers = answer_headers(refused.headers, status=refused.status)
    await send({"type": f"{_DENIAL}.start", "status": refused.status, "headers": headers})
    await send({"type": f"{_DENIAL}.body", "body": refused.body})


def _own_headers(raw: RawHeaders) -> list[tuple[bytes, bytes]]:
    """Give what the site says itself: the handshake's own headers are the server's above."""
    headers = answer_headers(raw, status=HTTPStatus.SWITCHING_PROTOCOLS)
    return [(name, value) for name, value in headers if not name.startswith(b"sec-websocket-") and name != b"server"]


async def _pass_messages(upstream: "ClientWebSocketResponse[bool]", receive: Receive, send: Send) -> None:
    up = asyncio.create_task(_to_upstream(upstream, receive))
    down = asyncio.create_task(_to_client(upstream, send))
    try:
        await asyncio.wait((up, down), return_when=asyncio.FIRST_COMPLETED)
    finally:
        up.cancel()
        down.cancel()
        await asyncio.gather(up, down, return_exceptions=True)


async def _to_upstream(upstream: "ClientWebSocketResponse[bool]", receive: Receive) -> None:
    while (message := await receive())["type"] != "websocket.disconnect":
        text = message.get("text")
        if text is not None:
            await upstream.send_str(text)
        else:
            await upstream.send_bytes(message["bytes"])
    code = message.get("code", _NORMAL)
    reason = message.get("reason") or ""
    await upstream.close(code=_GOING_AWAY if code in _NEVER_SENT else code, message=reason.encode())


async def _to_client(upstream: "ClientWebSocketResponse[bool]", send: Send) -> None:
    while True:
        message = await upstream.receive()
        if message.type is WSMsgType.TEXT:
            await send({"type": "websocket.send", "text": message.data})
        elif message.type is WSMsgType.BINARY:
            await send({"type": "websocket.send", "bytes": message.data})
        elif message.type is WSMsgType.CLOSE:
            await upstream.close()
            await _close(send, code=message.data or _NORMAL, reason=message.extra or "")
            return
        else:
            await _close(send, code=_BAD_GATEWAY, reason="")
            return


async def _close(send: Send, *, code: int, reason: str) -> None:
    await send({"type": "websocket.close", "code": _NORMAL if code in _NEVER_SENT else code, "reason": reason})
