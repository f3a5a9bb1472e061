"""What a store may lean on, whichever database answers."""

import asyncio
import sqlite3
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from bridge.errors import (
    ConfigurationError,
    ConstraintViolated,
    DatabaseError,
    DatabaseUnavailable,
    SchemaMissing,
    WriteRefused,
)
from bridge.store.database import Database, open_database, pyformat, quoted
from tests.conftest import execute_on_server, with_database

on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


@pytest.fixture
async def notes(database: Database) -> Database:
    """A database with a table of our own."""
    await database.execute("CREATE TABLE note (id integer PRIMARY KEY, body varchar(20) NOT NULL)")
    return database


async def bodies(database: Database) -> list[str]:
    return [row["body"] for row in await database.fetch_all("SELECT body FROM note ORDER BY id")]


# Statements -----------------------------------------------------------------------------------------------------------


async def test_a_row_is_read_by_name(notes: Database):
    await notes.execute("INSERT INTO note VALUES (1, :body)", {"body": "one"})

    assert dict(await notes.fetch_one("SELECT id, body FROM note") or {}) == {"id": 1, "body": "one"}


async def test_no_row_is_none(notes: Database):
    assert await notes.fetch_one("SELECT id FROM note") is None
    assert list(await notes.fetch_all("SELECT id FROM note")) == []


async def test_a_change_says_how_many_rows_it_changed(notes: Database):
    assert await notes.execute("INSERT INTO note VALUES (1, 'one'), (2, 'two')") == 2
    assert await notes.execute("UPDATE note SET body = 'same' WHERE id > :id", {"id": 1}) == 1
    assert await notes.execute("UPDATE note SET body = 'same' WHERE id > :id", {"id": 9}) == 0


async def test_a_statement_that_returns_a_row_takes_effect(notes: Database):
    row = await notes.fetch_one("INSERT INTO note VALUES (1, 'one'), (2, 'two') RETURNING id")

    assert row is not None
    assert await bodies(notes) == ["one", "two"]


async def test_a_parameter_may_occur_more_than_once(notes: Database):
    await notes.execute("INSERT INTO note VALUES (1, :body)", {"body": "one"})

    assert await notes.fetch_one("SELECT id FROM note WHERE body = :body OR body = :body", {"body": "one"})


@pytest.mark.parametrize(
    "value", ["'; DROP TABLE note; --", "%s %(body)s", ":body ::text", 'quote " quote', "日本語 🎩", ""], ids=ascii
)
async def test_a_value_is_never_read_as_sql(notes: Database, value: str):
    await notes.execute("INSERT INTO note VALUES (1, :body)", {"body": value[:20]})

    assert await bodies(notes) == [value[:20]]


async def test_percent_signs_in_a_statement_stay_what_they_are(notes: Database):
    await notes.execute("INSERT INTO note VALUES (7, 'seven'), (8, 'eight')")

    rows = await notes.fetch_all(
        "SELECT id % 5 AS rest FROM note WHERE body LIKE '%ight' AND id > :least", {"least": 0}
    )

    assert [row["rest"] for row in rows] == [3]


async def test_what_one_connection_wrote_another_reads(notes: Database, database_url: str):
    other = await open_database(database_url)
    await notes.execute("INSERT INTO note VALUES (1, 'one')")

    assert await bodies(other) == ["one"]
    await other.close()


async def test_many_statements_at_once_all_get_their_turn(notes: Database):
    await asyncio.gather(*(notes.execute("INSERT INTO note VALUES (:id, 'x')", {"id": number}) for number in range(40)))

    assert len(await bodies(notes)) == 40


# Transactions ---------------------------------------------------------------------------------------------------------


async def test_a_transaction_holds_as_a_whole(notes: Database):
    async with notes.transaction() as transaction:
        await transaction.execute("INSERT INTO note VALUES (1, 'one')")
        await transaction.execute("INSERT INTO note VALUES (2, 'two')")

    assert await bodies(notes) == ["one", "two"]


