"""Whom a canary answers."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover import WHOLE, AllowList, Side, Stage, Standing, bucket_of

subjects = st.text(max_size=40)
salts = st.text(max_size=20)
shares = st.integers(0, WHOLE)


def side(subject: str, *, salt: str, share: int) -> Side:
    return Standing.of(Stage.CANARY, share).side(bucket=bucket_of(subject, salt=salt))


@settings(deadline=None, derandomize=True, database=None)
@given(subjects, salts)
def test_a_bucket_is_one_of_the_whole_and_the_same_each_time(subject: str, salt: str):
    assert 0 <= bucket_of(subject, salt=salt) == bucket_of(subject, salt=salt) < WHOLE


@settings(deadline=None, derandomize=True, database=None)
@given(subjects, salts, shares, shares)
def test_a_greater_share_only_adds_users(subject: str, salt: str, one: int, other: int):
    less, more = sorted((one, other))
    if side(subject, salt=salt, share=less) is Side.BRIDGE:
        assert side(subject, salt=salt, share=more) is Side.BRIDGE


@settings(deadline=None, derandomize=True, database=None)
@given(subjects, salts)
def test_no_share_has_nobody_and_the_whole_has_everybody(subject: str, salt: str):
    assert side(subject, salt=salt, share=0) is Side.LEGACY
    assert side(subject, salt=salt, share=WHOLE) is Side.BRIDGE


def test_salt_and_subject_are_kept_apart():
    assert bucket_of("1", salt="12") != bucket_of("21", salt="1")


@pytest.mark.parametrize(
    ("subject", "salt", "bucket"),
    [("1", "default", 4390), ("42", "orders", 5056), ("cookie:abc", "default", 3436)],
    ids=["user", "another salt", "anonymous"],
)
def test_replicas_of_every_version_agree(subject: str, salt: str, bucket: int):
    assert bucket_of(subject, salt=salt) == bucket


def test_users_are_spread_evenly():
    tenths = Counter(bucket_of(str(user), salt="orders") * 10 // WHOLE for user in range(20_000))
    assert set(tenths) == set(range(10))
    assert all(1_800 < count < 2_200 for count in tenths.values())


def test_another_salt_draws_other_users():
    first, second = (
        {user for user in range(10_000) if bucket_of(str(user), salt=salt) < WHOLE // 10} for salt in ("a", "b")
    )
    assert 50 < len(first & second) < 160  # a hundredth is in both by chance


@pytest.mark.parametrize(
    ("allow", "is_listed"),
    [
        (AllowList(), False),
        (AllowList(staff=True), True),
        (AllowList(groups=frozenset({"beta", "editors"})), True),
        (AllowList(groups=frozenset({"editors"})), False),
        (AllowList(users=frozenset({"7"})), True),
        (AllowList(users=frozenset({"77"})), False),
    ],
    ids=["nobody", "staff", "one of their groups", "another group", "by key", "another key"],
)
def test_a_user_is_on_an_allow_list_by_any_of_its_rules(allow: AllowList, *, is_listed: bool):
    assert allow.includes("7", is_staff=True, groups=["beta"]) is is_listed


def test_staff_are_listed_only_while_they_are_staff():
    assert not AllowList(staff=True).includes("7", is_staff=False, groups=[])
