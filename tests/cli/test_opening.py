"""What becomes of a command whose database answers, and then does not do what the command is there for."""

import json

import pytest

from bridge.cli.opening import opened
from bridge.errors import DatabaseUnreachable
from bridge.store.database import Database
from tests.cli.conftest import Run, assert_one_line
from tests.cli.test_hashes import KeyPair, key
from tests.conftest import execute_on_server

__all__ = ["key"]


@pytest.mark.parametrize("command", [("report", "--snapshot"), ("endpoints", "set", "GET /", "legacy")], ids=" ".join)
def test_a_database_that_can_only_be_read_is_told_from_missing_rights(
    run: Run, postgresql_url: str, command: tuple[str, ...]
):
    name = postgresql_url.partition("?")[0].rpartition("/")[2]
    execute_on_server(postgresql_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    done = run(*command, url=postgresql_url)

    assert_one_line(done, naming="can only be read", cure="no standby")


def test_the_doctor_finds_that_a_database_can_only_be_read(run: Run, postgresql_url: str):
    name = postgresql_url.partition("?")[0].rpartition("/")[2]
    execute_on_server(postgresql_url, f"ALTER DATABASE {name} SET default_transaction_read_only = on")

    done = run("doctor", "--json", url=postgresql_url)

    wrong = {each["code"]: each["blocking"] for each in json.loads(done.stdout)["checks"] if each["ok"] is False}
    assert (done.returncode, wrong) == (0, {"database-read-only": False}), done.stderr


async def test_what_the_database_refuses_in_a_command_leads_to_the_doctor(
    run: Run, database_url: str, database: Database, key: KeyPair
):
    await database.execute("DROP TABLE bridge_rehash_journal")

    done = run("hashes", "restore", "--private-key", str(key.path), url=database_url)

    assert_one_line(done, naming="The database refuses this", cure="bridge doctor")


async def ask_what_is_gone(url: str) -> None:
    async with opened(url) as database:
        await database.close()
        await database.fetch_one("SELECT 1 AS one")


async def test_a_database_that_goes_away_under_a_command_is_told_as_that(database_url: str):
    with pytest.raises(DatabaseUnreachable, match=r"stopped answering: .*\. Run the command again once it does"):
        await ask_what_is_gone(database_url)
