"""What befalls a database, as clients see it: nothing wrong is answered, nothing half-written. Real servers.

All of it is over when the fault is, without a restart.
"""

import asyncio
import resource
import secrets
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx
import psycopg
import pytest
from django.contrib.auth.hashers import check_password

from bridge.store.database import Database
from bridge.web.app import create_app
from tests.conftest import (
    PASSWORD,
    Cast,
    FrozenClock,
    as_role,
    bearer,
    bridge_command,
    execute_on_server,
    log_in,
    running,
    settings_for,
    with_database,
)
from tests.processes import Server, server, started
from tests.web.conftest import assert_problem

SERVE: Final = ("bridge", "serve", "--port", "0")
PATIENCE: Final = 1
"""Seconds that these servers leave a statement."""
CONNECTIONS: Final = 10
RECOVERY: Final = 10.0

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


# The servers ----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def role(postgresql_server: str) -> Iterator[str]:
    """A role of these tests' own, for faults that befall a role."""
    name = f"faulty_{secrets.token_hex(6)}"
    execute_on_server(postgresql_server, f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    yield name
    execute_on_server(postgresql_server, f"DROP ROLE {name}")


@pytest.fixture(scope="module")
def postgresql(postgresql_server: str, migrated_postgresql: str, role: str) -> Iterator[str]:
    name = f"faults_{secrets.token_hex(6)}"
    execute_on_server(postgresql_server, f"CREATE DATABASE {name} TEMPLATE {migrated_postgresql} STRATEGY FILE_COPY")
    url = with_database(postgresql_server, name)
    execute_on_server(url, bridge_command(url, "privileges", "--role", role, "--profile-updates").stdout)
    yield url
    execute_on_server(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="module")
def sqlite(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path_factory.mktemp('faults') / 'site.sqlite3')}"


@pytest.fixture
def database_url(request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture(scope="module")
def on_postgres(postgresql: str, role: str) -> Iterator[str]:
    with server(as_role(postgresql, role), *SERVE, BRIDGE_DATABASE_TIMEOUT=str(PATIENCE)) as address:
        yield address


@pytest.fixture
async def client(on_postgres: str) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(on_postgres) as opened:
        yield opened


@asynccontextmanager
async def client_of(address: str) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=address, timeout=RECOVERY) as opened:
        yield opened


@pytest.fixture
async def username(request: pytest.FixtureRequest, cast: Cast) -> str:
    """A user of this test's own, with an old hash."""
    await cast.add(request.node.name)
    return str(request.node.name)


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = RECOVERY) -> None:
    async with asyncio.timeout(seconds):
        while not await holds():  # noqa: ASYNC110  # what is asked is another process
            await asyncio.sleep(0.01)


async def upgrades_of(database: Database, username: str) -> int:
    row = await database.fetch_one(
        "SELECT count(*) AS count FROM bridge_password_upgrade b JOIN auth_user u"
        " ON CAST(u.id AS text) = CAST(b.user_id AS text) WHERE u.username = :username",
        {"username": username},
    )
    assert row is not None
    return int(row["count"])


async def logs_in_and_is_upgraded(client: httpx.AsyncClient, cast: Cast, username: str) -> bool:
    answer = await log_in(client, username)
    assert answer.status_code == httpx.codes.OK, answer.text
    return (await cast.stored_password(username)).startswith("argon2$")


async def assert_upgraded_once(cast: Cast, username: str) -> None:
    assert check_password(PASSWORD, await cast.stored_password(username), setter=pytest.fail)
    assert await upgrades_of(cast.database, username) == 1


@asynccontextmanager
async def holding(database_url: str, statement: str) -> AsyncIterator[None]:
    """Keep what a statement locks, as a migration or a forgotten transaction does."""
    async with await psycopg.AsyncConnection.connect(database_url) as connection:
        await connection.execute(statement.encode())
        yield
        await connection.rollback()


def end_connections(database_url: str, role: str) -> None:
    """End a role's connections, and wait for their ends."""
    execute_on_server(
        database_url, f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = '{role}'"
    )


async def waiting_for_locks(database: Database, like: str = "%") -> int:
    row = await database.fetch_one(
        "SELECT count(*) AS count FROM pg_stat_activity WHERE datname = current_database()"
        " AND wait_event_type = 'Lock' AND query LIKE :like",
        {"like": like},
    )
    assert row is not None
    return int(row["count"])


# It only reads --------------------------------------------------------------------------------------------------------


