"""When an operation goes back to Django by itself."""

from collections import Counter
from dataclasses import replace
from math import log
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover import Observed, SideSample, Trip, trips
from bridge.cutover.latency import bound_of
from bridge.cutover.tripping import wants_baseline

RULES = Trip(minimum=50, errors=0.05, slowness=3.0, mismatches=0.02)


def sample(answers: int = 100, *, errors: int = 0, ms: int = 100) -> SideSample:
    return SideSample(answers=answers, errors=errors, latencies={ms: answers})


def with_a_tail(slow: int, answers: int = 100) -> SideSample:
    return SideSample(answers=answers, latencies={50: answers - slow, 500: slow})


REFUSED = SideSample(answers=100)
"""Answers that nobody timed."""


HEALTHY = sample()


@pytest.mark.parametrize(
    ("observed", "reason"),
    [
        (
            Observed(legacy=HEALTHY, candidate=sample(errors=6)),
            "6.0% of 100 answers of the new handler were 5xx (allowed 5.0%; Django 0.0% of 100)",
        ),
        (
            Observed(candidate=sample(50, errors=3)),
            "6.0% of 50 answers of the new handler were 5xx (allowed 5.0%; Django answered none)",
        ),
        (
            Observed(legacy=sample(2, errors=1), candidate=sample(errors=6)),
            "6.0% of 100 answers of the new handler were 5xx (allowed 5.0%; Django 50.0% of 2)",
        ),
        (
            Observed(legacy=HEALTHY, candidate=sample(ms=500)),
            "95 of 100 answers of the new handler took up to 490 ms, of Django 98 ms: 5.0 times as long (allowed 3)",
        ),
        (
            Observed(candidate=sample(ms=500), baseline=HEALTHY),
            (
                "95 of 100 answers of the new handler took up to 490 ms, of Django 98 ms in 100 answers of before: "
                "5.0 times as long (allowed 3)"
            ),
        ),
        (
            Observed(legacy=sample(49, ms=500), candidate=sample(ms=500), baseline=HEALTHY),
            (
                "95 of 100 answers of the new handler took up to 490 ms, of Django 98 ms in 100 answers of before: "
                "5.0 times as long (allowed 3)"
            ),
        ),
        (
            Observed(candidate=with_a_tail(12), baseline=HEALTHY),
            (
                "95 of 100 answers of the new handler took up to 417 ms, of Django 98 ms in 100 answers of before: "
                "4.2 times as long (allowed 3)"
            ),
        ),
        (
            Observed(legacy=HEALTHY, candidate=with_a_tail(6)),
            "95 of 100 answers of the new handler took up to 333 ms, of Django 98 ms: 3.4 times as long (allowed 3)",
        ),
        (
            Observed(compared=200, mismatched=5),
            "2.5% of 200 compared answers differ from Django's (allowed 2.0%)",
        ),
    ],
    ids=[
        "errors",
        "errors where Django is not asked",
        "errors that too few of Django's excuse",
        "slow",
        "slow where Django is not asked",
        "slow where Django is hardly asked",
        "surely slow where Django is not asked",
        "slow where Django is asked as well",
        "mismatches",
    ],
)
def test_it_trips_with_a_reason_that_has_the_figures(observed: Observed, reason: str):
    assert trips(observed, by=RULES) == reason


@pytest.mark.parametrize(
    "observed",
    [
        Observed(),
        Observed(legacy=HEALTHY, candidate=HEALTHY, compared=1_000, mismatched=0),
        Observed(legacy=HEALTHY, candidate=sample(errors=5)),
        Observed(candidate=sample(49, errors=49)),
        Observed(legacy=sample(errors=10), candidate=sample(errors=10)),
        Observed(legacy=HEALTHY, candidate=sample(49, ms=5_000)),
        Observed(legacy=sample(49), candidate=sample(ms=5_000)),
        Observed(candidate=sample(ms=5_000), baseline=sample(49)),
        Observed(candidate=with_a_tail(11), baseline=HEALTHY),
        Observed(legacy=REFUSED, candidate=sample(ms=5_000)),
        Observed(legacy=HEALTHY, candidate=replace(sample(49, ms=5_000), answers=100)),
        Observed(candidate=sample(ms=500), baseline=sample(ms=300)),
        Observed(legacy=sample(ms=500), candidate=sample(ms=500), baseline=HEALTHY),
        Observed(candidate=sample(errors=6), legacy=sample(errors=6), baseline=HEALTHY),
        Observed(legacy=sample(ms=2), candidate=sample(ms=50)),
        Observed(legacy=sample(ms=1_000), candidate=sample(ms=2_000)),
        Observed(compared=49, mismatched=49),
        Observed(compared=100, mismatched=2),
    ],
    ids=[
        "nothing seen",
        "all well",
        "as many errors as are allowed",
        "too few answers for errors",
        "no more errors than Django",
        "too few answers for slowness",
        "too few of Django's for slowness",
        "too few of Django's before",
        "no slower beside Django before than by chance",
        "Django refused",
        "too few that were not refused",
        "no slower than allowed beside Django before",
        "no slower than Django now",
        "no more errors than Django, which had none before",
        "slower than nobody notices",
        "no slower than allowed",
        "too few comparisons",
        "as many mismatches as are allowed",
    ],
)
def test_it_does_not_trip(observed: Observed):
    assert trips(observed, by=RULES) is None


@pytest.mark.parametrize(
    ("observed", "is_wanted"),
    [
        (Observed(candidate=sample(ms=500)), True),
        (Observed(legacy=sample(49), candidate=sample(ms=500)), True),
        (Observed(legacy=sample(50), candidate=sample(ms=500)), False),
        (Observed(candidate=sample(49, ms=500)), False),
        (Observed(candidate=sample(ms=50)), False),
        (Observed(legacy=REFUSED, candidate=sample(ms=500)), True),
        (Observed(), False),
    ],
    ids=["Django not asked", "hardly asked", "asked", "too few answers", "quick", "Django refused", "nothing seen"],
)
def test_how_django_answered_before_is_wanted_of_a_slow_handler_where_django_is_not_asked(
    observed: Observed, *, is_wanted: bool
):
    assert wants_baseline(observed, by=RULES) is is_wanted


def test_a_handler_whose_answers_take_long_now_and_then_as_djangos_did_is_not_taken_back_by_chance():
    """Of both the 95th percentile is eight times the median."""
    chance = Random(1)  # noqa: S311  # the same in each run

    def answered(number: int) -> SideSample:
        bounds = Counter(bound_of(chance.lognormvariate(log(0.03), 1.3)) for _ in range(number))
        return SideSample(answers=number, latencies=bounds)

    before = answered(20_000)

    assert not any(trips(Observed(candidate=answered(60), baseline=before), by=RULES) for _ in range(5_000))


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(0, 1_000), st.integers(0, 1_000), st.floats(0, 1))
def test_a_rate_trips_as_soon_as_it_is_above_what_is_allowed(one: int, other: int, allowed: float):
    mismatched, compared = sorted((one, other))
    tripped = trips(Observed(compared=compared, mismatched=mismatched), by=Trip(minimum=1, mismatches=allowed))
    assert (tripped is not None) == (compared > 0 and mismatched > allowed * compared)
