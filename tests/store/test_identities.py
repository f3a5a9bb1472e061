"""Whom a token or a session names, and what stands against it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from bridge.profile import UserTable
from bridge.sessions.codec import MAX_ROW_LENGTH
from bridge.store.database import Database
from bridge.store.identities import Identities
from tests.conftest import Cast

NOW: Final = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
KEY: Final = "abcdefghijklmnopqrstuvwxyz012345"


@pytest.fixture
def identities(database: Database) -> Identities:
    return Identities(database, UserTable())


@pytest.mark.parametrize("token_id", ["\0", "\ud800"], ids=ascii)
async def test_a_token_id_that_no_row_can_hold_is_nobodys(identities: Identities, cast: Cast, token_id: str):
    key = await cast.add("ada")

    assert await identities.of_token(user_id=str(key), token_id=token_id) is None


async def test_a_revoked_token_is_told_from_others(identities: Identities, cast: Cast, database: Database):
    key = await cast.add("ada")
    await database.execute(
        "INSERT INTO bridge_revoked_token (token_id, user_id, expires_at, revoked_at) VALUES ('gone', '1', :now, :now)",
        {"now": NOW},
    )

    revoked = {
        token_id: (await identities.of_token(user_id=str(key), token_id=token_id)) for token_id in ("gone", "other")
    }

    assert {token_id: found and found.revoked for token_id, found in revoked.items()} == {"gone": True, "other": False}


# Sessions -------------------------------------------------------------------------------------------------------------


async def keep(
    database: Database, *, key: str = KEY, data: str = "data", expires: datetime = NOW + timedelta(days=14)
) -> None:
    await database.execute(
        "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (:key, :data, :expires)",
        {"key": key, "data": data, "expires": expires},
    )


async def test_a_live_session_is_read_as_it_was_stored(identities: Identities, database: Database):
    await keep(database, data="eyJ9:a:b")

    found = await identities.of_session(KEY, now=NOW)

    assert found is not None
    assert (found.stored, found.identified) == ("eyJ9:a:b", None)


async def test_another_key_reads_nothing(identities: Identities, database: Database):
    await keep(database)

    assert await identities.of_session(KEY.upper(), now=NOW) is None


@pytest.mark.parametrize(("left", "is_live"), [(SECOND, True), (0 * SECOND, False), (-SECOND, False)], ids=str)
async def test_a_session_lives_until_it_expires(
    identities: Identities, database: Database, left: timedelta, *, is_live: bool
):
    await keep(database, expires=NOW + left)

    assert (await identities.of_session(KEY, now=NOW) is not None) is is_live


@pytest.mark.parametrize(("left", "is_live"), [(SECOND, True), (-SECOND, False)], ids=str)
async def test_a_site_of_local_times_means_its_own(database: Database, left: timedelta, *, is_live: bool):
    """On SQLite its columns hold them; on PostgreSQL they are aware all the same."""
    expires = NOW + left
    local = expires.astimezone(ZoneInfo("Pacific/Auckland")).replace(tzinfo=None)
    await keep(database, expires=local if database.dialect == "sqlite" else expires)
    identities = Identities(database, UserTable(), time_zone="Pacific/Auckland")

    assert (await identities.of_session(KEY, now=NOW) is not None) is is_live


@pytest.mark.parametrize(("more", "is_read"), [(0, True), (1, False)], ids=["just", "too_large"])
async def test_an_absurdly_large_session_is_left_where_it_is(
    identities: Identities, database: Database, more: int, *, is_read: bool
):
    await keep(database, data="x" * (MAX_ROW_LENGTH + more))

    assert (await identities.of_session(KEY, now=NOW) is not None) is is_read


async def test_a_session_comes_with_the_user_who_is_named_beside_it(
    identities: Identities, cast: Cast, database: Database
):
    ada = await cast.add("ada", encoded="stored")
    await keep(database)

    found = {
        user_id: await identities.of_session(KEY, now=NOW, user_id=user_id)
        for user_id in (str(ada), str(ada + 1), "nobody's", None)
    }

    assert all(each is not None and each.stored == "data" for each in found.values())
    users = {user_id: each and each.identified for user_id, each in found.items()}
    of_token = await identities.of_token(user_id=str(ada), token_id="any")
    assert users == {str(ada): of_token, str(ada + 1): None, "nobody's": None, None: None}


async def test_sessions_that_are_asked_about_at_once_are_told_apart(
    identities: Identities, cast: Cast, database: Database
):
    keys = {await cast.add(f"user{number}"): f"{number}" * 32 for number in range(5)}
    for key in keys.values():
        await keep(database, key=key, data=f"of {key}")

    asked = [*keys.items(), (next(iter(keys)), "x" * 32)]
    found = await asyncio.gather(*(identities.of_session(key, now=NOW, user_id=str(each)) for each, key in asked))

    assert found[-1] is None
    for (user_id, key), each in zip(asked[:-1], found, strict=False):
        assert each is not None
        assert each.identified is not None
        assert (each.stored, each.identified.user.key) == (f"of {key}", user_id)
