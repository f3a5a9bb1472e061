"""What a census costs, against a pass of ``SELECT count(*), sum(length(password))``, and whether it is right."""

import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import uvloop

from bench.figures import Figure
from bench.population import NOW, fill
from bench.recount import differences
from bench.servers import postgresql
from bridge.profile import UserTable
from bridge.store.census import UserCensus
from bridge.store.database import Database, open_database

__all__ = ["measure"]

_BASELINE: Final = "SELECT count(*) AS users, sum(length(password)) AS characters FROM auth_user"
# Why SQLite takes so much longer: what no count of kinds can do without, each by itself.
_PARTS: Final = {
    "the columns, hardly looked at": "SELECT max(password), max(last_login), sum(is_active),"
    " sum(is_staff OR is_superuser) FROM auth_user",
    "fewer comparisons than kinds need, added up": "SELECT sum((password < 'pbkdf2_sha256$6')"
    " + (password < 'pbkdf2_sha256$2') + (password < 'argon2%') + (password < 'argon2$') + (last_login >= :week)"
    " + (last_login >= :month) + (last_login IS NULL) + is_active * 2 + (is_staff OR is_superuser)) FROM auth_user",
    "a GROUP BY of two values": "SELECT is_active, count(*), sum(is_staff OR is_superuser), sum(last_login > :week)"
    " FROM auth_user GROUP BY is_active",
}
_WEEK, _MONTH = timedelta(days=7), timedelta(days=30)
_USERS: Final = {"postgresql": 1_000_000, "sqlite": 100_000}
_MIB: Final = 1024.0


def measure(
    rounds: int,
    seconds: float,  # noqa: ARG001  # a pass takes as long as it takes
    *,
    database: str | None = None,
) -> list[Figure]:
    """Measure both on each database, or on one of them; see ``bench.figures``.

    Raises:
        SystemExit: the figures differ from those of a count in Python.
    """
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        found = [] if database == "postgresql" else uvloop.run(_on(_sqlite(Path(folder)), rounds))
        if database == "sqlite":
            return found
        with postgresql(Path(folder)) as url:
            return [*uvloop.run(_on(url, rounds)), *found]


async def _on(url: str, rounds: int) -> list[Figure]:
    database = await open_database(url)
    users = _USERS[database.dialect]
    try:
        await fill(database, users)
        census = UserCensus(database, UserTable())
        memory = await _grown(lambda: census.count(NOW))
        takes = [
            (await _timed(lambda: database.fetch_one(_BASELINE)), await _timed(lambda: census.count(NOW)))
            for _ in range(rounds)
        ]
        parts = await _parts(database, rounds) if database.dialect == "sqlite" else {}
        apart = await differences(database, await census.count(NOW), await census.last_seen(NOW), now=NOW)
    finally:
        await database.close()
    if apart:
        raise SystemExit(f"{database.dialect}: {apart:,} of {users:,} users are counted otherwise in Python")
    name = f"{database.dialect}, {users:,} users"
    return [
        Figure.of(f"{name}: one pass", (base * 1000 for base, _ in takes), unit="ms"),
        Figure.of(f"{name}: census", (counted * 1000 for _, counted in takes), unit="ms"),
        Figure.of(f"{name}: census / one pass", (counted / base for base, counted in takes), target="<= 2"),
        *(Figure.of(f"{name}: {part} / one pass", ratios) for part, ratios in parts.items()),
        Figure.of(f"{name}: memory it takes of the process", [memory], unit="MiB"),
        Figure.of(f"{name}: counted otherwise in Python", [apart], target="0"),
    ]


async def _parts(database: Database, rounds: int) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {part: [] for part in _PARTS}
    moments = {"week": NOW - _WEEK, "month": NOW - _MONTH}
    for _ in range(rounds):
        for part, statement in _PARTS.items():
            base = await _timed(lambda: database.fetch_one(_BASELINE))
            took = await _timed(partial(database.fetch_all, statement, moments))
            found[part].append(took / base)
    return found


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def _grown(work: Callable[[], Awaitable[Any]]) -> float:
    """Give how far the process's memory rises meanwhile, in MiB (Linux alone tells)."""
    if not _begins_anew():
        return float("nan")
    before = _memory("VmRSS")
    await work()
    return (_memory("VmHWM") - before) / _MIB


def _begins_anew() -> bool:
    """Make the process's peak what it has now; False where the system keeps none."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _memory(name: str) -> int:
    status = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in status if line.startswith(f"{name}:"))


def _sqlite(folder: Path) -> str:
    path = folder / "users.sqlite3"
    path.touch()
    return f"sqlite:///{path}"
