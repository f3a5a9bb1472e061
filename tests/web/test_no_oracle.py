"""Refused logins are alike in what they ask the database and in the time that they take."""

import time

import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher, make_password

from bridge.errors import DatabaseError
from bridge.store.database import Database
from tests.conftest import PASSWORD, Cast, log_in
from tests.web.conftest import PublishedProfile, before_any_database
from tests.web.counting import counted

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
    snapshot = {"census": [{"algorithm": "argon2", "cost": "m=8,t=1,p=1"}, {"algorithm": algorithm, "cost": "30000"}]}
    async with counted(service_url) as running:
        login = running.app.state.bridge.login
        await login.measure_floor({"census": []})
        low = login._floor._lowest
        await login.measure_floor(snapshot)
        counted_only = login._floor._lowest
        await cast.add("new", encoded=f"{algorithm}$300000$salt$hash")
        await login.measure_floor(snapshot)

    assert counted_only > 3 * low
    assert login._floor._lowest > 3 * counted_only


@pytest.mark.parametrize("lists_wrappers", [True, False], ids=["the site lists the hashers", "it has not said"])
async def test_what_a_wrap_would_make_is_measured_where_the_site_would_verify_it(
    service_url: str, profile: PublishedProfile, *, lists_wrappers: bool
):
    if not lists_wrappers:
        await profile.withdraw()
    async with counted(service_url) as running:
        login = running.app.state.bridge.login
        await login.measure_floor({"census": [{"algorithm": "pbkdf2_sha256", "cost": "100"}]})

        assert login._floor.covers({"pbkdf2_sha256": 100})
        assert login._floor.covers({"argon2_pbkdf2_sha256": 100}) is lists_wrappers


async def test_what_failed_to_be_read_is_not_taken_for_measured(service_url: str, database: Database):
    async with counted(service_url) as running:
        login = running.app.state.bridge.login
        await database.execute("ALTER TABLE auth_user RENAME TO away")
        with pytest.raises(DatabaseError):
            await login.measure_floor(None)

        assert not login._floor.is_known
