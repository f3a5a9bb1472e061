"""Who answers a request: the bridge, or the Django site behind it. Pure ASGI, before FastAPI's routing."""

import asyncio
import re
import time
from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.cutover import Side, Stage, Standing
from bridge.cutover.inventory import Handler
from bridge.sessions.csrf import CsrfRules, is_allowed_host
from bridge.web.authentication import role_of
from bridge.web.composition import Bridge
from bridge.web.cutover.canary import chosen, marking
from bridge.web.cutover.cutover import Cutover
from bridge.web.cutover.replaying import SHADOW
from bridge.web.cutover.waiting import Waiting
from bridge.web.errors import problem_answer
from bridge.web.tracing import OPERATION

__all__ = ["Dispatch"]

_FAILED: Final = 500
_SLASHES: Final = re.compile(r"^//+")
_BODIES: Final = frozenset({"http.response.body", "http.response.pathsend", "http.response.zerocopysend"})
_LEFT: Final = 499  # as nginx logs a client that did not wait: neither app has failed


class Dispatch:
    """Sends each request where its operation stands.

    What the bridge has for its own (logins, reports, ``/docs``) it answers; an endpoint that moves is answered by the
    side that its stage names; all else goes to Django, whatever it is. Without an upstream there is nothing to choose.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one of both sides answer."""
        cutover: Cutover | Waiting | None = None if scope["type"] == "lifespan" else scope["app"].state.cutover
        if cutover is None or SHADOW in scope:
            await self._app(scope, receive, send)
        elif not _is_plain(scope):
            await _refuse(scope, receive, send)
        elif scope["path"] in cutover.own_paths:
            await self._app(scope, receive, send)
        elif isinstance(cutover, Waiting):
            await cutover.upstream(scope, receive, send)
        elif scope["type"] == "websocket":
            has_moved = _has_moved(cutover, scope["app"].state.bridge, _as_one_slash(scope["path"]))
            answering = self._app if has_moved else cutover.upstream
            await answering(scope, receive, send)
        else:
            await self._dispatch(cutover, scope, receive, send)

    async def _dispatch(self, cutover: Cutover, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = _Exchange(receive, send)
        method, path = _asked_method(scope), _as_one_slash(scope["path"])
        bridge: Bridge = scope["app"].state.bridge
        handler = _handler(cutover, bridge, method, path)
        if handler is not None and not _is_for_site(cutover, scope, bridge.csrf_rules):
            handler = None
        side, shape = Side.LEGACY, None
        try:
            if handler is None:
                shape = bridge.legacy_operations.find(method, scope["path"])
                await cutover.upstream(scope, exchange.receive, exchange.send)
            else:
                shape = handler.operation.shape
                standing = cutover.stages.of(shape)
                side = await _side(cutover, standing, scope, exchange, shape=shape)
                answering = self._app if side is Side.BRIDGE else cutover.upstream
                with cutover.shadow.watching(scope, exchange.send, shape=shape, standing=standing) as watched:
                    await answering(scope, exchange.receive, watched)
        except asyncio.CancelledError:
            exchange.leave()  # the server hangs up
            raise
        finally:
            scope[OPERATION] = (shape, side.value)
            # A preflight asks about another request, and is quicker than that: it is nothing to judge a handler by.
            counted = None if _is_preflight(scope) else shape
            # Django does not say whom it answered, and of what only passes through nobody looks.
            role = "unknown" if handler is None else role_of(scope, session_cookie=bridge.session_cookie)
            cutover.traffic.count(counted, side=side, role=role, status=exchange.status, seconds=exchange.seconds)


async def _side(cutover: Cutover, standing: Standing, scope: Scope, exchange: "_Exchange", *, shape: str) -> Side:
    # A browser's preflight carries nothing that tells who asks: during a canary it is Django's.
    if standing.stage is not Stage.CANARY or scope["method"] == "OPTIONS":
        return standing.side(bucket=None)
    bridge: Bridge = scope["app"].state.bridge
    choice = await chosen(
        scope,
        standing,
        group=cutover.plan.of(shape).group,
        askers=bridge.askers,
        session_cookie=bridge.session_cookie,
        secret_keys=cutover.secret_keys,
    )
    exchange.send_on = marking(exchange.send_on, choice, is_secure=cutover.forwarding.is_secure(scope))
    return choice.side


class _Exchange:
    """Passes a request and its answer on, and notes the status, if there was any, and how long an app took.

    What is spent waiting for the client is not the app's: it could be made to seem slow from outside. Nor is it when
    the client leaves.
    """

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self.send_on = send
        self._status = 0
        self._is_complete = False
        self._has_left = False
        self._began = time.perf_counter()
        self._clients = 0.0

    @property
    def status(self) -> int:
        """What was answered; of an answer that broke off that the app failed, whatever it began with."""
        if self._is_complete:
            return self._status
        return (self._status or _LEFT) if self._has_left else _FAILED

    def leave(self) -> None:
        """Note that the client is gone, or cut off."""
        self._has_left = True

    @property
    def seconds(self) -> float:
        return max(0.0, time.perf_counter() - self._began - self._clients)

    async def receive(self) -> Message:
        waiting_since = time.perf_counter()
        message = await self._receive()
        # Whoever waits for the client to hang up does something else meanwhile.
        if message["type"] == "http.request":
            self._clients += time.perf_counter() - waiting_since
        else:
            self.leave()
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            status = message["status"]
            self._status = _LEFT if self._has_left and status >= _FAILED else status
        waiting_since = time.perf_counter()
        try:
            await self.send_on(message)
        except (OSError, asyncio.CancelledError):
            self.leave()  # or reads nothing, and has been waited for long enough
            raise
        self._clients += time.perf_counter() - waiting_since
        if message["type"] in _BODIES:
            self._is_complete = not message.get("more_body", False)


def _is_plain(scope: Scope) -> bool:
    """Tell whether every server reads the same path and method in a request.

    Some servers let more pass than `bridge serve`'s; Django's own would drop a fragment or a host, and write a method
    in capitals, so that a request for what has moved would be answered there.
    """
    is_path = scope["path"].startswith("/") and b"#" not in (scope.get("raw_path") or b"")
    return is_path and (scope["type"] == "websocket" or scope["method"].isupper())


def _handler(cutover: Cutover, bridge: Bridge, method: str, path: str) -> Handler | None:
    """Give the handler of a request; none for a path that Django has a narrower template for.

    A handler for ``/orders/{id}/`` would take ``/orders/export/`` too, which has not moved with it.
    """
    handler = cutover.handlers.find(method, path) or _retired(cutover, method, path)
    if handler is None or bridge.legacy_operations.has_narrower(path, than=handler.operation.template):
        return None
    return handler


def _retired(cutover: Cutover, method: str, path: str) -> Handler | None:
    """Give the handler of a path but for its slash: Django, which has it no more, sends nobody there (APPEND_SLASH)."""
    handler = None if path.endswith("/") else cutover.handlers.find(method, f"{path}/")
    is_retired = handler is not None and cutover.stages.of(handler.operation.shape).stage is Stage.RETIRED
    return handler if is_retired else None


def _is_for_site(cutover: Cutover, scope: Scope, rules: CsrfRules) -> bool:
    """Tell whether Django would answer for this Host: what it refuses it is to refuse itself, moved or not."""
    if not rules.allowed_hosts:
        return True
    # What Django would be told, and not what a client says that no proxy of ours is behind.
    headers = cutover.forwarding.request_headers(scope) if rules.use_x_forwarded_host else scope["headers"]
    return is_allowed_host(headers, rules=rules)


async def _refuse(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    refusal = problem_answer(400, code="malformed_request", detail="The request cannot be passed on")
    await refusal(scope, receive, send)


def _has_moved(cutover: Cutover, bridge: Bridge, path: str) -> bool:
    """Tell whether Django has a path no more for a WebSocket's handshake, which is a GET to a server of WSGI."""
    handler = _handler(cutover, bridge, "GET", path)
    return handler is not None and cutover.stages.of(handler.operation.shape).side(bucket=None) is Side.BRIDGE


def _as_one_slash(path: str) -> str:
    """Give a path as some servers see it, Django's own among them: they take several slashes in front for one."""
    return _SLASHES.sub("/", path)


def _asked_method(scope: Scope) -> str:
    """Give the method that decides: HEAD is a GET without a body, and a preflight asks on behalf of another method."""
    method: str = scope["method"]
    if method == "HEAD":
        return "GET"
    if method == "OPTIONS":
        return _header(scope["headers"], b"access-control-request-method") or method
    return method


def _is_preflight(scope: Scope) -> bool:
    return scope["method"] == "OPTIONS" and _asked_method(scope) != "OPTIONS"


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    return next((value.decode("latin-1") for each, value in headers if each == name), "")
