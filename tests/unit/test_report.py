"""The figures of ``bridge report``."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.passwords.encoded import ALGORITHMS
from bridge.progress import ActivityCount, AlgorithmCount, DailyActivity, MigrationReport
from bridge.progress.census import Census, CensusRow, Cohort
from bridge.progress.forecast import Forecast, NotForecast
from bridge.progress.gate import RemovalGate
from bridge.progress.report import TrendPoint

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def report(users: dict[str, int], **more: Any) -> MigrationReport:
    return drawn_up({kind(algorithm): count for algorithm, count in users.items()}, **more)


def drawn_up(rows: dict[CensusRow, int], **more: Any) -> MigrationReport:
    lacking = Forecast(lacking=NotForecast.FEW_ACCOUNTS)
    return MigrationReport(generated_at=NOON, census=Census(rows), forecast=lacking, **more)


def kind(
    algorithm: str, cost: str = "", cohort: Cohort = Cohort.WEEK, *, active: bool = True, staff: bool = False
) -> CensusRow:
    return CensusRow(algorithm, cost, cohort, is_active=active, is_staff=staff)


HALFWAY = report({"pbkdf2_sha256": 2, "argon2": 3, "md5": 1, "unusable": 1, "unknown": 1})


def test_every_user_is_counted():
    assert HALFWAY.total == 8


def test_only_passwords_that_some_hasher_would_take_are_usable():
    assert HALFWAY.share.usable == 6


def test_argon2_is_upgraded_and_the_rest_of_the_usable_remains():
    assert HALFWAY.share.upgraded == 3
    assert HALFWAY.share.remaining == 3


def test_the_upgraded_share_is_of_the_usable_passwords():
    assert HALFWAY.share.upgraded_share == 0.5


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

    listed = report({}, activity=counts).to_document()["activity"]

    assert [each["count"] for each in listed] == [2, 1, 5]


def test_a_site_without_users_has_nothing_left_to_upgrade():
    empty = report({})

    assert (empty.total, empty.share.usable, empty.share.upgraded, empty.share.remaining) == (0, 0, 0, 0)
    assert empty.share.upgraded_share == 1
    assert empty.by_algorithm == ()


def test_a_site_whose_users_have_no_usable_password_has_nothing_left_to_upgrade():
    assert report({"unusable": 4}).share.upgraded_share == 1


def test_an_algorithm_of_nobody_may_be_counted():
    assert report({"argon2": 0}).total == 0


def test_active_accounts_may_log_in_and_did_within_a_year():
    drawn = drawn_up(
        {
            kind("argon2", cohort=Cohort.YEAR): 1,
            kind("md5", cohort=Cohort.WEEK): 2,
            kind("md5", cohort=Cohort.OLDER): 4,
            kind("md5", cohort=Cohort.NEVER): 8,
            kind("md5", cohort=Cohort.WEEK, active=False): 16,
            kind("unusable", cohort=Cohort.WEEK): 32,
        }
    )

    assert (drawn.active.usable, drawn.active.upgraded) == (3, 1)


def test_unknown_formats_are_named_most_users_first():
    drawn = drawn_up({kind("unknown", "ldap"): 1, kind("unknown", "bare_bcrypt"): 2, kind("md5", "x"): 3})

    assert list(drawn.unknown_formats.items()) == [("bare_bcrypt", 2), ("ldap", 1)]


GUARDED = Census(
    {
        kind("md5", cohort=Cohort.WEEK): 1,
        kind("md5", cohort=Cohort.NEVER, active=False): 2,
        kind("md5", cohort=Cohort.NEVER, staff=True): 4,
        kind("unsalted_md5"): 8,
    }
)


def test_a_gate_says_who_would_be_locked_out():
    gate = RemovalGate.of(GUARDED, "md5", listed=["md5"])

    assert (gate.locked_out, gate.active, gate.staff, gate.is_open, gate.is_listed) == (7, 5, 4, False, True)
    assert {cohort: users for cohort, users in gate.by_cohort if users} == {Cohort.WEEK: 1, Cohort.NEVER: 6}


def test_a_gate_is_open_once_nobody_would_be():
    assert RemovalGate.of(GUARDED, "sha1", listed=None).is_open


def test_wrapped_values_stand_apart_and_keep_only_their_own_gate_shut():
    drawn = drawn_up(
        {kind("argon2_md5"): 2, kind("argon2_md5", active=False): 1, kind("argon2_sha1"): 4, kind("argon2"): 5},
        listed=["argon2_md5", "argon2"],
    )

    assert [(each.algorithm, each.inside, each.users, each.active, each.is_listed) for each in drawn.wrapped] == [
        ("argon2_sha1", "sha1", 4, 4, False),
        ("argon2_md5", "md5", 3, 2, True),
    ]
    assert (drawn.share.upgraded, drawn.share.remaining) == (5, 7)
    assert [RemovalGate.of(drawn.census, name, listed=None).locked_out for name in ("md5", "argon2_md5")] == [0, 3]


def test_only_passwords_that_some_hasher_takes_have_a_gate():
    drawn = report({"md5": 1, "unusable": 1, "unknown": 1}, listed=["argon2"])

    assert [(gate.algorithm, gate.is_listed) for gate in drawn.gates] == [("md5", False)]


def test_the_document_is_stable():
    document = drawn_up(
        {kind("argon2", "m=1,t=1,p=1"): 1, kind("md5", cohort=Cohort.NEVER, staff=True): 2, kind("unknown", "ldap"): 1},
        listed=["argon2", "md5"],
        activity=[ActivityCount("bridge", "upgraded", 1)],
        daily_activity=[DailyActivity(NOON.date(), "bridge", "upgraded", 1)],
        trend=[TrendPoint(NOON.date(), report({"md5": 1}).figures)],
    ).to_document()

    nobody = {"usable": 0, "upgraded": 0, "remaining": 0, "upgraded_share": 1.0}
    one = {"usable": 1, "upgraded": 1, "remaining": 0, "upgraded_share": 1.0}
    cohorts = {"7d": 0, "30d": 0, "90d": 0, "365d": 0, "older": 0, "never": 0}
    gates = {"argon2": {"locked_out": 1, "active": 1, "staff": 0, "by_cohort": cohorts | {"7d": 1}}}
    gates["md5"] = {"locked_out": 2, "active": 2, "staff": 2, "by_cohort": cohorts | {"never": 2}}
    assert json.loads(json.dumps(document)) == {
        "schema_version": 1,
        "generated_at": "2026-11-20T12:00:00+00:00",
        "total": 4,
        "usable": 3,
        "upgraded": 1,
        "remaining": 2,
        "upgraded_share": 0.333333,
        "active": one,
        "by_algorithm": [
            {"algorithm": "md5", "users": 2, "share": 0.5},
            {"algorithm": "argon2", "users": 1, "share": 0.25},
            {"algorithm": "unknown", "users": 1, "share": 0.25},
        ],
        "by_cohort": [
            {"cohort": "7d", **one},
            *({"cohort": cohort, **nobody} for cohort in ("30d", "90d", "365d", "older")),
            {"cohort": "never", "usable": 2, "upgraded": 0, "remaining": 2, "upgraded_share": 0.0},
        ],
        "unknown_formats": [{"format": "ldap", "users": 1}],
        "census": [
            {"algorithm": "argon2", "cost": "m=1,t=1,p=1", "cohort": "7d", "active": True, "staff": False, "users": 1},
            {"algorithm": "md5", "cost": "", "cohort": "never", "active": True, "staff": True, "users": 2},
            {"algorithm": "unknown", "cost": "ldap", "cohort": "7d", "active": True, "staff": False, "users": 1},
        ],
        "wrapped": [],
        "gate": [{"algorithm": name, "listed": True, **gates[name]} for name in ("md5", "argon2")],
        "forecast": {"enough_data": False, "lacking": "few_accounts", "confidence": 0.9, "milestones": []},
        "activity": [{"app": "bridge", "event": "upgraded", "count": 1}],
        "daily_activity": [{"day": "2026-11-20", "app": "bridge", "event": "upgraded", "count": 1}],
        "trend": [
            {
                "day": "2026-11-20",
                "total": 1,
                "all": {"usable": 1, "upgraded": 0, "remaining": 1, "upgraded_share": 0.0},
                "active": {"usable": 1, "upgraded": 0, "remaining": 1, "upgraded_share": 0.0},
                "by_algorithm": {"md5": 1},
            }
        ],
    }


@given(
    st.dictionaries(st.sampled_from([*ALGORITHMS, "unusable", "unknown"]), st.integers(1, 10**9)),
)
@settings(deadline=None, derandomize=True, database=None)
def test_the_figures_add_up(users: dict[str, int]):
    drawn = report(users)

    assert sum(each.users for each in drawn.by_algorithm) == drawn.total
    assert drawn.share.upgraded + drawn.share.remaining == drawn.share.usable <= drawn.total
    assert 0 <= drawn.share.upgraded_share <= 1
    assert sum(each.share for each in drawn.by_algorithm) == pytest.approx(1 if users else 0)
