"""Requests, and what is said of their answers: good, refused, cut off, or wrong."""

import asyncio
import json
import math
import random
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import aiohttp

from bench.soak.processes import Server

__all__ = ["Answer", "Asker", "Refused", "Tally", "Unanswered"]

_PATIENCE: Final = 20.0
_KEEP_ALIVE: Final = 1.0
"""Less than any server's: a connection that a server closes while a request is on its way proves nothing."""
_MOST_TOLD: Final = 40
_MOST_REMEMBERED: Final = 12
"""Of each user's requests."""
_LATE: Final = 3.0
_OURS: Final = ("/auth/", "/users/")
"""Paths that a replica answers by itself; everything else there is the site's answer, passed through."""


class Unanswered(Exception):
    """The connection ended; nobody knows what became of the request."""


class Refused(Exception):
    """The server could not do it now. Of a write nobody knows whether it came about."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    headers: Any
    body: bytes

    def json(self) -> Any:
        """Read the body; {} where it is none."""
        try:
            return json.loads(self.body)
        except ValueError:
            return {}

    def cookie(self, name: str) -> str | None:
        """Give what a cookie was set to."""
        for line in self.headers.getall("Set-Cookie", ()):
            key, _, value = line.partition(";")[0].partition("=")
            if key == name:
                return str(value)
        return None


@dataclass(slots=True)
class Tally:
    """What was answered, and when.

    Attributes:
        kinds: how often, by kind.
        wrong: answers that no fault excuses, in words, with what the same user had asked before; the first of them.
        wronged: to whom.
        late: refusals although all servers had answered again since the last fault, in words; the first of them.
        calm_since: when they had; inf until then.
    """

    kinds: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    wronged: set[str] = field(default_factory=set)
    late: list[str] = field(default_factory=list)
    calm_since: float = math.inf
    _good: dict[str, deque[float]] = field(default_factory=dict)
    _asked: dict[str, deque[str]] = field(default_factory=dict)

    def asked(self, what: str, *, who: str, began: float) -> None:
        """Note a request of somebody's, and what came of it."""
        now = time.time()
        told = f"{what} ({now - (time.monotonic() - began):.3f} to {now:.3f})"
        self._asked.setdefault(who, deque(maxlen=_MOST_REMEMBERED)).append(told)

    def good(self, server: str, kind: str, began: float) -> None:
        """Note an answer as it should be, to a request of this time (``time.monotonic``)."""
        self.kinds[kind] += 1
        self._good.setdefault(server, deque(maxlen=64)).append(began)

    def refused(self, what: str, kind: str) -> None:
        """Note that a server could not do something."""
        self.kinds[kind] += 1
        if time.monotonic() > self.calm_since + _LATE and len(self.late) < _MOST_TOLD:
            self.late.append(what)

    def is_wrong(self, what: str, *, who: str) -> None:
        """Note an answer to somebody that must never be."""
        self.kinds["wrong"] += 1
        if len(self.wrong) < _MOST_TOLD:
            before = list(self._asked.get(who, ()))[-2::-1]  # the last one was this
            self.wrong.append("\n      after ".join((what, *before)))
            self.wronged.add(who)

    def good_since(self, server: str, since: float) -> bool:
        """Tell whether a request that began since then was answered well."""
        return any(began >= since for began in self._good.get(server, ()))


class Asker:
    """Asks servers, and counts.

    Attributes:
        cuts: while it is on, clients hang up in the middle of requests.
    """

    def __init__(self, session: aiohttp.ClientSession, tally: Tally, rng: random.Random) -> None:
        self._session = session
        self._rng = rng
        self.tally = tally
        self.cuts = False

    @classmethod
    @asynccontextmanager
    async def opened(cls, tally: Tally, rng: random.Random) -> "AsyncIterator[Asker]":
        """Open the connections."""
        connector = aiohttp.TCPConnector(limit=64, keepalive_timeout=_KEEP_ALIVE)
        async with aiohttp.ClientSession(
            connector=connector, cookie_jar=aiohttp.DummyCookieJar(), timeout=aiohttp.ClientTimeout(total=_PATIENCE)
        ) as session:
            yield cls(session, tally, rng)

    async def ask(
        self,
        server: Server,
        method: str,
        path: str,
        *,
        expect: Collection[int],
        kind: str,
        who: str,
        **given: Any,
    ) -> Answer:
        """Ask, and give an answer with one of the expected statuses.

        Raises:
            Unanswered: or answered with something wrong, which is noted.
            Refused: the server is not able to.
        """
        began = time.monotonic()
        what = f"{server.name} {method} {path} of {who}"
        try:
            answer = await self._send(server, method, path, **given)
        except Unanswered as exc:
            self.tally.asked(f"{what}: {exc}", who=who, began=began)
            raise
        what = f"{what}: {answer.status}"
        self.tally.asked(what, who=who, began=began)
        if answer.status in expect:
            self.tally.good(server.name, kind, began)
            return answer
        is_own = server.name.startswith("bridge") and path.startswith(_OURS)
        if self._is_refusal(answer, is_own=is_own):
            self.tally.refused(what, f"{answer.status} {'bridge' if is_own else 'site'}")
            raise Refused(what)
        self.tally.is_wrong(f"{what}, expected {sorted(expect)}: {answer.body[:200]!r}", who=who)
        raise Unanswered(what)

    async def _send(self, server: Server, method: str, path: str, **given: Any) -> Answer:
        cut = self._rng.expovariate(1 / 0.01) if self.cuts and self._rng.random() < 0.5 else None  # noqa: PLR2004  # half
        try:
            async with (
                asyncio.timeout(cut),
                self._session.request(method, server.address + path, allow_redirects=False, **given) as response,
            ):
                return Answer(response.status, response.headers, await response.read())
        except (aiohttp.ClientError, OSError, TimeoutError) as exc:
            name = "hung up" if cut is not None and isinstance(exc, TimeoutError) else "cut off"
            if name == "hung up":
                self.tally.kinds[name] += 1
            else:
                self.tally.refused(f"{server.name} {method} {path}: {type(exc).__name__}", name)
            raise Unanswered(name) from exc

    def _is_refusal(self, answer: Answer, *, is_own: bool) -> bool:
        """Tell whether the server said, properly, that it cannot do it now."""
        if not is_own:
            # What Django makes of a database that is away is its own: a session that could not be saved it takes for
            # one that was deleted meanwhile, and answers 400. A gateway's words are the bridge's.
            return answer.status in (500, 502, 503, 504) or b"<h1>Bad Request (400)" in answer.body
        told = answer.json()
        is_told = "detail" in told and ("code" in told or "error" in told)
        return answer.status == 503 and is_told and "Retry-After" in answer.headers  # noqa: PLR2004  # as HTTP has it
