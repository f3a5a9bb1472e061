"""How long checks that come to nothing take. Times are what this is about; what is compared differs by far."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Final

import pytest

from bridge.passwords.policy import Verification
from bridge.passwords.pool import HashingPool
from bridge.services.floor import Floor

SLOW: Final = 0.05
RIGHT, WRONG = Verification(valid=True, algorithm="argon2"), Verification(valid=False, algorithm="argon2")


@pytest.fixture
async def pool() -> AsyncIterator[HashingPool]:
    opened = HashingPool(workers=2)
    yield opened
    await opened.close()


@pytest.fixture
async def floor(pool: HashingPool) -> Floor:
    """One that has measured a check of 50 ms."""
    measured = Floor(pool)
    await measured.measure([lambda: None, lambda: time.sleep(SLOW)])
    return measured


def takes(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def test_a_refusal_takes_as_long_as_the_costliest_check(floor: Floor):
    assert floor.height.total_seconds() > SLOW
    assert takes(lambda: floor.keep(lambda: WRONG, may_pass=True)) >= floor.height.total_seconds()


def test_a_right_password_that_lets_nobody_in_is_a_refusal(floor: Floor):
    assert takes(lambda: floor.keep(lambda: RIGHT, may_pass=False)) >= SLOW


def test_who_is_let_in_does_not_wait(floor: Floor):
    assert takes(lambda: floor.keep(lambda: RIGHT, may_pass=True)) < SLOW


def test_the_floor_rises_with_checks_that_take_longer_and_sinks_again_but_not_for_ever(floor: Floor):
    lowest = floor.height

    def overrun() -> Verification:
        time.sleep(floor.height.total_seconds() * 1.05)
        return WRONG

    for _ in range(2):
        floor.keep(overrun, may_pass=True)
    raised = floor.height
    for _ in range(100):
        floor._learn(floor.height.total_seconds() * 10)

    assert lowest < raised < floor.height
    assert floor.height / lowest == pytest.approx(3, rel=0.01)
    for _ in range(2000):
        floor._learn(floor.height.total_seconds() * 0.9)
    assert floor.height == lowest


async def test_it_is_measured_once_by_whoever_needs_it_first(pool: HashingPool):
    floor, checked = Floor(pool), []

    await asyncio.gather(*(floor.measured(lambda: checked.append(1)) for _ in range(9)))

    assert len(checked) == 3 * pool.workers


async def test_an_answer_leaves_at_a_tick_since_its_request_came():
    arrived = time.perf_counter() - 0.013

    await Floor.release(arrived)

    assert time.perf_counter() - arrived >= 0.0195  # a timer may be early by its own resolution
