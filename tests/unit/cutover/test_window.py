"""What was seen of an operation lately."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.cutover.parity import Verdict
from bridge.cutover.stages import Side
from bridge.cutover.tripping import Observed
from bridge.cutover.window import Window

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SPAN = timedelta(minutes=5)


@pytest.fixture
def window() -> Window:
    return Window(SPAN)


def test_answers_are_counted_by_app(window: Window):
    window.answered(Side.LEGACY, status=200, seconds=0.004, at=NOON)
    window.answered(Side.BRIDGE, status=200, seconds=0.004, at=NOON)
    window.answered(Side.BRIDGE, status=302, seconds=0.09, at=NOON)

    seen = window.observed(at=NOON)

    assert (seen.legacy.answers, seen.candidate.answers) == (1, 2)
    assert seen.candidate.latencies == {5: 1, 100: 1}


@pytest.mark.parametrize("status", [400, 404, 499, 500, 504])
def test_how_long_refusals_and_errors_took_is_no_latency(window: Window, status: int):
    """Any client can cause them, and they are quick, or as slow as a time-out."""
    window.answered(Side.LEGACY, status=status, seconds=0.001, at=NOON)

    seen = window.observed(at=NOON).legacy

    assert (seen.answers, seen.timed) == (1, 0)


@pytest.mark.parametrize(
    ("status", "errors"),
    [pytest.param(499, 0, id="499"), pytest.param(500, 1, id="500"), pytest.param(503, 1, id="503")],
)
def test_an_error_is_a_status_from_500_on(window: Window, status: int, errors: int):
    window.answered(Side.BRIDGE, status=status, seconds=0.01, at=NOON)

    assert window.observed(at=NOON).candidate.errors == errors


@pytest.mark.parametrize(
    ("verdict", "compared", "mismatched"),
    [
        pytest.param(Verdict.MATCH, 1, 0, id="match"),
        pytest.param(Verdict.MISMATCH, 1, 1, id="mismatch"),
        pytest.param(Verdict.FAILED, 1, 1, id="failed"),
        pytest.param(Verdict.NOISE, 0, 0, id="noise"),
        pytest.param(Verdict.WRITES, 0, 0, id="writes"),
        pytest.param(Verdict.SKIPPED, 0, 0, id="skipped"),
        pytest.param(Verdict.DROPPED, 0, 0, id="dropped"),
    ],
)
def test_only_comparisons_with_a_result_count(window: Window, verdict: Verdict, compared: int, mismatched: int):
    window.compared(verdict, at=NOON)

    assert window.observed(at=NOON) == Observed(compared=compared, mismatched=mismatched)


def test_what_is_older_than_the_window_is_gone(window: Window):
    window.answered(Side.BRIDGE, status=500, seconds=0.01, at=NOON)
    window.answered(Side.BRIDGE, status=200, seconds=0.01, at=NOON + timedelta(minutes=4))

    assert window.observed(at=NOON + timedelta(minutes=4)).candidate.errors == 1
    assert window.observed(at=NOON + timedelta(minutes=6)).candidate.errors == 0
    assert window.observed(at=NOON + timedelta(minutes=6)).candidate.answers == 1
    assert window.observed(at=NOON + timedelta(minutes=10)) == Observed()


def test_what_is_older_is_gone_however_much_comes_after_it(window: Window):
    for minute in range(60):
        window.answered(Side.BRIDGE, status=200, seconds=0.01, at=NOON + timedelta(minutes=minute))

    assert window.observed(at=NOON + timedelta(minutes=59)).candidate.answers == 5


def test_a_clock_that_is_set_back_loses_nothing(window: Window):
    window.answered(Side.BRIDGE, status=200, seconds=0.01, at=NOON)
    window.answered(Side.BRIDGE, status=200, seconds=0.01, at=NOON - timedelta(hours=1))

    assert window.observed(at=NOON).candidate.answers == 2
