"""What a process goes by: it follows the database, and keeps to what it knew while that is away."""

import asyncio
import logging
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

import pytest

from bridge.cutover.operations import Operation
from bridge.cutover.plan import Plan
from bridge.cutover.stages import Stage, Standing
from bridge.services.endpoints import Moving, Rules
from bridge.services.stages import Stages, follow
from bridge.store.database import Database, open_database
from bridge.store.endpoints import Author, Endpoints
from tests.conftest import FrozenClock, execute_on_server

ORDERS: Final = "GET /orders/{}/"
ITEMS: Final = "GET /items/"
CANARY: Final = Standing.of(Stage.CANARY, 500)
ONLY_SHADOW: Final = Plan.parse('[defaults]\nstages = ["shadow"]')
LOGGER: Final = "bridge.services.stages"
BOUND: Final = 20.0  # seconds, for a test that would otherwise wait for ever
POLL: Final = timedelta(milliseconds=10)

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def service(service_url: str) -> AsyncIterator[Database]:
    opened = await open_database(service_url)
    yield opened
    await opened.close()


@pytest.fixture
def endpoints(service: Database) -> Endpoints:
    return Endpoints(service)


@pytest.fixture
def stages(endpoints: Endpoints) -> Stages:
    return Stages(endpoints)


@pytest.fixture
def moving(database: Database, clock: FrozenClock) -> Moving:
    """Another process's."""
    return Moving(endpoints=Endpoints(database), clock=clock, rules=Rules())


@pytest.fixture
def author(clock: FrozenClock) -> Author:
    return Author("cli:ada", "because", clock())


async def put(database: Database, operation: str, standing: Standing, author: Author) -> None:
    await Endpoints(database).change(operation, expected_version=None, standing=standing, author=author)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.name == LOGGER and each.levelno >= logging.WARNING]


@on_sqlite
async def test_before_the_first_look_everything_is_djangos(stages: Stages):
    assert (stages.of(ORDERS), dict(stages.in_force)) == (Standing(), {})


async def test_a_look_takes_up_what_is_in_force(stages: Stages, database: Database, author: Author):
    await put(database, ORDERS, CANARY, author)

    await stages.look()

    assert stages.of(ORDERS) == Standing(Stage.CANARY, 500, version=1)
    assert stages.of(ITEMS) == Standing()


async def test_a_rollback_is_in_force_on_every_replica_at_its_next_look(
    service_url: str, database: Database, author: Author, moving: Moving
):
    await put(database, ORDERS, CANARY, author)
    connections = [await open_database(service_url) for _ in range(2)]
    replicas = [Stages(Endpoints(each)) for each in connections]
    for replica in replicas:
        await replica.look()

    await moving.rollback(Operation.parse(ORDERS), actor="cli:ada", reason="it burns")

    for replica in replicas:
        assert replica.of(ORDERS).stage is Stage.CANARY
        await replica.look()
        assert replica.of(ORDERS) == Standing(version=2)
    for each in connections:
        await each.close()


@on_sqlite
async def test_following_takes_up_what_changes(stages: Stages, database: Database, author: Author):
    following = asyncio.create_task(follow(stages, every=POLL))

    await put(database, ORDERS, CANARY, author)
    async with asyncio.timeout(BOUND):
        while stages.of(ORDERS).stage is not Stage.CANARY:
            await database.fetch_one("SELECT 1")  # the follower has its turn meanwhile

    following.cancel()


# Without the database -------------------------------------------------------------------------------------------------


@on_sqlite
async def test_a_database_that_was_never_there_leaves_everything_with_django(
    stages: Stages, service: Database, database: Database, author: Author, caplog: pytest.LogCaptureFixture
):
    await put(database, ORDERS, CANARY, author)
    await service.close()

    await stages.look()

    assert stages.of(ORDERS) == Standing()
    assert len(warnings(caplog)) == 1


@on_sqlite
async def test_a_database_that_goes_away_is_told_of_once_and_leaves_what_was(
    stages: Stages, service: Database, database: Database, author: Author, caplog: pytest.LogCaptureFixture
):
    await put(database, ORDERS, CANARY, author)
    await stages.look()
    await service.close()

    for _ in range(5):
        await stages.look()

    assert stages.of(ORDERS).stage is Stage.CANARY
    assert len(warnings(caplog)) == 1


@on_sqlite
async def test_a_database_that_does_not_answer_is_away(
    endpoints: Endpoints,
    service: Database,
    database: Database,
    author: Author,
    caplog: pytest.LogCaptureFixture,
):
    """One behind a dead line never says so; who waited for ever could not be rolled back any more."""
    stages = Stages(endpoints, patience=timedelta(milliseconds=20))
    await put(database, ORDERS, CANARY, author)

    async with service.transaction(), asyncio.timeout(BOUND):  # SQLite's one connection is taken
        await stages.look()

    assert stages.of(ORDERS) == Standing()
    assert len(warnings(caplog)) == 1


