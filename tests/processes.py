"""Servers as processes of their own, on ports that the system chooses."""

import queue
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import pytest

from tests.conftest import CHECKOUT, site_environment

__all__ = ["START_SECONDS", "STOP_SECONDS", "Server", "server", "started"]

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0


@dataclass(frozen=True)
class Server:
    """One that listens.

    Attributes:
        said: its lines so far.
    """

    address: str
    process: subprocess.Popen[str]
    said: list[str]


@contextmanager
def server(database_url: str, *command: str, **environment: str) -> Iterator[str]:
    """Start a server on a port that the system chooses, and give the address that it says to listen on."""
    with started(database_url, *command, **environment) as running:
        yield running.address


@contextmanager
def started(database_url: str, *command: str, **environment: str) -> Iterator[Server]:
    """Start a server likewise, for a test that does something to it."""
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        env=site_environment(database_url, **environment),
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    addresses: queue.Queue[str] = queue.Queue()
    said: list[str] = []
    reader = threading.Thread(target=read, args=(process, said, addresses))
    reader.start()
    try:
        yield Server(addresses.get(timeout=START_SECONDS), process, said)
    except queue.Empty:
        pytest.fail(f"{command[0]} did not start:\n{''.join(said)}")
    finally:
        stop(process)
        reader.join()


def read(process: subprocess.Popen[str], said: list[str], addresses: queue.Queue[str]) -> None:
    assert process.stdout is not None
    with process.stdout as output:
        for line in output:
            said.append(line)
            listening = re.search(r"(?:Listening at:|Uvicorn running on) (http://127\.0\.0\.1:[1-9]\d*)", line)
            if listening:
                addresses.put(listening[1])


def stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
