"""Runs that may only read: what is inside has no effect, and what is outside notices nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import anyio.from_thread
import anyio.to_thread
import pytest

from bridge.errors import DatabaseError, DatabaseUnavailable, SchemaMissing, WriteRefused
from bridge.store.database import Database, Reading, open_database

A_WHILE = timedelta(seconds=10)
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS count FROM n"
INSERT = "INSERT INTO note VALUES (2, 'two')"

on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def notes(database: Database) -> Database:
    """A database with a table of our own and a note in it."""
    await database.execute("CREATE TABLE note (id integer PRIMARY KEY, body varchar(20) NOT NULL)")
    await database.execute("INSERT INTO note VALUES (1, 'one')")
    return database


@pytest.fixture
async def observer(notes: Database, database_url: str) -> AsyncIterator[Database]:
    """Another connection to it."""
    opened = await open_database(database_url)
    yield opened
    await opened.close()


async def bodies(database: Database) -> list[str]:
    return [row["body"] for row in await database.fetch_all("SELECT body FROM note ORDER BY id")]


@asynccontextmanager
async def reading(database: Database, *, statement_timeout: timedelta = A_WHILE) -> AsyncIterator[Reading]:
    async with database.read_only(statement_timeout=statement_timeout) as run:
        yield run


async def write(database: Database) -> None:
    await database.execute(INSERT)


async def write_in_a_transaction(database: Database) -> None:
    async with database.transaction() as transaction:
        await transaction.execute(INSERT)


async def write_and_ask_for_the_row(database: Database) -> None:
    await database.fetch_one(f"{INSERT} RETURNING id")


every_way_to_write = pytest.mark.parametrize(
    "way", [write, write_in_a_transaction, write_and_ask_for_the_row], ids=lambda way: way.__name__
)

# What is inside -------------------------------------------------------------------------------------------------------


async def test_reading_goes_on_as_outside(notes: Database):
    async with reading(notes) as run:
        assert await bodies(notes) == ["one"]
        assert await notes.fetch_one("SELECT body FROM note WHERE id = :id", {"id": 1}) == {"body": "one"}
        async with notes.transaction() as transaction:
            assert len(await transaction.fetch_all("SELECT id FROM note")) == 1

    assert not run.tried_to_write


@every_way_to_write
async def test_a_write_is_refused_and_told_of_afterwards(notes: Database, observer: Database, way):
    async with reading(notes) as run:
        with pytest.raises(WriteRefused):
            await way(notes)

    assert run.tried_to_write
    assert await bodies(observer) == ["one"]


async def test_what_follows_a_refused_write_is_answered(notes: Database):
    async with reading(notes):
        with pytest.raises(WriteRefused):
            await write(notes)

        assert await bodies(notes) == ["one"]


async def test_a_statement_that_fails_is_no_write_and_leaves_the_others_be(notes: Database):
    async with reading(notes) as run:
        with pytest.raises(SchemaMissing):
            await notes.fetch_all("SELECT * FROM nowhere")

        assert await bodies(notes) == ["one"]
    assert not run.tried_to_write


async def test_a_statement_that_takes_too_long_is_ended(notes: Database):
    async with reading(notes, statement_timeout=timedelta(milliseconds=50)):
        with pytest.raises(DatabaseUnavailable):
            await notes.fetch_one(ENDLESS)

        assert await bodies(notes) == ["one"]


async def test_many_statements_of_one_run_take_turns(notes: Database):
    async with reading(notes):
        found = await asyncio.gather(*(bodies(notes) for _ in range(20)))

    assert found == [["one"]] * 20


async def test_a_thread_that_the_work_went_on_in_belongs_to_the_run(notes: Database):
    """As synchronous endpoints do, which Starlette runs in threads."""

    def work() -> None:
        with pytest.raises(WriteRefused):
            anyio.from_thread.run(write, notes)

    async with reading(notes) as run:
        await anyio.to_thread.run_sync(work)

    assert run.tried_to_write


async def test_a_task_that_outlives_the_run_does_not_write_after_all(notes: Database, observer: Database):
    over = asyncio.Event()

    async def straggle() -> None:
        await over.wait()
        await write(notes)

    async with reading(notes):
        task = asyncio.create_task(straggle())
    over.set()

    with pytest.raises(DatabaseError):
        await task
    assert await bodies(observer) == ["one"]


@on_postgresql
async def test_a_run_cannot_make_itself_writable(notes: Database, observer: Database):
    async with reading(notes):
        with pytest.raises(DatabaseError):
            await notes.execute("SET TRANSACTION READ WRITE")
        with pytest.raises(WriteRefused):
            await write(notes)

    assert await bodies(observer) == ["one"]


@on_postgresql
async def test_a_right_that_is_missing_is_no_write(notes: Database):
    async with reading(notes) as run:
        await notes.execute("SET ROLE pg_monitor")
        with pytest.raises(WriteRefused):
            await notes.fetch_all("SELECT * FROM note")

    assert not run.tried_to_write


@on_postgresql
async def test_nothing_of_a_run_stays_with_its_connection(notes: Database):
    async with reading(notes, statement_timeout=timedelta(milliseconds=50)):
        await notes.execute("SET ROLE pg_monitor")

    await notes.fetch_one("SELECT pg_sleep(0.1)")
    await write(notes)


# What is outside ------------------------------------------------------------------------------------------------------


@every_way_to_write
async def test_work_outside_of_the_run_writes_meanwhile(notes: Database, observer: Database, way):
    inside, done = asyncio.Event(), asyncio.Event()

    async def shadow() -> None:
        async with reading(notes):
            await bodies(notes)
            inside.set()
            await done.wait()

    task = asyncio.create_task(shadow())
    await inside.wait()
    await asyncio.wait_for(way(notes), timeout=5)
    assert await bodies(observer) == ["one", "two"]
    done.set()
    await task


async def test_the_work_after_a_run_writes(notes: Database, observer: Database):
    async with reading(notes):
        pass
    await write(notes)

    assert await bodies(observer) == ["one", "two"]


async def test_runs_that_hang_leave_connections_to_everybody_else(notes: Database):
    """However many there are, and whatever each of them waits for."""

    async def hang() -> None:
        async with reading(notes):
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(hang()) for _ in range(30)]
    try:
        found = await asyncio.wait_for(asyncio.gather(*(bodies(notes) for _ in range(20))), timeout=5)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    assert found == [["one"]] * 20


async def test_a_run_that_is_cancelled_during_a_statement_is_over(notes: Database):
    with anyio.move_on_after(0.1) as scope:
        async with reading(notes, statement_timeout=timedelta(milliseconds=300)):
            await notes.fetch_one(ENDLESS)

    assert scope.cancelled_caught
    await write(notes)
    async with reading(notes):
        assert await bodies(notes) == ["one", "two"]
