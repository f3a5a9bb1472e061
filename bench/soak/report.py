"""What a run found, as figures with what each must be."""

import statistics
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Final

from bench.soak.asking import Tally
from bench.soak.memory import Growth, Memory
from bench.soak.verdict import Verdict

__all__ = ["Line", "Outcome", "lines"]

_RECOVERED: Final = 10.0
_STARTED: Final = 20.0
"""Where a process was ended: what it takes to start Python and the whole service on a busy machine is in it."""
_GROWTH: Final = 4.0
_MOST_TOLD: Final = 10
_LEAST_SAMPLES: Final = 20


@dataclass(slots=True)
class Outcome:
    """Everything that a run found.

    Attributes:
        wronged: what the database tells of those who were given a wrong answer.
        recoveries: by kind of fault, seconds from its end to the first good answer of the slowest server.
        under_fire: upgrades while faults went on; the others came with the logins at the end.
        cut_in_upgrade: users whose upgrade was written and not committed when its process was killed.
        slow_to_end: replicas that SIGTERM did not end.
        proven: users who had to log in at the end.
        locked_out: who could not log in at the end, and where.
        restarted: servers that no fault ended, and that were started again all the same.
        survivors: processes that were there from the first to the last, by name and process id.
        uncaught: exceptions in the replicas' logs.
    """

    seconds: float
    tally: Tally
    memory: Memory
    verdict: Verdict = field(default_factory=Verdict)
    wronged: list[str] = field(default_factory=list)
    recoveries: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    under_fire: int = 0
    cut_in_upgrade: int = 0
    slow_to_end: int = 0
    proven: int = 0
    locked_out: list[str] = field(default_factory=list)
    restarted: list[str] = field(default_factory=list)
    uncaught: list[str] = field(default_factory=list)
    survivors: list[tuple[str, int]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Line:
    """A figure.

    Attributes:
        name: of what.
        value: with its unit.
        target: what is asked; "" where it only explains another.
        is_met: whether it is.
        told: what stands behind a miss, the first of it.
    """

    name: str
    value: str
    target: str = ""
    is_met: bool = True
    told: tuple[str, ...] = ()

    def __str__(self) -> str:
        verdict = "" if not self.target else "met" if self.is_met else "MISSED"
        more = "".join(f"\n    {each}" for each in self.told)
        return f"{self.name:<62} {self.value:<34} {self.target:<34} {verdict}".rstrip() + more


def lines(outcome: Outcome) -> list[Line]:
    """Give every figure of a run."""
    return [
        *_load(outcome),
        *_upgrades(outcome.verdict),
        Line("upgrades while faults went on", f"{outcome.under_fire} of {outcome.verdict.upgraded}"),
        Line("upgrades in the middle of which a process was killed", f"{outcome.cut_in_upgrade}"),
        _none("logins that failed at the end", outcome.locked_out, of=f"of {3 * outcome.proven}"),
        *_recoveries(outcome),
        _none("servers that were restarted and had not been ended", outcome.restarted),
        _none("exceptions in the replicas' logs that nobody caught", outcome.uncaught),
        *_growths(outcome),
    ]


def _load(outcome: Outcome) -> Iterator[Line]:
    kinds = outcome.tally.kinds
    faults = sum(len(each) for each in outcome.recoveries.values())
    yield Line("faults", f"{faults} in {outcome.seconds / 60:.1f} minutes")
    yield Line("answers, by kind", ", ".join(f"{number} {kind}" for kind, number in sorted(kinds.items())))
    wrong = _none("wrong answers", outcome.tally.wrong)
    yield replace(wrong, told=(*wrong.told, *outcome.wronged))
    yield _none("refusals once all servers had answered again, and 3 s", outcome.tally.late)


def _upgrades(verdict: Verdict) -> Iterator[Line]:
    once = verdict.upgraded + verdict.changed
    yield Line(
        "old hashes upgraded, or replaced with their password, once",
        f"{verdict.upgraded} + {verdict.changed} of {verdict.seeded}",
        "all",
        once == verdict.seeded,
    )
    yield _none("upgrades lost, doubled, unrecorded or without lineage", verdict.faults)
    yield Line("upgrades by app", ", ".join(f"{number} {app}" for app, number in sorted(verdict.apps.items())))
    yield Line("upgrades that the apps' counters tell of", f"{verdict.counted} of {verdict.upgraded}")
    yield Line("real password changes", f"{verdict.changes}")


def _recoveries(outcome: Outcome) -> Iterator[Line]:
    for kind, took in sorted(outcome.recoveries.items()):
        value = f"median {statistics.median(took):.1f} s, worst {max(took):.1f} s, {len(took)} times"
        most = _STARTED if kind.startswith(("kill -9", "SIGTERM")) else _RECOVERED
        yield Line(f"recovery: {kind}", value, f"at most {most:.0f} s", max(took) <= most)
    asked = f"{outcome.slow_to_end} times"
    yield Line("replicas that SIGTERM did not end", asked, "0 times", not outcome.slow_to_end)


def _growths(outcome: Outcome) -> Iterator[Line]:
    for key in outcome.survivors:
        samples = outcome.memory.samples.get(key, [])
        if len(samples) < _LEAST_SAMPLES:
            continue
        found = Growth.of(samples)
        value = f"{found.early:.1f} -> {found.late:.1f} MiB, {found.slope:+.2f} MiB/min"
        is_flat = found.late - found.early <= _GROWTH
        yield Line(f"memory of {key[0]}, early -> late", value, f"at most +{_GROWTH:.0f} MiB", is_flat)


def _none(name: str, found: list[str], *, of: str = "") -> Line:
    return Line(name, f"{len(found)} {of}".strip(), "0", not found, tuple(found[:_MOST_TOLD]))
