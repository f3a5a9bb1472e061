"""The command line as its operator runs it: a process of its own, in a folder of its own."""

import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conftest import execute_on_server, site_environment, with_database
from tests.forked import run_module

Done = subprocess.CompletedProcess[str]
Run = Callable[..., Done]

COMMAND = (sys.executable, "-m", "bridge")


def bridge_environment(url: str, **more: str | None) -> dict[str, str]:
    """Give the environment of ``bridge``, without the site's own names and without those set to None."""
    environment: dict[str, str | None] = {**site_environment(url), **more}
    site = ("DJANGO_SETTINGS_MODULE", "DATABASE_URL", "DJANGO_SECRET_KEY", "JWT_SIGNING_KEY")
    return {name: value for name, value in environment.items() if value is not None and name not in site}


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run ``bridge`` with the tests' settings, but for those given; None leaves one out."""

    def bridge(*arguments: str, url: str, **settings: str | None) -> Done:
        return run_module("bridge", *arguments, environment=bridge_environment(url, **settings), folder=tmp_path)

    return bridge


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database without a single table; on SQLite not even the file."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'empty.sqlite3'}"
        return
    server: str = request.getfixturevalue("postgresql_server")
    name = f"empty_{secrets.token_hex(6)}"
    execute_on_server(server, f"CREATE DATABASE {name}")
    yield with_database(server, name)
    execute_on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


def assert_one_line(done: Done, *, naming: str, cure: str) -> None:
    """Hold a refusal to exit 2 and one line that says what is wrong and what to do about it."""
    assert done.returncode == 2, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stderr.startswith("bridge: ")
    assert naming in done.stderr
    assert cure in done.stderr
