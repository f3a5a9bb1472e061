"""What a shadow costs the clients: the same answers of Django's, with the new handler's compared behind them or not.

Each round measures without a shadow, with one, and without again. The shadow is set against the geometric mean of both,
so that a machine that grows slower or faster meanwhile does not count; how far both are apart is what nothing is like.
"""

import statistics
import time
from typing import Final

import httpx

from bench.figures import Figure
from bench.load import Load, Loader
from bench.servers import bridge_before, shop, wait_for_rest

__all__ = ["measure"]

_OPERATION: Final = "GET /api/items/"
_MANY: Final = 16
_BURST_SECONDS: Final = 0.2
_TIMEOUT: Final = 60.0
_LOG_IN_AFTER: Final = 300.0
"""Seconds: a token is good for longer, and a run may take longer than that."""
_WITHOUT: Final = "legacy"
_AGAIN: Final = "legacy again"
_SHADOWED: Final = "shadow 100%"
_STAGES: Final = {_WITHOUT: "legacy", _SHADOWED: "shadow", _AGAIN: "legacy"}  # in this order

_Round = dict[str, Load]


def measure(rounds: int, seconds: float) -> list[Figure]:
    """Measure with every request in the shadow and with none, in turns, at one connection and at many."""
    found: dict[int, list[_Round]] = {1: [], _MANY: []}
    with shop() as site, bridge_before(site) as bridge, Loader.started() as loader:
        wait_for_rest()
        url, logged_in = f"{bridge}/api/items/", -_LOG_IN_AFTER
        for _ in range(rounds):
            if time.monotonic() - logged_in >= _LOG_IN_AFTER:
                staff, customer, logged_in = _token(bridge, "staff"), _token(bridge, "argon2"), time.monotonic()
            for connections, measured in found.items():
                one: _Round = {}
                for arm, stage in _STAGES.items():
                    _move(bridge, staff, stage)
                    # A shadow begins with a burst of comparisons, and that does not last; each arm for the same time.
                    loader.measure(url, connections=connections, seconds=_BURST_SECONDS, token=customer)
                    one[arm] = loader.measure(url, connections=connections, seconds=seconds, token=customer)
                measured.append(one)
        compared = _compared(bridge)
    return [
        *(figure for connections, measured in found.items() for figure in _figures(measured, connections)),
        *(Figure.of(f"comparisons in the run: {verdict}", [count]) for verdict, count in sorted(compared.items())),
    ]


def _figures(measured: list[_Round], connections: int) -> list[Figure]:
    at = f"median at {connections} connection{'s' * (connections > 1)}"
    failed = [sum(load.failed for load in one.values()) for one in measured]
    return [
        Figure.of(f"{at}, {_WITHOUT}", (one[_WITHOUT].median for one in measured), unit="ms"),
        Figure.of(f"{at}, {_AGAIN} / {_WITHOUT}", (one[_AGAIN].median / one[_WITHOUT].median for one in measured)),
        Figure.of(f"{at}, {_SHADOWED} / mean of both", (one[_SHADOWED].median / _without(one) for one in measured)),
        Figure.of("failed requests a round", failed, target="0"),
    ]


def _without(one: _Round) -> float:
    return statistics.geometric_mean(one[arm].median for arm in (_WITHOUT, _AGAIN))


def _token(bridge: str, username: str) -> str:
    form = {"grant_type": "password", "username": username, "password": "secret"}  # the demo's, for everybody
    answer = httpx.post(f"{bridge}/auth/token", data=form, timeout=_TIMEOUT).raise_for_status()
    return str(answer.json()["access_token"])


def _move(bridge: str, staff: str, stage: str) -> None:
    wanted = {"operation": _OPERATION, "stage": stage, "reason": "bench"}
    headers = {"Authorization": f"Bearer {staff}"}
    httpx.put(f"{bridge}/migration/endpoints/stage", json=wanted, headers=headers, timeout=_TIMEOUT).raise_for_status()


def _compared(bridge: str) -> dict[str, float]:
    lines = httpx.get(f"{bridge}/metrics", timeout=_TIMEOUT).text.splitlines()
    verdicts = (line for line in lines if line.startswith("bridge_shadow_total{"))
    return {line.split('verdict="')[1].split('"')[0]: float(line.rsplit(" ", 1)[1]) for line in verdicts}
