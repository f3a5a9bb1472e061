"""The whole set of servers, private, on a database that watches itself."""

import asyncio
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.servers import migrated
from bench.soak import audit
from bench.soak.processes import Postgresql, Server, children

__all__ = ["Servers", "serving"]

_START_SECONDS: Final = 60.0
# Below the ports that the system gives to outgoing connections: a server that is away finds its own free again.
_PORTS: Final = range(20_000, 30_000)
# The last frame, and what was raised there.
_TRACEBACK: Final = re.compile(
    r'^  File "[^"]*?([^/"]+/[^/"]+", line \d+, in \S+)\n(?: {4}.*\n)*([A-Za-z]\S.*)$', re.MULTILINE
)
_GUNICORN: Final = ("gunicorn", "legacy_django.wsgi:application", "--workers", "2", "--threads", "4")
_SETTINGS: Final = "bench.soak.site"
# Everybody comes from one address here; accounts and devices keep the limits that they have.
_LIMITS: Final = {
    f"BRIDGE_LIMIT_{name}": "1000000/15 minutes" for name in ("NETWORK", "EVERYBODY", "TOKENS", "REGISTRATION")
}


@dataclass(frozen=True, slots=True)
class Servers:
    """All of them.

    Attributes:
        steady: a replica that no fault ends: what it has at the end is what ten minutes left in it.
        victim: the other one.
        redis: None where none is installed.
        secret: the site's SECRET_KEY.
        signing_key: of both apps' tokens.
    """

    postgresql: Postgresql
    steady: Server
    victim: Server
    site: Server
    redis: Server | None
    secret: str
    signing_key: str

    @property
    def answering(self) -> tuple[Server, ...]:
        """Those that clients talk to."""
        return (self.steady, self.victim, self.site)

    def site_workers(self) -> list[int]:
        """Give gunicorn's workers, the eldest first."""
        return [] if self.site.pid is None else children(self.site.pid)

    def uncaught(self) -> list[str]:
        """Give the exceptions in the replicas' logs: each kind once, where it came from last, and how often."""
        logs = "".join(each.log.read_text(errors="replace") for each in (self.steady, self.victim))
        found = Counter(f"{where}: {what}" for where, what in _TRACEBACK.findall(logs))
        return [f"{number} x {told}" for told, number in found.most_common()]


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Servers]:
    """Start all of them on a migrated database that watches itself."""
    await asyncio.to_thread(folder.chmod, 0o755)  # PostgreSQL never runs as root, and has to get there
    with Postgresql.started(folder / "postgresql") as postgresql:
        environment = await asyncio.to_thread(_prepared, postgresql.url)
        redis = _redis(folder, environment)
        limits = _LIMITS if redis is None else _LIMITS | {"BRIDGE_RATE_LIMIT_STORAGE": f"redis://{redis.address}/0"}
        site = _python("site", folder, environment, *_GUNICORN, "--no-control-socket", "--bind", "127.0.0.1:{port}")
        more = {"BRIDGE_UPSTREAM": site.address, "BRIDGE_REGISTRATION": "on"} | limits
        serve = ("bridge", "serve", "--port", "{port}")
        steady, victim = (_python(name, folder, environment | more, *serve) for name in ("bridge-1", "bridge-2"))
        async with AsyncExitStack() as stack:
            for each in (redis, site, steady, victim):
                if each is not None:
                    await stack.enter_async_context(each.kept_up())
                    await _listens(each)
            keys = environment["DJANGO_SECRET_KEY"], environment["BRIDGE_SIGNING_KEY"]
            yield Servers(postgresql, steady, victim, site, redis, *keys)


def _prepared(url: str) -> dict[str, str]:
    environment = migrated(url) | {"DJANGO_SETTINGS_MODULE": _SETTINGS}
    command = (sys.executable, "-m", "legacy_django.manage", "bridge_profile")
    subprocess.run(command, env=environment, check=True, stdout=subprocess.DEVNULL)  # noqa: S603  # our own module
    audit.install(url)
    return environment


def _python(name: str, folder: Path, environment: Mapping[str, str], *command: str) -> Server:
    port = str(_free_port())
    words = (sys.executable, "-m", *(word.format(port=port) for word in command))
    return Server(name, words, environment, folder / f"{name}.log", f"http://127.0.0.1:{port}")


def _redis(folder: Path, environment: Mapping[str, str]) -> Server | None:
    executable = shutil.which("redis-server")
    if executable is None:
        return None
    port = str(_free_port())
    words = (executable, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", str(folder))
    return Server("redis", words, environment, folder / "redis.log", f"127.0.0.1:{port}")


def _free_port() -> int:
    while True:
        port = secrets.choice(_PORTS)
        with socket.socket() as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                tried.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


async def _listens(server: Server) -> None:
    host, _, port = server.address.rpartition("/")[2].partition(":")
    ends = time.monotonic() + _START_SECONDS
    while True:
        try:
            _, writer = await asyncio.open_connection(host, int(port))
        except OSError:
            if time.monotonic() > ends:
                said = server.log.read_text(errors="replace")[-2000:]
                raise TimeoutError(f"{server.name} does not listen:\n{said}") from None
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
