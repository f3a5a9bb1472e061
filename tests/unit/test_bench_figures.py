"""What the rounds of a run say, and how surely."""

import random

import pytest

from bench.figures import Figure


@pytest.mark.parametrize(
    ("rounds", "first", "last"),
    [
        pytest.param(1, 1, 1, id="one-round-is-all-there-is"),
        pytest.param(5, 1, 5, id="too-few-to-be-so-sure"),
        pytest.param(6, 1, 6, id="just-enough"),
        pytest.param(9, 2, 8, id="9"),
        pytest.param(15, 4, 12, id="15"),
        pytest.param(20, 6, 15, id="20"),
        pytest.param(100, 40, 61, id="100"),
        pytest.param(1200, 566, 635, id="more-than-a-float-can-count"),
    ],
)
def test_the_median_lies_between_two_rounds_that_statistical_tables_name(rounds: int, first: int, last: int):
    figure = Figure.of("ratio", range(rounds, 0, -1))

    assert (figure.at_least, figure.at_most) == (first, last)
    assert (figure.low, figure.high) == (1, rounds)


def test_nineteen_runs_of_twenty_are_right_about_the_median():
    chance = random.Random(7)  # noqa: S311  # no secret
    runs = [Figure.of("ratio", (chance.lognormvariate(0, 0.3) for _ in range(25))) for _ in range(2000)]

    right = sum(run.at_least <= 1 <= run.at_most for run in runs)
    assert 0.95 <= right / len(runs) < 0.97