async def test_a_transaction_reads_its_own_writes(notes: Database):
    async with notes.transaction() as transaction:
        await transaction.execute("INSERT INTO note VALUES (1, 'one')")

        assert await transaction.fetch_one("SELECT id FROM note WHERE id = 1") is not None
        assert len(await transaction.fetch_all("SELECT id FROM note")) == 1


async def test_nobody_else_sees_a_transaction_before_its_end(notes: Database, database_url: str):
    other = await open_database(database_url)

    async with notes.transaction() as transaction:
        await transaction.execute("INSERT INTO note VALUES (1, 'one')")
        assert await bodies(other) == []

    assert await bodies(other) == ["one"]
    await other.close()


async def break_off(notes: Database) -> None:
    async with notes.transaction() as transaction:
        await transaction.execute("INSERT INTO note VALUES (1, 'one')")
        raise LookupError("the caller's own")


async def test_an_error_of_the_callers_rolls_back_and_comes_through(notes: Database):
    with pytest.raises(LookupError):
        await break_off(notes)

    assert await bodies(notes) == []


async def test_an_error_of_the_databases_rolls_back_and_is_translated(notes: Database):
    async def write_twice() -> None:
        async with notes.transaction() as transaction:
            await transaction.execute("INSERT INTO note VALUES (1, 'one')")
            await transaction.execute("INSERT INTO note VALUES (1, 'again')")

    with pytest.raises(ConstraintViolated):
        await write_twice()

    assert await bodies(notes) == []


async def test_the_database_is_usable_after_a_rollback(notes: Database):
    with pytest.raises(LookupError):
        await break_off(notes)

    async with notes.transaction() as transaction:
        await transaction.execute("INSERT INTO note VALUES (2, 'two')")
    assert await bodies(notes) == ["two"]


@pytest.mark.parametrize("turns", range(6))
async def test_a_transaction_that_is_cancelled_leaves_nothing_behind(notes: Database, turns: int):
    """Whatever the event loop was at when the cancellation came."""

    async def write() -> None:
        async with notes.transaction() as transaction:
            await transaction.execute("INSERT INTO note VALUES (1, 'one')")
            await asyncio.Event().wait()

    task = asyncio.create_task(write())
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    async with notes.transaction() as transaction:
        await transaction.execute("INSERT INTO note VALUES (2, 'two')")
    assert await bodies(notes) == ["two"]


async def test_whoever_waits_for_a_transaction_waits_only_so_long(notes: Database, database_url: str):
    hurried = await open_database(database_url, patience=timedelta(milliseconds=100))
    try:
        async with hurried.unhurried().transaction() as other:
            await other.execute("INSERT INTO note VALUES (1, 'x')")
            with pytest.raises(DatabaseUnavailable):
                await hurried.execute("INSERT INTO note VALUES (1, 'y')")
        await hurried.execute("INSERT INTO note VALUES (2, 'z')")
    finally:
        await hurried.close()

    assert await bodies(notes) == ["x", "z"]


async def test_transactions_take_turns(notes: Database):
    await notes.execute("INSERT INTO note VALUES (1, '0')")

    async def count_up() -> None:
        async with notes.transaction() as transaction:
            await transaction.execute("UPDATE note SET body = CAST(CAST(body AS integer) + 1 AS varchar(20))")

    await asyncio.gather(*(count_up() for _ in range(10)))

    assert await bodies(notes) == ["10"]


# Batches --------------------------------------------------------------------------------------------------------------


async def write_batch(notes: Database, *statements: str, error: Exception | None = None) -> None:
    async with notes.batch() as batch:
        for statement in statements:
            await batch.execute(statement)
        if error is not None:
            raise error


async def test_a_batch_holds_as_a_whole(notes: Database):
    async with notes.batch() as batch:
        await batch.execute("INSERT INTO note VALUES (:id, :body)", {"id": 1, "body": "one"})
        await batch.execute("INSERT INTO note VALUES (:id, :body || '%')", {"id": 2, "body": "two"})
        await batch.execute("INSERT INTO note SELECT :id, 'three' WHERE :id_0 = 0", {"id": 3, "id_0": 0})

    assert await bodies(notes) == ["one", "two%", "three"]


