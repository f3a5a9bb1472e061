"""A site that has been on its way for four months: what the dashboard shows of one, to be looked at and pictured."""

import random
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from fastapi import APIRouter

from bridge.cutover.latency import BOUNDS
from bridge.cutover.stages import Stage, Standing
from bridge.progress.report import Share
from bridge.services.clock import system_clock
from bridge.store.database import Database, Executor
from bridge.store.endpoints import Author, Endpoints
from bridge.store.snapshots import Snapshots
from bridge.store.traffic import Answered, Compared, EndpointCounts
from bridge.web.dependencies import CurrentUser

__all__ = ["fill", "router"]

_DAYS: Final = 118
_OLD: Final = {"pbkdf2_sha256": 0.86, "bcrypt_sha256": 0.06, "pbkdf2_sha1": 0.05, "md5": 0.02, "unsalted_md5": 0.01}
_STORED: Final = {
    "argon2": "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
    "argon2_pbkdf2_sha1": "argon2_pbkdf2_sha1$1000$salt$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ$aGFzaA",
    "pbkdf2_sha256": "pbkdf2_sha256$1000000$salt$aGFzaA==",
    "pbkdf2_sha1": "pbkdf2_sha1$1000$salt$aGFzaA==",
    "bcrypt_sha256": "bcrypt_sha256$$2b$12$saltsaltsaltsaltsaltsuhashhashhashhashhashhashhashhas",
    "md5": "md5$salt$d41d8cd98f00b204e9800998ecf8427e",
    "unsalted_md5": "d41d8cd98f00b204e9800998ecf8427e",
}

router = APIRouter()


@router.get("/orders/")
@router.get("/api/items/")
@router.get("/api/orders/")
@router.get("/users/me/items/")
@router.get("/whoami/")
@router.get("/accounts/profile/")
async def answer(user: CurrentUser) -> str:
    """Something that could answer."""
    return user.username


async def fill(database: Database, *, users: int) -> None:
    """Put users, what happened, and how far the endpoints are, into an empty site; the census is left to be taken."""
    chance, now = random.Random(6), system_clock()  # noqa: S311  # the same picture each time
    async with database.transaction() as transaction:
        for number in range(users):
            await _add_user(transaction, _user(chance, number, now))
        for row in _activity(chance, users, now):
            await _add_activity(transaction, *row)
    await _fill_trend(database, users, now)
    await _fill_endpoints(database, chance, now)


def _user(chance: random.Random, number: int, now: datetime) -> dict[str, Any]:
    # Half of the accounts come back every few weeks, the others a few times a year or never again.
    mean = 24 if chance.random() < 0.55 else 210
    away = chance.expovariate(1 / mean)
    never = chance.random() < 0.03
    is_upgraded = not never and away < _DAYS - chance.random() * 4
    algorithm = "argon2" if is_upgraded else chance.choices(list(_OLD), list(_OLD.values()))[0]
    if algorithm == "pbkdf2_sha1" and chance.random() < 0.7:
        algorithm = "argon2_pbkdf2_sha1"
    encoded = "!" if chance.random() < 0.012 else _STORED[algorithm]
    return {
        "username": f"user{number}",
        "password": encoded,
        "email": "",
        "first_name": "",
        "last_name": "",
        "is_active": chance.random() < 0.985,
        "is_staff": chance.random() < 0.012,
        "is_superuser": False,
        "date_joined": now - timedelta(days=900),
        "last_login": None if never else now - timedelta(days=away),
    }


async def _add_user(executor: Executor, row: dict[str, Any]) -> None:
    names, slots = ", ".join(row), ", ".join(f":{name}" for name in row)
    await executor.execute(f"INSERT INTO auth_user ({names}) VALUES ({slots})", row)