@on_postgresql
async def test_a_failover_to_a_read_only_database_lets_users_in_and_upgrades_them_afterwards(
    client: httpx.AsyncClient, cast: Cast, username: str, database_url: str, role: str
):
    before = await cast.stored_password(username)
    await cast.add("known_before")
    tokens = (await log_in(client, "known_before")).json()
    known = {"Authorization": f"Bearer {tokens['access_token']}"}

    execute_on_server(database_url, f"ALTER ROLE {role} SET default_transaction_read_only = on")
    end_connections(database_url, role)

    answer = await log_in(client, username)
    new = {"Authorization": f"Bearer {answer.json()['access_token']}"}
    assert (await client.get("/users/me/", headers=new)).json()["username"] == username
    assert (await log_in(client, username, "wrong")).status_code == httpx.codes.UNAUTHORIZED
    assert await cast.stored_password(username) == before
    for refused in (
        await client.patch("/users/me/", json={"first_name": "Ada"}, headers=known),
        await client.post("/auth/logout", headers=known),
    ):
        assert_problem(refused, status=503, code="write_refused")
    refused = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
    assert (refused.status_code, refused.json()["error"]) == (503, "temporarily_unavailable")

    execute_on_server(database_url, f"ALTER ROLE {role} RESET default_transaction_read_only")

    await until(lambda: logs_in_and_is_upgraded(client, cast, username))
    await assert_upgraded_once(cast, username)

    async def refreshes() -> bool:
        again = await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
        return again.status_code == httpx.codes.OK

    await until(refreshes)
    # For another second there may be some that began while it was read-only: the next test is not about that.
    end_connections(database_url, role)


# It does not answer ---------------------------------------------------------------------------------------------------


@on_postgresql
async def test_a_database_that_holds_every_connection_is_waited_for_so_long_and_no_longer(
    client: httpx.AsyncClient, cast: Cast, username: str, database_url: str, database: Database
):
    async with holding(database_url, "LOCK TABLE auth_user IN ACCESS EXCLUSIVE MODE"):
        began = time.monotonic()
        logins = [asyncio.create_task(log_in(client, f"user{number}")) for number in range(CONNECTIONS + 6)]

        async def every_connection_waits() -> bool:
            return await waiting_for_locks(database) == CONNECTIONS

        await until(every_connection_waits)
        assert (await client.get("/healthz")).status_code == httpx.codes.OK
        answers = await asyncio.gather(*logins)
        took = time.monotonic() - began

        assert {(each.status_code, each.headers.get("retry-after")) for each in answers} == {(503, "1")}
        assert took < 5 * PATIENCE

        # Nothing is left behind that waits at the server for nobody.
        async def nobody_waits() -> bool:
            return await waiting_for_locks(database) == 0

        await until(nobody_waits)

    await until(lambda: logs_in_and_is_upgraded(client, cast, username))
    await assert_upgraded_once(cast, username)


@on_postgresql
async def test_a_row_that_somebody_holds_costs_a_login_its_upgrade_and_nothing_else(
    client: httpx.AsyncClient, cast: Cast, username: str, database_url: str
):
    before = await cast.stored_password(username)

    async with holding(database_url, f"SELECT 1 FROM auth_user WHERE username = '{username}' FOR NO KEY UPDATE"):
        began = time.monotonic()
        answer, wrong = await asyncio.gather(log_in(client, username), log_in(client, username, "wrong"))
        took = time.monotonic() - began

    assert (answer.status_code, wrong.status_code) == (200, 401)
    assert took < 4 * PATIENCE
    assert answer.json()["refresh_token"]
    assert await cast.stored_password(username) == before
    assert await logs_in_and_is_upgraded(client, cast, username)
    await assert_upgraded_once(cast, username)
    # What was granted meanwhile hangs on the old value, and goes on.
    again = await client.post("/auth/refresh", json={"refresh_token": answer.json()["refresh_token"]})
    assert again.status_code == httpx.codes.OK, again.text


@on_postgresql
async def test_a_refresh_that_was_given_up_spends_no_token(client: httpx.AsyncClient, username: str, database_url: str):
    refresh = {"refresh_token": (await log_in(client, username)).json()["refresh_token"]}

    async with holding(database_url, "SELECT 1 FROM bridge_grant FOR UPDATE"):
        refused = await client.post("/auth/refresh", json=refresh)
    again = await client.post("/auth/refresh", json=refresh)

    assert (refused.status_code, refused.headers.get("retry-after")) == (503, "1"), refused.text
    assert again.status_code == httpx.codes.OK, again.text


# The process ends, or the disk is full --------------------------------------------------------------------------------


