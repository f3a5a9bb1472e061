"""Sites whose users are not Django's own. A process has one user model, so each site here is a process."""

import json
import os
import subprocess
import sys
from typing import Any, Final

import pytest

from bridge.profile import Membership, UserTable
from tests.conftest import CHECKOUT

SITE: Final = """
import json, sys
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a site's own secret key, which opens nothing anywhere else",
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=[
        "django.contrib.auth",
        "django.contrib.contenttypes",
        "tests.contrib.customers",
        "bridge.contrib.django",
    ],
    AUTH_USER_MODEL=f"customers.{sys.argv[1]}",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"],
    USE_TZ=True,
)
django.setup()

from bridge.contrib.django.checks import check_site
from bridge.contrib.django.describing import describe_site

profile = describe_site()
print(json.dumps({"table": profile.to_document()["user_table"], "ids": [each.id for each in check_site(None)]}))
"""


def told_by_site_of(model: str) -> dict[str, Any]:
    bare = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    done = subprocess.run(
        [sys.executable, "-c", SITE, model],
        env=bare | {"PYTHONPATH": str(CHECKOUT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def test_a_table_and_a_key_of_ones_own_are_told():
    table = UserTable.from_document(told_by_site_of("Customer")["table"])

    assert (table.name, table.key, table.key_type) == ("crm_customer", "customer_id", "uuid")
    assert (table.username, table.columns) == ("username", UserTable().columns)
    assert table.groups == Membership("crm_customer_groups", "customer_id", "group_id")
    assert table.permissions == Membership("crm_customer_user_permissions", "customer_id", "permission_id")


def test_columns_that_the_model_lacks_or_names_otherwise_are_not_told():
    table = UserTable.from_document(told_by_site_of("Subscriber")["table"])

    assert (table.key, table.key_type, table.username) == ("email", "text", "email")
    assert table.columns == {"password": 128, "email": 254, "last_login": None}
    assert (table.groups, table.permissions) == (None, None)


@pytest.mark.parametrize(
    ("model", "ids"),
    [
        ("Customer", []),
        ("Subscriber", ["bridge.W010"]),
        ("OwnSessionHash", ["bridge.W006"]),
        ("OwnPasswordCheck", ["bridge.W007"]),
        ("HiddenOnceDeleted", ["bridge.W017"]),
    ],
)
def test_the_check_finds_what_a_model_does_in_its_own_way(model: str, ids: list[str]):
    assert told_by_site_of(model)["ids"] == ids
