"""``bridge demo`` as a user starts it: real servers, real hashes at their full cost, both kinds of database."""

import json
import os
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import httpx
import psutil
import pytest

from bridge.demo.site import RunningDemo
from bridge.demo.walkthrough import steps
from tests.conftest import CHECKOUT, execute_on_server, with_database
from tests.forked import run_module

ANY_PORTS: Final = ("--port", "0", "--django-port", "0")
UNUSABLE: Final = 2
NOWHERE: Final = RunningDemo("", "", "", deploy=pytest.fail, start_command=pytest.fail)
PATIENCE: Final = 180.0
"""Seconds until a run counts as hung. Nothing waits that long unless it is."""


def environment() -> dict[str, str]:
    """What a user has who has set nothing."""
    # Without compiled modules, each of a demo's dozen processes would compile all of the bridge again.
    theirs = ("BRIDGE_", "DJANGO_", "PYTHONDONTWRITEBYTECODE")
    bare = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
    return bare | {"PYTHONPATH": str(CHECKOUT)}


def demo(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end: its hashes cost what they do everywhere, and two cores may have more to do."""
    words = ("demo", "--dir", str(folder), *options)
    return run_module("bridge", *words, environment=environment(), folder=folder.parent, patience=PATIENCE)


# The walk-through -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def empty_database(postgresql_server: str) -> Iterator[str]:
    """A PostgreSQL database without a single table."""
    name = f"demo_{secrets.token_hex(6)}"
    execute_on_server(postgresql_server, f"CREATE DATABASE {name}")
    yield with_database(postgresql_server, name)
    execute_on_server(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@dataclass(frozen=True)
class Played:
    """A walk-through that has ended."""

    folder: Path
    options: tuple[str, ...]
    done: subprocess.CompletedProcess[str]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def played(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Played:
    """The walk-through, played once on each kind of database."""
    folder = tmp_path_factory.mktemp("played") / "demo"
    options: tuple[str, ...] = ("--once", "--users", "3", *ANY_PORTS)
    if request.param == "postgresql":
        options += ("--database-url", request.getfixturevalue("empty_database"))
    return Played(folder, options, demo(folder, *options))


def test_every_step_of_the_walk_through_holds(played: Played):
    titles = [step.title for step in steps(NOWHERE)]

    lines = played.done.stdout.splitlines()

    assert [line.removeprefix("✓ ") for line in lines if line.startswith(("✓", "✗"))] == titles
    assert lines[-1] == "All steps hold."
    assert played.done.returncode == 0, played.done.stderr


def test_the_walk_through_finds_the_planted_difference_and_no_other(played: Played):
    found = [line.strip() for line in played.done.stdout.splitlines() if line.strip().startswith("found: ")]

    assert found == ["found: $[*].unit_price (type): Django string, bridge number"]


def test_the_walk_through_prints_no_hash_and_no_token(played: Played):
    assert not re.search(r"[A-Za-z0-9+/=_-]{40,}", played.done.stdout)


def test_a_demo_that_was_played_is_not_played_again(played: Played):
    again = demo(played.folder, *played.options)

    assert (again.returncode, len(again.stderr.splitlines())) == (UNUSABLE, 1), again.stderr + again.stdout
    assert "holds a demo already" in again.stderr


# Ports ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port on which somebody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield int(listening.getsockname()[1])


@pytest.mark.parametrize("option", ["--port", "--django-port"])
def test_a_port_in_use_is_one_line_that_names_the_option(tmp_path: Path, taken_port: int, option: str):
    refused = demo(tmp_path / "demo", "--users", "1", *ANY_PORTS, option, str(taken_port))

    assert refused.returncode == UNUSABLE
    assert refused.stderr == f"bridge: Port {taken_port} is in use. Give another {option}, or 0 for any.\n"


@pytest.mark.parametrize("option", ["--port", "--django-port"])
def test_a_port_in_use_is_found_before_the_demo_is_made(tmp_path: Path, taken_port: int, option: str):
    """Else --once, tried again with another port, would refuse the folder as one that holds a demo already."""
    demo(tmp_path / "demo", "--once", "--users", "1", *ANY_PORTS, option, str(taken_port))

    assert not (tmp_path / "demo" / "shop.sqlite3").exists()


@pytest.mark.parametrize(("option", "number"), [("--port", "65536"), ("--django-port", "-1")], ids=["above", "below"])
def test_a_number_that_is_no_port_is_refused_in_words(tmp_path: Path, option: str, number: str):
    refused = demo(tmp_path / "demo", "--users", "1", *ANY_PORTS, option, number)

    assert refused.returncode == UNUSABLE
    assert option in refused.stderr
    assert "Traceback" not in refused.stderr


# Until Ctrl-C ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Interactive:
    """A demo that runs and waits."""

    process: subprocess.Popen[str]
    invitation: str

    @property
    def django(self) -> str:
        return self._url(r"Django site\s+(http://\S+?)/\s")

    @property
    def bridge(self) -> str:
        return self._url(r"bridge\s+(http://\S+?)/docs")

    def processes(self) -> list[psutil.Process]:
        """The demo's own children and theirs."""
        found: list[psutil.Process] = psutil.Process(self.process.pid).children(recursive=True)
        return found

    @property
    def settings(self) -> dict[str, str]:
        """What it says to export for ``bridge endpoints``."""
        (exported,) = re.findall(r"^  export (.+)$", self.invitation, re.MULTILINE)
        return dict(each.split("=", 1) for each in shlex.split(exported))

    def endpoints(self, *arguments: str) -> str:
        """Run ``bridge endpoints`` in another terminal."""
        done = run_module("bridge", "endpoints", *arguments, environment=environment() | self.settings, folder=CHECKOUT)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def items(self, path: str) -> httpx.Response:
        """Ask the bridge for what a user ordered."""
        bearer = {"Authorization": f"Bearer {self.token()}"}
        return httpx.get(f"{self.bridge}{path}", headers=bearer, timeout=PATIENCE)

    def token(self) -> str:
        form = {"grant_type": "password", "username": "scrypt", "password": "secret"}
        answer = httpx.post(f"{self.bridge}/auth/token", data=form, timeout=PATIENCE)
        return str(answer.raise_for_status().json()["access_token"])

    def _url(self, pattern: str) -> str:
        found = re.search(pattern, self.invitation)
        assert found is not None, self.invitation
        return found[1]


@contextmanager
def started(folder: Path) -> Iterator[Interactive]:
    """Start the demo in a process group of its own, as a terminal does, and wait until it invites."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bridge", "demo", "--dir", str(folder), "--users", "2", *ANY_PORTS],
        env=environment(),
        cwd=folder.parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    hung = threading.Timer(PATIENCE, process.kill)
    hung.start()
    try:
        with process:
            assert process.stdout is not None
            invitation = ""
            for line in process.stdout:
                invitation += line
                if "Ctrl-C" in line:
                    break
            yield Interactive(process, invitation)
            process.terminate()
    finally:
        hung.cancel()
        process.kill()


Interrupt = Callable[[Interactive], None]


def to_the_process(running: Interactive) -> None:
    running.process.send_signal(signal.SIGINT)


def to_the_group(running: Interactive) -> None:
    os.killpg(running.process.pid, signal.SIGINT)


@dataclass(frozen=True)
class Ending:
    """What became of a demo that was interrupted."""

    statuses: tuple[int, int]
    children: list[psutil.Process]
    alive: list[psutil.Process]
    code: int


def ended(running: Interactive, interrupt: Interrupt) -> Ending:
    """See that both servers answer, and interrupt."""
    urls = (f"{running.django}/", f"{running.bridge}/readyz")
    django, bridge = (httpx.get(url, timeout=PATIENCE).status_code for url in urls)
    children = running.processes()
    interrupt(running)
    code = running.process.wait(PATIENCE)
    # A worker may outlive its master by a moment.
    _, alive = psutil.wait_procs(children, timeout=PATIENCE)
    return Ending((django, bridge), children, alive, code)


@dataclass(frozen=True)
class First:
    """A demo that somebody did with what it invites to, and interrupted."""

    folder: Path
    invitation: str
    bridge: str
    token: str
    docs: httpx.Response
    shop: httpx.Response
    items: httpx.Response
    endpoints: list[dict[str, str]]
    ending: Ending


@dataclass(frozen=True)
class Second:
    """The same demo, started again and interrupted."""

    me: httpx.Response
    items: httpx.Response
    ending: Ending


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> First:
    folder = tmp_path_factory.mktemp("started") / "demo"
    with started(folder) as running:
        token = running.token()
        docs = httpx.get(f"{running.bridge}/docs", timeout=PATIENCE)
        shop = httpx.get(f"{running.bridge}/", timeout=PATIENCE)
        items = running.items("/api/items/")
        running.endpoints(*command_of(running.invitation, "set"))
        listed = json.loads(running.endpoints("list", "--json"))["endpoints"]
        ending = ended(running, to_the_process)
    return First(folder, running.invitation, running.bridge, token, docs, shop, items, listed, ending)


@pytest.fixture(scope="module")
def second(first: First) -> Second:
    with started(first.folder) as running:
        bearer = {"Authorization": f"Bearer {first.token}"}
        me = httpx.get(f"{running.bridge}/users/me/", headers=bearer, timeout=PATIENCE)
        items = running.items("/users/me/items/")
        ending = ended(running, to_the_group)
    return Second(me, items, ending)


@pytest.mark.parametrize("run", ["first", "second"], ids=["kill", "ctrl_c"])
def test_an_interrupt_stops_both_servers_and_leaves_no_process(request: pytest.FixtureRequest, run: str):
    ending: Ending = request.getfixturevalue(run).ending

    assert ending.statuses == (200, 200)
    assert ending.children
    assert ending.alive == []
    assert ending.code == 0


def test_the_invitation_is_what_works(first: First):
    curl = f"curl -d grant_type=password -d username=scrypt -d password=secret {first.bridge}/auth/token"
    assert curl in first.invitation
    assert first.token
    assert first.docs.status_code == 200
    assert by_django(first.shop)
    assert by_django(first.items)

    stages = {each["operation"]: each["stage"] for each in first.endpoints}
    assert stages == {"GET /api/items/": "migrated", "GET /users/me/items/": "migrated"}


def test_a_second_start_goes_on_where_the_first_ended(second: Second):
    assert (second.me.status_code, second.me.json()["username"]) == (200, "scrypt")
    assert not by_django(second.items)


def by_django(answer: httpx.Response) -> bool:
    """Tell who answered; the site's middleware marks whatever it answers."""
    assert answer.status_code == 200, answer.text
    return "x-frame-options" in answer.headers


def command_of(invitation: str, name: str) -> list[str]:
    """The arguments of a command of ``bridge endpoints`` that the invitation shows."""
    (line,) = re.findall(rf"^  bridge endpoints ({name} .+)$", invitation, re.MULTILINE)
    return shlex.split(line)