async def test_a_batch_of_nothing_does_nothing(notes: Database):
    await write_batch(notes)

    assert await bodies(notes) == []


async def test_an_error_of_the_callers_keeps_a_batch_from_taking_effect(notes: Database):
    with pytest.raises(LookupError):
        await write_batch(notes, "INSERT INTO note VALUES (1, 'one')", error=LookupError("the caller's own"))

    assert await bodies(notes) == []


@pytest.mark.parametrize("wrong", range(3), ids=["the_first", "one_in_the_middle", "the_last"])
async def test_a_batch_of_which_one_statement_fails_leaves_nothing_and_the_error_is_ours(notes: Database, wrong: int):
    statements = [f"INSERT INTO note VALUES ({number}, 'x')" for number in range(2)]
    statements.insert(wrong, "INSERT INTO note VALUES (9, NULL)")

    with pytest.raises(ConstraintViolated):
        await write_batch(notes, *statements)

    assert await bodies(notes) == []
    await write_batch(notes, "INSERT INTO note VALUES (1, 'one')", "INSERT INTO note VALUES (2, 'two')")
    assert await bodies(notes) == ["one", "two"]


@pytest.mark.parametrize("busy_time", [0.005, 0.0], ids=["as_it_is", "at_every_step"])
@pytest.mark.parametrize("turns", range(16))
async def test_a_batch_that_is_cancelled_holds_wholly_or_not_at_all(
    notes: Database, database_url: str, monkeypatch: pytest.MonkeyPatch, turns: int, busy_time: float
):
    """Whatever the event loop was at when the cancellation came, and wherever the driver lets others run."""
    monkeypatch.setattr("psycopg.waiting.MAX_BUSY_TIME", busy_time)
    alone = await open_database(database_url, connections=1)
    task = asyncio.create_task(
        write_batch(alone, "INSERT INTO note VALUES (1, 'one')", "INSERT INTO note VALUES (2, 'two')")
    )
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])

    found = await bodies(notes)
    assert found in ([], ["one", "two"])
    # The connection is as it was, or another.
    assert await alone.execute("UPDATE note SET body = body") == len(found)
    await write_batch(alone, "INSERT INTO note VALUES (3, 'three')")
    await alone.close()
    assert await bodies(notes) == [*found, "three"]


async def test_whoever_waits_for_a_batch_waits_only_so_long_and_it_never_takes_effect(
    notes: Database, database_url: str
):
    hurried = await open_database(database_url, patience=timedelta(milliseconds=100))
    try:
        async with hurried.unhurried().transaction() as other:
            await other.execute("INSERT INTO note VALUES (2, 'theirs')")
            with pytest.raises(DatabaseUnavailable):
                await write_batch(hurried, "INSERT INTO note VALUES (1, 'x')", "INSERT INTO note VALUES (2, 'y')")
        await asyncio.gather(
            *(write_batch(hurried, f"INSERT INTO note VALUES ({number}, 'z')") for number in range(3, 15))
        )
    finally:
        await hurried.close()

    assert await bodies(notes) == ["theirs"] + ["z"] * 12


@on_postgresql
async def test_a_batch_is_one_transaction_of_which_nothing_is_sent_before_all_is_there(notes: Database):
    async with notes.batch() as batch:
        await batch.execute("INSERT INTO note VALUES (1, 'one')")
        assert await bodies(notes) == []
        await batch.execute("INSERT INTO note VALUES (2, 'one')")

    assert len(await notes.fetch_all("SELECT DISTINCT xmin::text FROM note")) == 1
    assert await bodies(notes) == ["one", "one"]


