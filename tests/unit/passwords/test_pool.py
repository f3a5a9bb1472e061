"""Hashing runs on few threads of low priority, behind a bounded queue."""

import asyncio
import os
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from bridge.errors import HashingAbandoned, HashingUnavailable
from bridge.passwords.pool import HashingPool

PATIENCE = 10  # seconds, after which a broken pool fails a test instead of hanging it


class Gate:
    """Work that has begun and ends when it is let go."""

    def __init__(self) -> None:
        self._begun = threading.Event()
        self._open = threading.Event()
        self.ended = False

    def __call__(self) -> str:
        self._begun.set()
        assert self._open.wait(PATIENCE)
        self.ended = True
        return "done"

    async def begun(self) -> None:
        assert await asyncio.to_thread(self._begun.wait, PATIENCE)

    def open(self) -> None:
        self._open.set()


@asynccontextmanager
async def occupied(pool: HashingPool) -> AsyncIterator[tuple[Gate, "asyncio.Task[str]"]]:
    """A slot of the pool is taken until the gate is opened, which happens at the end at the latest."""
    gate = Gate()
    task = asyncio.create_task(pool.run(gate))
    try:
        await gate.begun()
        yield gate, task
    finally:
        gate.open()
        await asyncio.wait([task])
        await pool.close()


async def queued(pool: HashingPool, work: Callable[[], object]) -> "asyncio.Task[object]":
    """Start work that cannot run yet, and return once it waits."""
    task = asyncio.create_task(pool.run(work))
    done, _ = await asyncio.wait([task], timeout=0)
    assert not done
    return task


async def test_work_gives_its_result():
    pool = HashingPool(workers=1)

    assert await pool.run(lambda: "result") == "result"
    await pool.close()


async def test_no_more_than_the_workers_run_at_a_time():
    pool = HashingPool(workers=2)
    pair, lock = threading.Barrier(2), threading.Lock()
    now, most = 0, 0

    def work() -> None:
        nonlocal now, most
        with lock:
            now += 1
            most = max(most, now)
        pair.wait(PATIENCE)
        with lock:
            now -= 1

    await asyncio.gather(*(pool.run(work) for _ in range(8)))

    assert most == 2
    await pool.close()


def test_there_are_as_many_workers_as_cores_that_the_process_may_run_on():
    everywhere = os.sched_getaffinity(0)
    assert HashingPool().workers == len(everywhere)

    os.sched_setaffinity(0, {min(everywhere)})
    try:
        assert HashingPool().workers == 1
    finally:
        os.sched_setaffinity(0, everywhere)


async def test_work_beyond_the_queue_is_refused_at_once():
    pool = HashingPool(workers=1, queue_limit=1, deadline=timedelta(seconds=PATIENCE))
    async with occupied(pool):
        waiting = await queued(pool, lambda: None)

        with pytest.raises(HashingUnavailable) as refusal:
            await pool.run(pytest.fail)

        assert not waiting.done()
    assert refusal.value.retry_after == timedelta(seconds=PATIENCE)
    await waiting


async def test_an_idle_pool_takes_work_even_with_no_queue():
    pool = HashingPool(workers=1, queue_limit=0)

    assert await pool.run(lambda: "result") == "result"
    await pool.close()


async def test_work_whose_turn_has_not_come_by_the_deadline_is_refused():
    pool = HashingPool(workers=1, deadline=timedelta(0))
    async with occupied(pool):
        with pytest.raises(HashingUnavailable):
            await pool.run(pytest.fail)


async def test_the_deadline_is_for_waiting_alone():
    pool = HashingPool(workers=1, deadline=timedelta(0))
    async with occupied(pool) as (gate, task):
        assert not (await asyncio.wait([task], timeout=0))[0]
        gate.open()
        assert await task == "done"


