"""A report for all who ask: counted once for those who ask together, and given again for as long as it is worth."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from bridge.errors import DatabaseError
from bridge.progress.forecast import NotForecast
from bridge.services.reporting import Reporting
from bridge.store.database import Database
from bridge.web.composition import reporting_of
from tests.conftest import Cast

NOON: Final = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


class Ticking:
    """A clock that goes on by a step whenever somebody looks at it."""

    def __init__(self, step: timedelta) -> None:
        self.now, self.step = NOON, step

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now


@pytest.fixture
def clock() -> Ticking:
    return Ticking(SECOND)


@pytest.fixture
def reporting(database: Database, clock: Ticking) -> Reporting:
    return reporting_of(database, None, clock)


async def test_those_who_ask_together_wait_for_one_count(reporting: Reporting):
    first, *others = await asyncio.gather(*(reporting.report() for _ in range(5)))

    assert all(each is first for each in others)


async def test_one_who_stops_waiting_leaves_the_report_to_the_others(reporting: Reporting):
    impatient, patient = (asyncio.ensure_future(reporting.report()) for _ in range(2))
    await asyncio.sleep(0)

    impatient.cancel()

    assert (await patient).total == 0


async def test_what_took_a_second_is_given_again_for_a_hundred(reporting: Reporting, clock: Ticking, cast: Cast):
    drawn = await reporting.report()
    clock.step = timedelta(0)
    await cast.add("ada")

    clock.now = drawn.generated_at + 100 * SECOND - timedelta.resolution
    assert await reporting.report() is drawn
    clock.now = drawn.generated_at + 100 * SECOND
    assert (await reporting.report()).total == 1


async def test_who_keeps_one_by_hand_is_given_no_old_one(reporting: Reporting, clock: Ticking, cast: Cast):
    await reporting.report()
    clock.step = timedelta(0)
    await cast.add("ada")

    kept = await reporting.take_snapshot()

    assert kept is not None
    assert kept.total == 1


async def test_a_clock_that_was_put_back_keeps_nothing_for_ever(reporting: Reporting, clock: Ticking, cast: Cast):
    drawn = await reporting.report()
    await cast.add("ada")

    clock.now = drawn.generated_at - 60 * SECOND

    assert (await reporting.report()).total == 1


async def test_one_that_failed_is_drawn_up_anew(reporting: Reporting, database: Database, cast: Cast):
    await cast.add("ada")
    await database.execute("ALTER TABLE auth_user RENAME TO elsewhere")
    with pytest.raises(DatabaseError):
        await reporting.report()

    await database.execute("ALTER TABLE elsewhere RENAME TO auth_user")

    assert (await reporting.report()).total == 1


async def test_a_forecast_is_drawn_from_the_days_of_the_last_logins(
    reporting: Reporting, database: Database, cast: Cast
):
    for number in range(120):
        encoded = "argon2$argon2id$x" if number < 60 else "md5$a$b"
        await cast.add(f"user{number}", encoded=encoded, last_login=NOON - timedelta(days=number))
    too_short = (await reporting.report()).forecast
    day = (NOON - timedelta(days=60)).date()
    await database.execute(
        "INSERT INTO bridge_activity VALUES (1, :day, 'bridge', 'upgrade_written', 60)", {"day": day}
    )

    drawn = (await reporting_of(database, None, Ticking(SECOND)).report()).forecast

    assert too_short.lacking is NotForecast.TOO_SHORT
    assert drawn.lacking is None
    assert not any(each.is_reached for each in drawn.milestones)