# Errors ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("INSERT INTO note VALUES (1, 'again')", ConstraintViolated),
        ("INSERT INTO note VALUES (2, NULL)", ConstraintViolated),
        ("SELECT * FROM nowhere", SchemaMissing),
        ("SELECT absent FROM note", SchemaMissing),
        ("UPDATE note SET absent = 1", SchemaMissing),
        ("SELEKT", DatabaseError),
    ],
    ids=["unique", "not_null", "table", "column", "column_to_write", "syntax"],
)
@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in_a_transaction"])
async def test_a_drivers_error_becomes_one_of_ours(
    notes: Database, statement: str, error: type[DatabaseError], *, inside: bool
):
    await notes.execute("INSERT INTO note VALUES (1, 'one')")

    async def run() -> None:
        if not inside:
            await notes.execute(statement)
            return
        async with notes.transaction() as transaction:
            await transaction.execute(statement)

    with pytest.raises(error):
        await run()


async def test_an_error_does_not_quote_the_row(notes: Database):
    await notes.execute("INSERT INTO note VALUES (1, 'swordfish')")

    with pytest.raises(ConstraintViolated) as caught:
        await notes.execute("INSERT INTO note VALUES (1, :body)", {"body": "swordfish"})

    assert "swordfish" not in str(caught.value)


async def test_a_connection_that_may_only_read_refuses_to_write(notes: Database, database_url: str):
    sqlite = database_url.startswith("sqlite")
    if not sqlite:
        name = (await notes.fetch_one("SELECT current_database() AS name") or {})["name"]
        await notes.execute(f"ALTER DATABASE {quoted(name)} SET default_transaction_read_only = on")
    reader = await open_database(database_url)
    if sqlite:
        await reader.execute("PRAGMA query_only = on")

    with pytest.raises(WriteRefused):
        await reader.execute("INSERT INTO note VALUES (1, 'one')")
    assert await bodies(reader) == []
    await reader.close()


async def test_a_closed_database_is_unavailable(database_url: str):
    database = await open_database(database_url)
    await database.close()

    with pytest.raises(DatabaseError):
        await database.fetch_one("SELECT 1 AS one")


# Opening --------------------------------------------------------------------------------------------------------------


async def test_a_missing_file_is_unavailable_and_not_created(tmp_path: Path):
    for _ in range(2):
        with pytest.raises(DatabaseUnavailable):
            await open_database(f"sqlite:///{tmp_path / 'missing.sqlite3'}")


async def test_a_folder_is_no_database(tmp_path: Path):
    with pytest.raises(DatabaseUnavailable):
        await open_database(f"sqlite:///{tmp_path}")


async def test_a_database_that_a_server_does_not_have_is_unavailable(postgresql_server: str):
    """The one that waits: as long as a server may take to come up."""
    with pytest.raises(DatabaseUnavailable):
        await open_database(with_database(postgresql_server, "nowhere"))


@pytest.mark.parametrize(
    "url", ["mysql://bridge:swordfish@db/shop", "sqlite://shop.db", "shop.db", "", "swordfish"], ids=ascii
)
async def test_a_url_of_an_unknown_kind_is_a_mistake_in_the_configuration(url: str):
    with pytest.raises(ConfigurationError) as caught:
        await open_database(url)

    assert "swordfish" not in str(caught.value)
    assert "postgresql://" in caught.value.cure


@pytest.mark.parametrize("name", ["a b", "a%20b", "a?b", "a#b", "ä", "a'b"])
async def test_a_file_of_any_name_is_opened(tmp_path: Path, name: str):
    with sqlite3.connect(tmp_path / name) as connection:
        connection.execute("CREATE TABLE note (id integer)")
    connection.close()
    url = f"sqlite:///{tmp_path}/{name.replace('%', '%25').replace('?', '%3F').replace('#', '%23')}"

    database = await open_database(url)

    assert await database.fetch_all("SELECT id FROM note") == []
    await database.close()


async def test_an_escaped_file_name_is_the_one_that_the_site_and_bridge_migrate_open(tmp_path: Path):
    """Both read ``%20`` in a sqlite:/// URL as a space."""
    with sqlite3.connect(tmp_path / "a shop.sqlite3") as connection:
        connection.execute("CREATE TABLE note (id integer)")
    connection.close()

    database = await open_database(f"sqlite:///{tmp_path}/a%20shop.sqlite3")

    assert await database.fetch_all("SELECT id FROM note") == []
    await database.close()


