"""The report at the site, as the bridge kept it: ``manage.py bridge_report`` and the admin's page."""

import json
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final

import pytest
from django.contrib.auth.models import Permission, User
from django.core.management import CommandError, call_command
from django.test import Client

from bridge.contrib.django.models import CensusSnapshot
from bridge.progress import MigrationReport
from bridge.progress.census import Census, CensusRow, Cohort
from bridge.progress.forecast import Forecast, Milestone

NOON: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
LIST: Final = "/admin/bridge/censussnapshot/"
PAGE: Final = f"{LIST}2026-11-20/change/"


@pytest.fixture
def kept() -> dict[str, Any]:
    """What the bridge keeps: 1,200 users, and when they will be done."""
    counts = {"argon2": 900, "pbkdf2_sha256": 300}
    report = MigrationReport(
        generated_at=NOON,
        census=Census(
            {CensusRow(name, "", Cohort.WEEK, is_active=True, is_staff=False): users for name, users in counts.items()}
        ),
        forecast=Forecast((Milestone(0.9, NOON.date(), NOON.date(), NOON.date()), Milestone(0.95))),
    )
    document = report.to_document()
    CensusSnapshot(day=NOON.date(), taken_at=NOON, document=json.dumps(document)).save()
    CensusSnapshot(day=datetime(2026, 11, 21, tzinfo=UTC).date(), begun_at=NOON).save()
    return document


def printed(*arguments: str) -> str:
    output = StringIO()
    call_command("bridge_report", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_prints_the_figures(kept: dict[str, Any]):
    text = printed()

    assert "900 of 1,200 usable passwords upgraded (75.0%), 300 to go; 1,200 users in all." in text
    assert "90% of active accounts: 2026-11-20 (2026-11-20 to 2026-11-20)" in text
    assert "95% of active accounts: reached" in text


def test_the_command_gives_the_bridges_own_document(kept: dict[str, Any]):
    assert json.loads(printed("--format", "json")) == kept


def test_the_command_says_so_before_the_first_count():
    with pytest.raises(CommandError, match="bridge report --snapshot"):
        printed()


def test_the_admin_lists_the_days_that_were_counted(site: Client, kept: dict[str, Any]):
    site.force_login(User.objects.create_superuser("staff"))

    page = site.get(LIST).content.decode()

    assert "900 of 1,200 usable passwords upgraded (75.0%)" in page
    assert "1 password report" in page


def test_the_admins_page_shows_the_same_figures(site: Client, kept: dict[str, Any]):
    site.force_login(User.objects.create_superuser("staff"))

    page = site.get(PAGE).content.decode()

    for cell in ("<td>pbkdf2_sha256</td><td>300</td><td>25.0%</td>", "<td>7d</td><td>1200</td><td>900</td>"):
        assert cell in page
    assert "<td>90%</td><td>2026-11-20 (2026-11-20 to 2026-11-20)</td>" in page


@pytest.mark.parametrize("path", [f"{LIST}add/", f"{LIST}2026-11-20/delete/"], ids=["add", "delete"])
def test_nobody_changes_a_report_in_the_admin(site: Client, kept: dict[str, Any], path: str):
    site.force_login(User.objects.create_superuser("staff"))

    assert site.get(path).status_code == 403
    assert site.post(PAGE, {"document": "{}"}).status_code == 403


def test_staff_without_the_permission_see_no_report(site: Client, kept: dict[str, Any], ada: User):
    User.objects.filter(pk=ada.pk).update(is_staff=True)
    site.force_login(ada)
    assert site.get(LIST).status_code == 403

    ada.user_permissions.add(Permission.objects.get(codename="view_censussnapshot"))

    assert site.get(LIST).status_code == 200