@on_postgresql
async def test_a_bridge_that_is_killed_in_the_middle_of_an_upgrade_has_upgraded_nothing(
    client: httpx.AsyncClient, cast: Cast, username: str, database_url: str, role: str
):
    database = cast.database
    before = await cast.stored_password(username)

    with started(as_role(database_url, role), *SERVE) as doomed:
        async with client_of(doomed.address) as one, holding(database_url, "LOCK TABLE bridge_password_lineage"):
            login = asyncio.create_task(log_in(one, username))

            async def is_between_swap_and_commit() -> bool:
                return await waiting_for_locks(database, "UPDATE bridge_password_lineage%") == 1

            await until(is_between_swap_and_commit)
            doomed.process.kill()
            with pytest.raises(httpx.TransportError):
                await login

    # The server notices that nobody is there any more when it has something to say.
    async def is_over() -> bool:
        return await waiting_for_locks(database) == 0

    await until(is_over)
    assert await cast.stored_password(username) == before
    assert await upgrades_of(database, username) == 0
    assert await logs_in_and_is_upgraded(client, cast, username)
    await assert_upgraded_once(cast, username)


@on_sqlite
async def test_a_full_disk_lets_users_in_writes_nothing_by_halves_and_is_over_when_there_is_room(
    cast: Cast, username: str, database_url: str
):
    before = await cast.stored_password(username)
    await cast.add("known_before")

    with started(database_url, *SERVE) as running:
        async with client_of(running.address) as client:
            known = await bearer(client, "known_before")
            with no_room_for(running):
                answer = await log_in(client, username)
                me = await client.get(
                    "/users/me/", headers={"Authorization": f"Bearer {answer.json()['access_token']}"}
                )
                wrong = await log_in(client, username, "wrong")
                refused = await client.patch("/users/me/", json={"first_name": "Ada"}, headers=known)
                left = await cast.stored_password(username)

            assert await logs_in_and_is_upgraded(client, cast, username)

    assert (answer.status_code, me.json()["username"], wrong.status_code) == (200, username, 401)
    assert_problem(refused, status=503, code="write_refused")
    assert left == before
    await assert_upgraded_once(cast, username)
    with closing(sqlite3.connect(database_url.removeprefix("sqlite:///"))) as file:
        assert file.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


@contextmanager
def no_room_for(running: Server) -> Iterator[None]:
    """Let no byte more go into any file of a process, as on a full disk or beyond a quota."""
    before = resource.prlimit(running.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.pid, resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.prlimit(running.pid, resource.RLIMIT_FSIZE, before)


# Clocks jump ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("database_url", "ahead"), [("sqlite", 3), ("sqlite", -3)], indirect=["database_url"])
async def test_replicas_whose_clocks_differ_take_each_others_tokens(
    cast: Cast, username: str, database_url: str, ahead: int
):
    here, there = FrozenClock(), FrozenClock()
    there.advance(timedelta(seconds=ahead))

    async with replica(database_url, here) as one, replica(database_url, there) as other:
        tokens = (await log_in(one, username)).json()
        for each in (other, one, other):
            headers = {"Authorization": f"Bearer {tokens['access_token']}"}
            assert (await each.get("/users/me/", headers=headers)).status_code == httpx.codes.OK
            before, tokens = tokens, (await refresh(each, tokens)).json()
        # A client whose answer got lost, and which comes to the other replica.
        assert (await refresh(one, before)).json()["refresh_token"] == tokens["refresh_token"]


@on_sqlite
async def test_a_clock_that_is_put_forward_and_back_makes_nothing_good_that_is_spent(
    cast: Cast, username: str, database_url: str
):
    clock = FrozenClock()
    async with replica(database_url, clock) as client:
        first = (await log_in(client, username)).json()
        headers = {"Authorization": f"Bearer {first['access_token']}"}

        clock.advance(timedelta(hours=1))
        assert (await client.get("/users/me/", headers=headers)).status_code == httpx.codes.UNAUTHORIZED
        second = (await refresh(client, first)).json()

        clock.advance(-timedelta(hours=1))
        assert (await client.get("/users/me/", headers=headers)).status_code == httpx.codes.OK
        # What was issued in what is the future now is not believed before that has come.
        assert (await refresh(client, second)).status_code == httpx.codes.UNAUTHORIZED
        # What was spent before the clock was put back is no lost answer: it ends the login, as theft does.
        assert (await refresh(client, first)).status_code == httpx.codes.UNAUTHORIZED
        clock.advance(timedelta(hours=1))
        assert (await refresh(client, second)).status_code == httpx.codes.UNAUTHORIZED
        assert (await log_in(client, username)).status_code == httpx.codes.OK


def replica(url: str, clock: FrozenClock) -> AbstractAsyncContextManager[httpx.AsyncClient]:
    return running(create_app(settings_for(url), clock=clock))


async def refresh(client: httpx.AsyncClient, tokens: dict[str, str]) -> httpx.Response:
    return await client.post("/auth/refresh", json={"refresh_token": tokens["refresh_token"]})
