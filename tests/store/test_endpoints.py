"""The stages in force and their log, under the role that the bridge has."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest

from bridge.cutover.stages import Stage, Standing
from bridge.errors import DatabaseUnavailable, WriteRefused
from bridge.store.database import Database, open_database
from bridge.store.endpoints import Author, Endpoints
from tests.conftest import FrozenClock

ORDERS: Final = "GET /orders/{}/"
ITEMS: Final = "GET /items/"
SHIP: Final = "POST /orders/{}/ship"
SHADOW: Final = Standing.of(Stage.SHADOW)
CANARY: Final = Standing.of(Stage.CANARY, 500)

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def service(service_url: str) -> AsyncIterator[Database]:
    """The database as the service sees it: on PostgreSQL, under the role with the least rights."""
    opened = await open_database(service_url)
    yield opened
    await opened.close()


@pytest.fixture
def endpoints(service: Database) -> Endpoints:
    return Endpoints(service)


@pytest.fixture
def author(clock: FrozenClock) -> Author:
    return Author("cli:ada", "because", clock())


async def put(endpoints: Endpoints, operation: str, standing: Standing, author: Author) -> int:
    version = await endpoints.change(operation, expected_version=None, standing=standing, author=author)
    assert version is not None
    return version


async def test_what_was_never_moved_is_not_there(endpoints: Endpoints):
    assert (await endpoints.all(), await endpoints.of(ORDERS), await endpoints.history(limit=9)) == ((), None, ())


async def test_a_move_is_in_force_with_its_author(endpoints: Endpoints, author: Author):
    version = await put(endpoints, ORDERS, CANARY, author)

    (stored,) = await endpoints.all()
    assert stored == await endpoints.of(ORDERS)
    assert (stored.operation, stored.standing) == (ORDERS, Standing(Stage.CANARY, 500, version))
    assert (stored.actor, stored.reason, stored.changed_at) == (author.actor, author.reason, author.now)


async def test_versions_count_all_moves_of_all_operations(endpoints: Endpoints, author: Author):
    versions = [await put(endpoints, each, SHADOW, author) for each in (ORDERS, ITEMS, ORDERS)]

    assert versions == [1, 2, 3]


async def test_the_log_tells_every_move_the_newest_first(endpoints: Endpoints, author: Author):
    await put(endpoints, ORDERS, SHADOW, author)
    await put(endpoints, ITEMS, SHADOW, author)
    await put(endpoints, ORDERS, CANARY, author)

    moves = [(each.version, each.operation, each.old_stage, each.stage) for each in await endpoints.history(limit=9)]

    assert moves == [
        (3, ORDERS, "shadow", "canary"),
        (2, ITEMS, "legacy", "shadow"),
        (1, ORDERS, "legacy", "shadow"),
    ]


async def test_the_log_of_one_operation_is_cut_at_a_limit(endpoints: Endpoints, author: Author):
    for operation in (ORDERS, ITEMS, ORDERS, ITEMS, ORDERS):
        await put(endpoints, operation, SHADOW, author)

    assert [each.version for each in await endpoints.history(ORDERS, limit=2)] == [5, 3]


@pytest.mark.parametrize("expected", [0, 2, 7], ids=["never_moved", "another_operation_s", "not_yet"])
async def test_a_move_from_another_standing_than_the_expected_one_is_refused(
    endpoints: Endpoints, author: Author, expected: int
):
    await put(endpoints, ORDERS, SHADOW, author)
    await put(endpoints, ITEMS, SHADOW, author)

    assert await endpoints.change(ORDERS, expected_version=expected, standing=CANARY, author=author) is None
    assert len(await endpoints.history(limit=9)) == 2


async def test_a_first_move_is_one_from_version_0(endpoints: Endpoints, author: Author):
    assert await endpoints.change(ORDERS, expected_version=0, standing=CANARY, author=author) == 1


async def test_of_many_who_saw_the_same_standing_one_moves_it(service_url: str, endpoints: Endpoints, author: Author):
    seen = await put(endpoints, ORDERS, SHADOW, author)
    others = [await open_database(service_url) for _ in range(3)]

    versions = await asyncio.gather(
        *(
            Endpoints(each).change(ORDERS, expected_version=seen, standing=CANARY, author=author)
            for each in others
            for _ in range(4)
        )
    )

    assert sorted(versions, key=bool) == [None] * 11 + [2]
    for each in others:
        await each.close()


async def test_no_move_of_many_at_once_is_lost_and_versions_only_rise(
    service_url: str, endpoints: Endpoints, author: Author
):
    """Three processes that each write as fast as they can, and a reader that follows."""
    writers = [await open_database(service_url) for _ in range(3)]

    async def write(database: Database, operation: str) -> list[int]:
        return [await put(Endpoints(database), operation, SHADOW, author) for _ in range(8)]

    written = await asyncio.gather(
        *(write(each, operation) for each in writers for operation in (ORDERS, f"{ITEMS}{writers.index(each)}/"))
    )

    versions = sorted(version for each in written for version in each)
    assert versions == list(range(1, 49))
    assert [each.version for each in reversed(await endpoints.history(limit=99))] == versions
    for operation, last in {
        each.operation: each.version for each in reversed(await endpoints.history(limit=99))
    }.items():
        stored = await endpoints.of(operation)
        assert stored is not None
        assert stored.standing.version == last
    for each in writers:
        await each.close()


# Back -----------------------------------------------------------------------------------------------------------------


async def test_a_rollback_of_all_takes_back_all_but_the_retired(endpoints: Endpoints, author: Author):
    await put(endpoints, ORDERS, CANARY, author)
    await put(endpoints, ITEMS, Standing.of(Stage.RETIRED), author)
    await put(endpoints, SHIP, SHADOW, author)

    moved = await endpoints.roll_back(author=author)

    assert [(left.operation, left.stage, since) for left, since in moved] == [
        (ORDERS, "canary", Standing(version=4)),
        (SHIP, "shadow", Standing(version=5)),
    ]
    stages = {each.operation: each.standing.stage for each in await endpoints.all()}
    assert stages == {ORDERS: Stage.LEGACY, ITEMS: Stage.RETIRED, SHIP: Stage.LEGACY}


async def test_a_rollback_of_one_leaves_the_others(endpoints: Endpoints, author: Author):
    await put(endpoints, ORDERS, CANARY, author)
    await put(endpoints, ITEMS, CANARY, author)

    await endpoints.roll_back(ORDERS, author=author)

    stages = {each.operation: each.standing.stage for each in await endpoints.all()}
    assert stages == {ORDERS: Stage.LEGACY, ITEMS: Stage.CANARY}


async def test_a_rollback_is_in_the_log_once(endpoints: Endpoints, author: Author):
    await put(endpoints, ORDERS, CANARY, author)

    await endpoints.roll_back(author=author)
    assert await endpoints.roll_back(author=author) == ()

    (last, _) = await endpoints.history(limit=9)
    assert (last.old_stage, last.old_share, last.stage, last.share) == ("canary", 500, "legacy", 0)


async def test_rollbacks_and_moves_at_once_are_all_in_the_log(service_url: str, endpoints: Endpoints, author: Author):
    operations = [f"GET /{number}/" for number in range(9)]
    for each in operations:
        await put(endpoints, each, CANARY, author)
    other = await open_database(service_url)

    await asyncio.gather(
        endpoints.roll_back(author=author),
        *(put(Endpoints(other), each, SHADOW, author) for each in operations[:4]),
        endpoints.roll_back(author=author),
    )

    history = await endpoints.history(limit=99)
    assert [each.version for each in history] == list(range(len(history), 0, -1))
    last = {each.operation: each.stage for each in reversed(history)}
    assert {each.operation: each.stage for each in await endpoints.all()} == last
    await other.close()


async def test_a_stage_of_a_newer_version_is_legacy_here_and_goes_back_as_any(
    endpoints: Endpoints, database: Database, author: Author
):
    await put(endpoints, ORDERS, CANARY, author)
    await database.execute("UPDATE bridge_endpoint_stage SET stage = 'mirrored'")

    (stored,) = await endpoints.all()
    await endpoints.roll_back(author=author)

    assert (stored.standing, stored.stage, stored.is_known) == (Standing(version=1), "mirrored", False)
    assert [each.old_stage for each in await endpoints.history(limit=1)] == ["mirrored"]


# What the database does not let anybody do ----------------------------------------------------------------------------


@on_postgresql
@pytest.mark.parametrize(
    "statement",
    ["UPDATE bridge_endpoint_change SET actor = 'nobody'", "DELETE FROM bridge_endpoint_change"],
    ids=["rewritten", "deleted"],
)
async def test_the_log_cannot_be_changed_by_the_service(service: Database, statement: str):
    with pytest.raises(WriteRefused):
        await service.execute(statement)


@on_postgresql
async def test_the_service_cannot_forget_a_stage(service: Database):
    with pytest.raises(WriteRefused):
        await service.execute("DELETE FROM bridge_endpoint_stage")


@on_postgresql
async def test_whoever_sits_on_the_next_version_is_waited_for_only_so_long(
    service_url: str, endpoints: Endpoints, author: Author
):
    """A writer that hangs in its transaction must not hold up the operator for ever."""
    hanging = await open_database(service_url)
    impatient = Endpoints(hanging, patience=timedelta(milliseconds=50))

    async with hanging.transaction() as executor:
        await executor.execute(
            "INSERT INTO bridge_endpoint_change VALUES (1, 'GET /', 'legacy', 0, 'shadow', 0, false, '', '', now())"
        )
        with pytest.raises(DatabaseUnavailable):
            await put(impatient, ORDERS, CANARY, author)

    await hanging.close()
