"""Whom a token names, and what stands against it."""

from datetime import UTC, datetime
from typing import Final

import pytest

from bridge.profile import UserTable
from bridge.store.database import Database
from bridge.store.identities import Identities
from tests.conftest import Cast

NOW: Final = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


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
