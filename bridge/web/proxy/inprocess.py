"""A Django site in this process: its WSGI application, run by a2wsgi on a bounded number of threads."""

import asyncio
import logging
import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from importlib import import_module
from typing import Any, Final, Self
from urllib.parse import quote, unquote_to_bytes

from a2wsgi import WSGIMiddleware
from django.core.exceptions import ImproperlyConfigured
from starlette.types import Message, Receive, Scope, Send

from bridge.errors import ConfigurationError
from bridge.web.proxy.caller import UploadStalled, announces_body
from bridge.web.proxy.forwarding import Forwarding, answer_headers
from bridge.web.proxy.refusals import late, stalled

__all__ = ["InProcess", "load_application"]

_logger: Final = logging.getLogger(__name__)

_EXCHANGE: Final = "bridge.exchange"
# As many requests as a site's own server usually runs at a time in one process; each may hold a database connection.
_THREADS: Final = 10
_AT_ONCE: Final = 65_536
_WITHOUT_BODY: Final = (204, 304)

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def load_application(name: str) -> Wsgi:
    """Import ``module:application``.

    It runs the site's start-up, which may query its database: outside of any event loop, and before anything else in
    the process asks for Django's settings.

    Raises:
        ConfigurationError: there is no such application, or the site does not start.
    """
    module, _, attribute = name.partition(":")
    try:
        application: Any = import_module(module)
        for part in attribute.split("."):
            application = getattr(application, part)
    except (ImportError, AttributeError, ImproperlyConfigured) as exc:
        raise ConfigurationError(
            f"BRIDGE_UPSTREAM=wsgi:{name}: {exc}".splitlines()[0],
            cure="Name an importable module and the WSGI application in it, and set what its settings need.",
        ) from exc
    if not callable(application):
        raise ConfigurationError(f"BRIDGE_UPSTREAM=wsgi:{name} is no application", cure="Name the application itself.")
    loaded: Wsgi = application
    return loaded


