"""What the site tells the bridge about itself: bridge.contrib.django.publishing."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any, Final

import django
import pytest
from django.core.management import call_command
from pytest_django import Settings

from bridge.contrib.django.describing import describe_site
from bridge.contrib.django.models import SiteProfile as Row
from bridge.contrib.django.publishing import publish_profile
from bridge.passwords.parameters import Argon2Parameters
from bridge.profile import SessionProfile, SimpleJwtProfile, SiteProfile, UserTable, fingerprint
from bridge.tokens.keys import SigningKey
from tests.conftest import DJANGO_SECRET_KEY, SIGNING_KEY

DJANGO: Final = "django.contrib.auth.hashers."
ARGON2: Final = f"{DJANGO}Argon2PasswordHasher"
PBKDF2: Final = f"{DJANGO}PBKDF2PasswordHasher"
BCRYPT: Final = f"{DJANGO}BCryptPasswordHasher"
OURS: Final = "bridge.contrib.django.hashers."
ABSENT_ARGON2: Final = "tests.contrib.hashers.Argon2WithoutItsLibrary"
ABSENT_BCRYPT: Final = "tests.contrib.hashers.BCryptWithoutItsLibrary"


def published() -> SiteProfile:
    """The profile as the bridge reads it."""
    return SiteProfile.from_document(json.loads(Row.objects.get().document))


# Hashers --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "algorithms"),
    [
        pytest.param([ARGON2], ["argon2"], id="one"),
        pytest.param([PBKDF2, ARGON2, BCRYPT], ["pbkdf2_sha256", "argon2", "bcrypt"], id="argon2_second"),
        pytest.param([PBKDF2], ["pbkdf2_sha256"], id="without_argon2"),
        pytest.param(
            [
                f"{OURS}SHA1PasswordHasher",
                f"{OURS}UnsaltedSHA1PasswordHasher",
                f"{OURS}UnsaltedMD5PasswordHasher",
            ],
            ["sha1", "unsalted_sha1", "unsalted_md5"],
            id="ours",
        ),
    ],
)
def test_the_hashers_are_listed_in_their_order(settings: Settings, paths: list[str], algorithms: list[str]):
    settings.PASSWORD_HASHERS = paths

    hashers = describe_site().hashers

    assert [each.algorithm for each in hashers] == algorithms
    assert [each.path for each in hashers] == paths


@pytest.mark.parametrize(
    ("path", "available"),
    [
        pytest.param(ARGON2, True, id="argon2_is_installed"),
        pytest.param(BCRYPT, True, id="bcrypt_is_installed"),
        pytest.param(PBKDF2, True, id="pbkdf2_needs_no_library"),
        pytest.param(f"{OURS}SHA1PasswordHasher", True, id="ours_need_no_library"),
        pytest.param(f"{OURS}Argon2MD5PasswordHasher", True, id="those_of_wrapped_values_need_argon2"),
        pytest.param(ABSENT_ARGON2, False, id="argon2_is_missing"),
        pytest.param(ABSENT_BCRYPT, False, id="bcrypt_is_missing"),
    ],
)
def test_a_hasher_is_available_if_its_library_is(settings: Settings, path: str, available: bool):  # noqa: FBT001
    settings.PASSWORD_HASHERS = [path]

    (hasher,) = describe_site().hashers

    assert hasher.available is available


def test_a_hasher_whose_library_is_missing_is_not_accepted_by_the_site(settings: Settings):
    settings.PASSWORD_HASHERS = [PBKDF2, ABSENT_BCRYPT]

    assert describe_site().accepted_algorithms == {"pbkdf2_sha256"}


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        pytest.param(ARGON2, Argon2Parameters(2, 102_400, 8, 22), id="stock"),
        pytest.param("tests.contrib.hashers.SaltierArgon2", Argon2Parameters(3, 2048, 2, 33), id="of_ones_own"),
        pytest.param(ABSENT_ARGON2, Argon2Parameters(), id="without_its_library"),
    ],
)
def test_the_parameters_of_argon2_are_those_of_the_listed_class(
    settings: Settings, path: str, parameters: Argon2Parameters
):
    settings.PASSWORD_HASHERS = [PBKDF2, path]

    assert describe_site().argon2_parameters == parameters


def test_the_salt_is_as_long_as_django_would_make_it(settings: Settings):
    settings.PASSWORD_HASHERS = ["tests.contrib.hashers.SaltierArgon2"]
    from tests.contrib.hashers import SaltierArgon2  # noqa: PLC0415  # by the path above

    assert describe_site().argon2_parameters.salt_length == len(SaltierArgon2().salt())


def test_other_hashers_tell_no_parameters(settings: Settings):
    settings.PASSWORD_HASHERS = [PBKDF2]

    assert [each.parameters for each in describe_site().hashers] == [{}]


# Everything else ------------------------------------------------------------------------------------------------------


def test_the_user_table_is_stock_djangos():
    assert describe_site().user_table == UserTable()


def test_the_sessions_are_as_the_app_wants_them():
    assert describe_site().sessions == SessionProfile()


def test_sessions_are_told_as_they_are_configured(settings: Settings):
    settings.SESSION_COOKIE_AGE, settings.SESSION_ENGINE = 60, "django.contrib.sessions.backends.cached_db"

    told = describe_site().sessions

    assert (told.cookie_age, told.engine) == (60, "django.contrib.sessions.backends.cached_db")


@pytest.mark.parametrize(
    ("engine", "without", "in_use"),
    [
        ("db", "django.contrib.sessions.middleware.SessionMiddleware", False),
        ("db", "django.contrib.sessions", False),
        ("signed_cookies", "django.contrib.sessions", True),
        ("signed_cookies", "nothing", True),
    ],
    ids=["no_middleware", "no_table", "no_table_needed", "everything"],
)
def test_sessions_that_are_not_in_use_are_told_so(settings: Settings, engine: str, without: str, *, in_use: bool):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    settings.MIDDLEWARE = [each for each in settings.MIDDLEWARE if each != without]
    settings.INSTALLED_APPS = [each for each in settings.INSTALLED_APPS if each != without]

    assert describe_site().sessions.in_use is in_use


def test_the_csrf_settings_are_told_as_they_are_configured(settings: Settings):
    settings.CSRF_TRUSTED_ORIGINS = ["https://*.example.com"]
    settings.CSRF_USE_SESSIONS, settings.CSRF_HEADER_NAME = True, "HTTP_X_OURS"
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

    told = describe_site().csrf

    assert (told.use_sessions, told.header_name, told.is_enforced) == (True, "HTTP_X_OURS", True)
    assert told.trusted_origins == ("https://*.example.com",)
    assert told.secure_proxy_ssl_header == ("HTTP_X_FORWARDED_PROTO", "https")


def test_hosts_are_those_that_debug_adds_to_none(settings: Settings):
    settings.DEBUG, settings.ALLOWED_HOSTS = True, []

    assert describe_site().csrf.allowed_hosts == (".localhost", "127.0.0.1", "[::1]")


def test_a_site_without_the_csrf_middleware_says_so(settings: Settings):
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "Csrf" not in path]

    assert not describe_site().csrf.is_enforced


@pytest.mark.parametrize(
    ("configured", "told"),
    [("login", "/accounts/login/"), ("/sign-in/", "/sign-in/"), ("no-such-name", "no-such-name")],
)
def test_the_login_page_is_told_as_an_address(settings: Settings, configured: str, told: str):
    settings.LOGIN_URL = configured

    assert describe_site().sessions.login_url == told


def test_djangos_version_is_told():
    assert describe_site().django_version == django.get_version()


def test_aware_columns_need_no_time_zone():
    assert describe_site().time_zone is None


def test_local_columns_name_their_time_zone(settings: Settings):
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"

    assert describe_site().time_zone == "Europe/Berlin"


def test_the_moment_of_publishing_is_exact_with_local_columns(settings: Settings):
    settings.USE_TZ, settings.TIME_ZONE = False, "Pacific/Auckland"

    assert abs(describe_site().published_at - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_validators_are_told_as_they_are_configured(settings: Settings):
    validators = [
        {
            "NAME": "django.contrib.auth.password_validation.MinimumLengthValidator",
            "OPTIONS": {"min_length": 12},
        },
        {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
    ]
    settings.AUTH_PASSWORD_VALIDATORS = validators

    assert list(describe_site().validators) == validators


@pytest.mark.parametrize(
    ("simple_jwt", "told"),
    [
        pytest.param({}, SimpleJwtProfile(), id="nothing"),
        pytest.param({"ALGORITHM": "RS256"}, SimpleJwtProfile(algorithm="RS256"), id="the_algorithm"),
        pytest.param(
            {"ISSUER": "https://shop.example"}, SimpleJwtProfile(issuer="https://shop.example"), id="the_issuer"
        ),
        pytest.param({"AUDIENCE": "shop"}, SimpleJwtProfile(audience="shop"), id="the_audience"),
        pytest.param({"USER_ID_CLAIM": "uid"}, SimpleJwtProfile(user_id_claim="uid"), id="the_user_id_claim"),
        pytest.param({"USER_ID_FIELD": "id"}, SimpleJwtProfile(), id="the_key_as_user_id_field"),
        pytest.param({"USER_ID_FIELD": "pk"}, SimpleJwtProfile(), id="pk_as_user_id_field"),
        pytest.param(
            {"USER_ID_FIELD": "username"}, SimpleJwtProfile(user_id_field_is_key=False), id="another_user_id_field"
        ),
        pytest.param({"TOKEN_TYPE_CLAIM": None}, SimpleJwtProfile(token_type_claim=None), id="no_token_type"),
        pytest.param({"JTI_CLAIM": "id"}, SimpleJwtProfile(jti_claim="id"), id="the_jti_claim"),
        pytest.param({"AUTH_HEADER_TYPES": ("JWT",)}, SimpleJwtProfile(header_types=("JWT",)), id="the_header_types"),
        pytest.param({"CHECK_REVOKE_TOKEN": True}, SimpleJwtProfile(check_revoke_token=True), id="check_revoke_token"),
        pytest.param(
            {"REFRESH_TOKEN_LIFETIME": timedelta(days=30)},
            SimpleJwtProfile(refresh_token_lifetime=30 * 86_400),
            id="the_refresh_tokens_lifetime",
        ),
    ],
)
def test_simple_jwt_is_told_as_it_is_configured(settings: Settings, simple_jwt: dict[str, Any], told: SimpleJwtProfile):
    settings.SIMPLE_JWT = simple_jwt

    found = describe_site().simple_jwt

    assert found is not None
    assert replace(found, key_fingerprint=None, keeps_blacklist=False) == told


def test_the_sites_blacklist_is_told():
    found = describe_site().simple_jwt

    assert found is not None
    assert found.keeps_blacklist


@pytest.mark.parametrize(
    ("simple_jwt", "key"),
    [
        pytest.param({"SIGNING_KEY": SIGNING_KEY}, SIGNING_KEY, id="its_own"),
        pytest.param({}, DJANGO_SECRET_KEY, id="djangos_secret_key"),
    ],
)
def test_simple_jwts_key_is_told_by_the_fingerprint_that_the_bridges_key_has(
    settings: Settings, simple_jwt: dict[str, str], key: str
):
    settings.SIMPLE_JWT = simple_jwt

    told = describe_site().simple_jwt

    assert told is not None
    assert told.key_fingerprint == SigningKey.load(key, algorithm="HS256").fingerprint


def test_where_simple_jwt_fetches_its_keys_there_is_no_fingerprint(settings: Settings):
    settings.SIMPLE_JWT = {"ALGORITHM": "RS256", "JWK_URL": "https://id.example/jwks.json"}

    told = describe_site().simple_jwt

    assert told is not None
    assert told.key_fingerprint is None


@pytest.mark.parametrize(
    ("app", "keeps_blacklist"),
    [("rest_framework_simplejwt", False), ("rest_framework_simplejwt.token_blacklist", True)],
    ids=["by_itself", "with_its_blacklist"],
)
def test_simple_jwt_is_told_where_it_is_only_installed(settings: Settings, app: str, *, keeps_blacklist: bool):
    """As where each view names its own authentication classes, and the settings are SimpleJWT's own."""
    del settings.SIMPLE_JWT
    settings.REST_FRAMEWORK = {}
    settings.INSTALLED_APPS = [*without_simple_jwt(settings.INSTALLED_APPS), app]

    told = describe_site().simple_jwt

    assert told is not None
    assert told.keeps_blacklist is keeps_blacklist


def without_simple_jwt(apps: list[str]) -> list[str]:
    return [each for each in apps if not each.startswith("rest_framework_simplejwt")]


def test_without_simple_jwt_there_is_nothing_to_tell_of_it(settings: Settings):
    del settings.SIMPLE_JWT
    settings.REST_FRAMEWORK = {}
    settings.INSTALLED_APPS = without_simple_jwt(settings.INSTALLED_APPS)

    assert describe_site().simple_jwt is None


def test_the_secret_key_is_told_by_its_fingerprint(settings: Settings):
    settings.SECRET_KEY = "another secret key"

    assert describe_site().secret_key_fingerprint == fingerprint("another secret key")


def test_a_secret_key_of_bytes_is_one_too(settings: Settings):
    """Django allows both (docs, ref/settings: "Uses of the key shouldn't assume that it's text or bytes")."""
    settings.SECRET_KEY = b"a secret key of bytes, as Django allows it"

    assert describe_site().secret_key_fingerprint == fingerprint("a secret key of bytes, as Django allows it")


# Publishing -----------------------------------------------------------------------------------------------------------


def test_what_is_published_is_what_was_described():
    assert publish_profile() == published()


def test_a_second_publication_replaces_the_first(settings: Settings):
    publish_profile()
    settings.PASSWORD_HASHERS = [PBKDF2]
    publish_profile()

    assert [each.algorithm for each in published().hashers] == ["pbkdf2_sha256"]


