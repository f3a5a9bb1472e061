"""What an old site installs is enough for what it runs: no FastAPI, no pydantic, no driver that it does not use."""

import os
import subprocess
import sys
from typing import Final

import pytest

from tests.conftest import CHECKOUT

ABSENT: Final = (
    "aiosqlite",
    "dotenv",
    "fastapi",
    "httpx",
    "ninja",
    "prometheus_client",
    "psycopg",
    "psycopg_pool",
    "pydantic",
    "pydantic_settings",
    "rest_framework",
    "rest_framework_simplejwt",
    "rich",
    "starlette",
    "typer",
    "uvicorn",
)

SITE: Final = f"""
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {ABSENT!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())

import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a site's own secret key, which opens nothing anywhere else",
    DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "bridge.contrib.django"],
    PASSWORD_HASHERS=[
        "django.contrib.auth.hashers.Argon2PasswordHasher",
        "bridge.contrib.django.hashers.SHA1PasswordHasher",
    ],
    USE_TZ=True,
)
django.setup()
"""

STEPS: Final = {
    "set_up": "",
    "check": 'from django.core.management import call_command; call_command("check", fail_level="WARNING")',
    "migrate_and_publish": """
from django.core.management import call_command
call_command("migrate", verbosity=0)
from bridge.contrib.django.models import SiteProfile
assert SiteProfile.objects.count() == 1
""",
    "verify_an_old_hash": """
from django.contrib.auth.hashers import check_password
assert check_password("l\\u00e8tmein", "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8")
""",
    "answer_a_token": """
from datetime import UTC, datetime, timedelta
from django.contrib.auth.models import User
from django.core.management import call_command
from django.http import HttpResponse
from django.test import RequestFactory
from bridge.contrib.django.middleware import BearerTokenMiddleware
from bridge.tokens import KeySet, SigningKey, TokenIssuer

call_command("migrate", verbosity=0)
ada = User.objects.create(username="ada")
key = SigningKey.load(settings.SECRET_KEY, algorithm="HS256")
issuer = TokenIssuer(keys=KeySet.of_one(key), issuer="bridge", audience="django", lifetime=timedelta(minutes=1))
token, _ = issuer.issue(user_id=str(ada.pk), now=datetime.now(UTC))
answer = BearerTokenMiddleware(lambda request: HttpResponse(request.user.username))
request = RequestFactory().get("/", headers={"Authorization": f"Bearer {token}"})
assert answer(request).content == b"ada"
""",
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
def test_the_base_install_is_enough_to(step: str):
    bare = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(
        [sys.executable, "-W", "error", "-W", "ignore:'crypt':DeprecationWarning", "-c", SITE + step],
        env=bare | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
