"""What the app tells the bridge to trust, and which tokens it trusts itself, at sites that are other than stock."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, PBKDF2PasswordHasher
from django.contrib.auth.models import User
from django.core import checks
from django.test import Client
from pytest_django import Settings
from rest_framework_simplejwt.tokens import AccessToken

from bridge.contrib.django.describing import describe_site
from bridge.contrib.django.hashers import Argon2PBKDF2PasswordHasher
from bridge.passwords.policy import PasswordPolicy
from bridge.passwords.wrapped import DJANGO_HASHERS
from tests.conftest import CHECKOUT, PASSWORD
from tests.contrib.conftest import bearer, issued

ARGON2: Final = "django.contrib.auth.hashers.Argon2PasswordHasher"
PBKDF2: Final = "django.contrib.auth.hashers.PBKDF2PasswordHasher"


def error_ids() -> list[str | None]:
    return [each.id for each in checks.run_checks() if each.level >= checks.ERROR]


# Tokens ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "simple_jwt",
    [
        {"USER_ID_FIELD": "username"},
        {"USER_ID_CLAIM": "sub"},
        {"TOKEN_TYPE_CLAIM": "typ"},
        {"CHECK_REVOKE_TOKEN": True},
    ],
    ids=lambda each: next(iter(each)),
)
def test_a_token_of_a_site_that_reads_its_tokens_otherwise_opens_no_page(
    settings: Settings, site: Client, ada: User, simple_jwt: dict[str, Any]
):
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, **simple_jwt}
    mallory = User.objects.create_user(str(ada.pk), password=PASSWORD)  # named like ada's key
    token = AccessToken.for_user(mallory)
    # What else a site may put in, and the middleware would read if it did not know better.
    token["user_id"], token["token_type"] = str(ada.pk), "access"

    answer = site.get("/whoami/", headers={"Authorization": bearer(str(token))})

    assert (answer.status_code, answer["Location"]) == (302, "/accounts/login/?next=/whoami/")


def test_that_token_opens_the_page_where_the_site_reads_it_as_the_bridge_does(site: Client, ada: User):
    token = str(AccessToken.for_user(ada))

    assert site.get("/whoami/", headers={"Authorization": bearer(token)}).json()["username"] == "ada"


def test_the_bridges_own_token_opens_the_page_where_only_the_sites_are_not_taken(
    settings: Settings, site: Client, ada: User
):
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "CHECK_REVOKE_TOKEN": True}

    assert site.get("/whoami/", headers={"Authorization": bearer(issued(ada.pk))}).json()["username"] == "ada"


@pytest.mark.parametrize(
    ("field", "ids"), [("username", ["bridge.E002"]), ("email", ["bridge.E002"]), ("id", []), ("pk", [])]
)
def test_the_check_errs_where_users_are_named_by_another_field_than_the_key(
    settings: Settings, field: str, ids: list[str]
):
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "USER_ID_FIELD": field}

    assert error_ids() == ids


# is_active ------------------------------------------------------------------------------------------------------------

MODELS: Final = """
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models


class Person(AbstractBaseUser):
    email = models.EmailField(unique=True)
    status = models.CharField(max_length=9, default="waiting")
    USERNAME_FIELD = "email"

    class Meta:
        abstract = True


class Renamed(Person):
    is_active = models.BooleanField(default=True, db_column="active")


class Computed(Person):
    @property
    def is_active(self):
        return self.status == "member"


class Inherited(Person):
    pass


class Stored(Person):
    is_active = models.BooleanField(default=True)
"""

SITE: Final = """
import json, sys
import django
from django.conf import settings

settings.configure(
    SECRET_KEY="a site's own secret key, which opens nothing anywhere else",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "people", "bridge.contrib.django"],
    AUTH_USER_MODEL=f"people.{sys.argv[1]}",
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
    PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"],
    USE_TZ=True,
)
django.setup()

from bridge.contrib.django.describing import describe_site

