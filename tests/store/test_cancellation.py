"""A cancellation that comes again at every turn, as anyio's and so Starlette's do, leaves no transaction open."""

from collections.abc import AsyncIterator, Callable
from typing import Final

import anyio
import pytest

from bridge.store.database import Database, open_database
from bridge.store.sqlite import SqliteDatabase

SLOW: Final = (
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"
    " INSERT INTO note SELECT 'slow' FROM n WHERE i = 300000"
)


@pytest.fixture
async def notes(sqlite_url: str) -> AsyncIterator[Database]:
    database = await open_database(sqlite_url)
    assert isinstance(database, SqliteDatabase)
    await database.execute("CREATE TABLE note (body varchar(20) NOT NULL)")
    yield database
    await database.close()


async def assert_it_goes_on(notes: Database, url: str) -> None:
    """What was cancelled left nothing, what follows holds, and others see it."""
    await notes.execute("INSERT INTO note VALUES ('next')")
    async with notes.transaction() as transaction:
        await transaction.execute("INSERT INTO note VALUES ('one more')")
    other = await open_database(url)
    try:
        seen = await other.fetch_all("SELECT body FROM note")
    finally:
        await other.close()
    assert [row["body"] for row in seen] == ["next", "one more"]


Limit = Callable[[], anyio.CancelScope]


@pytest.mark.parametrize(
    "limit",
    [lambda: anyio.move_on_after(0), lambda: anyio.move_on_after(0.005)],
    ids=["at_its_begin", "during_a_statement"],
)
async def test_a_transaction_that_runs_out_of_time_leaves_nothing_open(notes: Database, sqlite_url: str, limit: Limit):
    with limit() as scope:
        async with notes.transaction() as transaction:
            await transaction.execute("INSERT INTO note VALUES ('cancelled')")
            await transaction.execute(SLOW)
            await anyio.sleep_forever()

    assert scope.cancelled_caught
    await assert_it_goes_on(notes, sqlite_url)


@pytest.mark.parametrize("statement", ["INSERT INTO note VALUES ('late')", SLOW], ids=["quick", "slow"])
async def test_a_transaction_that_is_cancelled_between_its_statements_leaves_nothing_open(
    notes: Database, sqlite_url: str, statement: str
):
    with anyio.CancelScope() as scope:
        async with notes.transaction() as transaction:
            await transaction.execute("INSERT INTO note VALUES ('cancelled')")
            scope.cancel()
            await transaction.execute(statement)

    assert scope.cancelled_caught
    await assert_it_goes_on(notes, sqlite_url)


async def test_a_transaction_that_is_cancelled_at_its_commit_holds_wholly_or_not_at_all(notes: Database):
    with anyio.CancelScope() as scope:
        async with notes.transaction() as transaction:
            await transaction.execute("INSERT INTO note VALUES ('one')")
            await transaction.execute("INSERT INTO note VALUES ('two')")
            scope.cancel()

    assert len(await notes.fetch_all("SELECT body FROM note")) in (0, 2)
    async with notes.transaction() as transaction:
        await transaction.execute("INSERT INTO note VALUES ('three')")
    assert {"body": "three"} in await notes.fetch_all("SELECT body FROM note")
