"""Servers as processes of their own, on ports that the system chooses."""

import os
import queue
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from typing import Final

import httpx
import pytest

from tests.conftest import CHECKOUT, site_environment
from tests.forked import start_module

__all__ = ["NO_TLS", "START_SECONDS", "STOP_SECONDS", "Server", "server", "started", "talking_to"]

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
NO_TLS: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""For clients of servers that speak none: to read the usual authorities takes each of them twenty milliseconds."""


@dataclass(frozen=True)
class Server:
    """One that listens.

    Attributes:
        said: its lines so far.
    """

    address: str
    process: ForkServerProcess
    said: list[str]

    @property
    def pid(self) -> int:
        assert self.process.pid is not None
        return self.process.pid


@contextmanager
def server(database_url: str, *command: str, **environment: str) -> Iterator[str]:
    """Start a server on a port that the system chooses, and give the address that it says to listen on."""
    with started(database_url, *command, **environment) as running:
        yield running.address


@contextmanager
def started(database_url: str, *command: str, **environment: str) -> Iterator[Server]:
    """Start a server likewise, for a test that does something to it."""
    process, output = start_module(*command, environment=site_environment(database_url, **environment), folder=CHECKOUT)
    addresses: queue.Queue[str] = queue.Queue()
    said: list[str] = []
    reader = threading.Thread(target=read, args=(output, said, addresses))
    reader.start()
    try:
        yield Server(addresses.get(timeout=START_SECONDS), process, said)
    except queue.Empty:
        pytest.fail(f"{command[0]} did not start:\n{''.join(said)}")
    finally:
        stop(process)
        reader.join()


def talking_to(address: str) -> httpx.AsyncClient:
    """Give a client that opens a connection for each request.

    gunicorn closes one that has been idle for two seconds, and that may be just when the next request is under way.
    """
    limits = httpx.Limits(max_keepalive_connections=0)
    return httpx.AsyncClient(base_url=address, timeout=START_SECONDS, limits=limits, verify=NO_TLS)


def read(output: Connection, said: list[str], addresses: queue.Queue[str]) -> None:
    with output, os.fdopen(os.dup(output.fileno()), errors="replace") as lines:
        for line in lines:
            said.append(line)
            listening = re.search(r"(?:Listening at:|Uvicorn running on) (https?://127\.0\.0\.1:[1-9]\d*)", line)
            if listening:
                addresses.put(listening[1])


def stop(process: ForkServerProcess) -> None:
    process.terminate()
    process.join(STOP_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
