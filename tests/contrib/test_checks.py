"""What ``manage.py check`` says of the site: each finding where it applies and nowhere else."""

import os
import subprocess
import sys
from typing import Any, Final

import pytest
from django.apps import apps
from django.contrib.auth.backends import ModelBackend
from django.core import checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.http import HttpRequest
from pytest_django import Settings

from bridge.contrib.django.checks import check_site
from bridge.contrib.django.describing import describe_site
from tests.conftest import CHECKOUT, SIGNING_KEY, site_environment

ARGON2: Final = "django.contrib.auth.hashers.Argon2PasswordHasher"
PBKDF2: Final = "django.contrib.auth.hashers.PBKDF2PasswordHasher"
ABSENT_ARGON2: Final = "tests.contrib.hashers.Argon2WithoutItsLibrary"


def found() -> list[checks.CheckMessage]:
    return [each for each in checks.run_checks() if (each.id or "").startswith("bridge.")]


def ids() -> list[str | None]:
    return [each.id for each in found()]


@pytest.mark.parametrize(
    ("hashers", "expected"),
    [
        pytest.param([PBKDF2], ["bridge.W001"], id="argon2_is_not_listed"),
        pytest.param([PBKDF2, ARGON2], ["bridge.W002"], id="argon2_is_not_first"),
        pytest.param([ABSENT_ARGON2, PBKDF2], ["bridge.W003"], id="argon2_is_not_installed"),
        pytest.param([PBKDF2, ABSENT_ARGON2], ["bridge.W002", "bridge.W003"], id="argon2_is_neither"),
        pytest.param(["tests.contrib.hashers.Argon2OfAnotherVariant"], ["bridge.W004"], id="another_variant"),
        pytest.param(["tests.contrib.hashers.Argon2TooLongForTheColumn"], ["bridge.W005"], id="too_long"),
        pytest.param([ARGON2], [], id="argon2_alone"),
        pytest.param([ARGON2, PBKDF2], [], id="argon2_first"),
        pytest.param(["tests.contrib.hashers.SaltierArgon2", PBKDF2], [], id="an_argon2_of_ones_own_first"),
    ],
)
def test_the_check_finds_hashers_that_are_unsafe(settings: Settings, hashers: list[str], expected: list[str]):
    settings.PASSWORD_HASHERS = hashers

    assert ids() == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        pytest.param("django.contrib.auth.middleware.AuthenticationMiddleware", ["bridge.W008"], id="djangos"),
        pytest.param("bridge.contrib.django.middleware.AuthenticationMiddleware", [], id="the_apps"),
    ],
)
def test_the_check_finds_middleware_that_loses_sessions(settings: Settings, path: str, expected: list[str]):
    sessions = "django.contrib.sessions.middleware.SessionMiddleware"
    messages = "django.contrib.messages.middleware.MessageMiddleware"
    settings.MIDDLEWARE = [sessions, path, messages]

    assert ids() == expected


ENGINES: Final = "django.contrib.sessions.backends"


@pytest.mark.parametrize(
    ("engine", "expected"),
    [
        pytest.param(f"{ENGINES}.db", ["bridge.W008"], id="db"),
        pytest.param(f"{ENGINES}.cached_db", ["bridge.W008", "bridge.W015"], id="cached_db"),
        pytest.param(f"{ENGINES}.signed_cookies", ["bridge.W008", "bridge.W015"], id="signed_cookies"),
        pytest.param(f"{ENGINES}.cache", ["bridge.W008", "bridge.W015", "bridge.W012"], id="cache"),
    ],
)
def test_the_check_finds_sessions_that_outlive_a_logout_at_the_bridge(
    settings: Settings, engine: str, expected: list[str]
):
    ours, djangos = (
        f"{each}.middleware.AuthenticationMiddleware" for each in ("bridge.contrib.django", "django.contrib.auth")
    )
    settings.SESSION_ENGINE = engine
    settings.MIDDLEWARE = [djangos if path == ours else path for path in settings.MIDDLEWARE]

    assert ids() == expected