# What Django writes on SQLite -----------------------------------------------------------------------------------------


@on_sqlite
@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), "2026-01-02 03:04:05.000006"),
        (datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))), "2026-01-02 01:04:05"),
        (datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),  # noqa: DTZ001  # a site without time zones
        (date(2026, 1, 2), "2026-01-02"),
        (UUID("12345678-1234-5678-1234-567812345678"), "12345678123456781234567812345678"),
    ],
    ids=["utc", "elsewhere", "naive", "date", "uuid"],
)
async def test_a_value_is_written_as_django_writes_it(database: Database, value: object, stored: str):
    assert await database.fetch_one("SELECT :value AS value", {"value": value}) == {"value": stored}


@on_postgresql
async def test_a_cast_is_no_parameter(database: Database):
    row = await database.fetch_one("SELECT :value::integer + '1'::integer AS sum", {"value": "41"})

    assert row is not None
    assert row["sum"] == 42


# Names and parameters -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("SELECT :key", "SELECT %(key)s"),
        ("SELECT :a, :b_c", "SELECT %(a)s, %(b_c)s"),
        ("(:a)", "(%(a)s)"),
        ("SELECT 1::text", "SELECT 1::text"),
        ("SELECT :a::text", "SELECT %(a)s::text"),
        ("SELECT a::timestamptz", "SELECT a::timestamptz"),
        ("SELECT 5 % 2", "SELECT 5 %% 2"),
        ("LIKE '%x' AND a = :a", "LIKE '%%x' AND a = %(a)s"),
        ("SELECT '10:30'", "SELECT '10:30'"),
        ("SELECT x[1:2]", "SELECT x[1:2]"),
        ("", ""),
    ],
)
def test_named_parameters_become_psycopgs(statement: str, expected: str):
    assert pyformat(statement) == expected


@pytest.mark.parametrize(
    ("identifier", "expected"),
    [("auth_user", '"auth_user"'), ("User", '"User"'), ('a"b', '"a""b"'), ("order", '"order"')],
)
def test_a_name_is_quoted(identifier: str, expected: str):
    assert quoted(identifier) == expected


# A database that restarts ---------------------------------------------------------------------------------------------


def end_connections(database_url: str, postgresql_server: str) -> None:
    """Do what a restart does to connections; it waits for their ends."""
    name = urlsplit(database_url).path.removeprefix("/")
    execute_on_server(
        postgresql_server, f"SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{name}'"
    )


async def write_in_a_transaction(notes: Database, key: int) -> None:
    async with notes.transaction() as transaction:
        await transaction.execute("INSERT INTO note VALUES (:id, 'x')", {"id": key})


@on_postgresql
async def test_connections_that_ended_while_idle_are_never_used(
    notes: Database, database_url: str, postgresql_server: str
):
    await asyncio.gather(*(notes.fetch_one("SELECT pg_sleep(0.1)") for _ in range(5)))  # so that there are five
    end_connections(database_url, postgresql_server)

    await notes.execute("INSERT INTO note VALUES (1, 'x')")
    end_connections(database_url, postgresql_server)
    await write_in_a_transaction(notes, 2)
    end_connections(database_url, postgresql_server)
    await asyncio.gather(*(write_in_a_transaction(notes, key) for key in range(3, 9)))

    assert await bodies(notes) == ["x"] * 8


@on_postgresql
async def test_a_statement_that_is_cut_off_fails_and_is_not_sent_again(
    notes: Database, database_url: str, postgresql_server: str
):
    await notes.execute("CREATE SEQUENCE tries")
    slow = asyncio.create_task(notes.fetch_one("SELECT nextval('tries'), pg_sleep(30)"))
    observer = await open_database(database_url)
    while not (await observer.fetch_one("SELECT is_called FROM tries") or {})["is_called"]:
        pass
    await observer.close()
    await asyncio.to_thread(end_connections, database_url, postgresql_server)

    with pytest.raises(DatabaseUnavailable):
        await slow
    assert dict(await notes.fetch_one("SELECT last_value FROM tries") or {}) == {"last_value": 1}
