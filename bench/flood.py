"""What logins cost: their rate against the raw hash's, and what 64 at a time do to everybody else.

All users have one value, argon2 with Django's settings: to check it costs what it would if each had their own. Their
failures are not limited (``BRIDGE_LIMIT_*=off``); right passwords never are. A round takes as long as it takes.
"""

import asyncio
import json
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

import psycopg
import uvloop

from bench.connection import connected
from bench.figures import Figure
from bench.rawhashes import RawHashes
from bench.servers import migrated, postgresql, server, wait_for_rest
from bridge.passwords.policy import PasswordPolicy
from bridge.passwords.pool import HashingPool

__all__ = ["measure_flood", "measure_login"]

_USERS: Final = 64
_FLOOD: Final = 64
_LOGINS: Final = 192
"""A round of either side is so many hashes: long enough for how it begins and ends to make no difference."""
_AT_ONCE: Final = 24
"""Log in, again and again."""
_ASKING: Final = 16
_EACH_SECOND: Final = 200
_LEAST_SECONDS: Final = 3.0
_UNDER_WAY: Final = 1.0
_HASH_MIB: Final = 100
_PATIENCE: Final = 60.0
_PASSWORD: Final = secrets.token_urlsafe(12)
_LIMITS: Final = {f"BRIDGE_LIMIT_{name}": "off" for name in ("ACCOUNT", "NETWORK", "EVERYBODY", "DEVICE")}
_INSERT: Final = (
    "INSERT INTO auth_user (username, password, is_active, email, first_name, last_name, is_staff, is_superuser,"
    " date_joined) SELECT 'user' || n, %s, true, '', '', '', false, false, now() FROM generate_series(0, %s) n"
)


def measure_login(rounds: int, seconds: float) -> list[Figure]:  # noqa: ARG001  # a round is a number of logins
    """Have as many hashes made by logins as by bare threads before them, and after them.

    What logins are compared with is the mean of the two: a machine that grows slower or faster does so for both. How
    much faster the bridge's hashes are than argon2-cffi's own calls, which Django makes, is measured afterwards.
    """
    with _bridge() as (address, _), RawHashes.started() as raw:
        found = uvloop.run(_login_rounds(address, raw, rounds))
        stock = uvloop.run(_stock_rounds(raw, rounds))
    ratios = [each.logins / each.bare for each in found]
    beside_stock = (ratio * faster for ratio, faster in zip(ratios, stock, strict=True))
    return [
        Figure.of("logins / raw hashes of argon2-cffi's own calls", beside_stock, target=">= 0.95"),
        Figure.of("logins / raw hashes as the bridge makes them", ratios, target=">= 0.95"),
        Figure.of("raw hashes as the bridge makes them / argon2-cffi's own calls", stock),
        Figure.of("logins, argon2", (each.logins for each in found), unit="/s"),
        Figure.of("raw hashes in as many threads", (each.bare for each in found), unit="/s"),
    ]


def measure_flood(rounds: int, seconds: float) -> list[Figure]:
    """Ask for a protected endpoint at a fixed rate, in turns with nobody and with 64 logging in at any time."""
    with _bridge() as (address, process):
        found = uvloop.run(_flood_rounds(address, process, rounds, max(seconds, _LEAST_SECONDS)))
    slots = HashingPool().workers
    return [
        Figure.of("p99 in the flood / at rest", (each.flood.p99 / each.rest.p99 for each in found), target="at most 3"),
        Figure.of(
            f"peak memory above idle / {slots} slots x {_HASH_MIB} MiB",
            (each.memory / (slots * _HASH_MIB) for each in found),
            target="at most 1.2",
        ),
        Figure.of("p99 at rest", (each.rest.p99 for each in found), unit="ms"),
        Figure.of("p99 in the flood", (each.flood.p99 for each in found), unit="ms"),
        Figure.of("median at rest", (each.rest.median for each in found), unit="ms"),
        Figure.of("median in the flood", (each.flood.median for each in found), unit="ms"),
        Figure.of("peak memory in the flood, above idle", (each.memory for each in found), unit="MiB"),
        Figure.of("memory after the flood, above idle", (each.kept for each in found), unit="MiB"),
        Figure.of("logins in the flood", (each.logins for each in found), unit="/s"),
        Figure.of("503 of these, a second", (each.refused for each in found), unit="/s"),
    ]


@dataclass(frozen=True, slots=True)
class _Rates:
    """Of one round: logins, and hashes without them, a second."""

    logins: float
    bare: float


@dataclass(frozen=True, slots=True)
class _Times:
    """Of the protected endpoint's answers, in milliseconds."""

    median: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self:
        return cls(statistics.median(seconds) * 1000, statistics.quantiles(seconds, n=100)[-1] * 1000)


@dataclass(frozen=True, slots=True)
class _Round:
    """Of one round: times, peak and remaining memory above idle in MiB, logins and refusals a second."""

    rest: _Times
    flood: _Times
    memory: float
    kept: float
    logins: float
    refused: float


