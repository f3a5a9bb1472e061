"""The demo: its folder, its database, and the two servers on it."""

import asyncio
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self
from urllib.parse import quote

import httpx

from bridge.cutover import Stage, Standing
from bridge.errors import ConfigurationError, DatabaseUnavailable, SchemaMissing
from bridge.profile import UserTable
from bridge.services.clock import system_clock
from bridge.store.database import open_database
from bridge.store.endpoints import Author, Endpoints
from bridge.store.users import Users

__all__ = ["FIRST_TRY", "ROUTER", "DemoSite", "RunningDemo", "usable_port"]

ROUTER: Final = "bridge.demo.endpoints:router"
FIRST_TRY: Final = "bridge.demo.endpoints:first_try"

_START_SECONDS: Final = 60.0
_STOP_SECONDS: Final = 10.0
_BRIDGE: Final = (sys.executable, "-m", "bridge")
_SECRETS: Final = "secrets.json"
_PLAN_FILE: Final = "cutover.toml"
_PLAN: Final = """\
# How far each endpoint may move. How far it has moved is in the database: see `bridge endpoints list`.

[defaults]
group = "shop"

[groups.shop] # in a canary, each user gets all of the shop from one app

[operations."GET /api/items/"]
stages = ["shadow", "canary", "migrated"]

[operations."GET /users/me/items/"] # the site has no such endpoint
stages = ["migrated"]
"""
_ONLY_HERE: Final = "GET /users/me/items/"


@dataclass(frozen=True, slots=True)
class RunningDemo:
    """Both servers, up.

    Attributes:
        django: base URL of the Django site.
        bridge: base URL of the bridge, which stands in front of it.
        database_url: that both work on.
        deploy: ends the bridge, and starts it with the router of that name.
        start_command: starts ``bridge`` with those arguments, as an operator does.
    """

    django: str
    bridge: str
    database_url: str
    deploy: Callable[[str], None]
    start_command: Callable[..., subprocess.Popen[str]]


