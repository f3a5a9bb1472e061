"""What is kept of differences, by all replicas together."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from bridge.cutover import Difference
from bridge.store.database import Database, open_database
from bridge.store.differences import Differences

ORDERS = "GET /orders/{}/"
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)
EXPIRY = NOON + timedelta(days=14)

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def difference(place: str = "$.price", **more) -> Difference:
    given = {"kind": "type", "legacy": "string", "candidate": "number", **more}
    return Difference(place, **given)


@pytest.fixture
def differences(database: Database) -> Differences:
    return Differences(database)


async def add(differences: Differences, *found: Difference, operation: str = ORDERS, now: datetime = NOON) -> None:
    await differences.add(operation, found, now=now, expires_at=now + timedelta(days=14))


async def places(differences: Differences, operation: str = ORDERS, *, limit: int = 10) -> list[tuple[str, int]]:
    return [(each.difference.place, each.count) for each in await differences.top(operation, limit=limit)]


async def test_a_difference_is_read_as_it_was_found(differences: Differences):
    found = difference(legacy_digest="a1", candidate_digest="b2", values=("1.50", "1.5\0"))

    await add(differences, found)

    (stored,) = await differences.top(ORDERS, limit=10)
    assert (stored.difference, stored.count) == (found, 1)
    assert (stored.first_seen, stored.last_seen) == (NOON, NOON)


async def test_one_that_comes_again_is_counted_and_the_last_is_kept(differences: Differences):
    await add(differences, difference(legacy_digest="a1", values=("1", "2")))
    await add(differences, difference(legacy_digest="a2"), now=LATER)

    (stored,) = await differences.top(ORDERS, limit=10)
    assert stored.difference == difference(legacy_digest="a2")
    assert (stored.count, stored.first_seen, stored.last_seen) == (2, NOON, LATER)


async def test_those_found_most_often_come_first(differences: Differences):
    await add(differences, difference("$.a"), difference("$.b"), difference("$.c"))
    await add(differences, difference("$.b"), difference("$.c"))
    await add(differences, difference("$.c"))

    assert await places(differences) == [("$.c", 3), ("$.b", 2), ("$.a", 1)]
    assert await places(differences, limit=1) == [("$.c", 3)]


@on_sqlite
async def test_another_operations_are_its_own(differences: Differences):
    await add(differences, difference("$.a"))
    await add(differences, difference("$.b"), operation="GET /items/")

    assert await places(differences) == [("$.a", 1)]


async def test_two_that_are_stored_alike_are_one(differences: Differences):
    """A place may be longer than its column."""
    await add(differences, difference("$." + "x" * 300 + ".a"), difference("$." + "x" * 300 + ".b"))

    (stored,) = await differences.top(ORDERS, limit=10)
    assert (len(stored.difference.place), stored.count) == (255, 1)


async def test_keys_that_no_column_holds_are_stored_all_the_same(differences: Differences):
    await add(differences, difference("$.\0\ud800", values=("\0", "\ud800")))

    assert await places(differences) == [("$.\ufffd\ufffd", 1)]


@on_sqlite
async def test_nothing_found_is_nothing_kept(differences: Differences):
    await add(differences)

    assert await places(differences) == []


async def test_what_was_not_seen_for_long_is_dropped(differences: Differences):
    await add(differences, difference("$.old"), difference("$.again"))
    await add(differences, difference("$.again"), now=LATER)

    assert await differences.prune(now=EXPIRY) == 0
    assert await differences.prune(now=EXPIRY + timedelta(minutes=1)) == 1
    assert await places(differences) == [("$.again", 2)]


async def test_replicas_that_find_the_same_crosswise_do_not_wait_for_each_other(
    differences: Differences, service_url: str
):
    found = [difference(f"$.{number}") for number in range(50)]
    replica = await open_database(service_url)
    try:
        await asyncio.gather(
            *(add(differences, *found) for _ in range(10)),
            *(add(Differences(replica), *reversed(found)) for _ in range(10)),
        )
    finally:
        await replica.close()

    assert {count for _, count in await places(differences, limit=100)} == {20}
