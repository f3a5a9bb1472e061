"""What a report costs whoever logs in meanwhile: logins with somebody asking for it all the time, and with nobody."""

import asyncio
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
from bench.servers import Shop, bridge_before, postgresql, shop
from bridge.store.database import open_database

__all__ = ["measure"]

_USERS: Final = {"sqlite": 100_000, "postgresql": 100_000}
_TIMEOUT: Final = 60.0
_PASSWORD: Final = "secret"  # noqa: S105  # the demo's, for everybody
_LOGIN: Final = {"grant_type": "password", "username": "argon2", "password": _PASSWORD}
_OLD: Final = "pbkdf2_sha256$1000000$" + "s" * 22 + "$" + "d" * 43 + "="


@dataclass(frozen=True, slots=True)
class _Round:
    """Of one round's logins, in milliseconds, and how many reports were given meanwhile, from how many counts."""

    median: float
    p95: float
    reports: int = 0
    counts: int = 0


def measure(rounds: int, seconds: float) -> list[Figure]:
    """Measure both in turns, for so many seconds each, on each database."""
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder, postgresql(Path(folder)) as url:
        return [*_on("postgresql", url, rounds, seconds), *_on("sqlite", None, rounds, seconds)]


def _on(dialect: str, url: str | None, rounds: int, seconds: float) -> list[Figure]:
    with shop(url) as site, bridge_before(site) as bridge:
        asyncio.run(_crowd(site, _USERS[dialect]))
        staff = _log_in(bridge, {**_LOGIN, "username": "staff"})
        _log_in(bridge, _LOGIN)
        alone: list[_Round] = []
        beside: list[_Round] = []
        for number in range(rounds):
            for is_beside in (True, False) if number % 2 else (False, True):
                (beside if is_beside else alone).append(
                    _beside_reports(bridge, staff, seconds) if is_beside else _logins(bridge, seconds)
                )
    name = f"{dialect}, {_USERS[dialect]:,} users"
    pairs = list(zip(beside, alone, strict=True))
    return [
        Figure.of(f"{name}: a login, median", (each.median for each in alone), unit="ms"),
        Figure.of(f"{name}: beside reports / alone, median", (b.median / a.median for b, a in pairs), target="1"),
        Figure.of(f"{name}: beside reports / alone, p95", (b.p95 / a.p95 for b, a in pairs), target="1"),
        Figure.of(f"{name}: reports given a second", (each.reports / seconds for each in beside)),
        Figure.of(f"{name}: counts a second", (each.counts / seconds for each in beside)),
    ]


def _logins(bridge: str, seconds: float) -> _Round:
    took: list[float] = []
    end = perf_counter() + seconds
    while perf_counter() < end or len(took) < 2:  # noqa: PLR2004  # quantiles need two
        began = perf_counter()
        _log_in(bridge, _LOGIN)
        took.append((perf_counter() - began) * 1000)
    return _Round(statistics.median(took), statistics.quantiles(took, n=20, method="inclusive")[-1])


def _beside_reports(bridge: str, staff: str, seconds: float) -> _Round:
    with _asking(bridge, staff) as counted:
        found = _logins(bridge, seconds)
    return _Round(found.median, found.p95, reports=len(counted), counts=len(set(counted)))


@contextmanager
def _asking(bridge: str, staff: str) -> Iterator[list[str]]:
    """Ask for one report after the other, and collect when each was drawn up."""
    counted: list[str] = []
    is_over = threading.Event()

    def ask() -> None:
        with httpx.Client(timeout=_TIMEOUT, headers={"Authorization": f"Bearer {staff}"}) as client:
            while not is_over.wait(0.05):  # a dashboard asks every few seconds; this is twenty of them a second
                report = client.get(f"{bridge}/migration/report").raise_for_status()
                counted.append(report.json()["generated_at"])

    thread = threading.Thread(target=ask)
    thread.start()
    try:
        yield counted
    finally:
        is_over.set()
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
