"""What a report costs whoever logs in meanwhile: logins with somebody asking for it, and with nobody.

Nobody's logins are measured twice in each round: how far these two are apart is what nothing looks like. Endless
reports are to be seen beside as many requests that count nothing, which take their share of the cores as well.
"""

import asyncio
import random
import statistics
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Final

import httpx

from bench.figures import Figure
from bench.servers import Shop, bridge_before, postgresql, shop, wait_for_rest
from bridge.store.database import open_database

__all__ = ["measure"]

_USERS: Final = {"sqlite": 100_000, "postgresql": 100_000}
_TIMEOUT: Final = 60.0
_PASSWORD: Final = "secret"  # noqa: S105  # the demo's, for everybody
_LOGIN: Final = {"grant_type": "password", "username": "argon2", "password": _PASSWORD}
_OLD: Final = "pbkdf2_sha256$1000000$" + "s" * 22 + "$" + "d" * 43 + "="

_ALONE: Final = "nobody asks"
_AGAIN: Final = "nobody asks, again"
_ONCE: Final = "one report"
_ENDLESSLY: Final = "reports without a pause"
_OTHERS: Final = "other requests without a pause"
_ARMS: Final = (_ALONE, _AGAIN, _ONCE, _ENDLESSLY, _OTHERS)
_PAUSES: Final[dict[str, float | None]] = {_ONCE: None, _ENDLESSLY: 0.05, _OTHERS: 0.05}
"""Seconds between two requests: of the first, there is one as the logins begin, as somebody would ask for it."""
_REPORT, _OTHER = "/migration/report", "/users/me/"


@dataclass(frozen=True, slots=True)
class _Round:
    """Of one round's logins, in milliseconds, and how many reports were given meanwhile, from how many counts."""

    median: float
    mean: float
    p95: float
    reports: int
    counts: int


def measure(rounds: int, seconds: float, *, database: str | None = None) -> list[Figure]:
    """Measure all in turns, for so many seconds each, on each database or on one of them."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        if database != "sqlite":
            with postgresql(Path(folder)) as url:
                found += _on("postgresql", url, rounds, seconds)
        if database != "postgresql":
            found += _on("sqlite", None, rounds, seconds)
    return found


def _on(dialect: str, url: str | None, rounds: int, seconds: float) -> list[Figure]:
    with shop(url) as site, bridge_before(site) as bridge:
        asyncio.run(_crowd(site, _USERS[dialect]))
        wait_for_rest()
        staff = _log_in(bridge, {**_LOGIN, "username": "staff"})
        _log_in(bridge, _LOGIN)
        rng = random.Random(6)  # noqa: S311  # an order
        found: dict[str, list[_Round]] = {arm: [] for arm in _ARMS}
        for _ in range(rounds):
            for arm in rng.sample(_ARMS, len(_ARMS)):
                with _asking(bridge, staff, arm) as counted:
                    took = _logins(bridge, seconds)
                found[arm].append(_round(took, counted))
    name = f"{dialect}, {_USERS[dialect]:,} users"
    return [
        Figure.of(f"{name}: a login, {_ALONE}, median", (each.median for each in found[_ALONE]), unit="ms"),
        *(figure for arm in _ARMS[1:] for figure in _beside(f"{name}: {arm}", found[arm], found[_ALONE])),
        *(
            Figure.of(f"{name}: {arm}: {what} a second", (getattr(each, what) / seconds for each in found[arm]))
            for arm in (_ONCE, _ENDLESSLY)
            for what in ("reports", "counts")
        ),
    ]


def _beside(name: str, rounds: list[_Round], alone: list[_Round]) -> list[Figure]:
    target = f"as '{_AGAIN}'" if name.endswith((_ONCE, _ENDLESSLY)) else ""
    return [
        Figure.of(
            f"{name} / alone, {what}",
            (getattr(each, what) / getattr(other, what) for each, other in zip(rounds, alone, strict=True)),
            target=target,
        )
        for what in ("median", "mean", "p95")
    ]


def _logins(bridge: str, seconds: float) -> list[float]:
    took: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end or len(took) < 2:  # noqa: PLR2004  # quantiles need two
        began = perf_counter()
        _log_in(bridge, _LOGIN)
        took.append((perf_counter() - began) * 1000)
    return took


def _round(took: list[float], counted: list[str]) -> _Round:
    p95 = statistics.quantiles(took, n=20, method="inclusive")[-1]
    return _Round(statistics.median(took), statistics.fmean(took), p95, len(counted), len(set(counted)))


@contextmanager
def _asking(bridge: str, staff: str, arm: str) -> Iterator[list[str]]:
    """Ask as an arm does, and collect when each report was drawn up."""
    counted: list[str] = []
    path = _OTHER if arm == _OTHERS else _REPORT
    is_over = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=_TIMEOUT, headers={"Authorization": f"Bearer {staff}"}) as client:
            while True:
                answer = client.get(f"{bridge}{path}").raise_for_status()
                counted.append(answer.json().get("generated_at", ""))
                if is_over.wait(_PAUSES[arm]):
                    return

    threads = [threading.Thread(target=ask)] if arm in _PAUSES else []
    for thread in threads:
        thread.start()
    try:
        yield counted
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


def _log_in(bridge: str, form: dict[str, str]) -> str:
    answer = httpx.post(f"{bridge}/auth/token", data=form, timeout=_TIMEOUT).raise_for_status()
    return str(answer.json()["access_token"])


async def _crowd(site: Shop, users: int) -> None:
    """Add users who never log in."""
    database = await open_database(site.environment["BRIDGE_DATABASE_URL"])
    try:
        await database.execute(
            "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :users)"
            " INSERT INTO auth_user (username, password, email, first_name, last_name, is_active, is_staff,"
            " is_superuser, date_joined) SELECT 'crowd' || n, :old, '', '', '', true, false, false, CURRENT_TIMESTAMP"
            " FROM numbers",
            {"users": users, "old": _OLD},
        )
    finally:
        await database.close()
