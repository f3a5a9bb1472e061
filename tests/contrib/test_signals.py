"""Logins at the site are counted next to the bridge's own: bridge.contrib.django.signals."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.http import HttpResponse
from django.test import Client, TestCase
from pytest_django import Settings

from bridge.contrib.django.models import Activity, SiteProfile
from tests.conftest import PASSWORD


def log_in(site: Client, password: str = PASSWORD) -> HttpResponse:
    """Log in as with the request's own transaction, after which logins are counted."""
    with TestCase.captureOnCommitCallbacks(execute=True):
        answer: HttpResponse = site.post("/accounts/login/", {"username": "ada", "password": password})  # type: ignore[assignment]
    return answer


def counted() -> list[tuple[str, str, int]]:
    return list(Activity.objects.filter(event="login_succeeded").values_list("app", "event", "count"))


def test_a_login_is_counted_under_the_sites_name(site: Client, ada: User):
    log_in(site)

    assert counted() == [("django", "login_succeeded", 1)]


def test_a_login_is_counted_on_its_day(site: Client, ada: User):
    before = datetime.now(UTC).date()
    log_in(site)

    assert before <= Activity.objects.get().day <= datetime.now(UTC).date()


def test_several_logins_add_up(site: Client, ada: User):
    for _ in range(3):
        log_in(site)

    assert counted() == [("django", "login_succeeded", 3)]


def test_a_login_adds_to_what_the_bridge_has_counted_and_takes_nothing_of_it(site: Client, ada: User):
    Activity.objects.create(day=datetime.now(UTC).date(), app="bridge", event="login_succeeded", count=7)
    log_in(site)

    assert sorted(counted()) == [("bridge", "login_succeeded", 7), ("django", "login_succeeded", 1)]


def test_a_refused_login_is_not_counted(site: Client, ada: User):
    log_in(site, "wrong")

    assert counted() == []


@pytest.fixture
def _no_counters(db: None) -> None:
    """The table is gone, as before the site's first migrate; it is back when the test's transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bridge_activity")


@pytest.mark.usefixtures("_no_counters")
def test_a_login_succeeds_where_it_cannot_be_counted(site: Client, ada: User):
    assert log_in(site).status_code == 302
    assert site.get("/whoami/").json()["username"] == "ada"


@pytest.mark.usefixtures("_no_counters")
def test_a_login_that_cannot_be_counted_is_logged(site: Client, ada: User, caplog: pytest.LogCaptureFixture):
    log_in(site)

    assert "login_succeeded not counted: OperationalError" in caplog.messages


# The profile ----------------------------------------------------------------------------------------------------------


def test_a_login_publishes_a_profile_that_is_missing(site: Client, ada: User):
    SiteProfile.objects.all().delete()
    log_in(site)

    assert SiteProfile.objects.count() == 1


def test_a_login_succeeds_where_the_profile_cannot_be_renewed(site: Client, ada: User):
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE bridge_site_profile")

    assert log_in(site).status_code == 302
    assert site.get("/whoami/").json()["username"] == "ada"


def test_a_login_succeeds_at_a_site_with_local_columns(site: Client, settings: Settings):
    """SQLite and MySQL then take no aware moments."""
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"
    User.objects.create_user("ada", password=PASSWORD)
    SiteProfile.objects.all().delete()

    assert log_in(site).status_code == 302


def test_a_login_succeeds_where_the_profile_cannot_be_written_as_json(
    site: Client, ada: User, settings: Settings, tmp_path: Path
):
    settings.AUTH_PASSWORD_VALIDATORS = [
        {
            "NAME": "django.contrib.auth.password_validation.CommonPasswordValidator",
            "OPTIONS": {"password_list_path": tmp_path / "words.txt.gz"},
        }
    ]
    SiteProfile.objects.all().delete()

    assert log_in(site).status_code == 302
