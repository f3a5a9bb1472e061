"""A client that asks as fast as it is answered, in a process of its own.

It keeps its connections where the server does, and opens another where it does not.
"""

import asyncio
import itertools
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Final, Self, cast
from urllib.parse import urlsplit

import uvloop

__all__ = ["Bearer", "Load", "Loader"]

_START_SECONDS: Final = 20.0
_LENGTH: Final = re.compile(rb"\r\ncontent-length: (\d+)", re.IGNORECASE)
_END: Final = "\r\n"
_CLOSES: Final = re.compile(rb"\r\nconnection: close", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Load:
    """What one measurement found.

    Attributes:
        rate: answers a second.
        median: from the request to the end of its answer, in milliseconds.
        failed: answers other than 200 or to somebody else, and connections that broke before one.
        busy: how much of a core the asking itself took; near 1 it would be the loader that was measured.
    """

    rate: float
    median: float
    failed: int
    busy: float = 0.0


@dataclass(frozen=True, slots=True)
class Bearer:
    """Somebody who asks.

    Attributes:
        header: that says who they are, whole.
        mark: what an answer to them has in its body, and an answer to nobody else; "" if it is not looked at.
    """

    header: str
    mark: str = ""


class Loader:
    """The process that asks, started once, so that short measurements can take turns."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]:
        """Start it, and end it."""
        command = (sys.executable, "-m", "bench.load")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # ours
            yield cls(process)

    def measure(
        self, url: str, *, connections: int, seconds: float, token: str = "", bearers: Sequence[Bearer] = ()
    ) -> Load:
        """Ask for so long, as the bearer of a token if there is one, and give what was found.

        With several bearers each request is that of the next one.
        """
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None  # noqa: S101  # a pipe
        assert answered is not None  # noqa: S101  # likewise
        askers = bearers or [Bearer(f"Authorization: Bearer {token}" if token else "")]
        pairs = [(each.header, each.mark) for each in askers]
        task = {"url": url, "connections": connections, "seconds": seconds, "bearers": pairs}
        asked.write(json.dumps(task) + "\n")
        asked.flush()
        return Load(**json.loads(answered.readline()))


class _Client(asyncio.Protocol):
    """One connection after the other, one request at a time."""

    def __init__(self, requests: Iterator[tuple[bytes, bytes]], times: list[float], failures: list[int]) -> None:
        self._requests = requests
        self._mark = b""
        self._times = times
        self._failures = failures
        self._received = bytearray()
        self._expected = 0
        self._began = 0.0
        self._transport: asyncio.Transport | None = None
        self.closed = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        if not self._expected:
            end = self._received.find(b"\r\n\r\n")
            if end < 0:
                return
            length = _LENGTH.search(self._received, 0, end)
            self._expected = end + 4 + (int(length[1]) if length else 0)
        if len(self._received) >= self._expected:
            self._take_answer()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._began and exc is not None:
            self._failures.append(0)
        if not self.closed.done():
            self.closed.set_result(None)

    def _take_answer(self) -> None:
        assert self._transport is not None  # noqa: S101  # it was connected
        self._times.append(time.perf_counter() - self._began)
        if not self._received.startswith(b"HTTP/1.1 200 ") or self._mark not in self._received:
            self._failures.append(1)
        if _CLOSES.search(self._received):
            self._began = 0.0
            self._transport.close()
        else:
            self._ask()

    def _ask(self) -> None:
        assert self._transport is not None  # noqa: S101  # it was connected
        self._received.clear()
        self._expected = 0
        self._began = time.perf_counter()
        request, self._mark = next(self._requests)
        self._transport.write(request)


async def _measure(url: str, connections: int, seconds: float, bearers: list[tuple[str, str]]) -> Load:
    parts = urlsplit(url)
    host, port = str(parts.hostname), parts.port or 80
    start = f"GET {parts.path or '/'} HTTP/1.1\r\nHost: {parts.netloc}\r\n"
    requests = itertools.cycle(
        [(f"{start}{header}{_END if header else ''}{_END}".encode(), mark.encode()) for header, mark in bearers]
    )
    times: list[float] = []
    failures: list[int] = []
    loop = asyncio.get_running_loop()

    async def client() -> None:
        while True:
            _, protocol = await loop.create_connection(lambda: _Client(requests, times, failures), host, port)
            await protocol.closed

    clients = [asyncio.create_task(client()) for _ in range(connections)]
    await _until(lambda: len(times) >= connections)  # warm
    times.clear()
    began, worked = time.perf_counter(), time.process_time()
    await asyncio.sleep(seconds)
    await _until(lambda: bool(times))
    elapsed, counted, work = time.perf_counter() - began, list(times), time.process_time() - worked
    for each in clients:
        each.cancel()
    await asyncio.wait(clients)
    return Load(len(counted) / elapsed, statistics.median(counted) * 1000, len(failures), work / elapsed)


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(_START_SECONDS):
        while not holds():  # noqa: ASYNC110  # an event would be set with every answer
            await asyncio.sleep(0.01)


if __name__ == "__main__":
    for line in sys.stdin:
        found = uvloop.run(_measure(**json.loads(line)))
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
        sys.stdout.flush()
