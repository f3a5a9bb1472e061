"""A front that asks the other app as well, and what came of it."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import httpx
from prometheus_client import CollectorRegistry
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.cutover import WHOLE, Plan, Side, Stage, Standing, Verdict
from bridge.services.clock import system_clock
from bridge.services.shadowing import Shadowing
from bridge.store.database import Batch, Database, Dialect, Executor, Parameters, Reading, Row
from bridge.store.differences import Differences
from bridge.web.cutover.shadow import Limits, Shadow

SHADOWED = Standing(Stage.SHADOW, WHOLE)
REVERSED = Standing(Stage.MIGRATED, WHOLE)

DEFAULTS = Limits()

T = TypeVar("T")
Respond = Callable[[Scope], Awaitable["Given"]]


class Awaited(list[T]):
    """A list that can be waited for until there is enough in it."""

    def __init__(self) -> None:
        super().__init__()
        self._grown = asyncio.Event()

    def append(self, value: T) -> None:
        super().append(value)
        self._grown.set()

    async def of(self, number: int) -> list[T]:
        async with asyncio.timeout(20):
            while len(self) < number:
                self._grown.clear()
                await self._grown.wait()
        return self


@dataclass(frozen=True)
class Given:
    """An answer that an app of the tests gives."""

    body: bytes = b"{}"
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)
    pieces: int = 1


@dataclass
class App:
    """An ASGI app that answers as it is told, and remembers who asked."""

    respond: Respond
    asked: "Awaited[Scope]" = field(default_factory=Awaited[Scope])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope)
        request = await receive()
        assert (request["type"], request.get("body", b"")) == ("http.request", b"")
        given = await self.respond(scope)
        await send({"type": "http.response.start", "status": given.status, "headers": list(given.headers)})
        for left in reversed(range(given.pieces)):
            await send({"type": "http.response.body", "body": given.body, "more_body": left > 0})


def answering(body: bytes = b"{}", **more: Any) -> App:
    """Give the same answer each time."""

    async def respond(scope: Scope) -> Given:
        return Given(body, **more)

    return App(respond)


def answering_in_turn(*bodies: bytes) -> App:
    """Give one answer after the other, and the last for ever."""
    left = list(bodies)

    async def respond(scope: Scope) -> Given:
        return Given(left.pop(0) if len(left) > 1 else left[0])

    return App(respond)


@dataclass
class Counted:
    """The verdicts that reached ``Traffic``, and which app was run again with what status."""

    verdicts: "Awaited[Verdict]" = field(default_factory=Awaited[Verdict])
    roles: list[str] = field(default_factory=list)
    runs: list[tuple[Side, int]] = field(default_factory=list)

    def compared(self, operation: str, *, role: str, status: int, verdict: Verdict) -> None:
        self.roles.append(role)
        self.verdicts.append(verdict)

    def ran(self, operation: str, *, side: Side, role: str, status: int, seconds: float) -> None:
        self.runs.append((side, status))

    async def settled(self, number: int = 1) -> list[Verdict]:
        """Wait for so many verdicts."""
        return await self.verdicts.of(number)


@dataclass
class Front:
    """What stands before both apps."""

    app: ASGIApp
    upstream: ASGIApp
    shadow: Shadow
    counted: Counted
    standing: Standing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answers = self.app if self.standing.stage is Stage.MIGRATED else self.upstream
        with self.shadow.watching(scope, send, shape="GET /it/", standing=self.standing) as sending:
            await answers(scope, receive, sending)

    async def ask(self, method: str = "GET", path: str = "/it/", **more: Any) -> httpx.Response:
        transport = httpx.ASGITransport(self)
        async with httpx.AsyncClient(transport=transport, base_url="http://shop.example") as client:
            return await client.request(method, path, **more)


async def knowing_nobody(scope: Scope) -> None:
    """Leave open who asks, as a bridge does whose database is away."""


def front(
    app: ASGIApp,
    upstream: ASGIApp,
    *,
    database: Database,
    standing: Standing = SHADOWED,
    limits: Limits = DEFAULTS,
    **more: Any,
) -> Front:
    counted = Counted()
    shadowing = Shadowing(
        counts=counted,
        differences=Differences(database),
        plan=Plan(),
        digest_key=b"the tests' own",
        registry=CollectorRegistry(),
        clock=system_clock,
    )
    shadow = Shadow(
        app=app,
        upstream=upstream,
        database=database,
        shadowing=shadowing,
        identify=knowing_nobody,
        limits=limits,
        **more,
    )
    return Front(app, upstream, shadow, counted, standing)


@dataclass
class _Nothing:
    tried_to_write: bool = False

    async def __aenter__(self) -> Reading:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass


class NoDatabase:
    """A database that the apps of a test do not use, and that forgets what it is told."""

    dialect: Dialect = "sqlite"

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        raise NotImplementedError

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> list[Row]:
        raise NotImplementedError

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        return 0

    def transaction(self) -> AbstractAsyncContextManager[Executor]:
        raise NotImplementedError

    def batch(self) -> AbstractAsyncContextManager[Batch]:
        raise NotImplementedError

    def read_only(self, *, statement_timeout: timedelta) -> AbstractAsyncContextManager[Reading]:
        return _Nothing()

    def unhurried(self) -> Database:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError
