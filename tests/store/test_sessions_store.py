"""The site's sessions in the database, where Django keeps them."""

from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest

from bridge.sessions.codec import MAX_ROW_LENGTH
from bridge.store.database import Database
from bridge.store.sessions import Sessions

NOW: Final = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SECOND: Final = timedelta(seconds=1)
KEY: Final = "abcdefghijklmnopqrstuvwxyz012345"


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return Sessions(database)


async def keep(
    database: Database, *, key: str = KEY, data: str = "data", expires: datetime = NOW + timedelta(days=14)
) -> None:
    await database.execute(
        "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (:key, :data, :expires)",
        {"key": key, "data": data, "expires": expires},
    )


async def test_a_live_session_is_read_as_it_was_stored(sessions: Sessions, database: Database):
    await keep(database, data="eyJ9:a:b")

    assert await sessions.live(KEY, now=NOW) == "eyJ9:a:b"


async def test_another_key_reads_nothing(sessions: Sessions, database: Database):
    await keep(database)

    assert await sessions.live(KEY.upper(), now=NOW) is None


@pytest.mark.parametrize(("left", "is_live"), [(SECOND, True), (0 * SECOND, False), (-SECOND, False)], ids=str)
async def test_a_session_lives_until_it_expires(
    sessions: Sessions, database: Database, left: timedelta, *, is_live: bool
):
    await keep(database, expires=NOW + left)

    assert (await sessions.live(KEY, now=NOW) is not None) is is_live


@pytest.mark.parametrize(("left", "is_live"), [(SECOND, True), (-SECOND, False)], ids=str)
async def test_a_site_of_local_times_means_its_own(database: Database, left: timedelta, *, is_live: bool):
    """On SQLite its columns hold them; on PostgreSQL they are aware all the same."""
    expires = NOW + left
    local = expires.astimezone(ZoneInfo("Pacific/Auckland")).replace(tzinfo=None)
    await keep(database, expires=local if database.dialect == "sqlite" else expires)
    sessions = Sessions(database, time_zone="Pacific/Auckland")

    assert (await sessions.live(KEY, now=NOW) is not None) is is_live


@pytest.mark.parametrize(("more", "is_read"), [(0, True), (1, False)], ids=["just", "too_large"])
async def test_an_absurdly_large_session_is_left_where_it_is(
    sessions: Sessions, database: Database, more: int, *, is_read: bool
):
    await keep(database, data="x" * (MAX_ROW_LENGTH + more))

    assert (await sessions.live(KEY, now=NOW) is not None) is is_read


async def test_an_ended_session_is_gone_and_others_are_not(sessions: Sessions, database: Database):
    await keep(database)
    await keep(database, key=KEY[::-1])

    await sessions.delete(KEY)
    await sessions.delete(KEY)

    assert await sessions.live(KEY, now=NOW) is None
    assert await sessions.live(KEY[::-1], now=NOW) is not None
