"""``bridge serve``: what it refuses to start with, and that it starts and stops."""

import re
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import httpx
import psycopg
import pytest

from tests.cli.conftest import COMMAND, Run, assert_one_line, bridge_environment
from tests.conftest import DJANGO_SECRET_KEY, PASSWORD, SIGNING_KEY, Cast, bearer, with_database

# What it refuses to start with ----------------------------------------------------------------------------------------

WEAK: Final = "swordfish"

# One of each kind; tests/web/test_settings.py has them all.
MISTAKES: Final[dict[str, tuple[dict[str, str | None], str, str]]] = {
    "missing": ({"BRIDGE_SIGNING_KEY": None}, "BRIDGE_SIGNING_KEY", "SIMPLE_JWT['SIGNING_KEY']"),
    "weak_secret_key": ({"BRIDGE_DJANGO_SECRET_KEY": WEAK}, "BRIDGE_DJANGO_SECRET_KEY", "Django site's SECRET_KEY"),
    "weak_signing_key": ({"BRIDGE_SIGNING_KEY": WEAK}, "BRIDGE_SIGNING_KEY", "longer one"),
    "unknown_name": ({"BRIDGE_REHSAH": "off"}, "BRIDGE_REHSAH", "Did you mean BRIDGE_REHASH?"),
    "malformed": ({"BRIDGE_REHASH": "maybe"}, "BRIDGE_REHASH", "README"),
    "no_json": ({"BRIDGE_DJANGO_SECRET_KEY_FALLBACKS": WEAK}, "BRIDGE_DJANGO_SECRET_KEY_FALLBACKS", "JSON"),
    "mysql": ({"BRIDGE_DATABASE_URL": f"mysql://bridge:{WEAK}@db/shop"}, "BRIDGE_DATABASE_URL", "Use postgresql://"),
    "malformed_postgresql": (
        {"BRIDGE_DATABASE_URL": f"postgresql://bridge:{WEAK}@db/shop?nonsense=1"},
        "database",
        "BRIDGE_DATABASE_URL",
    ),
}


