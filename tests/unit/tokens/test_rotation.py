"""What a refresh token that comes back means."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.tokens import Chain, Turn, turn_of

NOON = datetime(2026, 11, 21, 12, 0, 0, 500_000, UTC)
GRACE = timedelta(seconds=10)
SECOND = timedelta(seconds=1)


def turn(token_id: str, *, issued_at: datetime | None = NOON, now: datetime = NOON, **chain: Any) -> Turn:
    given_chain = Chain(**{"current": "new", "previous": "old", "rotated_at": NOON, **chain})
    return turn_of(token_id, issued_at=issued_at, chain=given_chain, now=now, grace=GRACE)


@pytest.mark.parametrize("spent", [None, frozenset(), frozenset({"old"})], ids=str)
def test_the_newest_is_rotated(spent: frozenset[str] | None):
    assert turn("new", spent=spent) is Turn.ROTATE


def test_the_newest_that_the_site_has_spent_is_reused():
    assert turn("new", spent={"new"}) is Turn.REUSED


@pytest.mark.parametrize("passed", [timedelta(0), GRACE], ids=str)
def test_the_one_before_is_given_its_answer_again_for_a_moment(passed: timedelta):
    assert turn("old", now=NOON + passed) is Turn.REPEAT


@pytest.mark.parametrize(("ahead", "expected"), [(3, Turn.REPEAT), (30, Turn.REPEAT), (31, Turn.REUSED)])
def test_a_clock_that_was_put_back_makes_the_moment_no_longer(ahead: int, expected: Turn):
    assert turn("old", now=NOON - timedelta(seconds=ahead)) is expected


def test_after_that_moment_it_is_reused():
    assert turn("old", now=NOON + GRACE + timedelta(microseconds=1)) is Turn.REUSED


def test_once_the_site_has_spent_its_successor_it_is_reused():
    assert turn("old", spent={"old", "new"}) is Turn.REUSED


@pytest.mark.parametrize("issued_at", [NOON, NOON + SECOND, NOON - SECOND, None], ids=str)
def test_any_other_is_reused_where_the_site_keeps_no_blacklist(issued_at: datetime | None):
    assert turn("other", issued_at=issued_at) is Turn.REUSED


@pytest.mark.parametrize("issued_at", [NOON.replace(microsecond=0), NOON + SECOND], ids=str)
def test_a_child_that_the_site_rotated_by_itself_is_rotated(issued_at: datetime):
    assert turn("childs", issued_at=issued_at, spent={"new"}) is Turn.ROTATE


@pytest.mark.parametrize(
    ("issued_at", "spent"),
    [
        pytest.param(NOON, {"new", "childs"}, id="spent"),
        pytest.param(NOON - SECOND, {"new"}, id="older"),
        pytest.param(None, {"new"}, id="of-no-age"),
    ],
)
def test_no_other_passes_for_such_a_child(issued_at: datetime | None, spent: set[str]):
    assert turn("childs", issued_at=issued_at, spent=spent) is Turn.REUSED


@given(
    token_id=st.sampled_from(["new", "old", "other"]),
    spent=st.none() | st.frozensets(st.sampled_from(["new", "old", "other"])),
    age=st.integers(-3600, 3600),
    passed=st.integers(0, 3600),
)
def test_a_spent_token_is_never_rotated(token_id: str, spent: frozenset[str] | None, age: int, passed: int):
    decided = turn(token_id, issued_at=NOON + timedelta(seconds=age), now=NOON + timedelta(seconds=passed), spent=spent)

    if token_id in (spent or ()) or (spent is None and token_id != "new"):
        assert decided is not Turn.ROTATE
