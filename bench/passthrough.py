"""What it costs to pass through: the same page of the same gunicorn, asked for directly and through the bridge.

The bridge reaches it by a socket file, as neighbours on one machine do, and over TCP. The system spreads the processes
over the cores; once more gunicorn has a core of its own. Where they share, one gunicorn thread that holds the
interpreter's lock and has to make way for the bridge keeps all of its threads waiting.

The shop is on SQLite, where its page costs gunicorn alone, or on PostgreSQL, which takes a part of the cores as well.
"""

import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.figures import Figure
from bench.load import Load, Loader
from bench.servers import bridge_before, on_cores, postgresql, shop, wait_for_rest

__all__ = ["measure"]

_MANY: Final = 16
_DIRECT: Final = "direct"
_BY_FILE: Final = "through, by a socket file"
_BY_TCP: Final = "through, over TCP"
_APART: Final = ", gunicorn on its own core"
_RATE: Final = ">= 0.9"
_MEDIAN: Final = "<= 1"

_Round = dict[str, Load]
"""What was found in one round, each way."""


@dataclass(frozen=True, slots=True)
class _Ways:
    """The addresses of all ways, and who asks."""

    addresses: dict[str, str]
    loader: Loader

    def in_turns(self, rounds: int, seconds: float, *connections: int) -> Iterator[dict[int, _Round]]:
        """Measure all ways at so many connections each, and in each round begin with another."""
        ways = list(self.addresses)
        for number in range(rounds):
            first = number % len(ways)
            order = ways[first:] + ways[:first]
            yield {each: self._each(order, each, seconds) for each in connections}

    def _each(self, order: Sequence[str], connections: int, seconds: float) -> _Round:
        return {
            way: self.loader.measure(f"{self.addresses[way]}/", connections=connections, seconds=seconds)
            for way in order
        }


def measure(rounds: int, seconds: float, *, database: str = "sqlite") -> list[Figure]:
    """Measure all ways in turns, at many connections and at one; then once more with a core for gunicorn alone.

    Args:
        rounds: in which each way is measured once.
        seconds: for each measurement.
        database: of the shop, ``sqlite`` or ``postgresql``; figures of the latter are named so.
    """
    if database == "sqlite":
        return _measure(rounds, seconds, url=None, where="")
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder, postgresql(Path(folder)) as url:
        return _measure(rounds, seconds, url=url, where=", PostgreSQL")


def _measure(rounds: int, seconds: float, *, url: str | None, where: str) -> list[Figure]:
    all_cores = os.sched_getaffinity(0)
    with _ways(all_cores, all_cores, url) as ways:
        shared = list(ways.in_turns(rounds, seconds, _MANY, 1))
    many, one = [found[_MANY] for found in shared], [found[1] for found in shared]
    apart: list[dict[int, _Round]] = []
    if len(all_cores) > 1:
        own = {min(all_cores)}
        with _ways(own, all_cores - own, url) as ways:
            apart = list(ways.in_turns(rounds, seconds, _MANY, 1))
    each_way = (found for turn in (*shared, *apart) for found in turn.values())
    failed = [sum(load.failed for load in found.values()) for found in each_way]
    return [
        *_rates(f"16 connections{where}", many),
        *_medians(f"one connection{where}", one),
        *(_rates(f"16 connections{where}{_APART}", [found[_MANY] for found in apart]) if apart else ()),
        *(_medians(f"one connection{where}{_APART}", [found[1] for found in apart]) if apart else ()),
        Figure.of("failed requests a round", failed, target="0"),
    ]


@contextmanager
def _ways(site_cores: Collection[int], cores: Collection[int], url: str | None) -> Iterator[_Ways]:
    with ExitStack() as stack:
        with on_cores(site_cores):
            site = stack.enter_context(shop(url))
        with on_cores(cores):
            by_file = stack.enter_context(bridge_before(site, upstream=site.socket))
            by_tcp = stack.enter_context(bridge_before(site))
            loader = stack.enter_context(Loader.started())
        wait_for_rest()
        yield _Ways({_DIRECT: site.address, _BY_FILE: by_file, _BY_TCP: by_tcp}, loader)


def _rates(what: str, found: Sequence[_Round]) -> list[Figure]:
    rates = [Figure.of(f"requests per second, {what}, direct", (each[_DIRECT].rate for each in found))]
    return rates + [
        Figure.of(f"{way} / direct, {what}", (each[way].rate / each[_DIRECT].rate for each in found), target=_RATE)
        for way in (_BY_FILE, _BY_TCP)
    ]


def _medians(what: str, found: Sequence[_Round]) -> list[Figure]:
    medians = [Figure.of(f"median, {what}, direct", (each[_DIRECT].median for each in found), unit="ms")]
    for way in (_BY_FILE, _BY_TCP):
        more = (each[way].median - each[_DIRECT].median for each in found)
        medians.append(Figure.of(f"{way} - direct, {what}", more, unit="ms", target=_MEDIAN))
    return medians
