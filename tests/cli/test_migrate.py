"""``bridge migrate``: the tables, without the site's help."""

import json
import sqlite3
from pathlib import Path

import psycopg
import pytest

from tests.cli.conftest import Run, assert_one_line
from tests.conftest import manage, with_database


def tables(url: str) -> set[str]:
    """Name the tables of a database that begin with ``bridge_``."""
    if url.startswith("sqlite"):
        connection = sqlite3.connect(url.removeprefix("sqlite:///"))
        rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        connection.close()
    else:
        with psycopg.connect(url) as server:
            rows = server.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return {name for (name,) in rows if name.startswith("bridge_")}


def test_migrate_creates_the_bridges_tables_in_an_empty_database(run: Run, empty_url: str):
    done = run("migrate", url=empty_url, BRIDGE_DJANGO_SECRET_KEY=None, BRIDGE_SIGNING_KEY=None)

    assert done.returncode == 0, done.stderr
    assert tables(empty_url) >= {"bridge_site_profile", "bridge_revoked_token", "bridge_activity"}


def test_the_sites_own_migrate_finds_them_done_and_publishes_its_profile(run: Run, empty_url: str):
    run("migrate", url=empty_url)

    manage(empty_url, "migrate", "--verbosity", "0")

    report = run("report", "--json", url=empty_url)
    assert report.returncode == 0, report.stderr
    assert json.loads(report.stdout)["total"] == 0
    assert "No planned migration operations" in manage(empty_url, "migrate", "--plan")


def test_migrate_after_the_sites_own_finds_nothing_to_do(run: Run, database_url: str):
    done = run("migrate", url=database_url)

    assert done.returncode == 0, done.stderr
    assert "up to date" in done.stdout


def test_migrate_opens_the_file_that_serve_and_report_open(run: Run, tmp_path: Path):
    url = f"sqlite:///{tmp_path}/a%20shop.sqlite3"
    run("migrate", url=url)
    connection = sqlite3.connect(tmp_path / "a shop.sqlite3")
    connection.execute(
        "CREATE TABLE auth_user (id integer, password varchar(128), is_active bool, is_staff bool, is_superuser bool,"
        " last_login datetime)"
    )
    connection.close()

    done = run("report", "--json", url=url)

    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("url", ["mysql://bridge:swordfish@db/shop", "swordfish"])
def test_migrate_to_a_database_of_an_unknown_kind_names_the_cure(run: Run, url: str):
    done = run("migrate", url=url)

    assert_one_line(done, naming="BRIDGE_DATABASE_URL", cure="Use postgresql://")
    assert "swordfish" not in done.stderr


def test_migrate_to_a_malformed_url_names_the_cure(run: Run):
    done = run("migrate", url="postgresql://bridge:swordfish@db:port/shop?nonsense=1")

    assert_one_line(done, naming="BRIDGE_DATABASE_URL", cure="postgresql://")
    assert "swordfish" not in done.stderr


def test_migrate_to_a_database_that_is_not_there_names_the_cure(run: Run, postgresql_server: str):
    done = run("migrate", url=with_database(postgresql_server, "nowhere"))

    assert_one_line(done, naming="no such database", cure="Check its name in BRIDGE_DATABASE_URL")


def test_migrate_to_a_folder_that_is_not_there_names_the_cure(run: Run, tmp_path: Path):
    done = run("migrate", url=f"sqlite:///{tmp_path / 'missing' / 'shop.sqlite3'}")

    assert_one_line(done, naming="could not be created", cure="Check BRIDGE_DATABASE_URL")


def test_migrate_without_a_database_url_names_the_cure(run: Run):
    done = run("migrate", url="", BRIDGE_DATABASE_URL=None)

    assert_one_line(done, naming="BRIDGE_DATABASE_URL", cure="Set it to postgresql://")