async def test_work_that_missed_the_deadline_leaves_its_place_in_the_queue():
    pool = HashingPool(workers=1, queue_limit=1, deadline=timedelta(0))
    async with occupied(pool):
        for _ in range(3):
            with pytest.raises(HashingUnavailable) as refusal:
                await pool.run(pytest.fail)
            assert isinstance(refusal.value.__cause__, TimeoutError), "refused by the queue, not by the deadline"


async def test_a_cancelled_waiter_is_never_run():
    pool = HashingPool(workers=1)
    async with occupied(pool) as (gate, _):
        ran: list[str] = []
        waiting = await queued(pool, lambda: ran.append("cancelled"))
        waiting.cancel()
        await asyncio.wait([waiting])

        gate.open()
        await pool.run(lambda: ran.append("next"))

        assert waiting.cancelled()
        assert ran == ["next"]


async def test_a_cancelled_waiter_leaves_its_place_in_the_queue():
    pool = HashingPool(workers=1, queue_limit=1)
    async with occupied(pool):
        first = await queued(pool, pytest.fail)
        first.cancel()
        await asyncio.wait([first])

        second = await queued(pool, lambda: "result")
    assert await second == "result"


async def test_a_cancelled_caller_keeps_the_slot_while_the_work_runs():
    pool = HashingPool(workers=1, queue_limit=0)
    async with occupied(pool) as (gate, task):
        task.cancel()
        await asyncio.wait([task])

        with pytest.raises(HashingUnavailable):
            await pool.run(pytest.fail)

        assert task.cancelled()
        assert not gate.ended


async def test_the_slot_of_a_cancelled_caller_is_free_once_the_work_ends():
    pool = HashingPool(workers=1)
    async with occupied(pool) as (gate, task):
        task.cancel()
        await asyncio.wait([task])
        following = await queued(pool, lambda: gate.ended)

        gate.open()

        assert await following is True


async def test_an_exception_in_the_work_reaches_the_caller():
    pool = HashingPool(workers=1)

    def broken() -> None:
        raise LookupError("the work's own")

    with pytest.raises(LookupError, match="the work's own"):
        await pool.run(broken)
    await pool.close()


async def test_an_exception_in_the_work_frees_the_slot():
    pool = HashingPool(workers=1, queue_limit=1)

    def broken() -> None:
        raise LookupError

    for _ in range(3):
        with pytest.raises(LookupError):
            await pool.run(broken)
    assert await pool.run(lambda: "result") == "result"
    await pool.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere threads have no niceness of their own")
async def test_threads_that_the_work_starts_have_the_lowest_priority_too():
    """A hasher may start some, as argon2-cffi does by itself."""
    pool = HashingPool(workers=1)
    found: list[int] = []

    def work() -> None:
        lane = threading.Thread(
            target=lambda: found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id())), daemon=True
        )
        lane.start()
        lane.join(PATIENCE)

    await pool.run(work)

    assert found == [19]
    await pool.close()


@pytest.mark.skipif(not hasattr(os, "getpriority"), reason="no priorities on this platform")
async def test_hashing_threads_have_the_lowest_priority():
    pool = HashingPool(workers=1)

    def niceness() -> int:
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    assert await pool.run(niceness) == 19
    assert niceness() < 19, "the event loop's own thread keeps its priority"
    await pool.close()


async def test_closing_waits_for_what_runs():
    pool = HashingPool(workers=1)
    async with occupied(pool) as (gate, task):
        closing = asyncio.create_task(pool.close())
        assert not (await asyncio.wait([closing], timeout=0))[0]

        gate.open()
        await closing

        assert gate.ended
        assert await task == "done"


async def test_a_closed_pool_takes_nothing_more():
    pool = HashingPool(workers=1)
    await pool.close()

    with pytest.raises(RuntimeError):
        await pool.run(pytest.fail)


# Whoever waits, and leaves --------------------------------------------------------------------------------------------


