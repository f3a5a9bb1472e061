"""When the active accounts will be done, from how long ago each of them was last seen.

An account is upgraded when it comes back, so the question is when those that wait will. Of many accounts, of whatever
habits, the time since the last login is distributed as the time until the next one: the renewal theorem, for a site
whose use does not change much within a year. So the share of accounts that were last seen a + h days ago, over those
last seen a days ago, is the share of the latter that stay away for another h days.

An active account logged in within 365 days. One that has not come back for so long stops being active, and so stops
being waited for: the dormant ones are counted elsewhere, and finished by other means.
"""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Any, Final

__all__ = ["ACTIVE_DAYS", "CONFIDENCE", "MILESTONES", "Forecast", "LastSeen", "Milestone", "NotForecast", "forecast"]

ACTIVE_DAYS: Final = 365
MILESTONES: Final = (0.90, 0.95, 0.99)
CONFIDENCE: Final = 0.90

_DEVIATIONS: Final = 2.0
"""The middle ``CONFIDENCE`` of a normal distribution ends at 1.645; the number of active accounts varies as well."""
_FEWEST_ACCOUNTS: Final = 100
_SHORTEST: Final = timedelta(days=7)
"""One week has every weekday."""
_MOST_LEFT_BEHIND: Final = 0.1


class NotForecast(StrEnum):
    """Why there is not enough data."""

    FEW_ACCOUNTS = "few_accounts"
    """Fewer than a hundred are active."""
    TOO_SHORT = "too_short"
    """Upgrades began less than a week ago, or have not begun."""
    NOT_FOR_ALL = "not_for_all"
    """More than a tenth of those seen this week were not upgraded: whoever comes back is not yet done."""


@dataclass(frozen=True, slots=True)
class LastSeen:
    """Active accounts with a usable password that were last seen as many whole days ago.

    Attributes:
        upgraded: how many of them are.
        waiting: how many are not.
    """

    upgraded: int
    waiting: int


@dataclass(frozen=True, slots=True)
class Milestone:
    """When a share of the active accounts will be upgraded.

    Attributes:
        share: 0 to 1.
        expected: the day; None where it has been reached.
        earliest: with nine chances in ten it is not before this day,
        latest: nor after this one.
    """

    share: float
    expected: date | None = None
    earliest: date | None = None
    latest: date | None = None

    @property
    def is_reached(self) -> bool:
        """Whether there is nothing to wait for."""
        return self.expected is None

    def to_document(self) -> dict[str, Any]:
        """Give the stable JSON form."""
        days = {name: getattr(self, name) for name in ("expected", "earliest", "latest")}
        return {
            "share": self.share,
            "is_reached": self.is_reached,
            **{name: day.isoformat() if day else None for name, day in days.items()},
        }


@dataclass(frozen=True, slots=True)
class Forecast:
    """The milestones, or why there are none.

    Attributes:
        milestones: by share; empty where there is not enough data.
        lacking: None where there is.
    """

    milestones: tuple[Milestone, ...] = ()
    lacking: NotForecast | None = None

    def to_document(self) -> dict[str, Any]:
        """Give the stable JSON form."""
        return {
            "enough_data": self.lacking is None,
            "lacking": self.lacking.value if self.lacking else None,
            "confidence": CONFIDENCE,
            "milestones": [each.to_document() for each in self.milestones],
        }


def forecast(seen: Mapping[int, LastSeen], *, began: date | None, today: date) -> Forecast:
    """Say when the milestones will be reached.

    Args:
        seen: the active accounts, by whole days since their last login.
        began: the day of the first upgrade; None before it.
        today: the day of the count.
    """
    every = [_at(seen, age).upgraded + _at(seen, age).waiting for age in range(ACTIVE_DAYS)]
    waiting = [_at(seen, age).waiting for age in range(ACTIVE_DAYS)]
    if lacking := _lacking(every, waiting, began, today):
        return Forecast(lacking=lacking)
    still_away = _still_away(waiting, _never_rising(every))
    return Forecast(tuple(_milestone(share, sum(every), still_away, today) for share in MILESTONES))


def _at(seen: Mapping[int, LastSeen], age: int) -> LastSeen:
    return seen.get(age, LastSeen(0, 0))


def _lacking(every: Sequence[int], waiting: Sequence[int], began: date | None, today: date) -> NotForecast | None:
    if sum(every) < _FEWEST_ACCOUNTS:
        return NotForecast.FEW_ACCOUNTS
    if sum(waiting) == 0:
        return None
    if began is None or today - began < _SHORTEST:
        return NotForecast.TOO_SHORT
    week = _SHORTEST.days - 1  # the day of the first upgrade was not a whole one
    if sum(waiting[:week]) > _MOST_LEFT_BEHIND * sum(every[:week]):
        return NotForecast.NOT_FOR_ALL
    return None


def _never_rising(counts: Sequence[int]) -> list[float]:
    """Fit the nearest sequence that never rises (pool adjacent violators): nobody is seen less by having been seen."""
    pools: list[tuple[float, int]] = []
    for count in counts:
        total, days = float(count), 1
        while pools and pools[-1][0] * days < total * pools[-1][1]:
            more, longer = pools.pop()
            total, days = total + more, days + longer
        pools.append((total, days))
    return [total / days for total, days in pools for _ in range(days)]


def _still_away(waiting: Sequence[int], density: Sequence[float]) -> Callable[[int], float]:
    """Give how many of those that wait are expected to be active and waiting still, after so many days."""

    def after(days: int) -> float:
        return sum(
            waiting[age] * density[age + days] / density[age] for age in range(ACTIVE_DAYS - days) if waiting[age]
        )

    return after


def _milestone(share: float, accounts: int, still_away: Callable[[int], float], today: date) -> Milestone:
    left = accounts - share * accounts
    if still_away(0) <= left:
        return Milestone(share)

    def first_day(deviations: float) -> int:
        # Two numbers vary as counts do: those who will stay away, and those from whom that is concluded.
        return bisect_left(
            range(ACTIVE_DAYS),
            True,  # noqa: FBT003  # what is looked for
            key=lambda days: (count := still_away(days)) + deviations * (count + left) ** 0.5 <= left,
        )

    return Milestone(
        share,
        expected=today + timedelta(days=first_day(0)),
        earliest=today + timedelta(days=max(first_day(-_DEVIATIONS) - 1, 0)),  # a day more on either side, for
        latest=today + timedelta(days=first_day(_DEVIATIONS) + 1),  # whole days are counted
    )
