"""What wrapping costs beyond its hashes: values hashed alone, and wrapped in a database, at the cost of a real site."""

import asyncio
import secrets
from dataclasses import dataclass
from time import perf_counter, process_time
from typing import Final, Self

from pydantic import SecretStr

from bench.figures import Figure
from bench.servers import site_database
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.pool import HashingPool
from bridge.passwords.wrapping import Wrapper, Wrapping
from bridge.services.clock import system_clock
from bridge.services.wrapping import BulkWrapping, hashing_pool
from bridge.store.database import Database, open_database
from bridge.store.holders import Holders
from bridge.web.composition import site_profile, upgrading_of, users_of
from bridge.web.settings import Settings

__all__ = ["measure"]

_ALGORITHM: Final = "pbkdf2_sha256"
_HASHES_A_SECOND: Final = 8  # about, on two cores: how many users make a measurement of so many seconds


@dataclass(frozen=True, slots=True)
class _Took:
    """Seconds that passed, and that the cores worked for this process."""

    seconds: float
    cpu: float

    @classmethod
    def now(cls) -> Self:
        return cls(perf_counter(), process_time())

    def until_now(self) -> Self:
        return type(self)(perf_counter() - self.seconds, process_time() - self.cpu)


def measure(rounds: int, seconds: float) -> list[Figure]:
    """Measure both in turns, on SQLite."""
    with site_database() as environment:
        return asyncio.run(_measure(environment, rounds, users=max(4, round(seconds * _HASHES_A_SECOND))))


async def _measure(environment: dict[str, str], rounds: int, *, users: int) -> list[Figure]:
    settings = Settings(
        database_url=SecretStr(environment["BRIDGE_DATABASE_URL"]),
        django_secret_key=SecretStr(environment["BRIDGE_DJANGO_SECRET_KEY"]),
        signing_key=SecretStr(environment["BRIDGE_SIGNING_KEY"]),
    )
    database, pool = await open_database(environment["BRIDGE_DATABASE_URL"]), hashing_pool(None)
    alone: list[_Took] = []
    wrapped: list[_Took] = []
    try:
        await _hash(settings, database, pool, users=pool.workers)  # the first of a thread maps its memory
        for number in range(rounds):
            turns = (_hash, _wrap) if number % 2 else (_wrap, _hash)
            took = {each: await each(settings, database, pool, users=users) for each in turns}
            alone.append(took[_hash])
            wrapped.append(took[_wrap])
    finally:
        await pool.close()
        await database.close()
    pairs = list(zip(wrapped, alone, strict=True))
    return [
        Figure.of("hashes per second, alone", (users / each.seconds for each in alone)),
        Figure.of("users per second, wrapped", (users / each.seconds for each in wrapped)),
        Figure.of("wrapped / alone", (a.seconds / w.seconds for w, a in pairs), target=">= 0.9"),
        # Whatever else the machine does meanwhile, it hardly changes this one.
        Figure.of("wrapped / alone, by CPU time", (a.cpu / w.cpu for w, a in pairs), target=">= 0.9"),
    ]


async def _hash(_settings: Settings, _database: Database, pool: HashingPool, *, users: int) -> _Took:
    prepared = [Wrapper(Argon2Parameters()).prepare(_old_value()) for _ in range(users)]
    began = _Took.now()
    await asyncio.gather(*(pool.run(each.hash) for each in prepared if isinstance(each, Wrapping)))
    return began.until_now()


async def _wrap(settings: Settings, database: Database, pool: HashingPool, *, users: int) -> _Took:
    async with database.transaction() as transaction:
        for _ in range(users):
            await transaction.execute(
                "INSERT INTO auth_user (username, password, email, first_name, last_name, is_active, is_staff,"
                " is_superuser, date_joined) VALUES (:username, :encoded, '', '', '', :yes, :no, :no, :now)",
                {
                    "username": secrets.token_hex(8),
                    "encoded": _old_value(),
                    "yes": True,
                    "no": False,
                    "now": system_clock(),
                },
            )
    profile = await site_profile(database)
    wrapping = BulkWrapping(
        database=database,
        holders=Holders(users_of(database, profile), algorithms=[_ALGORITHM]),
        wrapper=Wrapper(Argon2Parameters()),
        pool=pool,
        upgrading=upgrading_of(settings, database, profile, system_clock),
        actor="bench",
    )
    began = _Took.now()
    async for progress in wrapping.run():
        done = progress.wrapped
    assert done == users, f"{done} of {users}"  # noqa: S101  # else the figure is of something else
    return began.until_now()


def _old_value() -> str:
    digest = secrets.token_urlsafe(32).replace("-", "+").replace("_", "/")
    return f"{_ALGORITHM}$1000000${secrets.token_hex(11)}${digest}="
