"""Replaced values in the database."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from bridge.store.database import Database
from bridge.store.journal import Journal, JournalEntry

NOW: Final = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


@pytest.fixture
def journal(database: Database) -> Journal:
    return Journal(database)


async def add(journal: Journal, database: Database, sealed: str, *, expires: timedelta = timedelta(days=30)) -> None:
    async with database.transaction() as transaction:
        await journal.add(
            user_id="1", sealed=sealed, new_digest=f"of {sealed}", expires_at=NOW + expires, executor=transaction
        )


async def newest(journal: Journal, *, before: int | None = None, limit: int = 100) -> list[str]:
    return [entry.sealed for entry in await journal.before(before, limit=limit)]


async def test_an_entry_is_read_as_it_was_written(journal: Journal, database: Database):
    await add(journal, database, "value")

    [entry] = await journal.before(None, limit=10)

    assert entry == JournalEntry(id=entry.id, user_id="1", sealed="value", new_digest="of value")


async def test_entries_are_given_newest_first(journal: Journal, database: Database):
    for sealed in ("first", "second", "third"):
        await add(journal, database, sealed)

    assert await newest(journal) == ["third", "second", "first"]


async def test_entries_are_given_in_pieces_that_neither_overlap_nor_leave_any_out(journal: Journal, database: Database):
    for number in range(7):
        await add(journal, database, str(number))

    read: list[str] = []
    before: int | None = None
    while batch := await journal.before(before, limit=3):
        read += [entry.sealed for entry in batch]
        before = batch[-1].id

    assert read == ["6", "5", "4", "3", "2", "1", "0"]


async def test_an_entry_of_a_transaction_that_failed_is_not_there(journal: Journal, database: Database):
    async def fail() -> None:
        async with database.transaction() as transaction:
            await journal.add(user_id="1", sealed="x", new_digest="y", expires_at=NOW, executor=transaction)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    assert await journal.count() == 0


async def test_entries_are_counted(journal: Journal, database: Database):
    assert await journal.count() == 0

    await add(journal, database, "one")
    await add(journal, database, "two")

    assert await journal.count() == 2


async def test_one_entry_is_removed_and_no_other(journal: Journal, database: Database):
    for sealed in ("first", "second", "third"):
        await add(journal, database, sealed)
    [_, second, _] = await journal.before(None, limit=10)

    async with database.transaction() as transaction:
        await journal.remove(second.id, executor=transaction)

    assert await newest(journal) == ["third", "first"]


async def test_entries_whose_days_are_over_are_pruned_and_no_others(journal: Journal, database: Database):
    await add(journal, database, "over", expires=timedelta(seconds=-1))
    await add(journal, database, "over_long_ago", expires=timedelta(days=-30))
    await add(journal, database, "ending_now", expires=timedelta())
    await add(journal, database, "kept", expires=timedelta(seconds=1))

    assert await journal.prune(now=NOW) == 2
    assert await newest(journal) == ["kept", "ending_now"]


async def test_what_is_sealed_is_not_shown_by_repr(journal: Journal, database: Database):
    await add(journal, database, "swordfish", expires=timedelta())

    [entry] = await journal.before(None, limit=1)

    assert "sealed" not in repr(entry)
