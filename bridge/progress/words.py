"""The report's codes in words, the same on a terminal and on the dashboard."""

from collections.abc import Mapping
from typing import Final

from bridge.progress.census import Cohort
from bridge.progress.forecast import NotForecast

__all__ = ["COHORTS", "LACKING"]

COHORTS: Final[Mapping[str, str]] = {
    Cohort.WEEK: "within 7 days",
    Cohort.MONTH: "within 30 days",
    Cohort.QUARTER: "within 90 days",
    Cohort.YEAR: "within 365 days",
    Cohort.OLDER: "longer ago",
    Cohort.NEVER: "never",
}
"""When somebody logged in last."""

LACKING: Final[Mapping[str, str]] = {
    NotForecast.FEW_ACCOUNTS: "fewer than a hundred accounts are active",
    NotForecast.TOO_SHORT: "upgrades began less than a week ago, or have not begun",
    NotForecast.NOT_FOR_ALL: "not everybody who logs in is upgraded yet",
}
"""Why there is no forecast."""
