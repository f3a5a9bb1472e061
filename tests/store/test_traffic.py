"""What was answered and compared, in the database."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from prometheus_client import CollectorRegistry

from bridge.cutover.parity import Difference, Verdict
from bridge.cutover.stages import Side
from bridge.progress.endpoints import DifferingPlace
from bridge.services.traffic import KEPT, Traffic
from bridge.store.database import Database, open_database
from bridge.store.differences import Differences
from bridge.store.traffic import Answered, Compared, EndpointCounts

NOON: Final = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
BOUND: Final = 60.0  # seconds, for a test that would otherwise wait for ever


@pytest.fixture
def counts(database: Database) -> EndpointCounts:
    return EndpointCounts(database)


@pytest.fixture
async def replicas(service_url: str) -> AsyncIterator[list[Database]]:
    """Connections as two replicas have them, with the rights that these have."""
    opened = [await open_database(service_url), await open_database(service_url)]
    yield opened
    for database in opened:
        await database.close()


def traffic(database: Database, *, now: datetime = NOON) -> Traffic:
    return Traffic(
        database=database, registry=CollectorRegistry(), clock=lambda: now, window_of=lambda _: timedelta(minutes=5)
    )


def answered(operation: str = "GET /", *, hour: datetime = NOON, side: str = "legacy") -> Answered:
    return Answered(hour, operation, side, "user", 2, 20)


def compared(operation: str = "GET /", *, at: datetime = NOON) -> Compared:
    return Compared(at.date(), operation, "user", 200, "match")


async def add(
    database: Database, requests: dict[Answered, int], comparisons: dict[Compared, int] | None = None
) -> None:
    async with database.transaction() as transaction:
        await EndpointCounts(database).add(requests, comparisons or {}, executor=transaction)


async def test_counts_are_read_as_they_were_written(counts: EndpointCounts, database: Database):
    await add(database, {answered(): 3}, {compared(): 2})

    assert await counts.answered(NOON) == [(answered(), 3)]
    assert await counts.compared(NOON.date()) == [(compared(), 2)]


async def test_counts_of_several_hours_and_days_are_added_up(counts: EndpointCounts, database: Database):
    later = NOON + timedelta(days=1)
    await add(database, {answered(): 3, answered(hour=later): 4}, {compared(): 2, compared(at=later): 5})

    assert await counts.answered(NOON) == [(answered(), 7)]
    assert await counts.answered(later) == [(answered(hour=later), 4)]
    assert await counts.compared(NOON.date()) == [(compared(), 7)]
    assert await counts.compared(later.date()) == [(compared(at=later), 5)]


async def test_more_rows_than_a_statement_takes_are_all_written(counts: EndpointCounts, database: Database):
    await add(database, {answered(f"GET /{number}/"): number for number in range(1, 251)})

    assert sum(count for _, count in await counts.answered(NOON)) == 250 * 251 / 2


async def test_what_two_replicas_count_is_added_up(counts: EndpointCounts, replicas: list[Database]):
    for replica in map(traffic, replicas):
        replica.count("GET /", side=Side.LEGACY, role="user", status=200, seconds=0.02)
        replica.compared("GET /", role="user", status=200, verdict=Verdict.MATCH)
        await replica.flush()

    assert await counts.answered(NOON) == [(answered(), 2)]
    assert await counts.compared(NOON.date()) == [(compared(), 2)]


async def test_replicas_that_flush_the_same_rows_at_once_neither_deadlock_nor_lose_any(
    counts: EndpointCounts, replicas: list[Database]
):
    names = [f"GET /{number}/" for number in range(150)]

    async def flush_often(replica: Traffic, names: list[str]) -> None:
        for _ in range(5):
            for name in names:
                replica.count(name, side=Side.LEGACY, role="user", status=200, seconds=0.02)
            await replica.flush()

    async with asyncio.timeout(BOUND):
        first, second = map(traffic, replicas)
        await asyncio.gather(flush_often(first, names), flush_often(second, names[::-1]))

    found = await counts.answered(NOON)
    assert {count for _, count in found} == {10}
    assert len(found) == len(names)


async def test_a_flush_that_fails_half_way_leaves_nothing_and_is_made_up_for_once(
    counts: EndpointCounts, database: Database
):
    await database.execute("ALTER TABLE bridge_endpoint_parity RENAME TO away")
    one = traffic(database)
    one.count("GET /", side=Side.LEGACY, role="user", status=200, seconds=0.02)
    one.compared("GET /", role="user", status=200, verdict=Verdict.MATCH)
    await one.flush()
    assert await counts.answered(NOON) == []

    await database.execute("ALTER TABLE away RENAME TO bridge_endpoint_parity")
    one.count("GET /", side=Side.LEGACY, role="user", status=200, seconds=0.02)
    await one.flush()
    await one.flush()

    assert await counts.answered(NOON) == [(answered(), 2)]
    assert await counts.compared(NOON.date()) == [(compared(), 1)]


SIDES: Final = ("legacy", "legacy shadow")


async def test_latencies_are_added_up_over_all_that_is_kept(counts: EndpointCounts, database: Database):
    slower = answered()._replace(le_ms=300)
    await add(
        database,
        {
            answered(): 3,
            answered(hour=NOON - KEPT): 4,
            slower._replace(role="staff"): 5,
            slower._replace(side="legacy shadow"): 6,
            slower._replace(status_class=3): 7,
        },
    )

    assert await counts.latencies("GET /", sides=SIDES) == {20: 7, 300: 18}


async def test_latencies_are_those_of_one_operation_and_side_and_of_no_refusal_or_error(
    counts: EndpointCounts, database: Database
):
    refused = [answered()._replace(status_class=status) for status in (0, 1, 4, 5)]
    await add(
        database,
        {answered(): 3, answered("GET /other/"): 4, answered(side="bridge"): 5, **dict.fromkeys(refused, 6)},
    )

    assert await counts.latencies("GET /", sides=SIDES) == {20: 3}
    assert await counts.latencies("GET /third/", sides=SIDES) == {}


async def test_whatever_was_asked_for_was_seen(counts: EndpointCounts, database: Database):
    await add(database, {answered("GET /old/", hour=NOON - KEPT): 1, answered("GET /new/"): 1})

    assert await counts.seen() == {"GET /old/", "GET /new/"}


async def test_old_counts_are_dropped_and_the_others_stay(replicas: list[Database], counts: EndpointCounts):
    old = NOON - KEPT - timedelta(days=1)
    await add(replicas[0], {answered("GET /old/", hour=old): 1, answered(): 1}, {compared(at=old): 1, compared(): 1})

    assert await counts.prune(before=NOON - KEPT) == 2

    assert await counts.seen() == {"GET /"}
    assert await counts.compared(old.date()) == [(compared(at=old), 1)]


async def test_of_each_operation_the_places_that_differ_most_often_are_given(
    counts: EndpointCounts, database: Database
):
    for operation in ("GET /a/", "GET /b/"):
        for count, place in enumerate(("$.rare", "$.some", "$.most"), start=1):
            await _differ(database, operation, place, count, last_seen=NOON)
    await _differ(database, "GET /b/", "$.long_ago", 99, last_seen=NOON - timedelta(days=1))

    found = await counts.differing(NOON, now=NOON, most=2)

    assert [(operation, each.place, each.count) for operation, each in found] == [
        ("GET /a/", "$.most", 3),
        ("GET /a/", "$.some", 2),
        ("GET /b/", "$.most", 3),
        ("GET /b/", "$.some", 2),
    ]
    assert found[0][1] == DifferingPlace("$.most", "type", "string", "number", 3, NOON)


async def test_values_are_given_where_they_were_kept_and_nothing_that_has_expired(
    counts: EndpointCounts, database: Database
):
    differences, later = Differences(database), NOON + timedelta(days=2)
    kept = Difference("$.kept", kind="value", legacy="number", candidate="number", values=("1.50", "\x1b1.5"))
    other = Difference("$.other", kind="value", legacy="number", candidate="number")
    old = replace(kept, place="$.old")
    await differences.add("GET /a/", [kept, other], now=NOON, expires_at=later)
    await differences.add("GET /a/", [old], now=NOON, expires_at=later - timedelta(days=1))

    found = [place for _, place in await counts.differing(NOON, now=later, most=9)]

    assert [(each.place, each.values) for each in found] == [("$.kept", ("1.50", "\x1b1.5")), ("$.other", None)]
    assert "1.50" not in repr(found)


async def _differ(database: Database, operation: str, place: str, count: int, *, last_seen: datetime) -> None:
    row = {
        "operation": operation,
        "place": place,
        "kind": "type",
        "legacy": "string",
        "candidate": "number",
        "count": count,
        "first_seen": last_seen,
        "last_seen": last_seen,
        "legacy_digest": "",
        "candidate_digest": "",
        "sample": "",
        "expires_at": NOON + timedelta(days=14),
    }
    names, slots = ", ".join(row), ", ".join(f":{name}" for name in row)
    await database.execute(f"INSERT INTO bridge_endpoint_difference ({names}) VALUES ({slots})", row)