JSON: Final = "django.contrib.sessions.serializers.JSONSerializer"


@pytest.mark.parametrize(
    ("engine", "serializer", "expected"),
    [
        pytest.param(f"{ENGINES}.db", JSON, [], id="db"),
        pytest.param(f"{ENGINES}.cached_db", "django.core.signing.JSONSerializer", [], id="cached_db"),
        pytest.param(f"{ENGINES}.signed_cookies", JSON, [], id="signed_cookies"),
        pytest.param(f"{ENGINES}.cache", JSON, ["bridge.W012"], id="cache"),
        pytest.param(f"{ENGINES}.file", JSON, ["bridge.W012"], id="file"),
        pytest.param("redis_sessions.session", JSON, ["bridge.W012"], id="foreign"),
        pytest.param(f"{ENGINES}.db", "shop.PickleSerializer", ["bridge.W012"], id="pickled"),
    ],
)
def test_the_check_finds_sessions_that_the_bridge_cannot_read(
    settings: Settings, engine: str, serializer: str, expected: list[str]
):
    settings.SESSION_ENGINE, settings.SESSION_SERIALIZER = engine, serializer

    assert ids() == expected


def test_a_site_without_sessions_has_none_that_could_not_be_read(settings: Settings):
    settings.SESSION_ENGINE = f"{ENGINES}.cache"
    settings.MIDDLEWARE, settings.INSTALLED_APPS = [], [each for each in settings.INSTALLED_APPS if "admin" not in each]

    assert ids() == []


def test_the_check_finds_urls_that_could_not_be_listed(settings: Settings):
    settings.ROOT_URLCONF = "tests.site.no_such_urls"

    assert [each.id for each in check_site(None)] == ["bridge.W016"]


@pytest.mark.parametrize(("on", "expected"), [(True, ["bridge.W009"]), (False, [])], ids=["on", "off"])
def test_the_check_finds_tokens_that_a_re_hash_would_void(
    settings: Settings,
    on: bool,  # noqa: FBT001
    expected: list[str],
):
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "CHECK_REVOKE_TOKEN": on}

    assert ids() == expected


@pytest.mark.parametrize(
    ("changed", "named"),
    [
        pytest.param({"BRIDGE": {"SIGNING_KEY": "short"}}, "BRIDGE['SIGNING_KEY']", id="the_bridges_own"),
        pytest.param({"SIMPLE_JWT": {"SIGNING_KEY": "short"}}, "SIMPLE_JWT['SIGNING_KEY']", id="simple_jwts"),
        pytest.param({"SIMPLE_JWT": {}, "SECRET_KEY": "short"}, "SECRET_KEY", id="djangos"),
        pytest.param({"BRIDGE": {"SIGNING_ALGORITHM": "HS1"}}, "BRIDGE['SIGNING_ALGORITHM']", id="its_algorithm"),
        pytest.param({"SIMPLE_JWT": {"ALGORITHM": "HS1"}}, "SIMPLE_JWT['ALGORITHM']", id="simple_jwts_algorithm"),
        pytest.param(
            {"SIMPLE_JWT": {"ALGORITHM": "ES256", "SIGNING_KEY": SIGNING_KEY}},
            "SIMPLE_JWT['SIGNING_KEY']",
            id="of_a_key_pair",
        ),
    ],
)
def test_the_check_names_the_sites_own_setting(settings: Settings, changed: dict[str, Any], named: str):
    for name, value in changed.items():
        setattr(settings, name, value)

    (found,) = [each for each in checks.run_checks() if each.id == "bridge.E001"]

    assert named in found.msg
    assert "BRIDGE_SIGNING" not in f"{found.msg} {found.hint}"


