"""What a case gives: a figure, how far it spread, and what it should be."""

import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

__all__ = ["Figure"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A median over the rounds of a run.

    Attributes:
        name: of what.
        unit: "" for ratios.
        median: over the rounds.
        low: the least of any round.
        high: the most.
        target: what is claimed, in words; "" where it only explains another figure.
    """

    name: str
    unit: str
    median: float
    low: float
    high: float
    target: str = ""

    @classmethod
    def of(cls, name: str, values: Iterable[float], *, unit: str = "", target: str = "") -> Self:
        """Sum up the rounds."""
        found = sorted(values)
        return cls(name, unit, statistics.median(found), found[0], found[-1], target)

    def __str__(self) -> str:
        spread = f"({self.low:.2f} to {self.high:.2f})"
        return f"{self.name:<58} {self.median:9.2f} {self.unit:<4} {spread:<24} {self.target}".rstrip()
