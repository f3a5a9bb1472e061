"""The endpoint that shows who is asking: each side's requests per second, in turns, and the bridge's against them."""

from typing import Final

from bench.figures import Figure
from bench.load import Bearer, Load, Loader
from bench.peers.sides import (
    BARE,
    BRIDGE,
    DJANGO_UVICORN,
    FASTAPI_USERS,
    GUNICORN_SYNC,
    GUNICORN_THREADS,
    Sides,
    sides,
)

__all__ = ["measure"]

_CONNECTIONS: Final = 64
_STATELESS: Final = "bridge, stateless"
_SESSION: Final = "bridge, session cookie"
_TARGETS: Final = {
    GUNICORN_THREADS: ">= 6",
    GUNICORN_SYNC: ">= 6",
    FASTAPI_USERS: ">= 6",
    BARE: ">= 0.5",
    DJANGO_UVICORN: "",
}

Round = dict[str, Load]


def measure(rounds: int, seconds: float) -> list[Figure]:
    """Measure every side a round, each round in another order."""
    with sides() as running, Loader.started() as loader:
        asking = _asking(running)
        found = []
        for each in asking.values():
            _measured(loader, *each, seconds=seconds)  # what a server does but once is no part of any round
        for number in range(rounds):
            names = list(asking)[number % len(asking) :] + list(asking)[: number % len(asking)]
            found.append({name: _measured(loader, *asking[name], seconds=seconds) for name in names})
    return _figures(found)


def _asking(running: Sides) -> dict[str, tuple[str, list[Bearer]]]:
    asking = {name: (f"{address}/users/me/", running.bearers(name)) for name, address in running.addresses.items()}
    bridge = running.addresses[BRIDGE]
    asking[BRIDGE] = (f"{bridge}/profile/", running.bearers(BRIDGE))
    asking[_STATELESS] = (f"{bridge}/stateless/", running.bearers(BRIDGE))
    asking[_SESSION] = (f"{bridge}/profile/", list(running.tokens.sessions))
    return asking


def _measured(loader: Loader, url: str, bearers: list[Bearer], *, seconds: float) -> Load:
    return loader.measure(url, connections=_CONNECTIONS, seconds=seconds, bearers=bearers)


def _figures(found: list[Round]) -> list[Figure]:
    names = sorted(found[0])
    return [
        *(
            Figure.of(f"protected: bridge / {peer}", _ratios(found, BRIDGE, peer), target=target)
            for peer, target in _TARGETS.items()
        ),
        Figure.of("stateless: bridge / bare FastAPI", _ratios(found, _STATELESS, BARE), target=">= 0.85"),
        Figure.of("session cookie: bridge / bare FastAPI", _ratios(found, _SESSION, BARE)),
        *(Figure.of(f"{name}: requests per second", (each[name].rate for each in found), unit="/s") for name in names),
        *(
            Figure.of(f"{name}: loader's share of a core", (each[name].busy for each in found), unit="core")
            for name in names
        ),
        *(Figure.of(f"{name}: failed requests", (each[name].failed for each in found), target="0") for name in names),
    ]


def _ratios(found: list[Round], one: str, other: str) -> list[float]:
    return [each[one].rate / each[other].rate for each in found]