@dataclass(slots=True)
class _Flood:
    """Somebody logs in at any time, so many at once."""

    address: str
    statuses: list[int] = field(default_factory=list)
    _goes_on: bool = True

    @asynccontextmanager
    async def on(self) -> AsyncIterator[None]:
        """Keep them coming; at the end each gets its last answer."""
        clients = [asyncio.create_task(self._log_in(number)) for number in range(_FLOOD)]
        await asyncio.sleep(_UNDER_WAY)
        try:
            yield
        finally:
            self._goes_on = False
            await asyncio.gather(*clients)

    async def _log_in(self, number: int) -> None:
        async with connected(self.address) as connection:
            while self._goes_on:
                status, _ = await connection.log_in(f"user{number}", _PASSWORD)
                self.statuses.append(status)


async def _login_rounds(address: str, raw: RawHashes, rounds: int) -> list[_Rates]:
    async with connected(address) as connection:
        await connection.log_in("user0", _PASSWORD)  # the floor has been measured
    await _login_rate(address)  # every thread and every connection is there
    found, before = [], await raw.rate(_LOGINS)
    for _ in range(rounds):
        logins = await _login_rate(address)
        after = await raw.rate(_LOGINS)
        found.append(_Rates(logins=logins, bare=statistics.harmonic_mean((before, after))))
        before = after
    return found


async def _stock_rounds(raw: RawHashes, rounds: int) -> list[float]:
    return [await raw.rate(_AT_ONCE) / await raw.rate(_AT_ONCE, is_stock=True) for _ in range(rounds)]


async def _login_rate(address: str) -> float:
    async def log_in(number: int) -> None:
        async with connected(address) as connection:
            for _ in range(_LOGINS // _AT_ONCE):
                status, _ = await connection.log_in(f"user{number}", _PASSWORD)
                assert status == 200, status  # noqa: PLR2004, S101  # anything else measures something else

    began = time.perf_counter()
    await asyncio.gather(*(log_in(number) for number in range(_AT_ONCE)))
    return _LOGINS / (time.perf_counter() - began)


async def _flood_rounds(address: str, process: int, rounds: int, seconds: float) -> list[_Round]:
    async with connected(address) as connection:
        idle = await _least_memory(process)
        answers = [await connection.log_in(f"user{number}", _PASSWORD) for number in range(_ASKING)]
    tokens = [json.loads(body)["access_token"] for _, body in answers]
    return [await _flood_round(address, process, idle, tokens, seconds) for _ in range(rounds)]


async def _flood_round(address: str, process: int, idle: float, tokens: list[str], seconds: float) -> _Round:
    rest = await _asked(address, tokens, seconds)
    flood = _Flood(address)
    _forget_peak(process)
    async with flood.on():
        before = len(flood.statuses)
        times = await _asked(address, tokens, seconds)
        statuses = flood.statuses[before:]
    return _Round(
        rest=_Times.of(rest),
        flood=_Times.of(times),
        memory=_memory(process, "VmHWM") - idle,
        kept=_held(process) - idle,
        logins=statuses.count(200) / seconds,
        refused=statuses.count(503) / seconds,
    )


async def _asked(address: str, tokens: list[str], seconds: float) -> list[float]:
    """Ask at a fixed rate, however long answers take; give their times in seconds.

    One that could not be asked because the answer before it was late counts from when it was due.
    """
    times: list[float] = []
    began = time.perf_counter()

    async def ask(number: int, token: str) -> None:
        async with connected(address) as connection:
            for due in range(number, int(seconds * _EACH_SECOND), len(tokens)):
                since = began + due / _EACH_SECOND
                if (early := since - time.perf_counter()) > 0:
                    await asyncio.sleep(early)
                    since = time.perf_counter()  # that this process woke late is not the bridge's
                status, _ = await connection.get("/users/me/", token)
                times.append(time.perf_counter() - since)
                assert status == 200, status  # noqa: PLR2004, S101  # anything else measures something else

    await asyncio.gather(*(ask(number, token) for number, token in enumerate(tokens)))
    return times


async def _least_memory(process: int) -> float:
    """Give what it holds while it does nothing; it has hashed a little as it started."""
    found = []
    for _ in range(30):
        found.append(_held(process))
        await asyncio.sleep(0.1)
    return min(found)


def _held(process: int) -> float:
    """Give what it holds that the system could not take back at once, in MiB (proc(5), ``MADV_FREE`` in madvise(2))."""
    return _memory(process, "Rss", "smaps_rollup") - _memory(process, "LazyFree", "smaps_rollup")


def _forget_peak(process: int) -> None:
    """Have its peak counted from here (proc(5))."""
    Path(f"/proc/{process}/clear_refs").write_text("5")


def _memory(process: int, kind: str, told: str = "status") -> float:
    for line in Path(f"/proc/{process}/{told}").read_text().splitlines():
        if line.startswith(f"{kind}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(kind)


@contextmanager
def _bridge() -> Iterator[tuple[str, int]]:
    """Start it on PostgreSQL with the users; give its address and its process."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="bridge-bench-"))
        url = stack.enter_context(postgresql(Path(folder)))
        environment = migrated(url) | _LIMITS
        with psycopg.connect(url) as connection:
            connection.execute(_INSERT, (PasswordPolicy().hash(_PASSWORD), _USERS - 1))
        before = _children()
        address = stack.enter_context(server(environment, "bridge", "serve", "--port", "0"))
        [process] = _children() - before
        wait_for_rest()
        yield address, process


def _children() -> set[int]:
    own = os.getpid()
    return {int(each) for each in Path(f"/proc/{own}/task/{own}/children").read_text().split()}
