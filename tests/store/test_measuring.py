"""What the floor of refused logins is measured by. Where times are compared, the work differs by hundreds of times."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password

from bridge.errors import DatabaseError
from bridge.passwords.decoy import decoy_value
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.policy import PasswordPolicy
from bridge.passwords.pool import HashingPool
from bridge.profile import UserTable
from bridge.services.floor import Floor
from bridge.services.measuring import Measuring
from bridge.store.database import Database
from bridge.store.users import Users
from tests.conftest import PASSWORD, Cast

CHEAP: Final = Argon2Parameters(memory_cost=8, time_cost=1, parallelism=1)
MANY: Final = 300_000


@dataclass
class Bench:
    """A floor over the test's user table, by a clock that stands until it is moved."""

    database: Database
    floor: Floor
    now: float = 0.0
    users: Users = field(init=False)
    measuring: Measuring = field(init=False)

    def __post_init__(self) -> None:
        self.users = Users(self.database, UserTable())
        self.compose()

    def compose(self) -> None:
        """Begin anew, as the bridge does with each profile that the site publishes."""
        self.measuring = Measuring(
            users=self.users,
            policy=PasswordPolicy(target=CHEAP),
            floor=self.floor,
            decoy=decoy_value(CHEAP),
            clock=lambda: self.now,
        )

    async def measured(self, snapshot: dict[str, Any] | None) -> timedelta:
        """Measure, and give the height of the floor."""
        await self.measuring.measure(snapshot)
        return self.floor.height

    async def measures_wrapped(self, snapshot: dict[str, Any], *, rounds: int) -> bool:
        """Measure, and tell whether wrapped values of so many rounds have been."""
        await self.measuring.measure(snapshot)
        return self.floor.covers({"argon2_pbkdf2": rounds})

    async def take_table_away(self) -> None:
        await self.database.execute("ALTER TABLE auth_user RENAME TO away")

    async def bring_table_back(self) -> None:
        await self.database.execute("ALTER TABLE away RENAME TO auth_user")


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    pool = HashingPool(workers=1)
    yield Bench(database, Floor(pool))
    await pool.close()


def snapshot(*algorithms: str, day: str = "2026-11-01") -> dict[str, Any]:
    return {"generated_at": day, "census": [{"algorithm": each, "cost": ""} for each in algorithms]}


WRAPPED: Final = snapshot("argon2", "argon2_pbkdf2_sha256")
NEXT_DAY: Final = snapshot("argon2", "argon2_pbkdf2_sha256", day="2026-11-02")


def wrapped(*, rounds: int) -> str:
    """Give a value that argon2 wraps at next to no cost of its own."""
    return f"argon2_pbkdf2_sha256${rounds}$salt$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$c2FsdHNhbHRzYWx0c2FsdA"


def old(*, rounds: int) -> str:
    return PBKDF2PasswordHasher().encode(PASSWORD, "salt", rounds)


async def test_before_anything_was_counted_the_newest_users_say_how_long_a_refusal_takes(bench: Bench, cast: Cast):
    cheap = await bench.measured(None)
    await cast.add("new", encoded=old(rounds=MANY))

    assert await bench.measured(None) > 3 * cheap


async def test_a_table_that_holds_nothing_costlier_is_not_measured_again(bench: Bench, cast: Cast):
    await cast.add("old", encoded=old(rounds=100))
    measured = await bench.measured(None)
    await cast.add("cheaper", encoded=old(rounds=99))
    await cast.add("digest", encoded="827ccb0eea8a706c4c34a16891f84e7b")
    await cast.add("unusable", encoded=make_password(None))

    assert await bench.measured(None) == measured


async def test_another_policy_measures_for_itself(bench: Bench, cast: Cast):
    await cast.add("old", encoded=old(rounds=MANY))
    await bench.floor.measure([lambda: None], costs={"pbkdf2_sha256": MANY})
    low = bench.floor.height

    assert await bench.measured(None) > 3 * low


async def test_a_wrapped_hash_of_more_rounds_among_the_newest_is_measured(bench: Bench, cast: Cast):
    await cast.add("few", encoded=wrapped(rounds=100))
    low = await bench.measured(None)
    await cast.add("many", encoded=wrapped(rounds=MANY))

    assert await bench.measured(None) > 3 * low


async def test_wrapped_hashes_that_a_snapshot_counted_are_looked_for_with_each_and_once_an_hour(
    bench: Bench, cast: Cast
):
    await cast.add("few", encoded=wrapped(rounds=1))
    assert not await bench.measures_wrapped(snapshot("argon2"), rounds=1)
    assert await bench.measures_wrapped(WRAPPED, rounds=1)

    await cast.add("many", encoded=wrapped(rounds=2))
    assert not await bench.measures_wrapped(WRAPPED, rounds=2)
    assert await bench.measures_wrapped(NEXT_DAY, rounds=2)

    await cast.add("most", encoded=wrapped(rounds=3))
    bench.now = 3599.0
    assert not await bench.measures_wrapped(NEXT_DAY, rounds=3)
    bench.now = 3600.0
    assert await bench.measures_wrapped(NEXT_DAY, rounds=3)


async def test_where_they_could_not_be_looked_for_all_else_is_measured_and_they_are_looked_for_again(
    bench: Bench, cast: Cast, caplog: pytest.LogCaptureFixture
):
    await cast.add("many", encoded=wrapped(rounds=MANY))
    await bench.take_table_away()
    low = await bench.measured(WRAPPED)
    assert bench.floor.is_known
    assert "wrapped hashes were not looked at for the floor, again in 0:01:00" in caplog.text

    await bench.bring_table_back()
    bench.now = 59.0
    assert await bench.measured(WRAPPED) == low
    bench.now = 60.0
    assert await bench.measured(WRAPPED) > 3 * low


async def test_a_pass_that_fails_again_and_again_is_made_less_and_less_often(
    bench: Bench, caplog: pytest.LogCaptureFixture
):
    await bench.take_table_away()
    for minute in range(24 * 60):
        bench.now = minute * 60.0
        await bench.measuring.measure(WRAPPED)

    assert [each.message.split(": ")[0][-7:] for each in caplog.records[:7]] == [
        f"{minutes // 60}:{minutes % 60:02}:00" for minutes in (1, 2, 4, 8, 16, 32, 60)
    ]
    assert len(caplog.records) == 7 + 22


async def test_what_was_found_of_them_counts_until_a_pass_finds_something_else(bench: Bench, cast: Cast):
    await cast.add("many", encoded=wrapped(rounds=2))
    assert await bench.measures_wrapped(WRAPPED, rounds=2)
    await bench.take_table_away()
    bench.now = 3600.0

    assert await bench.measures_wrapped(WRAPPED, rounds=2)


async def test_before_a_snapshot_a_table_that_cannot_be_read_measures_nothing(bench: Bench):
    await bench.take_table_away()

    with pytest.raises(DatabaseError):
        await bench.measured(None)
    assert not bench.floor.is_known