@pytest.mark.parametrize(
    ("simple_jwt", "expected"),
    [
        pytest.param({"SIGNING_KEY": "short"}, ["bridge.E001"], id="weak"),
        pytest.param({"SIGNING_KEY": SIGNING_KEY, "ALGORITHM": "HS1"}, ["bridge.E001"], id="unknown_algorithm"),
        pytest.param({"SIGNING_KEY": SIGNING_KEY, "ALGORITHM": "RS256"}, ["bridge.E001"], id="not_of_the_algorithm"),
        pytest.param({"SIGNING_KEY": SIGNING_KEY}, [], id="good"),
        pytest.param({}, [], id="djangos_secret_key"),
    ],
)
def test_the_check_finds_a_key_that_cannot_verify(settings: Settings, simple_jwt: dict[str, Any], expected: list[str]):
    settings.SIMPLE_JWT = simple_jwt

    assert ids() == expected


STOCK_REFRESHING: Final = "rest_framework_simplejwt.serializers.TokenRefreshSerializer"
OUR_REFRESHING: Final = "bridge.contrib.rest_framework.TokenRefreshSerializer"


@pytest.mark.parametrize(
    ("simple_jwt", "expected"),
    [
        pytest.param({"ROTATE_REFRESH_TOKENS": True}, ["bridge.W013"], id="by_default"),
        pytest.param(
            {"ROTATE_REFRESH_TOKENS": True, "TOKEN_REFRESH_SERIALIZER": STOCK_REFRESHING}, ["bridge.W013"], id="by_name"
        ),
        pytest.param({"ROTATE_REFRESH_TOKENS": True, "TOKEN_REFRESH_SERIALIZER": OUR_REFRESHING}, [], id="ours"),
        pytest.param(
            {"ROTATE_REFRESH_TOKENS": True, "TOKEN_REFRESH_SERIALIZER": "shop.Serializer"}, [], id="one_of_their_own"
        ),
        pytest.param({"ROTATE_REFRESH_TOKENS": False}, [], id="without_rotation"),
    ],
)
def test_the_check_finds_a_rotation_that_lets_several_live(
    settings: Settings, simple_jwt: dict[str, Any], expected: list[str]
):
    settings.SIMPLE_JWT = {"SIGNING_KEY": SIGNING_KEY, **simple_jwt}

    assert ids() == expected


def test_such_a_rotation_holds_no_upgrade_up(settings: Settings):
    settings.SIMPLE_JWT = {"SIGNING_KEY": SIGNING_KEY, "ROTATE_REFRESH_TOKENS": True}

    assert describe_site().findings() == ()


OBTAINING: Final = "rest_framework_simplejwt.serializers.TokenObtainPairSerializer"
OUR_OBTAINING: Final = "bridge.contrib.rest_framework.TokenObtainPairSerializer"


@pytest.mark.parametrize(
    ("simple_jwt", "expected"),
    [
        pytest.param({}, ["bridge.W014"], id="by_default"),
        pytest.param({"TOKEN_OBTAIN_SERIALIZER": OBTAINING}, ["bridge.W014"], id="by_name"),
        pytest.param(
            {"TOKEN_OBTAIN_SERIALIZER": "legacy_django.shop.gone.Serializer"},
            ["bridge.W014"],
            id="one_that_is_not_there",
        ),
        pytest.param(
            {"TOKEN_OBTAIN_SERIALIZER": "legacy_django.urls.urlpatterns"}, ["bridge.W014"], id="no_serializer"
        ),
        pytest.param({"TOKEN_OBTAIN_SERIALIZER": OUR_OBTAINING}, [], id="ours"),
        pytest.param(
            {"TOKEN_OBTAIN_SERIALIZER": "tests.site.guarded_serializers.AskingSerializer"}, [], id="derived_from_ours"
        ),
    ],
)
def test_the_check_finds_a_login_that_asks_for_no_second_factor(
    settings: Settings, simple_jwt: dict[str, Any], expected: list[str]
):
    settings.INSTALLED_APPS = [*settings.INSTALLED_APPS, "django_otp"]
    settings.SIMPLE_JWT = {"SIGNING_KEY": SIGNING_KEY, **simple_jwt}

    assert ids() == expected


