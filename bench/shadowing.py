"""What a shadow costs the clients: the same answers of Django's, with the new handler's compared behind them or not."""

from typing import Final

import httpx

from bench.figures import Figure
from bench.load import Load, Loader
from bench.servers import bridge_before, shop

__all__ = ["measure"]

_OPERATION: Final = "GET /api/items/"
_MANY: Final = 16
_TIMEOUT: Final = 60.0


def measure(rounds: int, seconds: float) -> list[Figure]:
    """Measure with every request in the shadow and with none, in turns, at one connection and at many."""
    found: dict[int, list[tuple[Load, Load]]] = {1: [], _MANY: []}
    with shop() as site, bridge_before(site) as bridge, Loader.started() as loader:
        staff, customer = _token(bridge, "staff"), _token(bridge, "argon2")
        url = f"{bridge}/api/items/"
        for number in range(rounds):
            for connections, pairs in found.items():
                measured = {}
                for stage in ("legacy", "shadow") if number % 2 else ("shadow", "legacy"):
                    _move(bridge, staff, stage)
                    measured[stage] = loader.measure(url, connections=connections, seconds=seconds, token=customer)
                pairs.append((measured["legacy"], measured["shadow"]))
        compared = _compared(bridge)
    return [
        *(figure for connections, pairs in found.items() for figure in _figures(pairs, connections)),
        Figure.of("comparisons that matched in the run", [compared.get("match", 0)]),
        Figure.of("comparisons with any other result", [sum(compared.values()) - compared.get("match", 0)]),
    ]


def _figures(pairs: list[tuple[Load, Load]], connections: int) -> list[Figure]:
    at = f"median at {connections} connection{'s' * (connections > 1)}"
    return [
        Figure.of(f"{at}, legacy", (without.median for without, _ in pairs), unit="ms"),
        Figure.of(f"{at}, shadow 100%", (shadowed.median for _, shadowed in pairs), unit="ms"),
        Figure.of(f"{at}, shadow / legacy", (shadowed.median / without.median for without, shadowed in pairs)),
        Figure.of("failed requests a round", (one.failed + other.failed for one, other in pairs), target="0"),
    ]


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
