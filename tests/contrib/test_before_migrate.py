"""Between the app's deployment and the site's migrate: nobody who is logged in notices."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any, Final, TypeAlias

import pytest

from tests.conftest import manage
from tests.contrib.conftest import issued

OWN_TABLES: Final = ("bridge_grant", "bridge_revoked_token")
BROWSE: Final = """
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

settings.SESSION_ENGINE = "django.contrib.sessions.backends.{engine}"
settings.ALLOWED_HOSTS = ["testserver"]
ada = User.objects.create_user("ada")
site = Client()
site.force_login(ada)
print(site.get("/whoami/").status_code)
"""
ASK: Final = """
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client
from rest_framework_simplejwt.tokens import AccessToken

settings.ALLOWED_HOSTS = ["testserver"]
ada = User.objects.create_user("ada", pk={key})
for token in (AccessToken.for_user(ada), "{bridges}"):
    for path in ("/api/me/", "/whoami/"):
        print(Client().get(path, headers={{"Authorization": f"Bearer {{token}}"}}).status_code)
"""

Run: TypeAlias = Callable[..., list[str]]


@pytest.fixture
def run(sqlite_url: str, tmp_path: Path) -> Run:
    """Run a script at a site that has the app and not yet its tables; give the lines that it printed."""
    with closing(sqlite3.connect(tmp_path / "site.sqlite3")) as connection:
        for table in OWN_TABLES:
            connection.execute(f"DROP TABLE {table}")

    def run(script: str, **names: Any) -> list[str]:
        return manage(sqlite_url, "shell", "--verbosity", "0", "-c", script.format(**names)).split()

    return run


@pytest.mark.parametrize("engine", ["cached_db", "signed_cookies"])
def test_sessions_go_on(run: Run, engine: str):
    assert run(BROWSE, engine=engine) == ["200"]


def test_the_sites_tokens_do_and_the_bridges_open_nothing(run: Run):
    """Hers would be of a grant, and there is none; the plain view sends its caller to the login page."""
    key = 4711
    assert run(ASK, key=key, bridges=issued(key, session_id="a grant")) == ["200", "200", "401", "302"]
