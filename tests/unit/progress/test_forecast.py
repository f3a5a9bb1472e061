"""When the active accounts will be done."""

import json
import random
from collections.abc import Callable
from datetime import date, timedelta
from itertools import accumulate, pairwise
from typing import Final

import pytest

from bridge.progress.forecast import ACTIVE_DAYS, LastSeen, Milestone, NotForecast, forecast

TODAY: Final = date(2026, 11, 20)
LONG_AGO: Final = TODAY - timedelta(days=60)


def seen(*, upgraded: dict[int, int], waiting: dict[int, int]) -> dict[int, LastSeen]:
    """Accounts by whole days since they were last seen."""
    ages = upgraded.keys() | waiting.keys()
    return {age: LastSeen(upgraded=upgraded.get(age, 0), waiting=waiting.get(age, 0)) for age in ages}


STEADY: Final = seen(upgraded=dict.fromkeys(range(60), 10), waiting=dict.fromkeys(range(60, 100), 10))
"""A thousand accounts, each of which comes back once in a hundred days; upgrades began sixty days ago."""


def test_a_milestone_is_expected_once_few_enough_were_away_for_so_long():
    milestones = {each.share: each.expected for each in forecast(STEADY, began=LONG_AGO, today=TODAY).milestones}

    assert milestones == {
        0.90: TODAY + timedelta(days=30),
        0.95: TODAY + timedelta(days=35),
        0.99: TODAY + timedelta(days=39),
    }


def test_the_expected_day_is_within_its_interval():
    for each in forecast(STEADY, began=LONG_AGO, today=TODAY).milestones:
        assert each.expected
        assert each.earliest
        assert each.latest
        assert TODAY <= each.earliest <= each.expected <= each.latest <= TODAY + timedelta(days=ACTIVE_DAYS + 1)


def test_more_accounts_make_the_interval_narrower():
    many = {age: LastSeen(100 * each.upgraded, 100 * each.waiting) for age, each in STEADY.items()}

    [few_width, many_width] = [
        each.latest - each.earliest
        for accounts in (STEADY, many)
        for each in forecast(accounts, began=LONG_AGO, today=TODAY).milestones[:1]
        if each.latest and each.earliest
    ]

    assert many_width < few_width


def test_a_share_that_is_reached_has_no_date():
    accounts = seen(upgraded={1: 950}, waiting={100: 50})

    [ninety, ninety_five, ninety_nine] = forecast(accounts, began=LONG_AGO, today=TODAY).milestones

    assert (ninety, ninety_five) == (Milestone(0.90), Milestone(0.95))
    assert not ninety_nine.is_reached


def test_where_nobody_waits_it_does_not_matter_when_it_began():
    milestones = forecast(seen(upgraded={1: 500}, waiting={}), began=None, today=TODAY).milestones

    assert [each.is_reached for each in milestones] == [True, True, True]


@pytest.mark.parametrize(
    ("accounts", "began", "lacking"),
    [
        ({}, LONG_AGO, NotForecast.FEW_ACCOUNTS),
        (seen(upgraded={1: 50}, waiting={90: 49}), LONG_AGO, NotForecast.FEW_ACCOUNTS),
        (STEADY, None, NotForecast.TOO_SHORT),
        (STEADY, TODAY - timedelta(days=6), NotForecast.TOO_SHORT),
        (seen(upgraded={1: 85, 9: 300}, waiting={1: 15, 90: 100}), LONG_AGO, NotForecast.NOT_FOR_ALL),
    ],
    ids=["nobody", "few", "not_begun", "just_begun", "a_share_is_upgraded"],
)
def test_it_says_when_there_is_not_enough_data(accounts: dict[int, LastSeen], began: date | None, lacking: NotForecast):
    found = forecast(accounts, began=began, today=TODAY)

    assert (found.lacking, found.milestones) == (lacking, ())
    assert found.to_document()["enough_data"] is False


