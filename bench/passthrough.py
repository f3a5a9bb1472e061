"""What it costs to pass through: the same page of the same gunicorn, asked for directly and through the bridge."""

from typing import Final

from bench.figures import Figure
from bench.load import Load, Loader
from bench.servers import bridge_before, shop

__all__ = ["measure"]

_MANY: Final = 16


def measure(rounds: int, seconds: float) -> list[Figure]:
    """Measure both ways in turns, at many connections and at one."""
    many: list[tuple[Load, Load]] = []
    one: list[tuple[Load, Load]] = []
    with shop() as site, bridge_before(site) as through, Loader.started() as loader:
        for number in range(rounds):
            ways = (site.address, through) if number % 2 else (through, site.address)
            for connections, found in ((_MANY, many), (1, one)):
                measured = {way: loader.measure(f"{way}/", connections=connections, seconds=seconds) for way in ways}
                found.append((measured[site.address], measured[through]))
    failed = [direct.failed + bridged.failed for direct, bridged in (*many, *one)]
    return [
        Figure.of("requests per second, 16 connections, direct", (direct.rate for direct, _ in many)),
        Figure.of("requests per second, 16 connections, through", (bridged.rate for _, bridged in many)),
        Figure.of("through / direct", (bridged.rate / direct.rate for direct, bridged in many), target=">= 0.9"),
        Figure.of("median, one connection, direct", (direct.median for direct, _ in one), unit="ms"),
        Figure.of("median, one connection, through", (bridged.median for _, bridged in one), unit="ms"),
        Figure.of(
            "through - direct", (bridged.median - direct.median for direct, bridged in one), unit="ms", target="<= 1"
        ),
        Figure.of("failed requests a round", failed, target="0"),
    ]