def test_the_row_says_when():
    told = publish_profile()

    assert Row.objects.get().published_at == told.published_at


def test_no_secret_is_in_the_document(settings: Settings):
    settings.BRIDGE = {"SIGNING_KEY": "the bridge's own signing key, told to nobody"}
    publish_profile()

    document = Row.objects.get().document

    assert DJANGO_SECRET_KEY not in document
    assert SIGNING_KEY not in document
    assert "told to nobody" not in document


def test_a_site_with_local_columns_can_publish(settings: Settings):
    settings.USE_TZ, settings.TIME_ZONE = False, "Europe/Berlin"

    publish_profile()

    assert published().time_zone == "Europe/Berlin"


def test_validator_options_that_json_does_not_know_do_not_stop_the_publication(settings: Settings, tmp_path: Path):
    name = "django.contrib.auth.password_validation.CommonPasswordValidator"
    words = tmp_path / "words.txt.gz"
    settings.AUTH_PASSWORD_VALIDATORS = [{"NAME": name, "OPTIONS": {"password_list_path": words}}]

    publish_profile()

    assert published().validators == ({"NAME": name, "OPTIONS": {"password_list_path": str(words)}},)


def test_migrate_publishes():
    Row.objects.all().delete()

    call_command("migrate", verbosity=0)

    assert published().user_table.name == "auth_user"


# manage.py bridge_profile ---------------------------------------------------------------------------------------------


def told_by_command(*arguments: str) -> str:
    output = StringIO()
    call_command("bridge_profile", *arguments, stdout=output)
    return output.getvalue()


def test_the_command_publishes_and_says_of_which_table():
    Row.objects.all().delete()

    assert told_by_command() == "Published the profile of auth_user.\n"
    assert published().hashers


def test_the_command_names_what_is_unsafe_and_its_cure(settings: Settings):
    settings.PASSWORD_HASHERS = [PBKDF2, ARGON2]

    _, unsafe = told_by_command().splitlines()

    assert unsafe.startswith("argon2-not-first: ")
    assert unsafe.endswith("Put django.contrib.auth.hashers.Argon2PasswordHasher first in PASSWORD_HASHERS.")


def test_the_dry_run_prints_the_document():
    told = SiteProfile.from_document(json.loads(told_by_command("--dry-run")))

    assert told.hashers == describe_site().hashers


def test_the_dry_run_writes_nothing():
    Row.objects.all().delete()

    told_by_command("--dry-run")

    assert not Row.objects.exists()