def _activity(chance: random.Random, users: int, now: datetime) -> Iterator[tuple[datetime, str, str, int]]:
    for back in range(_DAYS):
        day = now - timedelta(days=back)
        rhythm = (0.55 if day.weekday() > 4 else 1.0) * (0.9 + 0.2 * chance.random())
        logins, moved = users * 0.03 * rhythm, 0.25 + 0.4 * (1 - back / _DAYS)
        fresh = max(0.08, 0.85 * 0.97 ** (_DAYS - back))
        for app, part in (("bridge", moved), ("django", 1 - moved)):
            succeeded = int(logins * part)
            yield day, app, "login_succeeded", succeeded
            yield day, app, "upgrade_written", int(succeeded * fresh)
        yield day, "bridge", "login_refused", int(logins * 0.07 + chance.random() * 3)
        if back in (4, 5, 17):
            yield day, "bridge", "login_locked_out", int(logins * 0.12) + 2
        if back == 17:
            yield day, "bridge", "login_without_capacity", int(logins * 0.06) + 1
        if back in (41, 63):
            yield day, "bridge", "upgrade_superseded", 1
        if back == 88:
            yield day, "bridge", "upgrade_failed", 3


async def _add_activity(executor: Executor, day: datetime, app: str, event: str, count: int) -> None:
    await executor.execute(
        "INSERT INTO bridge_activity (day, app, event, count) VALUES (:day, :app, :event, :count)",
        {"day": day.date(), "app": app, "event": event, "count": count},
    )


async def _fill_trend(database: Database, users: int, now: datetime) -> None:
    snapshots = Snapshots(database)
    for back in range(_DAYS, 0, -1):
        taken = now - timedelta(days=back)
        done = 1 - 0.972 ** (_DAYS - back)
        active_usable = int(users * 0.9)
        everybody = Share(users, int(users * 0.76 * done))
        active = Share(active_usable, int(active_usable * 0.84 * done))
        await snapshots.begin(taken, again=True)
        await snapshots.finish(
            taken,
            taken_at=taken,
            document={},
            figures={
                "total": users,
                "all": everybody.to_document(),
                "active": active.to_document(),
                "by_algorithm": {},
            },
        )


async def _fill_endpoints(database: Database, chance: random.Random, now: datetime) -> None:
    stages = {
        "GET /orders/": Standing.of(Stage.CANARY, 2500),
        "GET /api/items/": Standing.of(Stage.MIGRATED, 100),
        "GET /api/orders/": Standing.of(Stage.SHADOW),
        "GET /users/me/items/": Standing.of(Stage.RETIRED),
        "GET /accounts/profile/": Standing(is_tripped=True),
    }
    author = Author("user:ops", "as planned", now - timedelta(days=9))
    for operation, standing in stages.items():
        await Endpoints(database).change(operation, expected_version=None, standing=standing, author=author)
    hour = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=2)
    shares = {
        "GET /orders/": 0.25,
        "GET /api/items/": 1.0,
        "GET /api/orders/": 0.0,
        "GET /users/me/items/": 1.0,
        "GET /whoami/": 0.0,
        "GET /accounts/profile/": 0.0,
    }
    answered = {
        Answered(hour, operation, side, role, 2, bound): int(part * weight * chance.randint(3_000, 40_000))
        for operation, share in shares.items()
        for side, part in (("bridge", share), ("legacy", 1 - share))
        for role, weight in (("user", 0.8), ("staff", 0.02), ("anonymous", 0.18))
        for bound in BOUNDS[2:5]
        if part
    }
    compared = {
        Compared(now.date(), operation, role, 200, verdict): count
        for operation, role, verdict, count in (
            ("GET /orders/", "user", "match", 8_412),
            ("GET /orders/", "staff", "match", 97),
            ("GET /api/items/", "user", "match", 21_940),
            ("GET /api/orders/", "user", "match", 3_120),
            ("GET /api/orders/", "user", "mismatch", 41),
            ("GET /users/me/items/", "user", "match", 12_007),
        )
    }
    async with database.transaction() as transaction:
        await EndpointCounts(database).add(answered, compared, executor=transaction)