def test_where_no_app_has_second_factors_no_login_has_to_ask(settings: Settings):
    settings.SIMPLE_JWT = {"SIGNING_KEY": SIGNING_KEY}

    assert ids() == []


def test_a_secret_key_of_bytes_verifies_too(settings: Settings):
    """Django allows both: "Uses of the key shouldn't assume that it's text or bytes" (ref/settings)."""
    del settings.SIMPLE_JWT
    settings.SECRET_KEY = b"a secret key of bytes, as Django allows it, and long enough"

    assert ids() == []


def test_a_key_that_cannot_verify_is_an_error(settings: Settings):
    settings.SIMPLE_JWT = {"SIGNING_KEY": "short"}

    assert [each.level for each in found()] == [checks.ERROR]


def test_no_message_repeats_the_key(settings: Settings):
    settings.SIMPLE_JWT = {"SIGNING_KEY": "swordfish"}

    assert "swordfish" not in str(found())


def test_what_only_holds_the_upgrade_up_is_a_warning(settings: Settings):
    settings.PASSWORD_HASHERS = [PBKDF2]

    assert [each.level for each in found()] == [checks.WARNING]


def test_a_finding_hints_at_its_cure(settings: Settings):
    settings.PASSWORD_HASHERS = [PBKDF2]

    assert [each.hint for each in found()] == [f"Put {ARGON2} first in PASSWORD_HASHERS."]


def test_a_check_of_other_apps_alone_says_nothing(settings: Settings):
    settings.PASSWORD_HASHERS = [PBKDF2]

    assert check_site([apps.get_app_config("shop")]) == []


def test_a_check_of_the_bridge_alone_does(settings: Settings):
    settings.PASSWORD_HASHERS = [PBKDF2]

    assert [each.id for each in check_site([apps.get_app_config("bridge")])] == ["bridge.W001"]


def test_the_command_fails_where_one_asks_it_to(settings: Settings):
    settings.PASSWORD_HASHERS = [PBKDF2]

    with pytest.raises(SystemCheckError, match=r"bridge\.W001"):
        call_command("check", fail_level="WARNING")


def test_the_shop_is_clean():
    """With its own settings, as an operator runs it."""
    done = subprocess.run(
        [sys.executable, "-m", "legacy_django.manage", "check", "--fail-level", "WARNING"],
        env=site_environment("sqlite:///:memory:", DJANGO_SETTINGS_MODULE="legacy_django.settings"),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout.strip()) == (
        os.EX_OK,
        "System check identified no issues (0 silenced).",
    ), done.stderr


class Tickets(ModelBackend):
    """Lets in by something else than a password."""

    # Django lets each backend name what it takes.
    def authenticate(self, request: HttpRequest | None, **credentials: Any) -> None:  # type: ignore[override]
        return None


OWN: Final = f"{__name__}.Tickets"
ACCOUNTS: Final = "django.contrib.auth.backends"


@pytest.mark.parametrize(
    ("backends", "expected"),
    [
        pytest.param([f"{ACCOUNTS}.ModelBackend"], [], id="djangos"),
        pytest.param([f"{ACCOUNTS}.AllowAllUsersModelBackend"], [], id="djangos_for_all"),
        pytest.param([OWN, f"{ACCOUNTS}.ModelBackend"], [], id="own_and_djangos"),
        pytest.param([OWN], ["bridge.W017"], id="own"),
    ],
)
def test_the_check_finds_that_no_backend_lets_in_whom_the_bridge_does(
    settings: Settings, backends: list[str], expected: list[str]
):
    settings.AUTHENTICATION_BACKENDS = backends

    assert ids() == expected
