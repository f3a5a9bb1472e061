"""A token bucket that keeps something for what is rare."""

import pytest

from bridge.web.cutover.budget import Budget


class Seconds:
    """A monotonic clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def seconds() -> Seconds:
    return Seconds()


def begun(budget: Budget, name: str, tries: int) -> int:
    return sum(budget.spend(name) for _ in range(tries))


def test_a_name_gets_no_more_than_a_second_brings(seconds: Seconds):
    budget = Budget(10, burst=10, monotonic=seconds)
    begun(budget, "hot", 100)

    number = 0
    for _ in range(1000):
        seconds.now += 0.01
        number += begun(budget, "hot", 5)

    assert number == pytest.approx(100, abs=1)


def test_what_is_rare_has_its_turn_beside_what_is_not(seconds: Seconds):
    budget = Budget(10, burst=10, monotonic=seconds)
    for _ in range(100):
        seconds.now += 0.1
        begun(budget, "hot", 100)

    assert begun(budget, "rare", 100) == 1


def test_many_that_are_rare_get_no_more_than_a_second_brings_either(seconds: Seconds):
    budget = Budget(10, burst=10, monotonic=seconds)

    assert sum(budget.spend(f"rare {number}") for number in range(100)) == 10


def test_after_a_while_as_many_as_a_burst_holds_are_begun_at_once(seconds: Seconds):
    budget = Budget(3, burst=10, monotonic=seconds)
    assert sum(budget.spend(f"rare {number}") for number in range(100)) == 10

    seconds.now = 1
    assert sum(budget.spend(f"rare {number}") for number in range(100, 200)) == 3
    seconds.now = 3600
    assert sum(budget.spend(f"rare {number}") for number in range(200, 300)) == 10


def test_half_of_a_burst_is_kept_for_what_is_rare(seconds: Seconds):
    budget = Budget(3, burst=10, monotonic=seconds)

    assert begun(budget, "hot", 100) == 5
    assert sum(budget.spend(f"rare {number}") for number in range(100)) == 5


def test_less_than_one_a_second_is_kept_to(seconds: Seconds):
    budget = Budget(0.5, burst=1, monotonic=seconds)
    number = 0
    for _ in range(100):
        number += begun(budget, "it", 1)
        seconds.now += 1

    assert number == 50


def test_what_is_charged_is_paid_back_first(seconds: Seconds):
    budget = Budget(10, burst=10, monotonic=seconds)
    assert budget.spend("it")
    budget.charge(109)

    seconds.now = 10
    assert not budget.spend("rare")
    seconds.now = 10.5
    assert budget.spend("rare")
