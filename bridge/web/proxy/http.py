"""Requests to a site in another process: streamed both ways, and never sent twice but where that is safe."""

import asyncio
import logging
import re
from contextlib import suppress
from datetime import timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import aiohttp
from aiohttp import ClientHandlerType, ClientRequest, ClientResponse
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from yarl import URL

from bridge.web.proxy.caller import Caller, Upload, UploadStalled, announces_body, closes
from bridge.web.proxy.forwarding import Forwarding, RawHeaders, answer_headers
from bridge.web.proxy.kept import Disconnected, KeptAnswer, KeptConnections, Switched
from bridge.web.proxy.refusals import late, malformed, stalled, unreachable

__all__ = ["Connections", "HttpProxy", "as_text", "target_of", "url_of", "with_one_host"]

_logger: Final = logging.getLogger(__name__)

# RFC 9110 section 9.2.1. TRACE is none that a site has.
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
# Of the patience that each step is given.
_RENEWED_BELOW: Final = 0.9
_PRINTABLE: Final = "".join(map(chr, range(0x21, 0x7F)))
_AS_IT_IS: Final = re.compile(rb"[\x21-\x7e]*")

Answer = ClientResponse | KeptAnswer


class Connections:
    """The connections to the upstream.

    Attributes:
        kept: that are used again, while they cannot be stale; for what may be sent again if one was.
        fresh: one for each request, so that none is lost on a connection that the upstream was about to close.
    """

    def __init__(self, *, kept: KeptConnections, fresh: aiohttp.ClientSession) -> None:
        self.kept = kept
        self.fresh = fresh

    async def close(self) -> None:
        """Close them all."""
        await self.kept.close()
        await self.fresh.close()


class HttpProxy:
    """An ASGI app for HTTP that has the upstream answer.

    Args:
        base: scheme and authority of the upstream.
        connections: to it.
        forwarding: makes the headers that go on.
        timeout: without a byte from the upstream, of an upload, or to a client that is sent the answer.
    """

    def __init__(self, base: URL, *, connections: Connections, forwarding: Forwarding, timeout: timedelta) -> None:
        self._base = base
        self._connections = connections
        self._forwarding = forwarding
        self._patience = timeout.total_seconds()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back.

        Raises:
            ConnectionAbortedError: the answer ended early; the server then cuts the client off, and nobody takes it for
                whole.
        """
        with Caller(receive, patience=self._patience) as caller:
            refusal = await self._pass_on(scope, send, caller)
            if refusal is not None:
                await refusal(scope, receive, send)

    async def _pass_on(self, scope: Scope, send: Send, caller: Caller) -> Response | None:
        """Give what to refuse with where there is no answer; one that has begun can only be broken off."""
        answer: Answer | None = None
        has_begun = False
        try:
            async with asyncio.timeout(self._patience) as limit:
                caller.limit = limit
                answer = await self._ask(scope, caller)
                caller.limit = None  # no upload puts off what follows
                _extend(limit, self._patience)
                beginning = await _beginning(answer)
                has_begun = True
                await _relay(answer, beginning, send, caller, limit, cuts_off=closes(scope))
        except (aiohttp.ClientError, UploadStalled, TimeoutError, ValueError) as exc:
            if not has_begun:
                return _refusal(exc, has_stalled=caller.has_stalled)
            _logger.warning("an answer of the upstream ended early: %s", type(exc).__name__)
            raise ConnectionAbortedError("the upstream's answer ended early") from exc
        finally:
            caller.limit = None
            if answer is not None:
                answer.close()
        return None

    async def _ask(self, scope: Scope, caller: Caller) -> Answer:
        method: str = scope["method"]
        path, query = target_of(scope)
        headers = with_one_host(as_text(self._forwarding.request_headers(scope)), self._base)
        upload = await caller.upload(has_body=announces_body(scope))
        is_chunked = upload is not None and any(name == b"transfer-encoding" for name, _ in scope["headers"])
        if upload is None and method in _SAFE:
            with suppress(Disconnected):
                return await self._connections.kept.ask(method, f"{path}?{query}" if query else path, headers)
        url = url_of(self._base, path, query)
        passing = _Passing(method, url, headers, upload, is_chunked=is_chunked)
        return await passing.through(self._connections.fresh)


class _Passing:
    """One request, ready to be sent."""

    def __init__(
        self, method: str, url: URL, headers: list[tuple[str, str]], upload: bytes | Upload | None, *, is_chunked: bool
    ) -> None:
        self._method = method
        self._url = url
        self._headers = headers
        self._upload = upload
        self._is_chunked = is_chunked

    async def through(self, session: aiohttp.ClientSession) -> ClientResponse:
        """Send it, and give the answer as soon as its headers are there."""
        says_no_length = self._upload is None and all(name != "content-length" for name, _ in self._headers)
        return await session.request(
            self._method,
            self._url,
            headers=self._headers,
            data=self._upload,
            chunked=True if self._is_chunked else None,
            allow_redirects=False,
            middlewares=(_once_without_length,) if says_no_length else (_once,),
        )


async def _once(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Send a request once: aiohttp itself would send what is idempotent again, PUT and DELETE too."""
    try:
        answer = await handler(request)
    except aiohttp.ClientConnectorError:
        raise
    except (aiohttp.ClientOSError, aiohttp.ClientConnectionResetError, aiohttp.ServerDisconnectedError) as exc:
        raise Disconnected("closed without an answer") from exc
    if answer.status == HTTPStatus.SWITCHING_PROTOCOLS:
        answer.close()
        raise Switched("switched to a protocol that nobody asked for")
    return answer