@dataclass(frozen=True, slots=True)
class DemoSite:
    """A folder with the demo's secrets and, unless it is elsewhere, its SQLite database.

    Attributes:
        folder: where.
        database_url: of the database.
        secrets: random, made once, so that tokens and sessions outlive a restart.
    """

    folder: Path
    database_url: str
    secrets: dict[str, str] = field(repr=False)

    @classmethod
    def prepare(cls, folder: Path, *, database_url: str | None = None) -> Self:
        """Make the folder and the secrets, where they are missing.

        Raises:
            ConfigurationError: the demo site is not at hand, or the folder cannot be made.
        """
        if find_spec("legacy_django") is None:
            raise ConfigurationError(
                "The demo site legacy_django is not importable",
                cure="Run the demo from a checkout of the project.",
            )
        try:
            folder.mkdir(parents=True, exist_ok=True)
            kept = _kept_secrets(folder / _SECRETS)
            if not (folder / _PLAN_FILE).exists():  # it is theirs to edit
                (folder / _PLAN_FILE).write_text(_PLAN)
        except OSError as exc:
            raise ConfigurationError(f"{folder} cannot be used ({exc.strerror})", cure="Give another --dir.") from exc
        return cls(folder, database_url or f"sqlite:///{quote(str(folder.absolute() / 'shop.sqlite3'))}", kept)

    def was_created(self) -> bool:
        """Tell whether the database holds a demo already."""
        return asyncio.run(_has_users(self.database_url))

    def create_database(self, *, users: int) -> None:
        """Run the site's migrations, which publish its profile; create its users; release what only the bridge has."""
        self._manage("migrate", "--verbosity", "0")
        self._manage("seed_shop", "--users", str(users))
        asyncio.run(_release(self.database_url))

    @contextmanager
    def running(self, *, port: int, django_port: int, router: str = ROUTER) -> Iterator[RunningDemo]:
        """Start Django under gunicorn and the bridge under uvicorn, and stop both in the end."""
        django, bridge = f"http://127.0.0.1:{django_port}", f"http://127.0.0.1:{port}"
        with ExitStack() as stack:
            stack.enter_context(self._server("django", *_gunicorn(django_port), ready=f"{django}/"))
            deployed = stack.enter_context(ExitStack())

            def deploy(router: str) -> None:
                deployed.close()
                command = ("serve", "--port", str(port), "--endpoints", router)
                server = self._server("bridge", *_BRIDGE, *command, ready=f"{bridge}/readyz", BRIDGE_UPSTREAM=django)
                deployed.enter_context(server)

            deploy(router)
            yield RunningDemo(django, bridge, self.database_url, deploy, self._start_command)

    def settings(self) -> dict[str, str]:
        """Give the settings of ``bridge`` that an operator of the demo needs."""
        return {
            "BRIDGE_DATABASE_URL": self.database_url,
            "BRIDGE_ENDPOINTS": json.dumps([ROUTER]),
            "BRIDGE_CUTOVER_FILE": str((self.folder / _PLAN_FILE).absolute()),
        }

    def environment(self) -> dict[str, str]:
        """Give the environment in which either app serves the demo."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "DJANGO_"))}
        signing, django = self.secrets["signing_key"], self.secrets["django_secret_key"]
        return inherited | {
            "DATABASE_URL": self.database_url,
            "DJANGO_SECRET_KEY": django,
            "DJANGO_SETTINGS_MODULE": "legacy_django.settings",
            "JWT_SIGNING_KEY": signing,
            **self.settings(),
            "BRIDGE_DJANGO_SECRET_KEY": django,
            "BRIDGE_SIGNING_KEY": signing,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(_checkout()), inherited.get("PYTHONPATH", "")))),
        }

    def _manage(self, *arguments: str) -> None:
        command = (sys.executable, "-m", "legacy_django.manage", *arguments)
        done = subprocess.run(command, env=self.environment(), cwd=self.folder, check=False)
        if done.returncode != 0:
            raise ConfigurationError(
                f"`manage.py {arguments[0]}` failed",
                cure=f"See above; an empty --dir may help ({self.folder}).",
            )

    def _start_command(self, *arguments: str) -> subprocess.Popen[str]:
        command = (*_BRIDGE, *arguments)
        return subprocess.Popen(command, env=self.environment(), cwd=self.folder, stdout=subprocess.PIPE, text=True)

    @contextmanager
    def _server(self, name: str, *command: str, ready: str, **settings: str) -> Iterator[None]:
        log, environment = self.folder / f"{name}.log", self.environment() | settings
        with log.open("ab") as output:
            # In a session of its own: Ctrl-C reaches the demo alone, which ends the bridge before the site behind it.
            process = subprocess.Popen(
                command,
                env=environment,
                cwd=self.folder,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _await_answer(process, ready, name=name, log=log)
            yield
        finally:
            _stop(process)


async def _has_users(url: str) -> bool:
    try:
        database = await open_database(url)
    except DatabaseUnavailable:
        return False  # a file that is yet to be made, or the site's migrations will say what is wrong
    try:
        await Users(database, UserTable()).count("1 = 0", {})
    except SchemaMissing:
        return False
    finally:
        await database.close()
    return True


async def _release(url: str) -> None:
    """Let the bridge answer where Django cannot; what somebody has moved since stays where they put it."""
    author = Author("bridge demo", "the site has no such endpoint", system_clock())
    database = await open_database(url)
    try:
        await Endpoints(database).change(
            _ONLY_HERE, expected_version=0, standing=Standing.of(Stage.MIGRATED), author=author
        )
    finally:
        await database.close()


def _gunicorn(port: int) -> tuple[str, ...]:
    options = ("--bind", f"127.0.0.1:{port}", "--workers", "1", "--threads", "4", "--no-control-socket")
    return (sys.executable, "-m", "gunicorn", "legacy_django.wsgi:application", *options)


def _checkout() -> Path:
    spec = find_spec("legacy_django")
    assert spec is not None  # noqa: S101  # `prepare` looked
    assert spec.origin is not None  # noqa: S101  # it is a regular package
    return Path(spec.origin).parents[1]


def _kept_secrets(path: Path) -> dict[str, str]:
    if not path.exists():
        made = {"django_secret_key": secrets.token_urlsafe(50), "signing_key": secrets.token_urlsafe(50)}
        unfinished = path.with_suffix(".new")
        unfinished.touch(mode=0o600)
        unfinished.write_text(json.dumps(made))
        unfinished.rename(path)
    kept: dict[str, str] = json.loads(path.read_text())
    return kept


def usable_port(port: int, *, option: str) -> int:
    """Give the port, or a free one for 0.

    Raises:
        ConfigurationError: somebody listens there.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as exc:
            raise ConfigurationError(f"Port {port} is in use", cure=f"Give another {option}, or 0 for any.") from exc
        return int(probe.getsockname()[1])


def _await_answer(process: subprocess.Popen[bytes], url: str, *, name: str, log: Path) -> None:
    transport = httpx.HTTPTransport(retries=0)
    deadline = _Deadline(_START_SECONDS)
    with httpx.Client(transport=transport, timeout=_START_SECONDS) as client:
        while process.poll() is None and not deadline.passed():
            try:
                if client.get(url).is_success:
                    return
            except httpx.TransportError:
                pass
            deadline.pause()
    last = log.read_text(errors="replace").strip().splitlines()[-5:]
    raise ConfigurationError(f"{name} did not start: {' / '.join(last)}", cure=f"See {log}.")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # its workers with it
        process.wait()


class _Deadline:
    """Polls a starting server, for so long and no longer."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds

    def passed(self) -> bool:
        return time.monotonic() > self._end

    def pause(self) -> None:
        time.sleep(0.05)