def test_the_document_is_stable():
    document = json.loads(json.dumps(forecast(STEADY, began=LONG_AGO, today=TODAY).to_document()))

    assert {name: document[name] for name in ("enough_data", "lacking", "confidence")} == {
        "enough_data": True,
        "lacking": None,
        "confidence": 0.9,
    }
    assert document["milestones"][0]["expected"] == "2026-12-20"
    assert [each["share"] for each in document["milestones"]] == [0.90, 0.95, 0.99]


# Against simulated sites ----------------------------------------------------------------------------------------------

ACCOUNTS: Final = 800
BURN_IN: Final = 3 * ACTIVE_DAYS
RUNS: Final = 20

Habit = Callable[[], float]
"""Draws the days until one account's next login."""


def habit(shape: str, rng: random.Random) -> Habit:
    """Give an account of a site of some shape its own habit."""
    mean = rng.gammavariate(2.0, 20.0) + 2
    gaps: dict[str, Habit] = {
        "as_it_comes": lambda: rng.expovariate(1 / 45),
        "each_at_its_own_rate": lambda: rng.expovariate(1 / mean),
        "in_bursts": lambda: rng.weibullvariate(mean, 0.6),
        "regularly": lambda: rng.gammavariate(4.0, mean / 4),
        "with_long_tails": lambda: rng.lognormvariate(2.5, 1.3),
    }
    return gaps[shape]


def logins(draw: Habit, rng: random.Random, *, until: float) -> list[float]:
    """One account's logins, counted in days from the first upgrade."""
    moments = [-BURN_IN + rng.random() * ACTIVE_DAYS]
    while moments[-1] < until:
        moments.append(moments[-1] + draw())
    return moments


def counted(site: list[list[float]], at: float) -> dict[int, LastSeen]:
    """What a census finds: each account's last login, and whether there was one since upgrades began."""
    ages: dict[int, LastSeen] = {}
    for moments in site:
        last = max((moment for moment in moments if moment <= at), default=-float(BURN_IN))
        if at - last < ACTIVE_DAYS:
            age, done = int(at - last), last >= 0
            known = ages.get(age, LastSeen(0, 0))
            ages[age] = LastSeen(known.upgraded + done, known.waiting + (not done))
    return ages


def shares(site: list[list[float]], *, start: int) -> list[float]:
    """The share that is upgraded of those active, on each day from ``start`` for a year."""
    days = ACTIVE_DAYS + 3
    active, waiting = [0] * (days + 1), [0] * (days + 1)

    def add(changes: list[int], first: float, end: float) -> None:
        low, high = (min(max(int(moment - start) + 1, 0), days) for moment in (first, end))
        changes[low] += 1
        changes[high] -= 1

    for moments in site:
        for this, following in pairwise(moments):
            gone = min(following, this + ACTIVE_DAYS)
            if gone > start:
                add(active, this, gone)
                if this < 0:
                    add(waiting, this, gone)
    totals = zip(list(accumulate(waiting))[:days], list(accumulate(active))[:days], strict=True)
    return [1 - left / every for left, every in totals]


@pytest.mark.parametrize("shape", ["as_it_comes", "each_at_its_own_rate", "in_bursts", "regularly", "with_long_tails"])
def test_the_interval_covers_the_truth_in_nine_of_ten_runs(shape: str):
    rng = random.Random(shape)  # noqa: S311
    covered = []
    for _ in range(RUNS):
        since = rng.randrange(10, 40)
        site = [logins(habit(shape, rng), rng, until=since + ACTIVE_DAYS + 10) for _ in range(ACCOUNTS)]
        truth = shares(site, start=since)
        drawn = forecast(counted(site, since), began=TODAY - timedelta(days=since), today=TODAY)
        for each in drawn.milestones:
            reached = TODAY + timedelta(days=next(day for day, share in enumerate(truth) if share >= each.share))
            if each.earliest and each.latest:
                covered.append(each.earliest <= reached <= each.latest)

    assert len(covered) >= RUNS
    assert sum(covered) >= 0.9 * len(covered)
