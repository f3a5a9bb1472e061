"""What a process counts for all replicas."""

import asyncio
from collections import Counter
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client import Counter as Metric

from bridge.errors import DatabaseUnavailable
from bridge.services.tally import Tally
from bridge.store.database import Executor
from tests.unit.services.away import FragileDatabase


class Written:
    """A tally, and what it has written."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.flushes = 0
        self.is_away = False
        self.has_begun = asyncio.Event()
        self.has_written = asyncio.Event()
        self.may_end = asyncio.Event()
        self.may_end.set()
        lost = Metric("lost", "What was lost.", registry=CollectorRegistry())
        self.tally: Tally[str] = Tally("it", database=FragileDatabase(), write=self._write, most=100, lost=lost)

    async def _write(self, counts: Counter[str], _: Executor) -> None:
        self.flushes += 1
        self.has_begun.set()
        if self.is_away:
            raise DatabaseUnavailable("away")
        await self.may_end.wait()
        self.counts.update(counts)
        self.has_written.set()


async def test_what_happens_often_is_written_once():
    written = Written()
    for kind in ("login", "login", "upgrade", "login"):
        written.tally.add(kind)

    await written.tally.flush()
    await written.tally.flush()

    assert (written.counts, written.flushes) == ({"login": 3, "upgrade": 1}, 1)


async def test_what_a_database_did_not_take_it_gets_the_next_time_and_the_log_is_told_once(
    caplog: pytest.LogCaptureFixture,
):
    written = Written()
    written.is_away = True
    for _ in range(3):
        written.tally.add("login")
        await written.tally.flush()
    written.is_away = False

    await written.tally.flush()

    assert written.counts == {"login": 3}
    assert caplog.messages == ["it is kept until the database takes it: DatabaseUnavailable"]


async def test_once_a_flush_returns_what_another_had_taken_is_written_as_well():
    written = Written()
    written.tally.add("login")
    written.may_end.clear()
    first = asyncio.create_task(written.tally.flush())
    second = asyncio.create_task(written.tally.flush())
    for _ in range(5):
        await asyncio.sleep(0)
    assert not second.done()

    written.may_end.set()
    await second

    assert written.counts == {"login": 1}
    await first


async def test_it_goes_on_flushing_after_a_database_was_away():
    written = Written()
    written.is_away = True
    flushing = asyncio.create_task(written.tally.keep_flushing(timedelta(0)))
    written.tally.add("login")
    async with asyncio.timeout(20):
        await written.has_begun.wait()
        written.is_away = False
        await written.has_written.wait()
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing

    assert written.counts == {"login": 1}
