"""Asks the other app as well, off the answer's path, and has both answers compared.

The app that does not answer a client is only asked for what is safe to ask. The bridge runs such a request where it
can only read; Django is asked a second time by the same GET that a client may repeat at any time, and once more only
where the answers differ.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from dataclasses import dataclass
from datetime import timedelta
from random import randrange
from typing import Final

from starlette.types import ASGIApp, Scope, Send

from bridge.cutover import WHOLE, Answer, Side, Stage, Standing, Verdict
from bridge.errors import DatabaseError
from bridge.services.shadowing import FIRST_SERVER_ERROR, Pair, Shadowing
from bridge.store.database import Database
from bridge.web.authentication import role_of
from bridge.web.cutover.budget import Budget
from bridge.web.cutover.replaying import Kept, replay, replayable, unconditional

__all__ = ["Limits", "Shadow"]

_SAFE: Final = ("GET", "HEAD")
_CONDITIONAL_STATUSES: Final = (304, 412)
_FAILED: Final = 500

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Limits:
    """How much shadows may cost a process.

    Attributes:
        per_second: how many are begun, on average; fewer where comparing them is dear. Each takes as much of the
            processor as some ten requests that only pass through, and some of those wait for it.
        burst: how many are begun at once after a while in which there were fewer.
        comparing: how much of the processor each of them may take to compare, on average.
        at_once: how many run.
        open: how many wait, run, or are still being answered to their clients.
        patience: how long one may wait for its turn: what it is compared with grows old.
        deadline: how long an app may take to answer one.
        statement_timeout: how long a statement of the candidate's may take.
        longest: how many bytes of an answer are kept; longer ones are not compared.
    """

    per_second: float = 3.0
    burst: float = 10.0
    comparing: timedelta = timedelta(milliseconds=5)
    at_once: int = 2
    open: int = 32
    patience: timedelta = timedelta(seconds=5)
    deadline: timedelta = timedelta(seconds=10)
    statement_timeout: timedelta = timedelta(seconds=2)
    longest: int = 262_144


@dataclass(frozen=True, slots=True)
class _Request:
    """A request that was answered.

    Attributes:
        shape: of its operation.
        scope: as it came.
        seen: as the app that answered it left it.
        by: which app answered.
        answer: what it answered.
        at: when that was complete, on the monotonic clock.
    """

    shape: str
    scope: Scope
    seen: Scope
    by: Side
    answer: Answer
    at: float

    @property
    def can_be_asked_again(self) -> bool:
        """Tell whether the other app's answer says anything.

        It does not where the first depended on a client's copy or body, was too long, or was an error of Django's.
        """
        headers = dict(self.scope["headers"])
        has_body = b"transfer-encoding" in headers or headers.get(b"content-length", b"0") != b"0"
        is_lost = self.by is Side.LEGACY and self.answer.status >= FIRST_SERVER_ERROR
        is_about_a_copy = self.answer.status in _CONDITIONAL_STATUSES
        return self.answer.is_whole and not (has_body or is_lost or is_about_a_copy)

    def again(self) -> Scope:
        """Give the scope in which the other app is asked."""
        return unconditional(self.scope, status=self.answer.status)


class Shadow:
    """Takes note of answers as they pass, and compares a share of them with the other app's.

    Args:
        app: answers as the bridge; HEAD too, where clients get it.
        upstream: answers as Django.
        database: what ``app`` reads.
        shadowing: judges.
        identify: notes in a scope what kind of user asks, where no handler did, and never raises.
        limits: what all of it may cost.
        draw: a whole number below the one given, at random.
        monotonic: in seconds.
    """

    def __init__(
        self,
        *,
        app: ASGIApp,
        upstream: ASGIApp,
        database: Database,
        shadowing: Shadowing,
        identify: Callable[[Scope], Awaitable[None]],
        limits: Limits = Limits(),
        draw: Callable[[int], int] = randrange,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._app = app
        self._upstream = upstream
        self._database = database
        self._shadowing = shadowing
        self._identify = identify
        self._limits = limits
        self._draw = draw
        self._monotonic = monotonic
        self._budget = Budget(limits.per_second, burst=limits.burst, monotonic=monotonic)
        self._turns = asyncio.Semaphore(limits.at_once)
        self._open = 0
        self._charged = 0.0
        self._tasks: set[asyncio.Task[None]] = set()

    @contextmanager
    def watching(self, scope: Scope, send: Send, *, shape: str, standing: Standing) -> Iterator[Send]:
        """Give what the app that answers is to send with.

        The work begins once the app is done, and never waits or raises here. What there is no room for is counted
        as dropped, and what broke off, or whose client left, as skipped.

        Args:
            scope: of a request, before an app has seen it.
            send: to the client.
            shape: of the operation.
            standing: that the request was routed by.
        """
        by = _answering(standing)
        if by is None or scope["method"] not in _SAFE or self._draw(WHOLE) >= standing.share:
            yield send
            return
        if self._open >= self._limits.open or not self._budget.spend(shape):
            kept = Kept(send, longest=0)
            yield kept
            if kept.is_complete:
                self._shadowing.count(shape, Verdict.DROPPED, role=role_of(scope), status=kept.answer.status)
            return
        kept = Kept(send, longest=self._limits.longest)
        before = replayable(scope)
        self._open += 1
        try:
            yield kept
        finally:
            self._open -= 1
            if kept.has_begun and not kept.is_complete:
                self._shadowing.count(shape, Verdict.SKIPPED, role=role_of(scope), status=kept.answer.status)
        if kept.is_complete:
            self._offer(_Request(shape, before, scope, by, kept.answer, self._monotonic()))

    async def close(self) -> None:
        """End what is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _offer(self, request: _Request) -> None:
        if not request.can_be_asked_again:
            self._give_up(request, Verdict.SKIPPED)
            return
        self._open += 1
        # Nothing of the client's request is around it but its scope.
        task = asyncio.create_task(self._run(request), context=Context())
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._open -= 1
        self._tasks.discard(task)

    def _give_up(self, request: _Request, verdict: Verdict) -> None:
        status = request.answer.status
        self._shadowing.count(request.shape, verdict, role=role_of(request.seen), status=status)

    async def _run(self, request: _Request) -> None:
        async with self._turns:
            if self._monotonic() - request.at > self._limits.patience.total_seconds():
                self._give_up(request, Verdict.DROPPED)
                return
            try:
                await self._compare(request)
            except DatabaseError as exc:
                _logger.info("%s was not run again: %s", request.shape, type(exc).__name__)
                self._give_up(request, Verdict.SKIPPED)
            except Exception:
                _logger.exception("%s was not compared", request.shape)
                self._give_up(request, Verdict.SKIPPED)

    async def _compare(self, request: _Request) -> None:
        async def ask_django() -> Answer | None:
            return await self._replay(self._upstream, request.again(), request, side=Side.LEGACY)

        if request.by is Side.BRIDGE:
            pair = await self._pair(request, legacy=await ask_django(), candidate=request.answer, seen=request.seen)
        else:
            pair = await self._with_candidate(request)
        await self._shadowing.judge(request.shape, pair, ask_again=ask_django)
        spent, self._charged = self._shadowing.seconds_spent - self._charged, self._shadowing.seconds_spent
        self._budget.charge(spent / self._limits.comparing.total_seconds())

    async def _with_candidate(self, request: _Request) -> Pair:
        scope = request.again()
        async with self._database.read_only(statement_timeout=self._limits.statement_timeout) as reading:
            candidate = await self._replay(self._app, scope, request, side=Side.BRIDGE)
        if reading.tried_to_write:
            _logger.warning("%s tried to write, where it was only to read", request.shape)
        return await self._pair(
            request, legacy=request.answer, candidate=candidate, seen=scope, tried_to_write=reading.tried_to_write
        )

    async def _pair(
        self,
        request: _Request,
        *,
        legacy: Answer | None,
        candidate: Answer | None,
        seen: Scope,
        tried_to_write: bool = False,
    ) -> Pair:
        host = dict(request.scope["headers"]).get(b"host", b"").decode("latin-1")
        head = request.scope["method"] == "HEAD"
        if role_of(seen) == "unknown":
            await self._identify(seen)
        return Pair(legacy, candidate, role=role_of(seen), head=head, host=host, tried_to_write=tried_to_write)

    async def _replay(self, app: ASGIApp, scope: Scope, request: _Request, *, side: Side) -> Answer | None:
        began = self._monotonic()
        seconds = self._limits.deadline.total_seconds()
        answer = await replay(app, scope, longest=self._limits.longest, seconds=seconds)
        spent, status = self._monotonic() - began, answer.status if answer else _FAILED
        self._shadowing.ran(request.shape, side=side, role=role_of(scope), status=status, seconds=spent)
        return answer


def _answering(standing: Standing) -> Side | None:
    """Say who answers what may be compared."""
    if standing.stage is Stage.SHADOW:
        return Side.LEGACY
    return Side.BRIDGE if standing.stage is Stage.MIGRATED and standing.share else None
