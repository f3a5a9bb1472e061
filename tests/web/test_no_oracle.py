"""Refused logins are alike in what they ask the database and in the time that they take."""

import time

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password

from bridge.errors import DatabaseError
from bridge.store.database import Database
from tests.conftest import PASSWORD, Cast, log_in
from tests.web.conftest import before_any_database
from tests.web.test_dependencies import counted

pytestmark = before_any_database
FLOOR = 0.05


async def test_refused_logins_ask_the_same_statements_and_take_no_less_than_the_floor(service_url: str, cast: Cast):
    await cast.add("old")
    await cast.add("current", encoded=make_password(PASSWORD))
    await cast.add("inactive", is_active=False)
    await cast.add("unusable", encoded=make_password(None))
    statements, times = {}, {}
    async with counted(service_url) as running:
        await running.app.state.bridge.login._floor.measure([lambda: time.sleep(FLOOR)])
        for name in ("old", "current", "inactive", "unusable", "nobody"):
            running.statements.clear()
            began = time.perf_counter()
            password = PASSWORD if name == "inactive" else "wrong"
            assert (await log_in(running.client, name, password)).status_code == 401
            times[name] = time.perf_counter() - began
            statements[name] = list(running.statements)

    assert {name: len(asked) for name, asked in statements.items()} == dict.fromkeys(statements, 1)
    assert all(asked == statements["nobody"] for asked in statements.values())
    assert min(times.values()) >= FLOOR


async def test_before_anything_was_counted_the_newest_users_say_how_long_a_refusal_takes(service_url: str, cast: Cast):
    async with counted(service_url) as running:
        login = running.app.state.bridge.login
        await login.measure_floor(None)
        cheap = login._floor.height
        await cast.add("new", encoded=PBKDF2PasswordHasher().encode(PASSWORD, "salt", 100_000))
        await login.measure_floor(None)

    assert login._floor.height > 3 * cheap


async def test_a_table_that_holds_nothing_costlier_is_not_measured_again(service_url: str, cast: Cast):
    async with counted(service_url) as running:
        login = running.app.state.bridge.login
        await cast.add("old", encoded=PBKDF2PasswordHasher().encode(PASSWORD, "salt", 100))
        await login.measure_floor(None)
        await cast.add("cheaper", encoded=PBKDF2PasswordHasher().encode(PASSWORD, "salt", 99))
        await cast.add("digest", encoded="827ccb0eea8a706c4c34a16891f84e7b")
        await cast.add("unusable", encoded=make_password(None))
        measured = login._floor.height
        await login.measure_floor(None)

        assert login._floor.height == measured


async def test_another_policy_measures_for_itself(service_url: str, cast: Cast):
    await cast.add("old", encoded=PBKDF2PasswordHasher().encode(PASSWORD, "salt", 100_000))
    async with counted(service_url) as running:
        login = running.app.state.bridge.login
        await login._floor.measure([lambda: None], costs={"pbkdf2_sha256": 100_000})
        low = login._floor.height
        await login.measure_floor(None)

    assert login._floor.height > 3 * low


@pytest.mark.parametrize("algorithm", ["pbkdf2_sha256", "argon2_pbkdf2_sha256"])
async def test_what_a_snapshot_counted_is_measured_and_what_came_since(service_url: str, cast: Cast, algorithm: str):
    snapshot = {"census": [{"algorithm": "argon2", "cost": "m=8,t=1,p=1"}, {"algorithm": algorithm, "cost": "100"}]}
    async with counted(service_url) as running:
        login = running.app.state.bridge.login
        await login.measure_floor(snapshot)
        assert login._floor.covers({algorithm: 100})
        await cast.add("new", encoded=f"{algorithm}$101$salt$hash")
        await login.measure_floor(snapshot)
        assert login._floor.covers({algorithm: 101})


@pytest.mark.parametrize("counted_as", ["argon2_pbkdf2_sha256", "pbkdf2_sha256"], ids=["wrapped", "may be wrapped"])
async def test_a_wrapped_hash_takes_the_old_hash_and_argon2(service_url: str, counted_as: str):
    async with counted(service_url) as running:
        login = running.app.state.bridge.login
        await login.measure_floor({"census": [{"algorithm": counted_as, "cost": "100"}]})
        low = login._floor.height
        await login.measure_floor({"census": [{"algorithm": counted_as, "cost": "300000"}]})

        assert login._floor.height > 3 * low
        assert login._floor.covers({"argon2_pbkdf2_sha256": 300_000})


async def test_what_failed_to_be_read_is_not_taken_for_measured(service_url: str, database: Database):
    async with counted(service_url) as running:
        login = running.app.state.bridge.login
        await database.execute("ALTER TABLE auth_user RENAME TO away")
        with pytest.raises(DatabaseError):
            await login.measure_floor(None)

        assert not login._floor.is_known
