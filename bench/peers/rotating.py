"""Refresh tokens that take turns, alone and among requests: the bridge beside SimpleJWT, which rotates as well.

Both keep a record of what they gave out and refuse what was spent. The bridge takes its turns under a lock on the
grant's row, gives a lost answer again, and ends a grant whose tokens come back; SimpleJWT does none of this.
"""

import asyncio
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

import uvloop

from bench.figures import Figure
from bench.peers.sides import BRIDGE, GUNICORN_THREADS, Sides, sides

__all__ = ["measure_mixed", "measure_refresh"]

_CONNECTIONS: Final = 16
_BETWEEN: Final = 19
"""Requests of a mixed load that a client makes before it refreshes."""
_PATIENCE: Final = 30.0
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class _Side:
    """Where a side refreshes and shows who is asking, and what it calls its tokens."""

    refresh: str
    show: str
    refresh_token: str
    access_token: str


_SIDES: Final = {
    BRIDGE: _Side("/auth/refresh", "/profile/", "refresh_token", "access_token"),
    GUNICORN_THREADS: _Side("/token/refresh/", "/users/me/", "refresh", "access"),
}


def measure_refresh(rounds: int, seconds: float) -> list[Figure]:
    """Have 16 users refresh, each with what they got the last time, as fast as they are answered."""
    return _measured("refresh", rounds, seconds, between=0)


def measure_mixed(rounds: int, seconds: float) -> list[Figure]:
    """Have 16 users ask for a protected endpoint, and refresh with every twentieth request."""
    return _measured("mixed", rounds, seconds, between=_BETWEEN)


@dataclass(frozen=True, slots=True)
class _Found:
    """Answers a second, answers other than 200, and the share of a core that asking took."""

    rate: float
    failed: int
    busy: float


class _User:
    """A logged-in user on one connection, and the tokens that they have by now."""

    def __init__(self, side: _Side, address: str, refresh_token: str) -> None:
        self._side = side
        self._parts = urlsplit(address)
        self._refresh_token = refresh_token
        self._access_token = ""
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def refresh(self) -> bool:
        """Exchange the refresh token; tell whether that was answered."""
        body = json.dumps({self._side.refresh_token: self._refresh_token}).encode()
        status, answer = await self._ask(
            f"POST {self._side.refresh} HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n",
            body,
        )
        if status != _OK:
            return False
        found = json.loads(answer)
        self._refresh_token, self._access_token = found[self._side.refresh_token], found[self._side.access_token]
        return True

    async def show(self) -> bool:
        """Ask who is asking; tell whether that was answered."""
        head = f"GET {self._side.show} HTTP/1.1\r\nAuthorization: Bearer {self._access_token}\r\n"
        return (await self._ask(head))[0] == _OK

    async def leave(self) -> None:
        """Close the connection; the tokens stay for another one."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _ask(self, head: str, body: bytes = b"") -> tuple[int, bytes]:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        reader, writer = self._streams
        writer.write(f"{head}Host: {self._parts.netloc}\r\n\r\n".encode() + body)
        async with asyncio.timeout(_PATIENCE):
            answer = (await reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            found = int(answer.split(b" ", 2)[1]), await reader.readexactly(length)
        if b"\r\nconnection: close" in answer:
            await self.leave()
        return found


class _Users:
    """All who ask at one side."""

    def __init__(self, users: Sequence[_User]) -> None:
        self._users = users

    @classmethod
    def of(cls, running: Sides, name: str) -> Self:
        """Give them; each has logged in before."""
        tokens = running.tokens.bridge_refresh if name == BRIDGE else running.tokens.simple_jwt_refresh
        return cls([_User(_SIDES[name], running.addresses[name], each) for each in tokens[:_CONNECTIONS]])

    def measure(self, seconds: float, *, between: int) -> _Found:
        """Have all of them ask for so long."""
        return uvloop.run(self._measure(seconds, between))

    async def _measure(self, seconds: float, between: int) -> _Found:
        answers: list[bool] = []
        for user in self._users:
            await user.refresh()  # an access token of before may have expired
        began, worked = time.perf_counter(), time.process_time()

        def goes_on() -> bool:
            return time.perf_counter() - began < seconds

        await asyncio.gather(*(_go_on(user, answers, goes_on, between) for user in self._users))
        elapsed, work = time.perf_counter() - began, time.process_time() - worked
        for user in self._users:
            await user.leave()
        return _Found(answers.count(True) / elapsed, answers.count(False), work / elapsed)


async def _go_on(user: _User, answers: list[bool], goes_on: Callable[[], bool], between: int) -> None:
    while goes_on():
        answers += [await user.show() for _ in range(between)]
        answers.append(await user.refresh())


def _measured(case: str, rounds: int, seconds: float, *, between: int) -> list[Figure]:
    with sides(*_SIDES) as running:
        users = {name: _Users.of(running, name) for name in _SIDES}
        for each in users.values():
            each.measure(seconds, between=between)  # what a server does but once is no part of any round
        found = []
        for number in range(rounds):
            names = list(users) if number % 2 else list(reversed(users))
            found.append({name: users[name].measure(seconds, between=between) for name in names})
    return [
        Figure.of(
            f"{case}: bridge / {GUNICORN_THREADS}", (each[BRIDGE].rate / each[GUNICORN_THREADS].rate for each in found)
        ),
        *(Figure.of(f"{case}: {name}", (each[name].rate for each in found), unit="/s") for name in _SIDES),
        *(
            Figure.of(f"{case}: {name}: loader's share of a core", (each[name].busy for each in found), unit="core")
            for name in _SIDES
        ),
        *(
            Figure.of(f"{case}: {name}: failed requests", (each[name].failed for each in found), target="0")
            for name in _SIDES
        ),
    ]