@pytest.mark.parametrize(("settings", "naming", "cure"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_in_the_settings_is_one_line_with_its_cure_and_no_secret(
    run: Run, sqlite_url: str, settings: dict[str, str | None], naming: str, cure: str
):
    done = run("serve", "--port", "0", url=sqlite_url, **settings)

    assert_one_line(done, naming=naming, cure=cure)
    assert not [secret for secret in (WEAK, DJANGO_SECRET_KEY, SIGNING_KEY) if secret in done.stderr]


def test_a_mistake_in_the_settings_file_is_found_too(run: Run, sqlite_url: str, tmp_path: Path):
    (tmp_path / ".env").write_text("BRIDGE_REHSAH=off\n")

    done = run("serve", "--port", "0", url=sqlite_url)

    assert_one_line(done, naming="BRIDGE_REHSAH", cure="Did you mean BRIDGE_REHASH?")


@pytest.mark.parametrize("name", ["nowhere.endpoints:router", "bridge.demo.endpoints"], ids=["module", "router"])
def test_endpoints_that_are_not_there_are_one_line_with_its_cure(run: Run, sqlite_url: str, name: str):
    done = run("serve", "--port", "0", "--endpoints", name, url=sqlite_url)

    assert_one_line(done, naming="--endpoints", cure="Name ")


def test_a_file_that_is_not_there_is_one_line_with_its_cure(run: Run, tmp_path: Path):
    done = run("serve", "--port", "0", url=f"sqlite:///{tmp_path / 'missing.sqlite3'}")

    assert_one_line(done, naming="cannot be reached", cure="Check BRIDGE_DATABASE_URL")


def test_a_file_that_is_no_database_is_one_line_with_its_cure(run: Run, tmp_path: Path):
    (tmp_path / "shop.sqlite3").write_bytes(b"this is no database at all, and is long enough to be looked at" * 20)

    done = run("serve", "--port", "0", url=f"sqlite:///{tmp_path / 'shop.sqlite3'}")

    assert_one_line(done, naming="no SQLite database", cure="Check BRIDGE_DATABASE_URL")


def test_a_server_that_does_not_answer_is_one_line_with_its_cure(run: Run):
    done = run("serve", "--port", "0", url="postgresql://bridge:swordfish@127.0.0.1:1/shop")

    assert_one_line(done, naming="cannot be reached: nobody listens", cure="Check host and port")
    assert "swordfish" not in done.stderr


def test_a_database_that_the_server_does_not_have_is_one_line_with_its_cure(run: Run, postgresql_server: str):
    done = run("serve", "--port", "0", url=with_database(postgresql_server, "nowhere"))

    assert_one_line(done, naming="cannot be reached: the server has no such database", cure="Check its name")


def test_a_database_without_the_tables_is_one_line_with_its_cure(run: Run, empty_url: str, tmp_path: Path):
    (tmp_path / "empty.sqlite3").touch()

    done = run("serve", "--port", "0", url=empty_url)

    assert_one_line(done, naming="no bridge_* tables", cure="bridge migrate")


def test_a_profile_of_another_version_is_one_line_with_its_cure(run: Run, sqlite_url: str):
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    with connection:
        connection.execute("UPDATE bridge_site_profile SET document = '{\"schema_version\": 999}'")
    connection.close()

    done = run("serve", "--port", "0", url=sqlite_url)

    assert_one_line(done, naming="another version", cure="bridge_profile")


def test_a_role_that_may_not_read_is_one_line_with_its_cure(run: Run, postgresql_url: str):
    with psycopg.connect(postgresql_url, autocommit=True) as connection:
        connection.execute("CREATE ROLE bridge_blind LOGIN PASSWORD 'swordfish'")
    scheme, _, rest = postgresql_url.partition("://")
    try:
        done = run("serve", "--port", "0", url=f"{scheme}://bridge_blind:swordfish@{rest.rpartition('@')[2]}")
    finally:
        with psycopg.connect(postgresql_url, autocommit=True) as connection:
            connection.execute("DROP ROLE bridge_blind")

    assert_one_line(done, naming="may not read", cure="GRANT")


@pytest.mark.parametrize("host", ["a..b", "no-such-host.invalid", "192.0.2.1"], ids=["no-name", "unknown", "not-ours"])
def test_a_host_that_is_not_this_machine_is_one_line_with_its_cure(run: Run, sqlite_url: str, host: str):
    done = run("serve", "--host", host, "--port", "0", url=sqlite_url)

    assert_one_line(done, naming=host, cure="address of this machine")


def test_a_port_that_is_taken_is_one_line_with_its_cure(run: Run, sqlite_url: str):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("serve", "--port", str(taken.getsockname()[1]), url=sqlite_url)

    assert_one_line(done, naming="(Address already in use)", cure="another --port")


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])  # noqa: S104  # refused before it listens
@pytest.mark.parametrize("site", ["127.0.0.1", "localhost"])
def test_a_bridge_in_front_of_itself_is_one_line_with_its_cure(run: Run, sqlite_url: str, host: str, site: str):
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        done = run("serve", "--host", host, "--port", port, url=sqlite_url, BRIDGE_UPSTREAM=f"http://{site}:{port}")

    assert_one_line(done, naming="the address that the bridge is to listen on", cure="another --port")


def test_an_address_of_another_machine_is_one_line_with_its_cure(run: Run, sqlite_url: str):
    done = run("serve", "--host", "192.0.2.1", "--port", "0", url=sqlite_url)

    assert_one_line(done, naming="192.0.2.1", cure="--host")


@pytest.mark.parametrize("port", ["-1", "65536"])
def test_a_port_that_is_none_is_refused(run: Run, sqlite_url: str, port: str):
    done = run("serve", "--port", port, url=sqlite_url)

    assert (done.returncode, done.stdout) == (2, "")
    assert "Invalid value for '--port'" in done.stderr


# Running --------------------------------------------------------------------------------------------------------------


