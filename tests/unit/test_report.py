"""The figures of ``bridge report``."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.passwords.encoded import ALGORITHMS
from bridge.progress import ActivityCount, AlgorithmCount, MigrationReport

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def report(users: dict[str, int], **more: Any) -> MigrationReport:
    return MigrationReport.from_counts(users, generated_at=NOON, **more)


HALFWAY = report({"pbkdf2_sha256": 2, "argon2": 3, "md5": 1, "unusable": 1, "unknown": 1})


def test_every_user_is_counted():
    assert HALFWAY.total == 8


def test_only_passwords_that_some_hasher_would_take_are_usable():
    assert HALFWAY.usable == 6


def test_argon2_is_upgraded_and_the_rest_of_the_usable_remains():
    assert HALFWAY.upgraded == 3
    assert HALFWAY.remaining == 3


def test_the_upgraded_share_is_of_the_usable_passwords():
    assert HALFWAY.upgraded_share == 0.5


def test_the_algorithms_are_listed_most_users_first_and_then_by_name():
    assert HALFWAY.by_algorithm == (
        AlgorithmCount("argon2", 3, 0.375),
        AlgorithmCount("pbkdf2_sha256", 2, 0.25),
        AlgorithmCount("md5", 1, 0.125),
        AlgorithmCount("unknown", 1, 0.125),
        AlgorithmCount("unusable", 1, 0.125),
    )


def test_activity_is_listed_by_app_and_event():
    counts = [
        ActivityCount("django", "login_succeeded", 5),
        ActivityCount("bridge", "upgraded", 1),
        ActivityCount("bridge", "login_succeeded", 2),
    ]

    assert report({}, activity=counts).activity == (counts[2], counts[1], counts[0])


def test_a_site_without_users_has_nothing_left_to_upgrade():
    empty = report({})

    assert (empty.total, empty.usable, empty.upgraded, empty.remaining) == (0, 0, 0, 0)
    assert empty.upgraded_share == 1
    assert empty.by_algorithm == ()


def test_a_site_whose_users_have_no_usable_password_has_nothing_left_to_upgrade():
    assert report({"unusable": 4}).upgraded_share == 1


def test_an_algorithm_of_nobody_may_be_counted():
    assert report({"argon2": 0}).total == 0


def test_the_document_is_stable():
    document = report({"argon2": 1, "md5": 2}, activity=[ActivityCount("bridge", "upgraded", 1)]).to_document()

    assert json.loads(json.dumps(document)) == {
        "schema_version": 1,
        "generated_at": "2026-11-20T12:00:00+00:00",
        "total": 3,
        "usable": 3,
        "upgraded": 1,
        "remaining": 2,
        "upgraded_share": 0.333333,
        "by_algorithm": [
            {"algorithm": "md5", "users": 2, "share": 0.666667},
            {"algorithm": "argon2", "users": 1, "share": 0.333333},
        ],
        "activity": [{"app": "bridge", "event": "upgraded", "count": 1}],
    }


@given(
    st.dictionaries(st.sampled_from([*ALGORITHMS, "unusable", "unknown"]), st.integers(1, 10**9)),
)
@settings(deadline=None, derandomize=True, database=None)
def test_the_figures_add_up(users: dict[str, int]):
    drawn = report(users)

    assert sum(each.users for each in drawn.by_algorithm) == drawn.total
    assert drawn.upgraded + drawn.remaining == drawn.usable <= drawn.total
    assert 0 <= drawn.upgraded_share <= 1
    assert sum(each.share for each in drawn.by_algorithm) == pytest.approx(1 if users else 0)
