"""``bridge report`` and ``bridge --version``."""

import csv
import io
import json
from pathlib import Path
from typing import Final

import pytest

import bridge
from bridge.store.database import open_database
from tests.cli.conftest import Run, assert_one_line
from tests.conftest import DJANGO_SECRET_KEY, SIGNING_KEY, Cast

ONLY_THE_DATABASE: Final = {"BRIDGE_DJANGO_SECRET_KEY": None, "BRIDGE_SIGNING_KEY": None}


NEVER_SEEN: Final = {**dict.fromkeys(("7d", "30d", "90d", "365d", "older"), "0"), "schema_version": "1"}


async def crowd(cast: Cast) -> None:
    stored = {"argon2": "argon2$a$b", "pbkdf2_sha256": "pbkdf2_sha256$1$a$b", "md5": "md5$a$b", "unusable": "!x"}
    for number, encoded in enumerate(stored.values(), start=1):
        for copy in range(number):
            await cast.add(f"{encoded[:9]}_{copy}", encoded=encoded)


@pytest.fixture
async def crowded_url(sqlite_url: str) -> str:
    """A database with a crowd in it; how a report looks does not depend on its kind."""
    database = await open_database(sqlite_url)
    await crowd(Cast(database))
    await database.execute(
        "INSERT INTO bridge_activity (day, app, event, count) VALUES ('2026-01-01', 'bridge', 'upgrade_written', 1234)"
    )
    await database.close()
    return sqlite_url


async def test_a_report_in_json_counts_users_by_format(run: Run, cast: Cast, database_url: str):
    await crowd(cast)

    report = json.loads(run("report", "--format", "json", url=database_url, **ONLY_THE_DATABASE).stdout)

    assert {each["algorithm"]: each["users"] for each in report["by_algorithm"]} == {
        "argon2": 1,
        "pbkdf2_sha256": 2,
        "md5": 3,
        "unusable": 4,
    }
    assert {name: report[name] for name in ("total", "usable", "upgraded", "remaining")} == {
        "total": 10,
        "usable": 6,
        "upgraded": 1,
        "remaining": 5,
    }


def test_json_has_a_short_form(run: Run, crowded_url: str):
    short = json.loads(run("report", "--json", url=crowded_url).stdout)
    long = json.loads(run("report", "--format", "json", url=crowded_url).stdout)

    assert short | {"generated_at": ""} == long | {"generated_at": ""}


def test_a_report_in_csv_has_a_line_for_each_format(run: Run, crowded_url: str):
    done = run("report", "--format", "csv", url=crowded_url)

    assert list(csv.DictReader(io.StringIO(done.stdout))) == [
        {"algorithm": "unusable", "users": "4", "share": "0.4", **NEVER_SEEN, "never": "4"},
        {"algorithm": "md5", "users": "3", "share": "0.3", **NEVER_SEEN, "never": "3"},
        {"algorithm": "pbkdf2_sha256", "users": "2", "share": "0.2", **NEVER_SEEN, "never": "2"},
        {"algorithm": "argon2", "users": "1", "share": "0.1", **NEVER_SEEN, "never": "1"},
    ]


def test_a_report_is_a_table_for_people_unless_told_otherwise(run: Run, crowded_url: str):
    done = run("report", url=crowded_url, COLUMNS="120")

    assert done.returncode == 0
    for name, users, share in (("argon2", "1", "10.0%"), ("pbkdf2_sha256", "2", "20.0%"), ("md5", "3", "30.0%")):
        [line] = [line for line in done.stdout.splitlines() if f" {name} " in line]
        assert users in line
        assert share in line
    assert "1 of 6 usable passwords upgraded (16.7%), 5 to go; 10 users in all." in done.stdout


def test_a_table_says_what_happened_at_logins(run: Run, crowded_url: str):
    done = run("report", url=crowded_url, COLUMNS="120")

    [line] = [line for line in done.stdout.splitlines() if "upgrade_written" in line]
    assert line.split() == ["bridge", "upgrade_written", "1,234"]


def test_a_report_on_nobody_is_a_report(run: Run, sqlite_url: str):
    report = json.loads(run("report", "--json", url=sqlite_url).stdout)

    assert (report["total"], report["by_algorithm"], report["upgraded_share"]) == (0, [], 1.0)


def test_a_report_needs_the_databases_url_and_says_so(run: Run):
    done = run("report", url="", BRIDGE_DATABASE_URL=None)

    assert_one_line(done, naming="BRIDGE_DATABASE_URL", cure="Set it to postgresql://")


def test_settings_may_stand_in_a_file(run: Run, crowded_url: str, tmp_path: Path):
    (tmp_path / ".env").write_text(f"BRIDGE_DATABASE_URL={crowded_url}\n")

    done = run("report", "--json", url="", BRIDGE_DATABASE_URL=None)

    assert json.loads(done.stdout)["total"] == 10


def test_a_report_on_a_database_that_is_not_there_names_the_cure(run: Run, tmp_path: Path):
    done = run("report", url=f"sqlite:///{tmp_path / 'missing.sqlite3'}")

    assert_one_line(done, naming="cannot be reached", cure="Check BRIDGE_DATABASE_URL")


def test_a_report_on_a_database_without_the_tables_names_the_cure(run: Run, empty_url: str, tmp_path: Path):
    (tmp_path / "empty.sqlite3").touch()

    done = run("report", url=empty_url)

    assert_one_line(done, naming="no bridge_* tables", cure="bridge migrate")


def test_a_report_of_an_unknown_format_is_refused(run: Run, crowded_url: str):
    done = run("report", "--format", "xml", url=crowded_url)

    assert done.returncode == 2
    assert "xml" in done.stderr


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_a_report_holds_no_secret_and_no_hash(run: Run, crowded_url: str, form: str):
    done = run("report", "--format", form, url=crowded_url)

    assert not [secret for secret in ("md5$a", SIGNING_KEY, DJANGO_SECRET_KEY) if secret in done.stdout + done.stderr]


def test_the_version_is_the_packages(run: Run):
    done = run("--version", url="", BRIDGE_DATABASE_URL=None)

    assert (done.returncode, done.stdout) == (0, bridge.__version__ + "\n")


def test_the_version_needs_no_settings_to_be_right(run: Run):
    assert run("--version", url="nonsense", BRIDGE_NONSENSE="1").returncode == 0


def test_no_command_shows_what_there_is(run: Run):
    done = run(url="")

    for command in ("serve", "migrate", "report", "demo"):
        assert command in done.stdout + done.stderr
