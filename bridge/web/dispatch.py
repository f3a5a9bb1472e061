"""Who answers a request: the bridge, or the Django site behind it. Pure ASGI, before FastAPI's routing."""

import time
from dataclasses import dataclass, field
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.cutover import Side, Stage
from bridge.web.canary import chosen, marking
from bridge.web.composition import Bridge, Cutover
from bridge.web.operations import Handler
from bridge.web.shadow import Sampled, role_of

__all__ = ["Dispatch"]

_SERVER_ERROR: Final = 500
_SAFE: Final = ("GET", "HEAD")


@dataclass(slots=True)
class _Exchange:
    """One request and what is noted of its answer."""

    scope: Scope
    receive: Receive
    send: Send
    operation: str
    started: float = field(default_factory=time.perf_counter)
    status: int = _SERVER_ERROR

    async def answer(self, message: Message) -> None:
        """Pass a message on to the client, and note the status."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self.send(message)


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
        if cutover is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(cutover, scope, receive, send)
        else:
            await cutover.upstream(scope, receive, send)

    async def _http(self, cutover: Cutover, scope: Scope, receive: Receive, send: Send) -> None:
        method, path = _method(scope), scope["path"]
        if cutover.own.find(method, path) is not None:
            await self._app(scope, receive, send)
            return
        handler = cutover.handlers.find(method, path)
        if handler is None:
            exchange = _Exchange(scope, receive, send, cutover.legacy.find(method, path))
            await self._let_answer(cutover, Side.LEGACY, exchange)
        else:
            await self._staged(cutover, handler, _Exchange(scope, receive, send, handler.operation.shape))

    async def _staged(self, cutover: Cutover, handler: Handler, exchange: _Exchange) -> None:
        standing = cutover.stages.of(exchange.operation)
        side = standing.side(bucket=None)
        if standing.stage is Stage.CANARY:
            side = await self._choose(cutover, exchange)
        if standing.stage in (Stage.SHADOW, Stage.MIGRATED) and exchange.scope["method"] in _SAFE:
            ...
        await self._let_answer(cutover, side, exchange)
