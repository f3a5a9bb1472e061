"""Who answers a request: the bridge, or the Django site behind it. Pure ASGI, before FastAPI's routing."""

import time
from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.cutover import Side, Stage, Standing
from bridge.web.authentication import role_of
from bridge.web.canary import chosen, marking
from bridge.web.composition import Bridge
from bridge.web.cutover import Cutover
from bridge.web.replaying import SHADOW

__all__ = ["Dispatch"]

_UNANSWERED: Final = 500


class Dispatch:
    """Sends each request where its operation stands.

    What the bridge has for its own (logins, reports, ``/docs``) it answers; an endpoint that moves is answered by the
    side that its stage names; all else goes to Django, whatever it is. Without an upstream there is nothing to choose.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one of both sides answer."""
        cutover: Cutover | None = None if scope["type"] == "lifespan" else scope["app"].state.cutover
        if cutover is None or SHADOW in scope:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await cutover.upstream(scope, receive, send)
        elif scope["path"] in cutover.own_paths:
            await self._app(scope, receive, send)
        else:
            await self._dispatch(cutover, scope, receive, send)

    async def _dispatch(self, cutover: Cutover, scope: Scope, receive: Receive, send: Send) -> None:
        answer = _Answer(send)
        method, path = _asked_method(scope), scope["path"]
        handler = cutover.handlers.find(method, path)
        side, shape = Side.LEGACY, None
        try:
            if handler is None:
                bridge: Bridge = scope["app"].state.bridge
                shape = bridge.legacy_operations.find(method, path)
                await cutover.upstream(scope, receive, answer)
            else:
                shape = handler.operation.shape
                standing = cutover.stages.of(shape)
                side = await _side(cutover, standing, scope, answer, shape=shape)
                answering = self._app if side is Side.BRIDGE else cutover.upstream
                with cutover.shadow.watching(scope, answer, shape=shape, standing=standing) as watched:
                    await answering(scope, receive, watched)
        finally:
            # Django does not say whom it answered.
            role = role_of(scope) if side is Side.BRIDGE else "unknown"
            cutover.traffic.count(shape, side=side, role=role, status=answer.status, seconds=answer.seconds)


async def _side(cutover: Cutover, standing: Standing, scope: Scope, answer: "_Answer", *, shape: str) -> Side:
    if standing.stage is not Stage.CANARY:
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
    answer.send = marking(answer.send, choice, is_secure=scope["scheme"] == "https")
    return choice.side


class _Answer:
    """Passes an answer on to the client, and notes its status and how long it took."""

    def __init__(self, send: Send) -> None:
        self.send = send
        self.status = _UNANSWERED
        self._began = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._began

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self.send(message)


def _asked_method(scope: Scope) -> str:
    """Give the method that decides: HEAD is a GET without a body, and a preflight asks on behalf of another method."""
    method: str = scope["method"]
    if method == "HEAD":
        return "GET"
    if method == "OPTIONS":
        return _header(scope["headers"], b"access-control-request-method") or method
    return method


def _header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    return next((value.decode("latin-1") for each, value in headers if each == name), "")