class InProcess:
    """An ASGI app for HTTP that has a WSGI application of this process answer.

    Args:
        application: the site's.
        forwarding: makes the headers that go on.
        timeout: without a sign of life from the site, of an upload, or from a client that is sent the answer.
    """

    def __init__(self, application: Wsgi, *, forwarding: Forwarding, timeout: timedelta) -> None:
        mounted: Any = _Mounted(application)  # a2wsgi spells out an environ that Django's handler does not
        self._middleware = WSGIMiddleware(mounted, workers=_THREADS)
        self._forwarding = forwarding
        self._patience = timeout.total_seconds()
        self._running: set[asyncio.Task[None]] = set()

    @classmethod
    def load(cls, name: str, *, forwarding: Forwarding, timeout: timedelta) -> Self:
        """Import the application; see ``load_application``."""
        return cls(load_application(name), forwarding=forwarding, timeout=timeout)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the site answer; what it still does after its client was told that it is late is let go."""
        exchange = _Exchange(receive, send, patience=self._patience, is_head=scope["method"] == "HEAD")
        running = asyncio.create_task(self._run(scope, exchange))
        self._running.add(running)
        running.add_done_callback(self._ended)
        try:
            await exchange.end_of(running)
        except (TimeoutError, UploadStalled) as exc:
            _logger.warning("an exchange with the site in this process was given up: %s", type(exc).__name__)
            if exchange.has_started:
                raise ConnectionAbortedError("the site's answer ended early") from None
            refusal = stalled() if isinstance(exc, UploadStalled) else late()
            await refusal(scope, receive, send)
        finally:
            exchange.is_over = True

    async def refuse(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002  # an ASGI app
        """Refuse a WebSocket: WSGI has none."""
        await send({"type": "websocket.close"})

    async def close(self) -> None:
        """Begin nothing more, and wait for what runs."""
        if self._running:
            await asyncio.wait(self._running, timeout=self._patience)
        self._middleware.executor.shutdown(wait=False, cancel_futures=True)

    def _ended(self, running: asyncio.Task[None]) -> None:
        self._running.discard(running)
        # Nobody is left to raise it to where the answer was late.
        error = None if running.cancelled() else running.exception()
        if error is not None:
            _logger.warning("the site in this process failed: %s", type(error).__name__)

    async def _run(self, scope: Scope, exchange: "_Exchange") -> None:
        headers = self._forwarding.request_headers(scope)
        # a2wsgi takes neither a query nor a path that is not UTF-8; _Mounted sets both as they came.
        own: Any = {**scope, "headers": headers, "path": "/", "query_string": b"", _EXCHANGE: exchange}
        own["bridge.path"] = scope.get("raw_path") or quote(scope["path"]).encode()
        own["bridge.query"] = scope["query_string"]
        if not announces_body(scope):
            exchange.watch()
        receive: Any = exchange.receive
        send: Any = exchange.send
        try:
            await self._middleware(own, receive, send)
        finally:
            exchange.stop_watching()
        if exchange.failure is not None:
            raise exchange.failure


class _Exchange:
    """One request and its answer, and whether anybody still waits for it."""

    def __init__(self, receive: Receive, send: Send, *, patience: float, is_head: bool) -> None:
        self._receive = receive
        self._send = send
        self._patience = patience
        self._loop = asyncio.get_running_loop()
        self._deadline: float | None = self._loop.time() + patience
        self._watch: asyncio.Task[None] | None = None
        self._is_head = is_head
        self._to_come: int | None = None
        self._is_complete = False
        self.is_over = False
        self.has_started = False
        self._has_stalled = False
        self.failure: Exception | None = None

    async def end_of(self, running: asyncio.Task[None]) -> None:
        """Wait for the site, as long as it gives signs of life.

        Raises:
            TimeoutError: it gave none.
            UploadStalled: the client gave none, while the site waited for what it had announced.
        """
        while not running.done():
            wait = self._patience if self._deadline is None else self._deadline - self._loop.time()
            if wait <= 0:
                raise TimeoutError
            await asyncio.wait({running}, timeout=wait)
        if self._has_stalled:
            raise UploadStalled  # whatever the site made of it
        running.result()

    async def receive(self) -> Message:
        """Give the site the next part of the body.

        Raises:
            ConnectionResetError: there is none; Django makes an UnreadablePostError of it.
        """
        if self._watch is not None:
            return {"type": "http.request", "body": b"", "more_body": False}
        self._deadline = None  # it is the client's turn
        try:
            async with asyncio.timeout(self._patience):
                message: Message = {"type": "http.disconnect"} if self.is_over else await self._receive()
        except TimeoutError:
            self.is_over = self._has_stalled = True
            raise ConnectionResetError("the client sends nothing more") from None
        finally:
            self._deadline = self._loop.time() + self._patience
        if message["type"] == "http.disconnect":
            self.is_over = True
            raise ConnectionResetError("the client hung up")
        if not message.get("more_body", False):
            self.watch()
        return message

    async def send(self, message: Message) -> None:
        """Pass a part of the answer on, and never raise: a2wsgi's thread would wait for ever for its queue to empty."""
        if self._to_come is not None:
            self._to_come -= len(message.get("body", b""))
        if self._is_complete:
            # The site may go on after the last byte that it announced, but not with more of them.
            self.is_over = self.is_over or self._to_come is None or self._to_come < 0
        if self.is_over or self._is_complete:
            return
        self._deadline = None
        try:
            for piece in self._begun(message) if message["type"] == "http.response.start" else self._continued(message):
                # A client that reads nothing keeps no thread: what is raised in the end has the server cut it off.
                async with asyncio.timeout(self._patience):
                    await self._send(piece)
        except Exception as exc:  # noqa: BLE001  # the server's own; raised where it does no harm
            is_idle = isinstance(exc, TimeoutError)
            self.failure = ConnectionAbortedError("the client reads nothing") if is_idle else exc
            self.is_over = True
        self._deadline = self._loop.time() + self._patience

    def _begun(self, message: Message) -> Iterator[Message]:
        self.has_started = True
        headers = answer_headers(message["headers"], status=message["status"])
        self._to_come = 0 if message["status"] in _WITHOUT_BODY else _announced(headers)
        self._is_complete = self._to_come == 0 or (self._is_head and self._to_come is not None)
        yield {**message, "headers": headers}
        if self._is_complete:
            yield {"type": "http.response.body", "body": b"", "more_body": False}

    def _continued(self, message: Message) -> Iterator[Message]:
        """Give a part of the body, and with the last byte that was announced the end.

        a2wsgi would have the end follow in a message of its own, when the client may be gone.
        """
        self._is_complete = self._to_come == 0 or not message.get("more_body", False)
        return _pieces({**message, "more_body": not self._is_complete})

    def watch(self) -> None:
        """Notice from here on that the client hangs up; there is no more of a body."""
        self._watch = asyncio.create_task(self._until_left())

    def stop_watching(self) -> None:
        """Leave the client alone again."""
        if self._watch is not None:
            self._watch.cancel()

    async def _until_left(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.is_over = self.is_over or not self._is_complete  # the server says the same of an answer that is complete


def _announced(headers: Iterable[tuple[bytes, bytes]]) -> int | None:
    """Give how many bytes an answer is to have; None where it does not say, or says what is no number."""
    given = next((value for name, value in headers if name.lower() == b"content-length"), b"")
    return int(given) if given.isdigit() else None


def _pieces(message: Message) -> Iterator[Message]:
    """Give a part of the answer in pieces that even a slow client takes in time: the site may give all in one."""
    body: bytes = message.get("body", b"")
    last = max(len(body) - 1, 0) // _AT_ONCE * _AT_ONCE
    for start in range(0, last, _AT_ONCE):
        yield {**message, "body": body[start : start + _AT_ONCE], "more_body": True}
    yield {**message, "body": body[last:]} if last else message


class _Mounted:
    """The site's application, told what really came, and stopped when nobody waits for it any more."""

    def __init__(self, application: Wsgi) -> None:
        self._application = application

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        scope = environ.pop("asgi.scope")
        exchange: _Exchange = scope[_EXCHANGE]
        if exchange.is_over:  # before a thread was free
            start_response("503 Service Unavailable", [])
            return []
        environ["PATH_INFO"] = unquote_to_bytes(scope["bridge.path"]).decode("latin-1")
        environ["QUERY_STRING"] = scope["bridge.query"].decode("latin-1")
        environ["wsgi.errors"] = sys.stderr
        return _while_awaited(self._application(environ, start_response), exchange)


def _while_awaited(answer: Iterable[bytes], exchange: _Exchange) -> Iterator[bytes]:
    try:
        for chunk in answer:
            yield chunk
            if exchange.is_over:
                return
    finally:
        close: Callable[[], None] = getattr(answer, "close", lambda: None)
        close()
