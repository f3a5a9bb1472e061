"""``bridge report`` and ``bridge --version``."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
import typer

import bridge
from bridge.cli import app as command_line
from bridge.store.database import Database, open_database
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


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_report_on_tables_of_an_earlier_version_names_the_cure(run: Run, database: Database, database_url: str):
    await database.execute("DROP TABLE bridge_census_snapshot")

    assert_one_line(run("report", url=database_url), naming="earlier version", cure="bridge migrate")


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

    shown = {line.strip("│ ").partition(" ")[0] for line in (done.stdout + done.stderr).splitlines()}
    command: Any = typer.main.get_command(command_line)
    assert len(command.commands) > 8
    assert command.commands.keys() <= shown


# The gate -------------------------------------------------------------------------------------------------------------


def test_the_gate_is_shut_while_anybody_would_be_locked_out(run: Run, crowded_url: str):
    done = run("report", "--gate", "pbkdf2_sha256", url=crowded_url)

    assert done.returncode == 1
    assert "2 users would be locked out without pbkdf2_sha256: 2 of them active, 0 staff." in done.stdout
    assert any(line.split() == ["never", "2"] for line in done.stdout.splitlines())


def test_the_gate_is_open_once_nobody_would_be(run: Run, crowded_url: str):
    done = run("report", "--gate", "scrypt", url=crowded_url)

    assert (done.returncode, done.stdout) == (
        0,
        "Nobody's password is stored by scrypt: it may leave PASSWORD_HASHERS.\n",
    )


def test_the_gate_has_a_form_for_scripts(run: Run, crowded_url: str):
    done = run("report", "--gate", "md5", "--json", url=crowded_url)

    gate = json.loads(done.stdout)
    assert (done.returncode, gate["schema_version"], gate["locked_out"], gate["by_cohort"]["never"]) == (1, 1, 3, 3)


@pytest.mark.parametrize("options", [["--gate"], ["--remaining", "--algorithm"]], ids=["gate", "remaining"])
def test_an_algorithm_that_django_does_not_know_is_refused_with_those_that_it_does(
    run: Run, crowded_url: str, options: list[str]
):
    done = run("report", *options, "rot13", url=crowded_url)

    assert_one_line(done, naming="'rot13'", cure="There are argon2, pbkdf2_sha256,")


# A snapshot -----------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_kept_and_is_the_trends_last_point(run: Run, crowded_url: str):
    assert run("report", "--snapshot", url=crowded_url).returncode == 0

    trend = json.loads(run("report", "--json", url=crowded_url).stdout)["trend"]

    assert [(point["total"], point["all"]["upgraded"]) for point in trend] == [(10, 1)]


# Who remains ----------------------------------------------------------------------------------------------------------


async def remaining_site(cast: Cast) -> None:
    now = datetime.now(UTC)
    await cast.add("ada", encoded="md5$a$b", email="ada@example.com", last_login=now - timedelta(days=10))
    await cast.add("=cmd|calc", encoded="sha1$a$b", email="+1@example.com", last_login=now - timedelta(days=400))
    await cast.add("Grace, Hopper", encoded="md5$a$b", is_active=False)
    await cast.add("new", encoded="md5$a$b", date_joined=now)
    await cast.add("done", encoded="argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA")
    await cast.add("never", encoded="!unusable")
    await cast.add("foreign", encoded="$2y$10$another.framework")


async def remaining(run: Run, url: str, *options: str) -> list[dict[str, str]]:
    done = run("report", "--remaining", *options, url=url)
    assert (done.returncode, done.stderr) == (0, "")
    return list(csv.DictReader(io.StringIO(done.stdout)))


async def test_the_remaining_accounts_are_listed_without_a_hash(run: Run, cast: Cast, database_url: str):
    await remaining_site(cast)

    rows = await remaining(run, database_url)

    assert [(row["username"], row["email"]) for row in rows] == [
        ("ada", "ada@example.com"),
        ("'=cmd|calc", "'+1@example.com"),
        ("Grace, Hopper", ""),
        ("new", ""),
    ]
    assert list(rows[0]) == ["id", "username", "email", "last_login"]
    assert datetime.fromisoformat(rows[0]["last_login"]).utcoffset() == timedelta(0)
    assert rows[2]["last_login"] == ""
    assert not [value for row in rows for value in row.values() if "$" in value]


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("options", "listed"),
    [
        (["--algorithm", "sha1"], ["'=cmd|calc"]),
        (["--dormant-days", "30"], ["'=cmd|calc", "Grace, Hopper"]),
        (["--dormant-days", "0"], ["ada", "'=cmd|calc", "Grace, Hopper", "new"]),
        (["--active-only"], ["ada", "'=cmd|calc", "new"]),
        (["--active-only", "--dormant-days", "5", "--algorithm", "md5"], ["ada"]),
    ],
    ids=["algorithm", "dormant", "dormant_at_all", "active", "all_of_it"],
)
async def test_the_list_may_be_narrowed(run: Run, cast: Cast, database_url: str, options: list[str], listed: list[str]):
    await remaining_site(cast)

    assert [row["username"] for row in await remaining(run, database_url, *options)] == listed


@pytest.mark.parametrize(
    "options",
    [["--gate", "md5", "--remaining"], ["--snapshot", "--gate", "md5"], ["--active-only"], ["--dormant-days", "3"]],
    ids=["gate_and_remaining", "snapshot_and_gate", "active_alone", "dormant_alone"],
)
def test_options_that_do_not_go_together_are_refused(run: Run, crowded_url: str, options: list[str]):
    assert run("report", *options, url=crowded_url).returncode == 2
