"""Waiting longer after each wrong code, as django-otp has its users wait."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.second_factors.throttling import allowed_from

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("failures", "factor", "seconds"), [(1, 1, 1), (2, 1, 2), (5, 1, 16), (3, 0.5, 2), (3, 10, 40)]
)
def test_the_wait_doubles(failures: int, factor: float, seconds: int):
    assert allowed_from(failures=failures, failed_at=NOON, factor=factor) == NOON + timedelta(seconds=seconds)


@pytest.mark.parametrize("failures", [60, 10**9])
def test_the_wait_has_an_end(failures: int):
    assert allowed_from(failures=failures, failed_at=NOON, factor=1000.0) == NOON + timedelta(days=365)


@pytest.mark.parametrize(
    ("failures", "failed_at", "factor"), [(0, NOON, 1), (3, None, 1), (3, NOON, 0)], ids=["none", "unknown", "off"]
)
def test_without_failures_or_throttling_there_is_no_wait(failures: int, failed_at: datetime | None, factor: float):
    assert allowed_from(failures=failures, failed_at=failed_at, factor=factor) is None
