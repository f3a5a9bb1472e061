"""The forecast, on a common time line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

__all__ = ["Milestone", "milestones_of"]


@dataclass(frozen=True, slots=True)
class Milestone:
    """When a share of the active accounts will be done; the days of one that is reached are None.

    Attributes:
        start: where its interval begins on the common time line, in per cent,
        width: how wide it is,
        at: and where the expected day is.
    """

    share: float
    expected: str | None
    earliest: str | None
    latest: str | None
    start: float = 0.0
    width: float = 0.0
    at: float = 0.0


def milestones_of(rows: Sequence[Mapping[str, Any]], begins: date) -> tuple[Milestone, ...]:
    """Take them from a report's document; the time line begins on the day of the count."""
    ends = max((date.fromisoformat(row["latest"]) for row in rows if row["latest"]), default=begins)
    days = max((ends - begins).days, 1)

    def at(day: str) -> float:
        return round(100 * max((date.fromisoformat(day) - begins).days, 0) / days, 2)

    return tuple(
        Milestone(row["share"], None, None, None)
        if row["is_reached"]
        else Milestone(
            row["share"],
            row["expected"],
            row["earliest"],
            row["latest"],
            start=at(row["earliest"]),
            width=round(max(at(row["latest"]) - at(row["earliest"]), 0.5), 2),
            at=at(row["expected"]),
        )
        for row in rows
    )
