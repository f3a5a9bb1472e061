"""What processes hold, over time, and whether it is flat."""

import asyncio
import os
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Self

__all__ = ["Growth", "Memory"]

_EVERY: Final = 2.0
_WARM: Final = 0.3
"""So much of a run belongs to caches that fill up to their bounds."""
_WINDOW: Final = 0.15

Sample = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Growth:
    """How much more a process held late than early, in MiB, and the slope of the line between, in MiB a minute."""

    early: float
    late: float
    slope: float

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        """Compare two windows, each a seventh of the run, and fit a line to all that follows the warm-up.

        Args:
            samples: seconds, and MiB; of a process that was there all the time.
        """
        first, last = samples[0][0], samples[-1][0]
        began, window = first + (last - first) * _WARM, (last - first) * _WINDOW
        warm = [(moment, held) for moment, held in samples if moment >= began]
        early = statistics.median(held for moment, held in warm if moment <= began + window)
        late = statistics.median(held for moment, held in warm if moment >= last - window)
        return cls(early, late, 60 * statistics.linear_regression(*zip(*warm, strict=True)).slope)


@dataclass(slots=True)
class Memory:
    """Samples of every generation of every process, by its name and its process id."""

    samples: dict[tuple[str, int], list[Sample]] = field(default_factory=dict)

    async def watch(self, processes: Callable[[], Iterable[tuple[str, int | None]]]) -> None:
        """Look every two seconds, until cancelled."""
        while True:
            for name, pid in processes():
                held = None if pid is None else rss(pid)
                if pid is not None and held is not None:
                    self.samples.setdefault((name, pid), []).append((time.monotonic(), held))
            await asyncio.sleep(_EVERY)

    def now(self) -> dict[str, float]:
        """Give what each holds that was there last, by name."""
        return {name: samples[-1][1] for (name, _), samples in self.samples.items()}


def rss(pid: int) -> float | None:
    """Give what a process has resident, in MiB; None where it is gone (``proc_pid_statm(5)``)."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
