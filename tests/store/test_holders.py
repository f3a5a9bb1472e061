"""Reading users by algorithm and absence: the database tells formats apart as ``EncodedPassword`` does."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from bridge.passwords.encoded import ALGORITHMS, EncodedPassword
from bridge.profile import UserTable
from bridge.store.database import Database
from bridge.store.holders import Holders
from bridge.store.users import Users
from tests.conftest import Cast
from tests.store.test_census import SPECIMENS

NOW: Final = datetime(2026, 11, 1, tzinfo=UTC)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


async def found(holders: Holders) -> list[str]:
    names = [user.username async for batch in holders.batches() for user in batch]
    assert await holders.count() == len(names)
    return names


async def test_each_algorithm_is_told_as_python_does(database: Database, cast: Cast):
    for name, stored in SPECIMENS.items():
        await cast.add(name, encoded=stored)
    users = Users(database, UserTable())

    by_algorithm = {name: set(await found(Holders(users, algorithms=[name]))) for name in ALGORITHMS}

    parsed = {name: EncodedPassword.parse(stored).algorithm for name, stored in SPECIMENS.items()}
    assert by_algorithm == {
        algorithm: {name for name, its in parsed.items() if its == algorithm} for algorithm in ALGORITHMS
    }


async def test_who_was_seen_is_told_by_the_last_login_or_else_by_the_day_they_joined(database: Database, cast: Cast):
    early, late = NOW - timedelta(days=100), NOW - timedelta(days=10)
    moments = {"gone": (early, early), "back": (early, late), "never": (early, None), "new": (late, None)}
    for name, (joined, seen) in moments.items():
        await cast.add(name, date_joined=joined, last_login=seen)

    holders = Holders(Users(database, UserTable()), algorithms=["pbkdf2_sha256"], away_since=NOW - timedelta(days=30))

    assert await found(holders) == ["gone", "never"]


@on_sqlite
async def test_a_table_that_keeps_no_moments_has_only_absent_users(database: Database, cast: Cast):
    await cast.add("ada")
    table = UserTable(columns={"username": 150, "password": 128})

    assert await found(Holders(Users(database, table), algorithms=["pbkdf2_sha256"], away_since=NOW)) == ["ada"]


async def test_users_come_in_the_order_of_their_keys_whatever_their_number(database: Database, cast: Cast):
    async with database.transaction() as transaction:
        for number in range(1203):
            await Cast(database=transaction).add(f"user{number:04}", encoded=f"md5${number}$x")  # type: ignore[arg-type]

    names = await found(Holders(Users(database, UserTable()), algorithms=["md5", "sha1"]))

    assert names == [f"user{number:04}" for number in range(1203)]