async def _once_without_length(request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
    """Send a request that announces no length as it is: aiohttp would add ``Content-Length: 0``."""
    request.headers.popall("Content-Length", None)
    return await _once(request, handler)


async def _beginning(answer: Answer) -> bytes | None:
    """Give the first part of an answer whose length is known, for it to go out with the head, in one piece.

    What is streamed may begin long after its head, which then goes ahead: there is None.
    """
    return await answer.content.readany() if answer.headers.get("Content-Length") else None


async def _relay(
    answer: Answer,
    beginning: bytes | None,
    send: Send,
    caller: Caller,
    limit: asyncio.Timeout,
    *,
    cuts_off: bool,
) -> None:
    """Send an answer back as it comes; a client that would be cut off at its end may finish its upload before."""
    headers = answer_headers(answer.raw_headers, status=answer.status)
    _extend(limit, caller.patience)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    more = True
    while more:
        if beginning is None:
            _extend(limit, caller.patience)
            chunk = await answer.content.readany()
        else:
            chunk, beginning = beginning, None
        more = not answer.content.at_eof()
        if cuts_off and not more and caller.is_uploading:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
            limit.reschedule(None)
            await caller.linger()
            chunk = b""
        _extend(limit, caller.patience)
        await send({"type": "http.response.body", "body": chunk, "more_body": more})


def _extend(limit: asyncio.Timeout, patience: float) -> None:
    """Give the next step its time: a timer that is moved with each one costs more than what it guards.

    It also ends the wait for an answer that aiohttp cannot make sense of, which its own does not, and gives up a
    client that reads nothing: the server cuts it off, and the upstream's connection is free again. uvicorn waits for
    room before it writes, and closes where the app raises. It keeps what it has written, some 64 KiB or one chunk, for
    as long as the client keeps the connection; an ASGI app can do no more.
    """
    now, due = asyncio.get_running_loop().time(), limit.when()
    if due is None or due - now < _RENEWED_BELOW * patience:
        limit.reschedule(now + patience)


def target_of(scope: Scope) -> tuple[str, str]:
    """Give path and query as they were sent.

    Raises:
        ValueError: the request is for no path.
    """
    path: bytes = scope.get("raw_path") or quote(scope["path"]).encode()
    if not path.startswith(b"/") or scope.get("method") == "CONNECT":
        raise ValueError("not a request for a path")
    return _ascii(path), _ascii(scope["query_string"])


def url_of(base: URL, path: str, query: str) -> URL:
    """Give the URL at the upstream."""
    return URL.build(scheme=base.scheme, authority=base.raw_authority, path=path, query_string=query, encoded=True)


def with_one_host(headers: list[tuple[str, str]], base: URL) -> list[tuple[str, str]]:
    """Give headers that name one host, as a request must (RFC 9112 section 3.2); HTTP/1.0 knows requests for none.

    Raises:
        ValueError: they name several.
    """
    named = sum(name == "host" for name, _ in headers)
    if named > 1:
        raise ValueError("for more than one host")
    return headers if named else [("host", base.host_port_subcomponent or ""), *headers]


def as_text(headers: RawHeaders) -> list[tuple[str, str]]:
    """Give headers as aiohttp takes them, which writes text as UTF-8."""
    return [(name.decode("ascii"), _text(value)) for name, value in headers]


def _text(value: bytes) -> str:
    """Give the text that becomes the same bytes again; a value that is not UTF-8 is Latin-1, and becomes UTF-8."""
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _ascii(part: bytes) -> str:
    return part.decode("ascii") if _AS_IT_IS.fullmatch(part) else quote(part, safe=_PRINTABLE)


def _refusal(error: Exception, *, has_stalled: bool) -> Response:
    if has_stalled:
        return stalled()
    # A certificate that nobody vouches for is a ValueError as well, and nothing that the client has done.
    if isinstance(error, ValueError) and not isinstance(error, aiohttp.ClientConnectionError):
        return malformed()
    _logger.warning("nothing came from the upstream: %s", type(error).__name__)
    if isinstance(error, TimeoutError):
        return late()
    return unreachable()
