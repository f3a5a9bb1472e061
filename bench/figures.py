"""What a case gives: a figure, how far it spread, how sure it is, and what it should be."""

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import accumulate, takewhile
from typing import Final, Self

__all__ = ["Figure"]

_WRONG_ONE_IN: Final = 20


@dataclass(frozen=True, slots=True)
class Figure:
    """A median over the rounds of a run.

    Attributes:
        name: of what.
        unit: "" for ratios.
        median: over the rounds.
        low: the least of any round.
        high: the most.
        at_least: where the median of many more such rounds would lie with a confidence of 95 %, were each independent
            of the others, from here...
        at_most: ... to here. Of fewer than six rounds nobody can be so sure: then it is the least and the most.
        target: what is claimed, in words; "" where it only explains another figure.
    """

    name: str
    unit: str
    median: float
    low: float
    high: float
    at_least: float
    at_most: float
    target: str = ""

    @classmethod
    def of(cls, name: str, values: Iterable[float], *, unit: str = "", target: str = "") -> Self:
        """Sum up the rounds."""
        found = sorted(values)
        outside = _rounds_outside(len(found))
        return cls(
            name,
            unit,
            median=statistics.median(found),
            low=found[0],
            high=found[-1],
            at_least=found[outside],
            at_most=found[-1 - outside],
            target=target,
        )

    def __str__(self) -> str:
        sure = f"{self.at_least:.2f} to {self.at_most:.2f}"
        spread = f"({self.low:.2f} to {self.high:.2f})"
        return f"{self.name:<58} {self.median:9.2f} {self.unit:<4} {sure:<16} {spread:<22} {self.target}".rstrip()


def _rounds_outside(rounds: int) -> int:
    """Give how many of the sorted rounds may be left out at each end, the median still being between the others.

    Each round is below the true median with a chance of a half, whatever their distribution, so that how many are is
    binomial, if they are independent (Conover, Practical Nonparametric Statistics, section 3.2).
    """
    below = accumulate(math.comb(rounds, number) for number in range(rounds))
    sure = sum(1 for _ in takewhile(lambda ways: 2 * _WRONG_ONE_IN * ways <= 2**rounds, below))
    return max(0, sure - 1)
