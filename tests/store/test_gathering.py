"""Look-ups that go together: who gets what, and what becomes of those who leave or fail."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.errors import DatabaseError, DatabaseUnavailable
from bridge.store.gathering import Gathering

AT_ONCE = timedelta(0)
NEVER = timedelta(hours=1)


class Source:
    """What is read: the value of each name as it is when the read begins."""

    def __init__(self, **values: int) -> None:
        self.values = values
        self.reads: list[list[str]] = []
        self.cancelled = 0
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def read(self, names: Sequence[str]) -> list[int]:
        self.reads.append(list(names))
        found = dict(self.values)
        try:
            await self.goes_on.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        if "away" in found:
            raise DatabaseUnavailable("away")
        if "bad" in names:
            raise DatabaseError("bad")
        return [found[name] for name in names]


async def turns(number: int = 3) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def test_look_ups_of_one_turn_share_a_read():
    source = Source(ada=1, grace=2)
    gathering = Gathering(source.read, most=10)

    assert await asyncio.gather(*map(gathering.find, ("ada", "grace", "ada"))) == [1, 2, 1]
    assert source.reads == [["ada", "grace", "ada"]]


async def test_no_more_go_together_than_may():
    source = Source(ada=1)
    gathering = Gathering(source.read, most=2)

    assert await asyncio.gather(*(gathering.find("ada") for _ in range(5))) == [1] * 5
    assert [len(names) for names in source.reads] == [2, 2, 1]


async def test_nobody_gets_what_was_read_before_they_asked():
    source = Source(ada=1)
    gathering = Gathering(source.read, most=10, at_once=1)
    source.goes_on.clear()
    early = asyncio.create_task(gathering.find("ada"))
    await turns()
    source.values["ada"] = 2
    late = asyncio.create_task(gathering.find("ada"))
    source.goes_on.set()

    assert (await early, await late) == (1, 2)


async def test_what_waits_for_a_read_to_end_goes_together():
    source = Source(ada=1, grace=2)
    gathering = Gathering(source.read, most=10, at_once=1, patience=NEVER)
    source.goes_on.clear()
    first = asyncio.create_task(gathering.find("ada"))
    await turns()
    others = [asyncio.create_task(gathering.find(name)) for name in ("grace", "ada")]
    await turns()
    assert source.reads == [["ada"]]
    source.goes_on.set()

    assert await asyncio.gather(first, *others) == [1, 2, 1]
    assert source.reads == [["ada"], ["grace", "ada"]]


async def test_a_read_that_is_stuck_holds_up_nobody():
    source = Source(ada=1)
    gathering = Gathering(source.read, most=10, at_once=1, patience=AT_ONCE)
    source.goes_on.clear()
    stuck = asyncio.create_task(gathering.find("ada"))
    await turns()
    source.goes_on = asyncio.Event()
    source.goes_on.set()

    async with asyncio.timeout(5):
        assert await gathering.find("ada") == 1
    assert not stuck.done()
    stuck.cancel()


async def test_one_that_cannot_be_read_fails_for_no_other():
    source = Source(ada=1, grace=2)
    gathering = Gathering(source.read, most=10)

    found = await asyncio.gather(*map(gathering.find, ("ada", "bad", "grace")), return_exceptions=True)

    assert [found[0], found[2]] == [1, 2]
    assert isinstance(found[1], DatabaseError)


async def test_a_database_that_is_away_is_asked_once_and_everybody_told_apart():
    source = Source(ada=1, away=0)
    gathering = Gathering(source.read, most=10)

    first, second = await asyncio.gather(*map(gathering.find, ("ada", "ada")), return_exceptions=True)

    assert isinstance(first, DatabaseUnavailable)
    assert isinstance(second, DatabaseUnavailable)
    assert first is not second
    assert len(source.reads) == 1


@pytest.mark.parametrize("has_begun", [False, True])
async def test_one_who_leaves_takes_nothing_from_the_others(has_begun: bool):  # noqa: FBT001
    source = Source(ada=1)
    gathering = Gathering(source.read, most=10)
    source.goes_on.clear()
    leaving, staying = (asyncio.create_task(gathering.find("ada")) for _ in range(2))
    await turns(3 if has_begun else 1)
    leaving.cancel()
    await turns()
    source.goes_on.set()

    assert await staying == 1
    assert leaving.cancelled()
    assert [len(names) for names in source.reads] == [2 if has_begun else 1]
    assert source.cancelled == 0


async def test_a_read_that_all_have_left_is_cancelled_and_the_next_begins():
    source = Source(ada=1)
    gathering = Gathering(source.read, most=10, at_once=1, patience=NEVER)
    source.goes_on.clear()
    leaving = [asyncio.create_task(gathering.find("ada")) for _ in range(2)]
    await turns()
    staying = asyncio.create_task(gathering.find("ada"))
    await turns()
    for each in leaving:
        each.cancel()
    await turns()
    source.goes_on.set()

    assert await staying == 1
    assert source.cancelled == 1


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3), st.booleans()), max_size=60), st.integers(1, 4))
@settings(deadline=None, max_examples=60)
def test_everybody_gets_their_own_however_they_come(asking: list[tuple[int, int, bool]], most: int):
    """Users who come at any turn, some of whom leave, behind reads that end at any time and in any order."""

    async def read(names: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
        await turns(sum(pause for _, pause in names) % 4)
        return list(names)

    async def run() -> None:
        gathering = Gathering(read, most=most, patience=AT_ONCE)

        async def ask(user: int, pause: int, *, leaves: bool) -> None:
            await turns(pause)
            finding = asyncio.create_task(gathering.find((user, pause)))
            if leaves:
                await turns(pause)
                finding.cancel()
            [found] = await asyncio.gather(finding, return_exceptions=True)
            assert found == (user, pause) or (leaves and isinstance(found, asyncio.CancelledError))

        async with asyncio.timeout(10):
            await asyncio.gather(*(ask(user, pause, leaves=leaves) for user, pause, leaves in asking))

    asyncio.run(run())
