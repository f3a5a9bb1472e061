"""What it costs to pass through: the same page of the same gunicorn, asked for directly and through the bridge.

Twice: as the system spreads the processes over the cores, and with gunicorn on a core of its own. Where they share, one
gunicorn thread that holds the interpreter's lock and has to make way for the bridge keeps all of its threads waiting.
"""

import os
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from bench.figures import Figure
from bench.load import Load, Loader
from bench.servers import bridge_before, on_cores, shop

__all__ = ["measure"]

_MANY: Final = 16
Pair = tuple[Load, Load]


@dataclass(frozen=True, slots=True)
class _Ways:
    """The addresses of both ways, and who asks."""

    direct: str
    through: str
    loader: Loader

    def in_turns(self, rounds: int, seconds: float, *connections: int) -> Iterator[dict[int, Pair]]:
        """Measure both ways at so many connections each, and the other way first in every other round."""
        for number in range(rounds):
            ways = (self.direct, self.through) if number % 2 else (self.through, self.direct)
            yield {each: self._both(ways, each, seconds) for each in connections}

    def _both(self, ways: tuple[str, str], connections: int, seconds: float) -> Pair:
        found = {way: self.loader.measure(f"{way}/", connections=connections, seconds=seconds) for way in ways}
        return found[self.direct], found[self.through]


def measure(rounds: int, seconds: float) -> list[Figure]:
    """Measure both ways in turns, at many connections and at one."""
    all_cores = os.sched_getaffinity(0)
    with _ways(all_cores, all_cores) as ways:
        shared = list(ways.in_turns(rounds, seconds, _MANY, 1))
    many, one = [found[_MANY] for found in shared], [found[1] for found in shared]
    figures = [
        *_rates("16 connections", many),
        Figure.of("median, one connection, direct", (direct.median for direct, _ in one), unit="ms"),
        Figure.of("median, one connection, through", (bridged.median for _, bridged in one), unit="ms"),
        Figure.of(
            "through - direct", (bridged.median - direct.median for direct, bridged in one), unit="ms", target="<= 1"
        ),
    ]
    apart: list[Pair] = []
    if len(all_cores) > 1:
        own = {min(all_cores)}
        with _ways(own, all_cores - own) as ways:
            apart = [found[_MANY] for found in ways.in_turns(rounds, seconds, _MANY)]
        figures += _rates("gunicorn on its own core", apart)
    failed = [direct.failed + bridged.failed for direct, bridged in (*many, *one, *apart)]
    return [*figures, Figure.of("failed requests a round", failed, target="0")]


@contextmanager
def _ways(site_cores: Collection[int], cores: Collection[int]) -> Iterator[_Ways]:
    with ExitStack() as stack:
        with on_cores(site_cores):
            site = stack.enter_context(shop())
        with on_cores(cores):
            through = stack.enter_context(bridge_before(site))
            loader = stack.enter_context(Loader.started())
        yield _Ways(site.address, through, loader)


def _rates(what: str, pairs: Sequence[Pair]) -> list[Figure]:
    return [
        Figure.of(f"requests per second, {what}, direct", (direct.rate for direct, _ in pairs)),
        Figure.of(f"requests per second, {what}, through", (bridged.rate for _, bridged in pairs)),
        Figure.of(
            f"through / direct, {what}", (bridged.rate / direct.rate for direct, bridged in pairs), target=">= 0.9"
        ),
    ]
