"""The report as the bridge last kept it: it counts, the site shows."""

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self

from bridge.contrib.django.models import CensusSnapshot

__all__ = ["KeptReport"]


@dataclass(frozen=True, slots=True)
class KeptReport:
    """One snapshot.

    Attributes:
        document: as ``bridge report --format json`` gives it, without the trend.
    """

    document: dict[str, Any]

    @classmethod
    def latest(cls) -> Self | None:
        """Read the last one; None before the first."""
        row = CensusSnapshot._default_manager.exclude(document="").order_by("-day").first()  # noqa: SLF001  # documented API
        return None if row is None else cls.of(row)

    @classmethod
    def of(cls, row: CensusSnapshot) -> Self:
        """Read one."""
        return cls(json.loads(row.document))

    @property
    def taken_at(self) -> datetime:
        """When the users were counted."""
        return datetime.fromisoformat(self.document["generated_at"])

    @property
    def summary(self) -> str:
        """Say how far the upgrade was."""
        counted = self.document
        return (
            f"{counted['upgraded']:,} of {counted['usable']:,} usable passwords upgraded"
            f" ({counted['upgraded_share']:.1%}), {counted['remaining']:,} to go; {counted['total']:,} users in all"
        )

    @property
    def algorithms(self) -> list[tuple[str, int, str]]:
        """List algorithm, users and share, most users first."""
        return [(each["algorithm"], each["users"], f"{each['share']:.1%}") for each in self.document["by_algorithm"]]

    @property
    def cohorts(self) -> list[tuple[str, int, int]]:
        """List last login, usable and upgraded passwords."""
        return [(each["cohort"], each["usable"], each["upgraded"]) for each in self.document["by_cohort"]]

    @property
    def forecast(self) -> list[tuple[str, str]]:
        """List shares of the active accounts, and when they will be upgraded; nothing without enough data."""
        return [(f"{each['share']:.0%}", _when(each)) for each in self.document["forecast"]["milestones"]]


def _when(milestone: dict[str, Any]) -> str:
    if milestone["is_reached"]:
        return "reached"
    return f"{milestone['expected']} ({milestone['earliest']} to {milestone['latest']})"
