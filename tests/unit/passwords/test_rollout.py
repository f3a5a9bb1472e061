"""BRIDGE_REHASH: whose hashes are upgraded."""

from itertools import pairwise

import pytest

from bridge.passwords.rollout import RehashRollout

USERS = [str(number) for number in range(1, 2001)] + ["3f0e2a54-8d59-4c0d-9f3a-0d3b3c1f6a11", "", "ü"]


def included(text: str) -> set[str]:
    rollout = RehashRollout.parse(text)
    return {user for user in USERS if rollout.includes(user, is_safe=True)}


@pytest.mark.parametrize("mode", ["auto", "on", "off"])
def test_a_mode_is_taken_by_name(mode: str):
    assert RehashRollout.parse(mode).mode == mode


@pytest.mark.parametrize(
    ("text", "percentage"), [("5%", 5.0), ("0%", 0.0), ("100%", 100.0), ("0.05%", 0.05), ("33.3%", 33.3), ("005%", 5.0)]
)
def test_a_share_is_taken_as_a_percentage(text: str, percentage: float):
    assert RehashRollout.parse(text) == RehashRollout(mode="share", percentage=percentage)


@pytest.mark.parametrize(
    "text",
    ["", "share", "ON", "yes", "5", "5 %", " 5%", "5%\n", "%", "-1%", "100.01%", "101%", "1000%", "1.%", ".5%",
     "1.234%", "5,5%", "1e2%", "nan%", "inf%", "5%%"],
)  # fmt: skip
def test_anything_else_is_refused_with_what_would_do(text: str):
    with pytest.raises(ValueError, match="use auto, on, off or a percentage such as 5%"):
        RehashRollout.parse(text)


@pytest.mark.parametrize(
    ("text", "is_safe", "upgraded"),
    [
        ("auto", True, True),
        ("auto", False, False),
        ("on", True, True),
        ("on", False, True),
        ("off", True, False),
        ("off", False, False),
        ("100%", True, True),
        ("100%", False, False),
        ("0%", True, False),
        ("0%", False, False),
    ],
)
def test_only_on_does_not_ask_the_site_profile(text: str, is_safe: bool, upgraded: bool):  # noqa: FBT001
    rollout = RehashRollout.parse(text)

    assert all(rollout.includes(user, is_safe=is_safe) is upgraded for user in USERS)


def test_a_share_is_about_as_large_as_it_says():
    assert len(included("25%")) / len(USERS) == pytest.approx(0.25, abs=0.03)


def test_a_user_stays_in_or_out():
    assert included("20%") == included("20%")


def test_the_same_users_stay_in_as_the_share_grows():
    steps = [included(text) for text in ("0%", "0.5%", "1%", "5%", "29%", "50%", "99.99%", "100%")]

    assert all(smaller <= larger for smaller, larger in pairwise(steps))
    assert steps[0] == set()
    assert steps[-1] == set(USERS)


def test_who_is_in_does_not_change_between_releases():
    rollout = RehashRollout.parse("10%")

    assert [user for user in USERS[:40] if rollout.includes(user, is_safe=True)] == ["3", "13", "20", "22"]
