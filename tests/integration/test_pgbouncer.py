"""The bridge behind PgBouncer in transaction mode: what it promises of PostgreSQL holds there, by the same tests.

The tests that are imported run here once more, on a database that is reached through the pooler.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urlsplit, urlunsplit

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from bridge.errors import ConstraintViolated, DatabaseUnavailable
from bridge.store.database import open_database
from tests.absent import absent
from tests.cli.conftest import assert_one_line
from tests.conftest import Cast, Serve, bearer, bridge_command
from tests.memory import fast_folder
from tests.store.test_census import test_the_figures_equal_an_independent_count
from tests.store.test_endpoints import (
    author,
    endpoints,
    service,
    test_no_move_of_many_at_once_is_lost_and_versions_only_rise,
)
from tests.store.test_read_only import (
    notes,
    observer,
    test_a_run_cannot_make_itself_writable,
    test_a_statement_that_takes_too_long_is_ended,
    test_nothing_of_a_run_stays_with_its_connection,
)
from tests.store.test_snapshots import test_of_many_replicas_one_counts
from tests.store.test_stages import stages, test_following_takes_up_what_changes
from tests.store.test_traffic import (
    counts,
    replicas,
    test_replicas_that_flush_the_same_rows_at_once_neither_deadlock_nor_lose_any,
)
from tests.web.test_health import test_the_bridge_outlives_a_restart_of_the_database
from tests.web.test_refresh import (
    test_a_rehash_while_a_refresh_waits_ends_nothing,
    test_of_sixteen_at_once_one_wins_and_all_get_its_token,
)
from tests.web.test_rehash_safety import test_two_logins_at_once_leave_one_valid_hash

__all__ = [
    "author",
    "counts",
    "endpoints",
    "notes",
    "observer",
    "replicas",
    "service",
    "stages",
    "test_a_rehash_while_a_refresh_waits_ends_nothing",
    "test_a_run_cannot_make_itself_writable",
    "test_a_statement_that_takes_too_long_is_ended",
    "test_following_takes_up_what_changes",
    "test_no_move_of_many_at_once_is_lost_and_versions_only_rise",
    "test_nothing_of_a_run_stays_with_its_connection",
    "test_of_many_replicas_one_counts",
    "test_of_sixteen_at_once_one_wins_and_all_get_its_token",
    "test_replicas_that_flush_the_same_rows_at_once_neither_deadlock_nor_lose_any",
    "test_the_bridge_outlives_a_restart_of_the_database",
    "test_the_figures_equal_an_independent_count",
    "test_two_logins_at_once_leave_one_valid_hash",
]

PORT: Final = 6432  # of a socket file, in a folder of its own
SECONDS: Final = 20.0
AT_THE_SERVER: Final = 5
"""Connections that all clients of a database share; one bridge alone may have ten of its own."""


@dataclass(frozen=True)
class Pooler:
    """A PgBouncer, by the folder of its socket."""

    folder: Path

    def url(self, direct: str) -> str:
        """The same database and role, through it."""
        parts = urlsplit(direct)
        credentials = parts.netloc.rpartition("@")[0]
        query = urlencode({"host": self.folder, "port": PORT})
        return urlunsplit(parts._replace(netloc=f"{credentials}@", query=query))


@pytest.fixture(scope="module")
def executable() -> str:
    found = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if found is None:
        absent("Debian's pgbouncer is not installed")
    return found


@pytest.fixture(scope="module")
def start(executable: str, postgresql_server: str, service_role: str) -> Iterator[Callable[[str], Pooler]]:
    """Start one in front of the tests' server; it runs as that one's user, for it refuses to be root."""
    server = conninfo_to_dict(postgresql_server)
    data = Path(str(server["host"]))
    user = data.owner() if data.is_absolute() else "nobody"
    running: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory(prefix="bridge-tests-pooler-", dir=fast_folder()) as parent:
        Path(parent).chmod(0o755)

        def started(mode: str) -> Pooler:
            folder = Path(parent, mode)
            folder.mkdir()
            told = {name: server[name] for name in ("host", "port") if name in server}
            users = {service_role: service_role, str(server["user"]): server.get("password") or ""}
            (folder / "users").write_text("".join(f'"{name}" "{password}"\n' for name, password in users.items()))
            (folder / "ini").write_text(
                f"[databases]\n* = {' '.join(f'{name}={value}' for name, value in told.items())}\n"
                f"[pgbouncer]\npool_mode = {mode}\ndefault_pool_size = {AT_THE_SERVER}\nmax_client_conn = 500\n"
                f"unix_socket_dir = {folder}\nlisten_port = {PORT}\nauth_type = trust\nauth_file = {folder / 'users'}\n"
            )
            as_user: list[str] = []
            if os.geteuid() == 0:
                shutil.chown(folder, user)
                as_user = ["-u", user]
            running.append(subprocess.Popen([executable, "-q", *as_user, str(folder / "ini")]))
            _wait_for(folder / f".s.PGSQL.{PORT}", running[-1])
            return Pooler(folder)

        yield started
        for process in running:
            process.kill()
            process.wait()


def _wait_for(path: Path, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + SECONDS
    while not path.exists():
        assert process.poll() is None, "PgBouncer ended"
        assert time.monotonic() < deadline, "PgBouncer did not start"
        time.sleep(0.01)


@pytest.fixture(scope="module")
def pooler(start: Callable[[str], Pooler]) -> Pooler:
    return start("transaction")


@pytest.fixture
def database_url(postgresql_url: str, pooler: Pooler) -> str:
    """A database of the test's own, through PgBouncer; so are the bridge's connections, which are made of this."""
    return pooler.url(postgresql_url)


# What only a pooler shows ---------------------------------------------------------------------------------------------


async def test_more_look_ups_at_once_than_there_are_connections_all_find_their_user(serve: Serve, cast: Cast):
    names = [f"user{number}" for number in range(20)]
    for name in names:
        await cast.add(name)

    async with serve() as client:
        headers = {name: await bearer(client, name) for name in names}
        asked = [name for name in names for _ in range(5)]
        answers = await asyncio.gather(*(client.get("/users/me/", headers=headers[name]) for name in asked))

    assert [answer.json()["username"] for answer in answers] == asked


async def test_a_statement_that_is_given_up_is_cancelled_behind_the_pooler(database_url: str, postgresql_url: str):
    database = await open_database(database_url, patience=timedelta(milliseconds=100))
    with pytest.raises(DatabaseUnavailable):
        await database.fetch_one("SELECT pg_sleep(60)")
    await database.close()

    async with await psycopg.AsyncConnection.connect(postgresql_url) as connection:
        sleeping = await connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND state = 'active' AND query LIKE 'SELECT pg_sleep%'"
        )
        assert await sleeping.fetchone() == (0,)


@pytest.mark.parametrize("busy_time", [0.005, 0.0], ids=["as_it_is", "others_run_at_every_step"])
async def test_no_batch_keeps_a_servers_connection_for_itself_whether_it_holds_or_fails(
    database_url: str, monkeypatch: pytest.MonkeyPatch, busy_time: float
):
    """Four times as many clients as there are connections, all of which go on to be there."""
    monkeypatch.setattr("psycopg.waiting.MAX_BUSY_TIME", busy_time)
    async with AsyncExitStack() as stack:
        databases = [await open_database(database_url, patience=timedelta(seconds=SECONDS)) for _ in range(2)]
        for database in databases:
            stack.push_async_callback(database.close)
        await databases[0].execute("CREATE TABLE note (id integer PRIMARY KEY, body varchar(20) NOT NULL)")

        async def write(number: int, *, fails: bool) -> None:
            last = {"id": 2 * number + 1, "body": None if fails else "two"}
            async with databases[number % 2].batch() as batch:
                await batch.execute("INSERT INTO note VALUES (:id, 'one')", {"id": 2 * number})
                # So that all are there at once.
                await batch.execute("INSERT INTO note SELECT :id, :body FROM pg_sleep(0.01)", last)

        for start in range(0, 200, 40):
            written = await asyncio.gather(
                *(write(number, fails=number % 4 == 3) for number in range(start, start + 40)), return_exceptions=True
            )
            assert [type(each) for each in written if each is not None] == [ConstraintViolated] * 10

        assert await databases[0].fetch_one("SELECT count(*) AS count FROM note") == {"count": 2 * 150}


def test_the_doctor_finds_nothing_wrong_with_it(service_url: str):
    done = bridge_command(service_url, "doctor")

    assert done.returncode == 0, done.stdout + done.stderr


def test_statement_mode_stops_the_start_in_one_line_with_its_cure(start: Callable[[str], Pooler], postgresql_url: str):
    done = bridge_command(start("statement").url(postgresql_url), "serve", "--port", "0")

    assert_one_line(done, naming="statement", cure="pool_mode = transaction")
