"""Grants as they are kept: for how long, and who waits for whom."""

from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg
import pytest

from bridge.errors import DatabaseUnavailable
from bridge.store.database import Database
from bridge.store.grants import Grants, StoredGrant

NOW: Final = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
DAY: Final = timedelta(days=1)


async def keep(database: Database, grant_id: str, *, unused: timedelta = 10 * DAY, session_key: str = "") -> None:
    """Keep a grant that was last refreshed so long ago."""
    began = NOW - unused
    grant = StoredGrant(
        id=grant_id,
        user_id="1",
        auth_hash="0" * 64,
        current_token_id=f"of {grant_id}",
        created_at=began,
        rotated_at=began,
        expires_at=began + 90 * DAY,
        session_key=session_key,
    )
    await Grants(database).open(grant, batch=database)


async def end(database: Database, grant_id: str, *, ago: timedelta) -> None:
    await Grants(database).end(grant_id, user_id="1", reason="logout", now=NOW - ago, executor=database)


async def kept(database: Database) -> set[str]:
    return {row["id"] for row in await database.fetch_all("SELECT id FROM bridge_grant")}


async def test_grants_whose_tokens_have_expired_are_pruned_and_no_others(database: Database):
    await keep(database, "over", unused=31 * DAY)
    await keep(database, "over, by a session", unused=31 * DAY, session_key="a")
    await keep(database, "in use", unused=29 * DAY)

    assert await Grants(database).prune(rotated_before=NOW - 30 * DAY) == 2
    assert await kept(database) == {"in use"}


async def test_an_ended_one_is_kept_for_as_long_as_the_session_that_it_ended_could_come_back(database: Database):
    for name, key in (("ended lately", "a"), ("ended lately, of no session", ""), ("ended long ago", "b")):
        await keep(database, name, unused=50 * DAY, session_key=key)
        await end(database, name, ago=(40 if name == "ended long ago" else 20) * DAY)

    assert await Grants(database).prune(rotated_before=NOW - 30 * DAY) == 2
    assert await kept(database) == {"ended lately"}


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_row_that_somebody_else_holds_is_waited_for_so_long_and_no_longer(
    database: Database, database_url: str
):
    await keep(database, "held")
    grants = Grants(database, longest_wait=timedelta(milliseconds=50))

    async with await psycopg.AsyncConnection.connect(database_url) as holder:
        await holder.execute("SELECT 1 FROM bridge_grant FOR UPDATE")
        with pytest.raises(DatabaseUnavailable):
            async with database.transaction() as transaction:
                await grants.locked("held", executor=transaction)

    async with database.transaction() as transaction:
        assert await grants.locked("held", executor=transaction)
