"""Reports that are kept: one a day, by one replica at a time."""

import asyncio
import json
from datetime import datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from bridge.errors import DatabaseError
from bridge.services.reporting import ReportGauges, Reporting, keep_snapshots
from bridge.store.database import Database, open_database
from bridge.store.snapshots import KEPT, Snapshots
from bridge.web.composition import reporting_of
from tests.conftest import Cast, FrozenClock

DAY = timedelta(days=1)


@pytest.fixture
def reporting(database: Database, clock: FrozenClock) -> Reporting:
    return reporting_of(database, None, clock)


async def kept(database: Database) -> int:
    row = await database.fetch_one("SELECT count(*) AS number FROM bridge_census_snapshot WHERE document <> ''")
    assert row is not None
    return int(row["number"])


async def test_a_snapshot_is_the_report_of_its_moment(reporting: Reporting, cast: Cast):
    await cast.add("ada", encoded="md5$a$b")

    drawn = await reporting.take_snapshot()

    assert drawn is not None
    assert await reporting.latest_snapshot() == drawn.to_document()
    assert drawn.total == 1


async def test_the_trend_has_a_point_a_day(reporting: Reporting, cast: Cast, clock: FrozenClock):
    for name in ("ada", "grace"):
        await cast.add(name, encoded="md5$a$b")
        await reporting.take_snapshot()
        clock.advance(DAY)

    trend = (await reporting.report()).to_document()["trend"]

    assert [(each["day"], each["total"], each["by_algorithm"]) for each in trend] == [
        ((clock.now - 2 * DAY).date().isoformat(), 1, {"md5": 1}),
        ((clock.now - DAY).date().isoformat(), 2, {"md5": 2}),
    ]


async def test_the_daily_one_is_taken_once_a_day(reporting: Reporting, clock: FrozenClock):
    taken = [await reporting.take_snapshot(again=False) is not None for _ in range(2)]
    clock.advance(DAY)

    assert [*taken, await reporting.take_snapshot(again=False) is not None] == [True, False, True]


async def test_one_on_demand_takes_the_days_place(reporting: Reporting, database: Database, cast: Cast):
    await reporting.take_snapshot(again=False)
    await cast.add("ada", encoded="md5$a$b")

    await reporting.take_snapshot()

    assert await kept(database) == 1
    assert ((await reporting.latest_snapshot()) or {})["total"] == 1


async def test_of_many_replicas_one_counts(database: Database, database_url: str, clock: FrozenClock):
    others = [await open_database(database_url) for _ in range(3)]
    try:
        every = [reporting_of(each, None, clock) for each in (database, *others)]
        taken = await asyncio.gather(*(each.take_snapshot(again=False) for each in every))
    finally:
        for other in others:
            await other.close()

    assert sum(each is not None for each in taken) == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_one_that_is_being_taken_is_not_begun_again(reporting: Reporting, database: Database, clock: FrozenClock):
    assert await Snapshots(database).begin(clock.now, again=True)

    assert await reporting.take_snapshot() is None


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_one_whose_process_died_is_taken_over_and_kept_once(
    reporting: Reporting, database: Database, clock: FrozenClock
):
    snapshots, died = Snapshots(database), clock.now
    await snapshots.begin(died, again=True)
    clock.advance(timedelta(minutes=16))

    later = await reporting.take_snapshot()
    await snapshots.finish(died, taken_at=died, document={"total": "of the dead"}, figures={})

    assert later is not None
    assert ((await reporting.latest_snapshot()) or {})["total"] == 0


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_count_that_fails_leaves_the_next_one_free(
    reporting: Reporting, database: Database, clock: FrozenClock
):
    await database.execute("ALTER TABLE auth_user RENAME TO away")
    with pytest.raises(DatabaseError):
        await reporting.take_snapshot()
    await database.execute("ALTER TABLE away RENAME TO auth_user")

    assert await reporting.take_snapshot() is not None


async def test_they_are_kept_for_two_years(reporting: Reporting, database: Database, clock: FrozenClock):
    await reporting.take_snapshot()
    clock.advance(KEPT)
    await reporting.take_snapshot()
    assert await kept(database) == 2
    clock.advance(DAY)

    await reporting.take_snapshot()

    assert await kept(database) == 2


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("rounds", ["36000", "malformed"])
async def test_one_that_does_not_say_what_wrapped_values_cost_is_taken_again_once(
    reporting: Reporting, database: Database, cast: Cast, clock: FrozenClock, rounds: str
):
    await cast.add("ada", encoded=f"argon2_pbkdf2_sha256${rounds}$salt$argon2id$v=19$m=8,t=1,p=1$salt$hash")
    await reporting.take_snapshot()
    older = await reporting.latest_snapshot()
    assert older is not None
    older["census"] = [{**row, "cost": ""} for row in older["census"]]
    await database.execute("UPDATE bridge_census_snapshot SET document = :document", {"document": json.dumps(older)})
    begun_at, asked, enough = clock.now, 0, asyncio.Event()

    def given() -> Reporting:
        nonlocal asked
        asked += 1  # in turns for the last one, and for a new one
        clock.advance(timedelta(seconds=1))
        if asked == 7:
            enough.set()
        return reporting

    at_once = timedelta(milliseconds=1)
    task = asyncio.create_task(
        keep_snapshots(given, ReportGauges(CollectorRegistry()), first_after=at_once, every=at_once)
    )
    try:
        await asyncio.wait_for(enough.wait(), 10)
    finally:
        task.cancel()
        await asyncio.wait([task])

    latest = await reporting.latest_snapshot()
    assert latest is not None
    assert [row["cost"] for row in latest["census"]] == [rounds if rounds.isdigit() else ""]
    assert datetime.fromisoformat(latest["generated_at"]) == begun_at + timedelta(seconds=2)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_the_service_takes_the_first_soon_and_shows_it_to_prometheus(reporting: Reporting, cast: Cast):
    await cast.add("ada", encoded="md5$a$b")
    await cast.add("grace", encoded="md5$a$b")
    registry = CollectorRegistry()

    task = asyncio.create_task(
        keep_snapshots(lambda: reporting, ReportGauges(registry), first_after=timedelta(milliseconds=10), every=DAY)
    )
    try:
        async with asyncio.timeout(10):
            users = None
            while users is None:  # the service tells nobody else
                users = registry.get_sample_value("bridge_users", {"algorithm": "md5", "cohort": "never"})
                await asyncio.sleep(0.01)  # the service tells nobody else
    finally:
        task.cancel()
        await asyncio.wait([task])

    assert users == 2
