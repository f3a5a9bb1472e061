"""Reading users by algorithm and absence: the database tells formats apart as ``EncodedPassword`` does."""

from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

import pytest

from bridge.passwords.encoded import ALGORITHMS, EncodedPassword
from bridge.profile import UserTable
from bridge.profile.users import KeyType
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


@pytest.mark.parametrize(
    ("key_type", "column", "keys"),
    [
        pytest.param("integer", "bigint", [number - 700 for number in range(1203)], id="integers"),
        pytest.param("uuid", "uuid", [uuid4() for _ in range(1203)], id="uuids"),
        pytest.param("text", "varchar(20)", [f"Ä{number % 7}-{number}" for number in range(1203)], id="texts"),
    ],
)
async def test_everybody_is_read_once_whatever_the_keys(
    database: Database, key_type: KeyType, column: str, keys: list[int | UUID | str]
):
    as_stored = "char(32)" if column == "uuid" and database.dialect == "sqlite" else column
    await database.execute(f"CREATE TABLE members (uid {as_stored} PRIMARY KEY, email text, password varchar(128))")
    async with database.transaction() as transaction:
        for key in keys:
            await transaction.execute("INSERT INTO members VALUES (:key, 'x', 'md5$salt$x')", {"key": key})
    table = UserTable(name="members", key="uid", key_type=key_type, username="email", columns={"password": 128})

    holders = Holders(Users(database, table), algorithms=["md5", "sha1"])

    read = [user.id async for batch in holders.batches() for user in batch]
    assert sorted(read) == sorted(str(key) for key in keys)
    assert await holders.count() == len(keys)
