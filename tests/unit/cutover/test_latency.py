"""How long answers took, and how sure a share is."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover import BOUNDS, bound_of, lower_bound, quantile

seconds = st.floats(0, 59.9)


def counted(latencies: list[float]) -> Counter[int]:
    return Counter(map(bound_of, latencies))


def test_bounds_rise_by_no_more_than_double():
    assert all(lower < upper <= 2 * lower for lower, upper in pairwise(BOUNDS))


@settings(deadline=None, derandomize=True, database=None)
@given(seconds)
def test_a_latency_is_counted_under_the_least_bound_that_holds_it(latency: float):
    bound = bound_of(latency)
    assert latency * 1000 <= bound
    assert all(other >= bound for other in BOUNDS if latency * 1000 <= other)


@pytest.mark.parametrize(
    ("latency", "bound"),
    [(0, 1), (0.001, 1), (0.0011, 2), (0.05, 50), (0.0501, 70), (60, 60_000), (3_600, 60_000), (-1, 1)],
    ids=["none", "on a bound", "above it", "in the middle", "next", "the last", "beyond", "a clock that was set back"],
)
def test_latencies_at_the_edges(latency: float, bound: int):
    assert bound_of(latency) == bound


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(seconds, min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_as_near_as_the_bounds_are(latencies: list[float], q: float):
    estimate = quantile(counted(latencies), q)
    exact = sorted(latencies)[max(0, -(-int(q * 1e9) * len(latencies) // 10**9) - 1)] * 1000
    assert estimate is not None
    assert estimate <= max(counted(latencies))
    near = next(bound for bound in BOUNDS if exact <= bound)
    assert estimate <= near


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(seconds, min_size=1, max_size=60), st.floats(0, 1), st.floats(0, 1))
def test_quantiles_rise(latencies: list[float], one: float, other: float):
    low, high = (quantile(counted(latencies), q) for q in sorted((one, other)))
    assert low is not None
    assert high is not None
    assert low <= high


@settings(deadline=None, derandomize=True, database=None)
@given(st.lists(seconds, min_size=1, max_size=60), st.floats(0, 1))
def test_a_quantile_is_that_of_counts_added_up_in_any_order(latencies: list[float], q: float):
    counts = counted(latencies)
    assert quantile(dict(reversed(counts.items())), q) == quantile(counts, q)


@pytest.mark.parametrize(
    ("counts", "q", "expected"),
    [
        ({}, 0.95, None),
        ({10: 0}, 0.95, None),
        ({100: 100}, 0.5, 85.0),
        ({100: 100}, 1.0, 100.0),
        ({10: 50, 1_000: 50}, 0.5, 10.0),
        ({10: 90, 1_000: 10}, 0.95, 850.0),
        ({60_000: 1}, 0.95, 58_500.0),
    ],
    ids=["none seen", "none counted", "within a bound", "the greatest", "between two", "a slow tail", "beyond all"],
)
def test_a_quantile_is_interpolated_within_its_bound(counts: dict[int, int], q: float, expected: float | None):
    assert quantile(counts, q) == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize("q", [-0.1, 1.1, float("nan")])
def test_no_other_quantile_can_be_asked_for(q: float):
    with pytest.raises(ValueError, match="between 0 and 1"):
        quantile({10: 1}, q)


@pytest.mark.parametrize(
    ("matches", "total", "expected"),
    [(0, 0, 0.0), (0, 10, 0.0), (10, 10, 0.7225), (100, 100, 0.9630), (999, 1000, 0.9944), (1, 2, 0.0945)],
    ids=["none seen", "no match", "ten", "a hundred", "one mismatch in a thousand", "half of two"],
)
def test_the_lower_bound_is_wilsons(matches: int, total: int, expected: float):
    assert lower_bound(matches, total) == pytest.approx(expected, abs=1e-4)


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(0, 10_000), st.integers(0, 10_000))
def test_the_lower_bound_is_below_the_share_itself(one: int, other: int):
    matches, total = sorted((one, other))
    assert 0.0 <= lower_bound(matches, total) <= (matches / total if total else 0.0)


@settings(deadline=None, derandomize=True, database=None)
@given(st.integers(1, 10_000))
def test_more_matches_make_it_surer_and_never_certain(total: int):
    assert lower_bound(total, total) < lower_bound(total + 1, total + 1) < 1.0


@pytest.mark.parametrize(("matches", "total"), [(2, 1), (-1, 1)])
def test_what_is_no_share_is_refused(matches: int, total: int):
    with pytest.raises(ValueError, match="no share"):
        lower_bound(matches, total)
