"""What is wrong with the settings, said in one line: for ``bridge serve``, and for whoever runs the app otherwise."""

import gc
import traceback
from pathlib import Path
from typing import Any, Final

import pytest

from bridge.demo.endpoints import router as demo_router
from bridge.errors import ConfigurationError
from bridge.profile import SCHEMA_VERSION
from bridge.store.database import Database
from bridge.web.app import app_from_environment, load_router
from bridge.web.composition import site_profile
from bridge.web.settings import DatabaseSettings, Settings
from tests.conftest import DJANGO_SECRET_KEY, SIGNING_KEY

WEAK: Final = "swordfish"
VALID: Final = {
    "BRIDGE_DATABASE_URL": "sqlite:///shop.sqlite3",
    "BRIDGE_DJANGO_SECRET_KEY": DJANGO_SECRET_KEY,
    "BRIDGE_SIGNING_KEY": SIGNING_KEY,
}


class Environment:
    """The process's environment, and a folder of its own."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._monkeypatch = monkeypatch

    def set(self, **more: str | None) -> None:
        for name, value in {**VALID, **more}.items():
            if value is None:
                self._monkeypatch.delenv(name, raising=False)
            else:
                self._monkeypatch.setenv(name, value)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Environment:
    monkeypatch.chdir(tmp_path)
    return Environment(monkeypatch)


def refusal(load: Any) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load()
    line = str(caught.value)
    assert "\n" not in line
    assert not [secret for secret in (WEAK, DJANGO_SECRET_KEY, SIGNING_KEY) if secret in line]
    return line


MISTAKES: Final[dict[str, tuple[dict[str, str | None], str, str]]] = {
    "no_database_url": ({"BRIDGE_DATABASE_URL": None}, "BRIDGE_DATABASE_URL", "Set it to postgresql://"),
    "no_secret_key": ({"BRIDGE_DJANGO_SECRET_KEY": None}, "BRIDGE_DJANGO_SECRET_KEY", "Django site's SECRET_KEY"),
    "no_signing_key": ({"BRIDGE_SIGNING_KEY": None}, "BRIDGE_SIGNING_KEY", "SIMPLE_JWT['SIGNING_KEY']"),
    "no_plan": ({"BRIDGE_CUTOVER_FILE": "missing.toml"}, "BRIDGE_CUTOVER_FILE: missing.toml", "Name a TOML file"),
    "empty_secret_key": ({"BRIDGE_DJANGO_SECRET_KEY": ""}, "BRIDGE_DJANGO_SECRET_KEY", "Django site's SECRET_KEY"),
    "weak_secret_key": ({"BRIDGE_DJANGO_SECRET_KEY": WEAK}, "BRIDGE_DJANGO_SECRET_KEY", "Django site's SECRET_KEY"),
    "weak_signing_key": ({"BRIDGE_SIGNING_KEY": WEAK}, "BRIDGE_SIGNING_KEY", "longer one"),
    "empty_signing_key": ({"BRIDGE_SIGNING_KEY": ""}, "BRIDGE_SIGNING_KEY", "longer one"),
    "secret_for_a_key_pair": ({"BRIDGE_SIGNING_ALGORITHM": "RS256"}, "BRIDGE_SIGNING_KEY", "BEGIN and END"),
    "unknown_algorithm": ({"BRIDGE_SIGNING_ALGORITHM": "none"}, "BRIDGE_SIGNING_ALGORITHM", "HS256"),
    "misspelt_name": ({"BRIDGE_REHSAH": "off"}, "BRIDGE_REHSAH", "Did you mean BRIDGE_REHASH?"),
    "unknown_name": ({"BRIDGE_XYZZY": WEAK}, "BRIDGE_XYZZY", "BRIDGE_DATABASE_URL"),
    "unknown_rehash": ({"BRIDGE_REHASH": "maybe"}, "BRIDGE_REHASH", "README"),
    "percentage_over_100": ({"BRIDGE_REHASH": "101%"}, "BRIDGE_REHASH", "README"),
    "lifetime_of_text": ({"BRIDGE_ACCESS_TOKEN_LIFETIME": "long"}, "BRIDGE_ACCESS_TOKEN_LIFETIME", "README"),
    "lifetime_of_nothing": ({"BRIDGE_ACCESS_TOKEN_LIFETIME": "0"}, "BRIDGE_ACCESS_TOKEN_LIFETIME", "README"),
    "no_workers": ({"BRIDGE_HASHING_WORKERS": "0"}, "BRIDGE_HASHING_WORKERS", "README"),
    "upstream_of_no_kind": ({"BRIDGE_UPSTREAM": f"ftp://{WEAK}@django"}, "BRIDGE_UPSTREAM", "http://host:port"),
    "upstream_with_a_path": ({"BRIDGE_UPSTREAM": "http://django:8000/shop"}, "BRIDGE_UPSTREAM", "http://host:port"),
    "upstream_with_a_query": ({"BRIDGE_UPSTREAM": f"http://django?{WEAK}"}, "BRIDGE_UPSTREAM", "http://host:port"),
    "upstream_with_a_user": ({"BRIDGE_UPSTREAM": f"http://u:{WEAK}@django"}, "BRIDGE_UPSTREAM", "http://host:port"),
    "upstream_without_a_host": ({"BRIDGE_UPSTREAM": "http://:8000"}, "BRIDGE_UPSTREAM", "http://host:port"),
    "upstream_with_no_port": ({"BRIDGE_UPSTREAM": f"http://django:{WEAK}"}, "BRIDGE_UPSTREAM", "http://host:port"),
    "upstream_file_without_a_path": ({"BRIDGE_UPSTREAM": "unix:django.sock"}, "BRIDGE_UPSTREAM", "unix:/path"),
    "upstream_without_an_application": ({"BRIDGE_UPSTREAM": "wsgi:shop.wsgi"}, "BRIDGE_UPSTREAM", "wsgi:package"),
    "upstream_timeout_of_nothing": ({"BRIDGE_UPSTREAM_TIMEOUT": "0"}, "BRIDGE_UPSTREAM_TIMEOUT", "README"),
    "unknown_registration": ({"BRIDGE_REGISTRATION": "perhaps"}, "BRIDGE_REGISTRATION", "README"),
    "fallbacks_that_are_no_list": (
        {"BRIDGE_DJANGO_SECRET_KEY_FALLBACKS": WEAK},
        "BRIDGE_DJANGO_SECRET_KEY_FALLBACKS",
        "JSON",
    ),
}


@pytest.mark.parametrize(("settings", "naming", "cure"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_is_one_line_with_its_cure_and_no_secret(
    environment: Environment, settings: dict[str, str | None], naming: str, cure: str
):
    environment.set(**settings)

    line = refusal(Settings.load)

    assert naming in line
    assert cure in line


def test_the_cause_of_a_refusal_quotes_no_secret_either(environment: Environment):
    environment.set(BRIDGE_DJANGO_SECRET_KEY=WEAK)

    with pytest.raises(ConfigurationError) as caught:
        Settings.load()

    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_settings_are_read_from_the_environment(environment: Environment):
    environment.set(
        BRIDGE_REHASH="5%",
        BRIDGE_ACCESS_TOKEN_LIFETIME="60",
        BRIDGE_REGISTRATION="on",
        BRIDGE_DJANGO_SECRET_KEY_FALLBACKS='["an older key", "the oldest"]',
        BRIDGE_ENDPOINTS='["shop.api:router"]',
    )

    settings = Settings.load()

    assert (settings.rehash.mode, settings.rehash.percentage) == ("share", 5)
    assert settings.access_lifetime.total_seconds() == 60
    assert settings.registration == "on"
    assert [key.get_secret_value() for key in settings.django_secret_key_fallbacks] == ["an older key", "the oldest"]
    assert settings.endpoints == ("shop.api:router",)


def test_what_is_left_out_has_the_documented_default(environment: Environment):
    environment.set()

    settings = Settings.load()

    assert (settings.signing_algorithm, settings.issuer, settings.audience) == ("HS256", "bridge", "django")
    assert (settings.access_token_lifetime, settings.registration, settings.rehash.mode) == (900, "off", "auto")


@pytest.mark.parametrize(
    "upstream",
    [
        "http://django:8000",
        "https://django/",
        "http://[::1]:8000",
        "unix:/run/django.sock",
        "wsgi:shop.wsgi:application",
    ],
)
def test_an_upstream_is_reached_over_the_network_or_a_file_or_runs_in_this_process(
    environment: Environment, upstream: str
):
    environment.set(BRIDGE_UPSTREAM=upstream)

    assert Settings.load().upstream == upstream


def test_settings_may_stand_in_a_file(environment: Environment, tmp_path: Path):
    environment.set(BRIDGE_DATABASE_URL=None)
    (tmp_path / ".env").write_text("BRIDGE_DATABASE_URL=sqlite:///from_the_file.sqlite3\n")

    assert Settings.load().database_url.get_secret_value() == "sqlite:///from_the_file.sqlite3"


def test_a_file_in_another_encoding_is_one_line_with_its_cure_and_no_secret(environment: Environment, tmp_path: Path):
    environment.set()
    (tmp_path / ".env").write_bytes(f"BRIDGE_SIGNING_KEY={WEAK}\u00fc\n".encode("latin-1"))

    with pytest.raises(ConfigurationError, match=r"^\.env cannot be read .*UTF-8") as refused:
        Settings.load()

    assert WEAK not in "".join(traceback.format_exception(refused.value))


def test_the_environment_outranks_the_file(environment: Environment, tmp_path: Path):
    environment.set()
    (tmp_path / ".env").write_text("BRIDGE_DATABASE_URL=sqlite:///from_the_file.sqlite3\n")

    assert Settings.load().database_url.get_secret_value() == VALID["BRIDGE_DATABASE_URL"]


def test_other_names_in_the_file_are_somebody_elses(environment: Environment, tmp_path: Path):
    environment.set()
    (tmp_path / ".env").write_text("DJANGO_DEBUG=1\nDATABASE_URL=postgresql://db/shop\n")

    Settings.load()


def test_a_misspelt_name_in_the_file_is_found(environment: Environment, tmp_path: Path):
    environment.set()
    (tmp_path / ".env").write_text("BRIDGE_REHSAH=off\n")

    assert "Did you mean BRIDGE_REHASH?" in refusal(Settings.load)


def test_the_names_that_the_tests_read_are_known(environment: Environment):
    environment.set(BRIDGE_TEST_DATABASE_URL="postgresql://db/shop", BRIDGE_REQUIRE_BROWSER="1")

    Settings.load()


def test_a_report_needs_one_setting_only(environment: Environment):
    environment.set(BRIDGE_DJANGO_SECRET_KEY=None, BRIDGE_SIGNING_KEY=None)

    assert DatabaseSettings.load().database_url.get_secret_value() == VALID["BRIDGE_DATABASE_URL"]


def test_settings_show_no_secret(environment: Environment):
    environment.set(BRIDGE_DATABASE_URL=f"postgresql://bridge:{WEAK}@db/shop")

    shown = repr(Settings.load()) + repr(Settings.load().keys())

    assert not [secret for secret in (WEAK, DJANGO_SECRET_KEY, SIGNING_KEY) if secret in shown]


def test_the_app_of_a_worker_is_made_from_the_environment(environment: Environment):
    environment.set(BRIDGE_ENDPOINTS='["bridge.demo.endpoints:router"]')
    thresholds = gc.get_threshold()

    try:
        assert "/users/me/items/" in app_from_environment().openapi()["paths"]
        assert gc.get_threshold() == (10_000, *thresholds[1:])
    finally:
        gc.unfreeze()  # what a worker keeps for good, the tests do not
        gc.set_threshold(*thresholds)


# Migrated endpoints ---------------------------------------------------------------------------------------------------


def test_a_router_is_loaded_by_name():
    assert load_router("bridge.demo.endpoints:router") is demo_router


@pytest.mark.parametrize(
    "name",
    [
        "nowhere.endpoints:router",
        "bridge.demo.endpoints:nothing",
        "bridge.demo.endpoints:Item",
        "bridge.demo.endpoints",
        ":router",
        "",
        ":",
        "bridge/demo/endpoints.py:router",
        ".endpoints:router",
        "bridge..demo:router",
    ],
)
def test_a_router_that_is_not_there_is_one_line_with_its_cure(name: str):
    line = refusal(lambda: load_router(name))

    assert line.startswith("--endpoints")
    assert "Name " in line


# The site profile -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "document",
    [
        '{"schema_version": 999}',
        "{}",
        "[]",
        "null",
        "1",
        "not json",
        "",
        f'{{"schema_version": {SCHEMA_VERSION}}}',
        f'{{"schema_version": {SCHEMA_VERSION}, "published_at": "yesterday"}}',
    ],
    ids=lambda each: each[:32],
)
async def test_a_profile_of_another_version_is_one_line_with_its_cure(database: Database, document: str):
    await database.execute("UPDATE bridge_site_profile SET document = :document", {"document": document})

    with pytest.raises(ConfigurationError, match="another version") as caught:
        await site_profile(database)
    assert "bridge_profile" in caught.value.cure


async def test_a_database_without_the_tables_names_the_cure(database: Database):
    await database.execute("DROP TABLE bridge_site_profile")

    with pytest.raises(ConfigurationError, match="no bridge_") as caught:
        await site_profile(database)
    assert "bridge migrate" in caught.value.cure


async def test_a_site_that_published_nothing_has_no_profile(database: Database):
    await database.execute("DELETE FROM bridge_site_profile")

    assert await site_profile(database) is None


async def test_a_published_profile_is_read(database: Database):
    profile = await site_profile(database)

    assert profile is not None
    assert (profile.user_table.name, profile.hashers[0].algorithm) == ("auth_user", "argon2")