@on_sqlite
async def test_tables_that_are_not_there_yet_leave_everything_with_django(
    stages: Stages, database: Database, caplog: pytest.LogCaptureFixture
):
    await database.execute("DROP TABLE bridge_endpoint_stage")

    await stages.look()

    assert stages.of(ORDERS) == Standing()
    assert "SchemaMissing" in warnings(caplog)[0]


@on_postgresql
async def test_a_database_that_comes_back_is_followed_again(
    stages: Stages,
    postgresql_server: str,
    database_url: str,
    author: Author,
    caplog: pytest.LogCaptureFixture,
):
    name = urlsplit(database_url).path.removeprefix("/")
    observer = await open_database(database_url)
    await put(observer, ORDERS, CANARY, author)
    await observer.close()
    await stages.look()

    execute_on_server(postgresql_server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    kill = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
    execute_on_server(postgresql_server, kill)
    await stages.look()
    assert (stages.of(ORDERS).stage, len(warnings(caplog))) == (Stage.CANARY, 1)

    execute_on_server(postgresql_server, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    observer = await open_database(database_url)
    await Endpoints(observer).roll_back(author=author)
    await observer.close()
    async with asyncio.timeout(BOUND):
        while stages.of(ORDERS).stage is Stage.CANARY:
            await stages.look()

    assert len(warnings(caplog)) == 1


# What this version does not know --------------------------------------------------------------------------------------


@on_sqlite
async def test_a_stage_of_a_newer_version_is_djangos_and_told_of_once(
    stages: Stages, database: Database, author: Author, caplog: pytest.LogCaptureFixture
):
    await put(database, ORDERS, CANARY, author)
    await put(database, ITEMS, CANARY, author)
    await database.execute("UPDATE bridge_endpoint_stage SET stage = 'mirrored' WHERE version = 1")

    for _ in range(3):
        await stages.look()

    assert (stages.of(ORDERS), stages.of(ITEMS).stage) == (Standing(version=1), Stage.CANARY)
    (warning,) = warnings(caplog)
    assert ORDERS in warning
    assert "mirrored" in warning


# Beyond the plan ------------------------------------------------------------------------------------------------------


@on_sqlite
async def test_a_stage_beyond_the_plan_is_obeyed_and_told_of_once_for_each_change(
    endpoints: Endpoints, database: Database, author: Author, caplog: pytest.LogCaptureFixture
):
    stages = Stages(endpoints, plan=ONLY_SHADOW)
    await put(database, ORDERS, CANARY, author)
    await put(database, ITEMS, Standing.of(Stage.SHADOW), author)

    for _ in range(3):
        await stages.look()

    assert stages.of(ORDERS).stage is Stage.CANARY
    (warning,) = warnings(caplog)
    assert f"{ORDERS} is canary 5%" in warning

    await put(database, ORDERS, Standing(Stage.MIGRATED), author)
    for _ in range(3):
        await stages.look()

    assert [ORDERS in each for each in warnings(caplog)] == [True, True]


@on_sqlite
async def test_the_way_back_from_beyond_the_plan_is_told_to_nobody(
    endpoints: Endpoints, database: Database, author: Author, moving: Moving, caplog: pytest.LogCaptureFixture
):
    stages = Stages(endpoints, plan=ONLY_SHADOW)
    await put(database, ORDERS, CANARY, author)
    await stages.look()

    await moving.rollback(None, actor="cli:ada", reason="it burns")
    await stages.look()

    assert (stages.of(ORDERS), len(warnings(caplog))) == (Standing(version=2), 1)


# Tripped here ---------------------------------------------------------------------------------------------------------


@on_sqlite
async def test_what_tripped_here_is_djangos_at_once_and_stays_so(stages: Stages, database: Database, author: Author):
    await put(database, ORDERS, CANARY, author)
    await stages.look()

    stages.trip_locally(ORDERS)
    at_once = stages.of(ORDERS)
    await stages.look()

    assert at_once == stages.of(ORDERS) == Standing(version=1, is_tripped=True)


@on_sqlite
async def test_what_tripped_here_follows_the_database_once_it_is_moved_there(
    stages: Stages, database: Database, author: Author
):
    await put(database, ORDERS, CANARY, author)
    await stages.look()
    stages.trip_locally(ORDERS)

    await put(database, ORDERS, CANARY, author)
    await stages.look()

    assert stages.of(ORDERS) == Standing(Stage.CANARY, 500, version=2)