@contextmanager
def serving(url: str, folder: Path, *arguments: str, **settings: str | None) -> Iterator[tuple[str, list[str]]]:
    """Start ``bridge serve`` on a free port; give its address and what it has said, then stop it politely."""
    process = subprocess.Popen(
        [*COMMAND, "serve", "--port", "0", *arguments],
        env=bridge_environment(url, **settings),
        cwd=folder,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    said: list[str] = []
    assert process.stderr is not None
    try:
        address = None
        while address is None:
            line = process.stderr.readline()
            assert line, f"ended before it served: {said}"
            said.append(line)
            address = re.search(r"running on (http://\S+)", line)
        yield address[1], said
        process.send_signal(signal.SIGTERM)
        said.extend(process.stderr)
        assert process.wait(timeout=20) in {0, -signal.SIGTERM}, said
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


async def test_the_service_answers_and_stops_cleanly_when_told_to(database_url: str, cast: Cast, tmp_path: Path):
    await cast.add("ada")

    with serving(database_url, tmp_path) as (address, said):
        async with httpx.AsyncClient(base_url=address) as client:
            assert (await client.get("/healthz")).json() == {"status": "ok"}
            assert (await client.get("/readyz")).json()["rehashing_is_safe"] is True
            token = (await bearer(client, "ada"))["Authorization"].removeprefix("Bearer ")

    output = "".join(said)
    assert "Application shutdown complete" in output
    assert "Traceback" not in output
    assert not [secret for secret in (PASSWORD, token, SIGNING_KEY, DJANGO_SECRET_KEY) if secret in output]


def test_the_service_names_neither_itself_nor_its_server_software(sqlite_url: str, tmp_path: Path):
    with serving(sqlite_url, tmp_path) as (address, _):
        assert "server" not in httpx.get(f"{address}/healthz").headers


def test_endpoints_of_the_working_directory_are_served(sqlite_url: str, tmp_path: Path):
    (tmp_path / "our_endpoints.py").write_text(
        "from fastapi import APIRouter\n"
        "router = APIRouter()\n"
        "@router.get('/ours')\n"
        "async def ours() -> str:\n"
        "    return 'ours'\n"
    )

    with serving(sqlite_url, tmp_path, "--endpoints", "our_endpoints:router") as (address, _):
        assert httpx.get(f"{address}/ours").json() == "ours"


@pytest.mark.parametrize("command", ["doctor", "endpoints list", "endpoints report"])
def test_every_command_finds_the_endpoints_of_the_working_directory(command: str, sqlite_url: str, tmp_path: Path):
    (tmp_path / "our_endpoints.py").write_text("from fastapi import APIRouter\nrouter = APIRouter()\n")
    # As it is installed: `python -m` would look there by itself.
    installed = Path(sys.executable).with_name("bridge")

    done = subprocess.run(
        [installed, *command.split(), "--json"],
        env=bridge_environment(sqlite_url, BRIDGE_ENDPOINTS='["our_endpoints:router"]'),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")


def test_a_site_that_is_not_ready_for_argon2_is_pointed_out_at_the_start(sqlite_url: str, tmp_path: Path):
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    with connection:
        connection.execute("DELETE FROM bridge_site_profile")
    connection.close()

    with serving(sqlite_url, tmp_path) as (_, said):
        pass

    assert "has not published its profile" in "".join(said)
    assert "not upgraded until then" in "".join(said)


def test_re_hashing_on_a_site_that_is_not_ready_is_warned_of(sqlite_url: str, tmp_path: Path):
    connection = sqlite3.connect(sqlite_url.removeprefix("sqlite:///"))
    with connection:
        connection.execute("DELETE FROM bridge_site_profile")
    connection.close()

    with serving(sqlite_url, tmp_path, BRIDGE_REHASH="on") as (_, said):
        pass

    assert "can lock users out of Django" in "".join(said)


def test_neighbours_that_are_not_up_yet_are_pointed_out_at_the_start(sqlite_url: str, tmp_path: Path):
    nobody: dict[str, str | None] = {
        "BRIDGE_UPSTREAM": "http://127.0.0.1:1",
        "BRIDGE_RATE_LIMIT_STORAGE": "redis://:swordfish@127.0.0.1:1/0",
    }

    with serving(sqlite_url, tmp_path, **nobody) as (_, said):
        pass

    upstream, storage = (line for line in said if line.startswith("bridge: "))
    assert "BRIDGE_UPSTREAM says: nobody listens there" in upstream
    assert "BRIDGE_RATE_LIMIT_STORAGE names does not answer" in storage
    assert "swordfish" not in "".join(said)


def test_an_operation_of_the_plan_that_neither_app_has_is_pointed_out_at_the_start(sqlite_url: str, tmp_path: Path):
    (tmp_path / "cutover.toml").write_text('[operations."POST /api/orders"]')

    with serving(sqlite_url, tmp_path, BRIDGE_CUTOVER_FILE="cutover.toml") as (_, said):
        pass

    (line,) = [line for line in said if "POST /api/orders" in line]
    assert line.startswith("bridge: ")
    assert not [line for line in said if "not upgraded" in line]