async def test_nothing_is_done_for_whoever_has_left_the_queue():
    pool, left = HashingPool(workers=1, queue_limit=1, deadline=timedelta(days=1)), asyncio.Event()
    async with occupied(pool), asyncio.timeout(PATIENCE):
        waiting = asyncio.create_task(pool.run(pytest.fail, hung_up=left.wait))
        assert not (await asyncio.wait([waiting], timeout=0))[0]

        left.set()
        with pytest.raises(HashingAbandoned):
            await waiting

        following = await queued(pool, lambda: "its place is free")
    assert await following == "its place is free"


async def test_whoever_stays_gets_their_turn_or_the_deadline():
    pool, left = HashingPool(workers=1, deadline=timedelta(seconds=0.01)), asyncio.Event()
    async with occupied(pool) as (gate, _):
        with pytest.raises(HashingUnavailable) as refusal:
            await pool.run(pytest.fail, hung_up=left.wait)
        assert not isinstance(refusal.value, HashingAbandoned)

    pool = HashingPool(workers=1)
    async with occupied(pool) as (gate, _):
        waiting = asyncio.create_task(pool.run(lambda: "result", hung_up=left.wait))
        await asyncio.wait([waiting], timeout=0)
        gate.open()
        assert await waiting == "result"
    assert len(asyncio.all_tasks()) == 1, "nobody watches for them any more"


async def test_what_has_begun_is_finished_whoever_leaves():
    pool = HashingPool(workers=1)

    assert await pool.run(lambda: "result", hung_up=pytest.fail) == "result"
    await pool.close()


# Slots ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("slots", [2, 9])
async def test_what_takes_all_slots_runs_alone_and_nobody_overtakes_it(slots: int):
    pool, ran = HashingPool(workers=2), []
    async with occupied(pool) as (gate, _):
        large = asyncio.create_task(pool.run(lambda: ran.append("large"), slots=slots))
        await asyncio.sleep(0)
        small = await queued(pool, lambda: ran.append("small"))

        gate.open()
        await asyncio.wait([large, small])

    assert ran == ["large", "small"]


async def test_two_who_need_all_slots_do_not_wait_for_each_other():
    pool, gates = HashingPool(workers=2), [Gate(), Gate()]
    running = [asyncio.create_task(pool.run(gate)) for gate in gates]
    for gate in gates:
        await gate.begun()
    large = [asyncio.create_task(pool.run(lambda: "done", slots=2)) for _ in range(2)]
    await asyncio.wait(large, timeout=0)

    for gate, task in zip(gates, running, strict=True):
        gate.open()
        await task

    assert await asyncio.gather(*large) == ["done", "done"]
    await pool.close()


async def test_whoever_leaves_gives_back_the_slots_that_they_had_gathered():
    pool, left = HashingPool(workers=2), asyncio.Event()
    async with occupied(pool):
        large = asyncio.create_task(pool.run(pytest.fail, slots=2))
        leaving = asyncio.create_task(pool.run(pytest.fail, slots=2, hung_up=left.wait))
        await asyncio.wait([large, leaving], timeout=0)
        large.cancel()
        left.set()
        await asyncio.wait([large, leaving])

        assert isinstance(leaving.exception(), HashingAbandoned)
        assert await pool.run(lambda: "result") == "result"


async def test_a_result_that_lingers_is_kept_back_together_with_its_slot():
    pool = HashingPool(workers=1)
    times: list[float] = []
    told: list[tuple[str, float, float]] = []

    def lingers(result: str, took: float) -> float:
        told.append((result, took, time.perf_counter()))
        return 0.05

    def work(result: str) -> str:
        times.append(time.perf_counter())
        return result

    began = time.perf_counter()
    first = asyncio.create_task(pool.run(lambda: work("first"), lingers=lingers))
    second = asyncio.create_task(pool.run(lambda: work("second")))
    assert await first == "first"
    came = time.perf_counter()
    await second

    [(result, took, asked)] = told
    assert result == "first"
    assert 0 < took <= asked - began
    assert came - asked >= 0.045
    assert times[1] - asked >= 0.045
    await pool.close()