site = describe_site()
found = [each.code for each in site.findings() if each.blocking]
print(json.dumps([site.user_table.always_active, "is_active" in site.user_table.columns, found]))
"""


@pytest.mark.parametrize(
    ("model", "told"),
    [
        ("Renamed", [False, False, ["active-flag"]]),
        ("Computed", [False, False, ["active-flag"]]),
        ("Inherited", [True, False, []]),
        ("Stored", [False, True, []]),
    ],
)
def test_a_site_tells_how_its_inactive_users_are_known(tmp_path: Path, model: str, told: list[Any]):
    (tmp_path / "people").mkdir()
    (tmp_path / "people" / "__init__.py").touch()
    (tmp_path / "people" / "models.py").write_text(MODELS)
    bare = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}

    done = subprocess.run(
        [sys.executable, "-c", SITE, model],
        env=bare | {"PYTHONPATH": os.pathsep.join((str(tmp_path), str(CHECKOUT)))},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == told


# Hashers --------------------------------------------------------------------------------------------------------------


class Peppered:
    """Puts a secret of the site's into every password."""

    def encode(self, password: str, salt: str, *arguments: Any) -> str:
        encoded: str = super().encode(f"{password}pepper", salt, *arguments)  # type: ignore[misc]  # a mixin
        return encoded

    def verify(self, password: str, encoded: str) -> bool:
        valid: bool = super().verify(f"{password}pepper", encoded)  # type: ignore[misc]  # likewise
        return valid


class PepperedArgon2(Peppered, Argon2PasswordHasher):
    """The secret as a mixin."""


class PepperedPBKDF2(Peppered, PBKDF2PasswordHasher):
    """Likewise."""

    iterations = 1000


class PBKDF2ThatVerifiesItsOwnWay(PBKDF2PasswordHasher):
    """One method is enough."""

    def verify(self, password: str, encoded: str) -> bool:
        return super().verify(password.casefold(), encoded)


class CheaperPBKDF2(PBKDF2PasswordHasher):
    """Other costs alone."""

    iterations = 1000


class CheaperArgon2(Argon2PasswordHasher):
    """Likewise."""

    time_cost, memory_cost, parallelism = 1, 64, 1


def test_an_argon2_with_a_pepper_is_one_that_the_bridge_cannot_write(settings: Settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.PepperedArgon2"]

    told = describe_site()

    assert not told.hashers[0].reproducible
    assert "argon2-other-parameters" in [found.code for found in told.findings() if found.blocking]
    assert not told.takes_argon2
    assert told.accepted_algorithms == frozenset()


@pytest.mark.parametrize("hasher", ["PepperedPBKDF2", "PBKDF2ThatVerifiesItsOwnWay"])
def test_a_hasher_that_encodes_or_verifies_in_its_own_way_is_not_accepted(settings: Settings, hasher: str):
    settings.PASSWORD_HASHERS = [ARGON2, f"{__name__}.{hasher}"]

    told = describe_site()

    assert [each.stock for each in told.hashers] == [True, False]
    assert told.accepted_algorithms == {"argon2"}
    assert not told.findings()


def test_a_peppered_value_verifies_with_no_password_at_the_bridge(settings: Settings):
    settings.PASSWORD_HASHERS = [ARGON2, f"{__name__}.PepperedPBKDF2"]
    stored = PepperedPBKDF2().encode(PASSWORD, "salt")

    policy = PasswordPolicy(accepted=describe_site().accepted_algorithms)

    assert not any(policy.verify(each, stored).valid for each in (PASSWORD, f"{PASSWORD}pepper"))


class WrapsAPepperedValue(Argon2PBKDF2PasswordHasher):
    """Computes the old value in a way of its own."""

    old = PepperedPBKDF2


@pytest.mark.parametrize(
    ("path", "accepted"),
    [
        pytest.param(DJANGO_HASHERS["argon2_pbkdf2_sha256"], True, id="ours"),
        pytest.param(f"{__name__}.WrapsAPepperedValue", False, id="of_a_hasher_with_a_pepper"),
    ],
)
def test_a_wrapping_hasher_is_accepted_if_it_is_ours(settings: Settings, path: str, *, accepted: bool):
    settings.PASSWORD_HASHERS = [ARGON2, path]

    assert ("argon2_pbkdf2_sha256" in describe_site().accepted_algorithms) is accepted


def test_hashers_with_nothing_but_costs_of_their_own_stay_accepted(settings: Settings):
    settings.PASSWORD_HASHERS = [f"{__name__}.CheaperArgon2", f"{__name__}.CheaperPBKDF2"]

    told = describe_site()

    assert told.accepted_algorithms == {"argon2", "pbkdf2_sha256"}
    assert told.takes_argon2
