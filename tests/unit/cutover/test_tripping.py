"""When an operation goes back to Django by itself."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover import Observed, SideSample, Trip, trips
from bridge.cutover.tripping import wants_baseline

RULES = Trip(minimum=50, errors=0.05, slowness=3.0, mismatches=0.02)


def sample(answers: int = 100, *, errors: int = 0, ms: int = 100) -> SideSample:
    return SideSample(answers=answers, errors=errors, latencies={ms: answers})


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
                "95 of 100 answers of the new handler took up to 490 ms, of Django 98 ms when it was last asked: "
                "5.0 times as long (allowed 3)"
            ),
        ),
        (
            Observed(legacy=sample(49, ms=500), candidate=sample(ms=500), baseline=HEALTHY),
            (
                "95 of 100 answers of the new handler took up to 490 ms, of Django 98 ms when it was last asked: "
                "5.0 times as long (allowed 3)"
            ),
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
        (Observed(), False),
    ],
    ids=["Django not asked", "hardly asked", "asked", "too few answers", "quick", "nothing seen"],
)
def test_how_django_answered_before_is_wanted_of_a_slow_handler_where_django_is_not_asked(
    observed: Observed, *, is_wanted: bool
):
    assert wants_baseline(observed, by=RULES) is is_wanted


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(0, 1_000), st.integers(0, 1_000), st.floats(0, 1))
def test_a_rate_trips_as_soon_as_it_is_above_what_is_allowed(one: int, other: int, allowed: float):
    mismatched, compared = sorted((one, other))
    tripped = trips(Observed(compared=compared, mismatched=mismatched), by=Trip(minimum=1, mismatches=allowed))
    assert (tripped is not None) == (compared > 0 and mismatched > allowed * compared)
