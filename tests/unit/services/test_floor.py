"""How long checks that come to nothing take. Times are what this is about; what is compared differs by far."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Final

import pytest

from bridge.passwords.policy import Verification
from bridge.passwords.pool import HashingPool
from bridge.services.floor import Floor

SLOW: Final = 0.02
RIGHT, WRONG = Verification(valid=True, algorithm="argon2"), Verification(valid=False, algorithm="argon2")


@pytest.fixture
async def pool() -> AsyncIterator[HashingPool]:
    opened = HashingPool(workers=2)
    yield opened
    await opened.close()


@pytest.fixture
async def floor(pool: HashingPool) -> Floor:
    """One that has measured a check of 20 ms."""
    measured = Floor(pool)
    # Here and below: what sleeps is the work that is measured, on a thread of the pool.
    await measured.measure([lambda: None, lambda: time.sleep(SLOW)])
    return measured


def refused(floor: Floor, took: float) -> float:
    """Give how long a refusal lingers whose check took so many seconds."""
    return floor.remaining(WRONG, took, may_pass=True)


def test_a_refusal_takes_as_long_as_the_costliest_check(floor: Floor):
    height = floor.height.total_seconds()

    assert height > SLOW
    assert refused(floor, 0.01) + 0.01 == pytest.approx(height, rel=1e-3)


def test_a_right_password_that_lets_nobody_in_is_a_refusal(floor: Floor):
    assert floor.remaining(RIGHT, 0.0, may_pass=False) == pytest.approx(floor.height.total_seconds(), rel=1e-3)


def test_who_is_let_in_does_not_wait(floor: Floor):
    assert floor.remaining(RIGHT, 0.0, may_pass=True) == 0


def test_the_floor_rises_with_checks_that_take_longer_and_sinks_again_but_not_for_ever(floor: Floor):
    for _ in range(3000):
        refused(floor, floor.height.total_seconds() * 0.9)
    lowest = floor.height

    assert refused(floor, lowest.total_seconds() * 1.05) < 0
    raised = floor.height
    for _ in range(100):
        refused(floor, floor.height.total_seconds() * 10)

    assert lowest < raised < floor.height
    assert floor.height / lowest == pytest.approx(3, rel=0.01)
    for _ in range(3000):
        refused(floor, floor.height.total_seconds() * 0.9)
    assert floor.height == lowest


async def test_it_is_measured_once_and_quickly_by_whoever_needs_it_first(pool: HashingPool):
    floor, checked = Floor(pool), []

    await asyncio.gather(*(floor.measured(lambda: checked.append(1)) for _ in range(9)))

    assert floor.is_known
    assert len(checked) == 1 + 2 * (pool.workers - 1)


async def test_once_nobody_waits_for_it_it_is_measured_thoroughly(pool: HashingPool):
    floor, checked = Floor(pool), []
    await floor.measured(lambda: None)

    await floor.measure([lambda: checked.append(1)])

    assert len(checked) == 5 * (1 + 2 * (pool.workers - 1))


async def test_what_took_less_than_the_costliest_is_not_measured_thoroughly(floor: Floor):
    checked: list[str] = []

    await floor.measure([lambda: None, lambda: time.sleep(SLOW), lambda: checked.append("cheap")])

    assert len(checked) < 5


async def test_what_was_measured_is_not_measured_again_for_an_hour(pool: HashingPool):
    now = 0.0
    floor = Floor(pool, clock=lambda: now)
    await floor.measure([lambda: None], costs={"argon2": 0, "pbkdf2": 20_000})

    assert floor.covers({"argon2": 0, "pbkdf2": 20_000})
    assert floor.covers({"pbkdf2": 10_000})
    assert not floor.covers({"pbkdf2": 20_001})
    assert not floor.covers({"pbkdf2": 20_000, "scrypt": 1})
    now = 3600.0
    assert not floor.covers({"pbkdf2": 20_000})


def test_nothing_is_covered_before_anything_was_measured(pool: HashingPool):
    assert not Floor(pool, clock=lambda: 0.0).covers({})


async def test_what_turns_out_to_be_costlier_counts_at_once(floor: Floor):
    heights: list[timedelta] = []

    def costlier() -> None:
        heights.append(floor.height)
        time.sleep(5 * SLOW)

    await floor.measure([lambda: None, costlier])

    assert heights[1] > timedelta(seconds=5 * SLOW)


@pytest.mark.parametrize("is_known", [True, False], ids=["known", "unknown"])
async def test_what_there_was_no_capacity_for_was_not_measured(*, is_known: bool):
    pool, checked = HashingPool(workers=1, queue_limit=0), []
    floor, busy = Floor(pool), threading.Event()
    if is_known:
        await floor.measured(lambda: None)

    waiting = asyncio.create_task(pool.run(busy.wait))
    await asyncio.sleep(0)
    await floor.measure([lambda: checked.append("argon2")], costs={"argon2": 0})
    busy.set()
    await waiting

    assert not checked
    assert not floor.covers({"argon2": 0})
    assert floor.is_known is is_known
    await pool.close()


async def test_a_thorough_measurement_leaves_most_of_the_time_to_logins(floor: Floor):
    began = time.perf_counter()

    await floor.measure([lambda: time.sleep(SLOW)])

    assert time.perf_counter() - began >= 5 * SLOW * (1 + 4)


async def test_an_answer_leaves_at_a_tick_since_its_request_came():
    arrived = time.perf_counter() - 0.013

    await Floor.release(arrived)

    assert time.perf_counter() - arrived >= 0.0195  # a timer may be early by its own resolution


async def test_what_was_learned_is_forgotten_by_and_by_once_nothing_takes_as_long(floor: Floor):
    for _ in range(100):
        refused(floor, floor.height.total_seconds() * 10)
    learned = floor.height

    await floor.measure([lambda: None, lambda: time.sleep(SLOW)])

    assert learned / 2 < floor.height < learned * 0.9
