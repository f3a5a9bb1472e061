"""The app's migrations: complete, and runnable with and without the site."""

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import pytest
from django.core.management import call_command

from tests.conftest import CHECKOUT, manage

OWN_TABLES: Final = {
    "bridge_activity",
    "bridge_census_snapshot",
    "bridge_endpoint_change",
    "bridge_endpoint_difference",
    "bridge_endpoint_parity",
    "bridge_endpoint_stage",
    "bridge_endpoint_traffic",
    "bridge_grant",
    "bridge_password_lineage",
    "bridge_password_upgrade",
    "bridge_rehash_journal",
    "bridge_revoked_token",
    "bridge_second_factor",
    "bridge_site_profile",
}
MIGRATE: Final = """
import sys
from bridge.contrib.django.standalone import migrate
migrate({"ENGINE": "django.db.backends.sqlite3", "NAME": sys.argv[1]}, verbosity=0)
"""


def migrate_standalone(path: Path) -> None:
    """As ``bridge migrate`` does it: in an environment that knows no site."""
    bare = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", MIGRATE, str(path)],
        env=bare | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def query(path: Path, statement: str) -> set[Any]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute(statement)}


def tables(path: Path) -> set[str]:
    return query(path, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")


@pytest.mark.parametrize("app", ["bridge", "shop"])
def test_no_migration_is_missing(app: str):
    call_command("makemigrations", app, check=True, dry_run=True, verbosity=0)


def test_the_migrations_run_without_a_site_and_make_only_their_own_tables(tmp_path: Path):
    path = tmp_path / "site.sqlite3"

    migrate_standalone(path)

    assert tables(path) == OWN_TABLES | {"django_migrations"}


def test_without_a_site_there_is_no_profile_to_publish(tmp_path: Path):
    path = tmp_path / "site.sqlite3"

    migrate_standalone(path)

    assert query(path, "SELECT id FROM bridge_site_profile") == set()


def test_a_second_run_changes_nothing(tmp_path: Path):
    path = tmp_path / "site.sqlite3"
    migrate_standalone(path)
    applied = query(path, "SELECT applied FROM django_migrations")

    migrate_standalone(path)

    assert query(path, "SELECT applied FROM django_migrations") == applied


def test_the_sites_own_migrate_finds_the_tables_done_and_publishes(tmp_path: Path):
    path = tmp_path / "site.sqlite3"
    migrate_standalone(path)

    output = manage(f"sqlite:///{path}", "migrate", "--no-color")

    assert "Applying bridge." not in output
    assert "auth_user" in tables(path)
    assert query(path, "SELECT id FROM bridge_site_profile") == {1}
