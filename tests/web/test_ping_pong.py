"""Something writes old hashes over upgraded ones: it is counted, told, and from the fifth on upgrading stops."""

from typing import Any

import httpx
import pytest
from django.contrib.auth.hashers import make_password

from tests.conftest import PASSWORD, Cast, FrozenClock, Serve, bearer, log_in, old_hash
from tests.site.hashers import CheapArgon2PasswordHasher
from tests.web.conftest import events, shared_events
from tests.web.test_auto_rehash import Site, site

__all__ = ["site"]

NEW = "argon2$argon2id$"


async def overwrite(cast: Cast, username: str, encoded: str) -> None:
    """Write a value as a Django process with other settings would."""
    await cast.database.execute(
        "UPDATE auth_user SET password = :encoded WHERE username = :username",
        {"encoded": encoded, "username": username},
    )


async def upgrade_and_downgrade(client: httpx.AsyncClient, cast: Cast, username: str) -> None:
    """Log in, and let an old Django process write its old value over the new one."""
    await log_in(client, username)
    assert (await cast.stored_password(username)).startswith(NEW)
    await overwrite(cast, username, old_hash(PASSWORD))


def of_other_costs(password: str) -> str:
    """An argon2 value of another machine's settings."""
    hasher: Any = CheapArgon2PasswordHasher()
    hasher.time_cost = 2
    encoded: str = hasher.encode(password, hasher.salt())
    return encoded


async def test_a_downgraded_value_is_counted_as_reverted(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    await upgrade_and_downgrade(client, cast, "ada")

    await log_in(client, "ada")

    assert await events(client) == {"login_succeeded": 2, "upgrade_written": 2, "upgrade_reverted": 1}
    assert (await shared_events(cast.database))["upgrade_reverted"] == 1


async def test_a_downgraded_value_is_upgraded_again(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    await upgrade_and_downgrade(client, cast, "ada")

    await log_in(client, "ada")

    assert (await cast.stored_password("ada")).startswith(NEW)


async def test_a_value_that_django_upgraded_and_something_downgraded_is_reverted_as_well(
    client: httpx.AsyncClient, cast: Cast, clock: FrozenClock
):
    key = await cast.add("ada")
    await cast.database.execute(
        "INSERT INTO bridge_password_upgrade (user_id, app, old_algorithm, upgraded_at)"
        " VALUES (:key, 'django', 'pbkdf2_sha256', :now)",
        {"key": str(key), "now": clock.now},
    )

    await log_in(client, "ada")

    assert (await events(client))["upgrade_reverted"] == 1


async def test_the_report_tells_how_often_it_happened(client: httpx.AsyncClient, cast: Cast):
    await cast.add("staff", is_staff=True)
    await upgrade_and_downgrade(client, cast, "staff")

    report = (await client.get("/migration/report", headers=await bearer(client, "staff"))).json()

    assert {"app": "bridge", "event": "upgrade_reverted", "count": 1} in report["activity"]


async def test_a_first_upgrade_reverts_nothing(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    await log_in(client, "ada")

    assert "upgrade_reverted" not in await events(client)


async def test_a_changed_password_is_no_downgrade(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    await log_in(client, "ada")
    theirs = make_password("changed at the site")
    await overwrite(cast, "ada", theirs)

    assert (await log_in(client, "ada", "changed at the site")).status_code == 200
    assert "upgrade_reverted" not in await events(client)
    assert await cast.stored_password("ada") == theirs


async def test_an_argon2_value_of_other_costs_is_upgraded_and_no_downgrade(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    await log_in(client, "ada")
    await overwrite(cast, "ada", of_other_costs(PASSWORD))

    await log_in(client, "ada")

    assert await events(client) == {"login_succeeded": 2, "upgrade_written": 2}


async def test_the_fifth_downgrade_stops_upgrading_at_once(client: httpx.AsyncClient, cast: Cast):
    names = [f"user{number}" for number in range(5)]
    for name in (*names, "ada"):
        await cast.add(name)
    for name in names:
        await upgrade_and_downgrade(client, cast, name)
    before = await cast.stored_password("ada")

    for name in names:
        await log_in(client, name)
    assert (await log_in(client, "ada")).status_code == 200

    assert (await events(client))["upgrade_reverted"] == 5
    assert await cast.stored_password("ada") == before


async def test_the_fourth_downgrade_does_not(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    for _ in range(4):
        await upgrade_and_downgrade(client, cast, "ada")

    await log_in(client, "ada")

    assert (await events(client))["upgrade_reverted"] == 4
    assert (await cast.stored_password("ada")).startswith(NEW)


async def test_one_user_who_goes_to_and_fro_stops_it_as_well(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    for _ in range(5):
        await upgrade_and_downgrade(client, cast, "ada")
    await log_in(client, "ada")
    downgraded = old_hash(PASSWORD)
    await overwrite(cast, "ada", downgraded)

    await log_in(client, "ada")

    assert await cast.stored_password("ada") == downgraded


async def test_downgrades_that_other_replicas_saw_count(client: httpx.AsyncClient, site: Site):
    await site.cast.add("ada")
    await site.cast.add("grace")
    await upgrade_and_downgrade(client, site.cast, "ada")
    await site.revert_upgrades(4)

    await log_in(client, "ada")
    before = await site.cast.stored_password("grace")
    await log_in(client, "grace")

    assert await site.cast.stored_password("grace") == before


@pytest.mark.parametrize("rehash", ["100%", "auto"])
async def test_a_replica_that_starts_later_upgrades_nobody(serve: Serve, site: Site, rehash: str):
    before = old_hash(PASSWORD)
    await site.cast.add("ada", encoded=before)
    await site.revert_upgrades(5, days_ago=1)

    async with serve(rehash=rehash) as client:
        await log_in(client, "ada")

    assert await site.cast.stored_password("ada") == before


async def test_on_upgrades_however_often_it_is_reverted(serve: Serve, cast: Cast):
    await cast.add("ada")

    async with serve(rehash="on") as client:
        for _ in range(6):
            await upgrade_and_downgrade(client, cast, "ada")
        await log_in(client, "ada")

    assert (await cast.stored_password("ada")).startswith(NEW)


async def test_two_days_later_upgrading_goes_on(serve: Serve, site: Site):
    await site.cast.add("ada")
    await site.revert_upgrades(50, days_ago=2)

    async with serve() as client:
        await log_in(client, "ada")

    assert (await site.cast.stored_password("ada")).startswith(NEW)
