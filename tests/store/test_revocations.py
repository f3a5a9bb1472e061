"""The block list of access tokens."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from bridge.store.database import Database
from bridge.store.revocations import Revocations

NOW: Final = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def revocations(database: Database) -> Revocations:
    return Revocations(database)


async def revoke(revocations: Revocations, token_id: str, *, expires: timedelta = timedelta(minutes=5)) -> None:
    await revocations.add(token_id=token_id, user_id="1", expires_at=NOW + expires, now=NOW)


async def listed(database: Database) -> set[str]:
    return {row["token_id"] for row in await database.fetch_all("SELECT token_id FROM bridge_revoked_token")}


async def test_a_revoked_token_is_on_the_list(revocations: Revocations, database: Database):
    await revoke(revocations, "one")

    assert await listed(database) == {"one"}


async def test_a_token_is_revoked_once(revocations: Revocations, database: Database):
    await revoke(revocations, "one")
    await revoke(revocations, "one", expires=timedelta(hours=1))

    assert len(await database.fetch_all("SELECT token_id FROM bridge_revoked_token")) == 1


async def test_entries_whose_tokens_have_expired_are_pruned_and_no_others(revocations: Revocations, database: Database):
    await revoke(revocations, "expired", expires=timedelta(seconds=-1))
    await revoke(revocations, "expired_long_ago", expires=timedelta(days=-30))
    await revoke(revocations, "expiring_now", expires=timedelta())
    await revoke(revocations, "needed", expires=timedelta(seconds=1))

    assert await revocations.prune(now=NOW) == 2
    assert await listed(database) == {"expiring_now", "needed"}


async def test_an_empty_list_is_pruned_of_nothing(revocations: Revocations):
    assert await revocations.prune(now=NOW) == 0
