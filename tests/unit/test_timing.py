"""How well two kinds of times can be told apart."""

import random

import pytest

from bench.timing import CLASSES, apart, auc


@pytest.mark.parametrize(
    ("one", "other", "area"),
    [
        ([3.0, 4.0], [1.0, 2.0], 1.0),
        ([1.0, 2.0], [3.0, 4.0], 0.0),
        ([1.0, 1.0], [1.0, 1.0], 0.5),
        ([1.0, 3.0], [2.0, 2.0], 0.5),
        ([1.0, 2.0], [2.0, 3.0], 0.125),
    ],
)
def test_the_area_is_how_often_the_first_takes_longer(one: list[float], other: list[float], area: float):
    assert auc(one, other) == area


def test_the_area_is_what_counting_every_pair_gives():
    drawn = random.Random(7)  # noqa: S311  # no secret
    one, other = ([drawn.randrange(9) / 2 for _ in range(40)] for _ in range(2))
    counted = sum((a > b) + (a == b) / 2 for a in one for b in other) / 1600

    assert auc(one, other) == pytest.approx(counted)


def test_runs_are_judged_apart_so_that_a_slower_one_hides_nothing():
    runs = [{name: [base + place] * 9 for place, name in enumerate(CLASSES)} for base in (0.0, 100.0)]

    assert apart(runs, CLASSES[1], CLASSES[0]) == 1.0
