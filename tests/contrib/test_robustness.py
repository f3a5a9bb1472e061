"""The app stands in nobody's way: not in that of migrate, not in that of a login."""

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from bridge.contrib.django.describing import describe_site
from bridge.contrib.django.models import Activity, SiteProfile
from bridge.contrib.django.publishing import publish_profile
from bridge.profile import SimpleJwtProfile, fingerprint
from bridge.tokens.keys import SigningKey
from tests.conftest import CHECKOUT, DJANGO_SECRET_KEY, PASSWORD, manage, site_environment
from tests.forked import run_module

# migrate --------------------------------------------------------------------------------------------------------------


def query(path: Path, statement: str) -> set[Any]:
    with closing(sqlite3.connect(path, isolation_level=None)) as opened:
        return {row[0] for row in opened.execute(statement)}


def own_tables(path: Path) -> set[str]:
    return query(path, "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'bridge\\_%' ESCAPE '\\'")


def test_another_app_can_be_migrated_before_ours(tmp_path: Path):
    path = tmp_path / "site.sqlite3"

    manage(f"sqlite:///{path}", "migrate", "auth", "--verbosity", "0")

    assert query(path, "SELECT count(*) FROM auth_user") == {0}
    assert own_tables(path) == set()


def test_our_app_can_be_migrated_back_to_nothing_and_forth_again(sqlite_url: str):
    path = Path(sqlite_url.removeprefix("sqlite:///"))

    manage(sqlite_url, "migrate", "bridge", "zero", "--verbosity", "0")
    assert own_tables(path) == set()

    manage(sqlite_url, "migrate", "--verbosity", "0")
    assert query(path, "SELECT id FROM bridge_site_profile") == {1}


def test_nothing_is_published_into_a_database_that_the_router_keeps_us_out_of(sqlite_url: str, tmp_path: Path):
    path = Path(sqlite_url.removeprefix("sqlite:///"))
    query(path, "DELETE FROM bridge_site_profile")
    (tmp_path / "routed_settings.py").write_text(
        "from tests.site.settings import *\nDATABASE_ROUTERS = ['their_router.Elsewhere']\n"
    )
    (tmp_path / "their_router.py").write_text(
        "class Elsewhere:\n"
        "    def allow_migrate(self, db, app_label, **hints):\n"
        "        return False if app_label == 'bridge' else None\n"
    )

    routed = {"DJANGO_SETTINGS_MODULE": "routed_settings", "PYTHONPATH": f"{CHECKOUT}:{tmp_path}"}
    manage(sqlite_url, "migrate", "--verbosity", "0", **routed)

    assert query(path, "SELECT id FROM bridge_site_profile") == set()


# The log --------------------------------------------------------------------------------------------------------------

SIGNED_UP: Final = """
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from tests.conftest import PASSWORD, old_hash

ada = User.objects.create(username="ada", password=old_hash(PASSWORD))

def refuse(table, condition):
    with connection.cursor() as cursor:
        cursor.execute(f"ALTER TABLE {table} ADD CONSTRAINT refusing CHECK ({condition})")
"""
REFUSED: Final = {
    "upgrade": """
refuse("auth_user", "password NOT LIKE 'argon2%%'")
print(ada.check_password(PASSWORD))
""",
    "grant": """
refuse("bridge_grant", "false")
print(Client().post("/api/token/", {"username": "ada", "password": PASSWORD}).status_code == 200)
""",
    "count": """
refuse("bridge_activity", "false")
print(Client().post("/accounts/login/", {"username": "ada", "password": PASSWORD}).status_code == 302)
""",
}


@pytest.mark.parametrize("attempt", REFUSED.values(), ids=list(REFUSED))
def test_the_log_repeats_nothing_of_a_row_that_postgresql_refuses(postgresql_url: str, attempt: str):
    said = run_module(
        "legacy_django.manage",
        *("shell", "-c", SIGNED_UP + attempt),
        environment=site_environment(postgresql_url),
        folder=CHECKOUT,
    )

    assert said.stdout.splitlines()[-1] == "True"
    assert "CheckViolation" in said.stderr
    assert "Failing row" not in said.stderr


# Logins ---------------------------------------------------------------------------------------------------------------


def log_in(site: Client) -> None:
    assert site.post("/accounts/login/", {"username": "ada", "password": PASSWORD}).status_code == 302


def published_cookie_age() -> int:
    age: int = json.loads(SiteProfile.objects.get().document)["sessions"]["cookie_age"]
    return age


@pytest.mark.parametrize(("hours", "renewed"), [(23, False), (25, True)], ids=["within_a_day", "after_a_day"])
def test_logins_publish_once_a_day(
    site: Client,
    ada: User,
    settings: Settings,
    hours: int,
    renewed: bool,  # noqa: FBT001
):
    publish_profile()
    SiteProfile.objects.update(published_at=datetime.now(UTC) - timedelta(hours=hours))
    settings.SESSION_COOKIE_AGE = 4711

    log_in(site)

    assert (published_cookie_age() == 4711) is renewed


def test_a_login_is_counted_only_once_the_requests_own_transaction_is_through(
    site: Client, ada: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
):
    with django_capture_on_commit_callbacks(execute=True):
        log_in(site)
        assert not Activity.objects.exists()

    assert list(Activity.objects.values_list("app", "event", "count")) == [("django", "login_succeeded", 1)]


def test_several_logins_in_one_transaction_and_in_several_add_up(
    site: Client, ada: User, django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
):
    for logins in (2, 1):
        with django_capture_on_commit_callbacks(execute=True):
            for _ in range(logins):
                log_in(site)

    assert Activity.objects.get(event="login_succeeded").count == 3


@pytest.mark.django_db(transaction=True)
def test_a_login_at_a_site_that_commits_by_hand_succeeds(site: Client, ada: User):
    connection.set_autocommit(False)
    try:
        log_in(site)
        connection.commit()
    finally:
        connection.set_autocommit(True)


# What is published ----------------------------------------------------------------------------------------------------


def test_the_secret_keys_fallbacks_are_told_by_their_fingerprints(settings: Settings):
    settings.SECRET_KEY_FALLBACKS = ["an older secret key", b"the oldest secret key"]

    told = describe_site().secret_key_fallback_fingerprints

    assert told == (fingerprint("an older secret key"), fingerprint("the oldest secret key"))


@pytest.mark.parametrize(
    "path",
    ["rest_framework_simplejwt.authentication.JWTAuthentication", "bridge.contrib.rest_framework.JWTAuthentication"],
    ids=["its_own_class", "the_apps_class"],
)
def test_simple_jwt_without_settings_of_its_own_is_told_by_its_defaults(settings: Settings, path: str):
    settings.REST_FRAMEWORK = {"DEFAULT_AUTHENTICATION_CLASSES": [path]}
    del settings.SIMPLE_JWT

    key = SigningKey.load(DJANGO_SECRET_KEY, algorithm="HS256")
    assert describe_site().simple_jwt == SimpleJwtProfile(
        algorithm="HS256", key_fingerprint=key.fingerprint, keeps_blacklist=True
    )
