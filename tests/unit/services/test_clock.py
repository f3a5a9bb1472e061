"""A clock that jumps, and what goes by the time that has really passed."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from bridge.services.clock import steady
from bridge.store.rate_limits import BoundedMemory

NOON: Final = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
HOUR: Final = timedelta(hours=1)


class Machine:
    """Its wall clock, which somebody may set, and the time since it started, which nobody can."""

    wall = NOON
    since_start = 1000.0

    def passes(self, by: timedelta) -> None:
        self.wall += by
        self.since_start += by.total_seconds()


@pytest.mark.parametrize(("put_by", "shown"), [(timedelta(0), HOUR), (400 * 24 * HOUR, HOUR), (-24 * HOUR, -23 * HOUR)])
def test_a_steady_clock_runs_ahead_of_no_time_that_has_passed(put_by: timedelta, shown: timedelta):
    machine = Machine()
    clock = steady(lambda: machine.wall, monotonic=lambda: machine.since_start)

    machine.wall += put_by
    machine.passes(HOUR)

    assert clock() == NOON + shown


async def test_a_window_ends_when_its_time_has_passed():
    machine = Machine()
    memory = BoundedMemory(monotonic=lambda: machine.since_start)
    await memory.incr("ada", 3600)

    machine.passes(HOUR - timedelta(seconds=1))
    assert await memory.incr("ada", 3600) == 2
    machine.passes(timedelta(seconds=1))
    assert await memory.incr("ada", 3600) == 1
