"""The site's sessions in the database, where Django keeps them."""

from datetime import UTC, datetime
from typing import Final

import pytest

from bridge.store.database import Database
from bridge.store.sessions import Sessions

KEY: Final = "abcdefghijklmnopqrstuvwxyz012345"


@pytest.fixture
def sessions(database: Database) -> Sessions:
    return Sessions(database)


async def keep(database: Database, *, key: str = KEY) -> None:
    await database.execute(
        "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (:key, 'data', :expires)",
        {"key": key, "expires": datetime(2026, 7, 1, 12, 0, tzinfo=UTC)},
    )


async def test_an_ended_session_is_gone_and_others_are_not(sessions: Sessions, database: Database):
    await keep(database)
    await keep(database, key=KEY[::-1])

    await sessions.delete(KEY)
    await sessions.delete(KEY)

    assert await sessions.exists(KEY) is False
    assert await sessions.exists(KEY[::-1]) is True
