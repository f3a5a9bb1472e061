"""Tries that all replicas count together, on a real Redis; and what happens while it is away."""

import asyncio
import logging
import shutil
import socket
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from bridge.errors import ConfigurationError
from bridge.store.rate_limits import Windows, parse_rates, refuse_unusable_storage
from tests.absent import absent

THREE: Final = parse_rates("3/15 minutes")
PATIENCE: Final = 20.0


@pytest.fixture(scope="module")
def redis_server() -> str:
    executable = shutil.which("redis-server")
    if executable is None:
        absent("Debian's redis-server is not installed")
    return executable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "redis.sock"


@contextmanager
def running(executable: str, path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """Start Redis on a socket file, and wait until it answers."""
    command = (executable, "--port", "0", "--unixsocket", str(path), "--save", "", "--dir", str(path.parent))
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            _wait_for(path)
            yield process
        finally:
            process.kill()
            process.wait()
            path.unlink(missing_ok=True)


def _wait_for(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        with socket.socket(socket.AF_UNIX) as client:
            if path.exists() and client.connect_ex(str(path)) == 0:
                client.sendall(b"PING\r\n")
                if client.recv(16) == b"+PONG\r\n":
                    return
        time.sleep(0.01)
    pytest.fail("Redis did not start")


@asynccontextmanager
async def counting(path: Path, changes: list[bool], *, patience: float = 0.25) -> AsyncIterator[Windows]:
    windows = Windows(
        f"redis+unix://{path}",
        on_change=changes.append,
        patience=timedelta(seconds=patience),
        again_after=timedelta(milliseconds=10),
    )
    yield windows
    await windows.close()


async def test_replicas_count_together_and_take_back_together(redis_server: str, path: Path):
    with running(redis_server, path):
        async with counting(path, []) as one, counting(path, []) as other:
            waits = [await each.hit(THREE, "ada") for each in (one, other, one, other)]
            assert waits[:3] == [None, None, None]
            assert waits[3] is not None
            assert timedelta(minutes=14) < waits[3] <= timedelta(minutes=15)

            await one.forgive(THREE, "ada")
            await one.forgive(THREE, "ada")
            assert await other.hit(THREE, "ada") is None


async def test_a_storage_that_goes_away_is_missed_once_and_taken_up_again(
    redis_server: str, path: Path, caplog: pytest.LogCaptureFixture
):
    changes: list[bool] = []
    async with counting(path, changes) as windows:
        with running(redis_server, path):
            assert [await windows.hit(THREE, "ada") for _ in range(3)] == [None, None, None]
        # It starts anew, and still counts.
        away = await asyncio.gather(*(windows.hit(THREE, "ada") for _ in range(5)))
        assert [wait is None for wait in away].count(True) == 3
        with running(redis_server, path):
            async with asyncio.timeout(PATIENCE):
                while changes[-1] is False:  # noqa: ASYNC110  # it is told by a callback, now and then
                    await asyncio.sleep(0.01)
            assert await windows.hit(THREE, "grace") is None

    assert changes == [True, False, True]
    assert [record.levelno for record in caplog.records if record.name.startswith("bridge")] == [logging.WARNING] * 2


async def test_a_storage_that_says_nothing_costs_one_wait(redis_server: str, path: Path):
    changes: list[bool] = []
    with running(redis_server, path) as process:
        async with counting(path, changes, patience=1.0) as windows:
            assert await windows.hit(THREE, "ada") is None
            process.send_signal(19)  # SIGSTOP: it listens, and does not answer
            began = time.perf_counter()
            assert [await windows.hit(THREE, "ada") for _ in range(3)] == [None, None, None]
            took = time.perf_counter() - began
            process.send_signal(18)
    assert took < 2 * 1.0
    assert changes[:2] == [True, False]


@pytest.mark.parametrize("url", ["", "redis", "http://:swordfish@redis", "memcached://:swordfish@redis", "memory"])
def test_a_storage_that_is_none_is_refused_in_words_that_repeat_nothing(url: str):
    with pytest.raises(ValueError, match="neither memory") as caught:
        refuse_unusable_storage(url)
    assert "swordfish" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://127.0.0.1/0", ("127.0.0.1", 6379)),
        ("redis://:swordfish@127.0.0.1", ("127.0.0.1", 6379)),
        ("rediss://[::1]/0", ("::1", 6379)),
        ("redis://127.0.0.1:7000/0", ("127.0.0.1", 7000)),
    ],
    ids=["without", "behind a password", "IPv6", "one of its own"],
)
def test_without_a_port_it_is_redis_own(url: str, address: tuple[str, int]):
    client = Windows(url)._shared.bridge.get_connection()  # connects to nothing yet
    asked = client.connection_pool.connection_kwargs
    assert (asked["host"], asked["port"]) == address


def test_a_storage_whose_address_cannot_be_read_stops_the_start():
    with pytest.raises(ConfigurationError) as caught:
        Windows("redis://:swordfish@redis:port/0")
    assert "swordfish" not in str(caught.value)
