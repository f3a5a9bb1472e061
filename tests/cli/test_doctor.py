"""``bridge doctor``: every unsafe configuration by its code, with its cure, and exit 1."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from bridge import findings
from bridge.findings import Finding
from bridge.profile import SCHEMA_VERSION
from tests.cli.conftest import Done, Run, assert_one_line
from tests.conftest import CHECKOUT, DJANGO_SECRET_KEY, SIGNING_KEY, manage
from tests.web.test_auto_rehash import SAFE, Site, Unsafe, argon2, each_unsafe, sessions, site

__all__ = ["site"]

CURES: Final = {each.code: each.cure for each in vars(findings).values() if isinstance(each, Finding)}

Examine = Callable[..., Done]


@pytest.fixture
def examine(run: Run, service_url: str) -> Examine:
    """Run ``bridge doctor`` under the bridge's own role."""

    def doctor(*arguments: str, settings: Mapping[str, Any] | None = None) -> Done:
        environment = {f"BRIDGE_{name.upper()}": str(value) for name, value in (settings or {}).items()}
        return run("doctor", *arguments, url=service_url, **environment)

    return doctor


def not_ok(done: Done) -> dict[str, dict[str, Any]]:
    """Give the checks that failed, by code."""
    return {each["code"]: each for each in json.loads(done.stdout)["checks"] if not each["ok"]}


on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
on_postgresql = pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)


# A safe site ----------------------------------------------------------------------------------------------------------


async def test_a_site_that_is_ready_is_safe(examine: Examine, site: Site):
    done = examine("--json")

    document = json.loads(done.stdout)
    assert (done.returncode, document["safe"], done.stderr) == (0, True, "")
    assert [each for each in document["checks"] if not each["ok"] or each["message"] or each["cure"]] == []


@on_sqlite
async def test_every_precondition_is_listed(examine: Examine, site: Site):
    assert {each["code"] for each in json.loads(examine("--json").stdout)["checks"]} == set(CURES)


@on_sqlite
async def test_a_table_shows_everything_that_is_fine(examine: Examine, site: Site):
    done = examine()

    assert done.returncode == 0
    assert done.stdout.count("✓") == len(CURES)
    assert done.stdout.endswith("Re-hashing is safe.\n")


@on_sqlite
@pytest.mark.parametrize("name", ["other_costs", "column_just_long_enough", "four_reverted", "names_alike"])
async def test_what_the_bridge_can_adopt_is_safe(examine: Examine, site: Site, name: str):
    await SAFE[name](site)

    done = examine("--json")

    assert (done.returncode, not_ok(done)) == (0, {})


@on_sqlite
@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"middleware_keeps_keys": False}, "session-middleware"),
        ({"password_check_is_stock": False}, "password-check-custom"),
        ({"engine": "django.contrib.sessions.backends.cache"}, "sessions-unreadable"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_advice_is_given_and_stands_in_nobodys_way(examine: Examine, site: Site, said: dict[str, Any], code: str):
    await sessions(**said)(site)

    for_scripts, for_people = examine("--json"), examine()

    assert (for_scripts.returncode, for_people.returncode) == (0, 0)
    assert json.loads(for_scripts.stdout)["safe"] is True
    assert not_ok(for_scripts)[code]["blocking"] is False
    assert CURES[code] in for_people.stdout


# What moves -----------------------------------------------------------------------------------------------------------

ENDPOINTS: Final = """
from fastapi import APIRouter
from bridge.web.dependencies import StaffUser

router = APIRouter()

@router.get("/orders/")
def orders() -> None: ...

@router.get("/api/me/")
def me(user: StaffUser) -> None: ...
"""


PLAN: Final = """
[operations."POST /api/orders"]
[operations."POST /api/orders/"]
[operations."GET /orders/"]
"""


@pytest.fixture
def planned(tmp_path: Path) -> dict[str, str]:
    """Settings that name a plan with a slash too few in one of its keys."""
    (tmp_path / "cutover.toml").write_text(PLAN)
    return {"cutover_file": "cutover.toml"}


@pytest.fixture
def endpoints(tmp_path: Path) -> dict[str, str]:
    """Settings that name migrated endpoints: one that demands less than the shop's own view, and one that does not."""
    (tmp_path / "their_endpoints.py").write_text(ENDPOINTS)
    return {"endpoints": json.dumps(["their_endpoints:router"])}


@on_sqlite
async def test_an_endpoint_that_demands_less_than_django_is_named_and_stands_in_nobodys_way(
    examine: Examine, site: Site, endpoints: dict[str, str]
):
    done = examine("--json", settings=endpoints)

    assert done.returncode == 0, done.stderr
    [(code, found)] = not_ok(done).items()
    assert (code, found["blocking"]) == ("handler-demands-less", False)
    assert found["message"].endswith(": GET /orders/: Django demands a login, the handler does not")


@on_sqlite
async def test_a_path_of_the_sites_that_the_bridge_would_hide_is_named(examine: Examine, site: Site):
    await site.profile.edit(lambda document: document["urls"]["endpoints"][0].update(template="/users/me/"))

    done = examine("--json")

    assert (done.returncode, list(not_ok(done))) == (0, ["site-paths-hidden"])


@on_sqlite
async def test_an_operation_of_the_plan_that_neither_app_has_is_named_and_stands_in_nobodys_way(
    examine: Examine, site: Site, planned: dict[str, str]
):
    done = examine("--json", settings=planned)

    assert done.returncode == 0, done.stderr
    [(code, found)] = not_ok(done).items()
    assert (code, found["blocking"]) == ("plan-names-unknown", False)
    assert found["message"].endswith(": POST /api/orders")


@on_sqlite
async def test_where_the_site_has_not_listed_its_urls_nothing_is_said_of_them(
    examine: Examine, site: Site, endpoints: dict[str, str], planned: dict[str, str]
):
    await site.profile.edit(lambda document: document["urls"].update(endpoints=[], shortcoming="ImportError"))

    done = examine("--json", settings=endpoints | planned)

    checks = {each["code"]: each["ok"] for each in json.loads(done.stdout)["checks"]}
    codes = (
        "urls-unlisted",
        "handler-demands-less",
        "site-paths-hidden",
        "handler-for-several-views",
        "plan-names-unknown",
    )
    assert [checks[code] for code in codes] == [False, None, None, None, None]


@on_sqlite
async def test_where_the_site_has_listed_most_of_its_urls_the_plan_is_looked_at(
    examine: Examine, site: Site, planned: dict[str, str]
):
    await site.profile.edit(lambda document: document["urls"].update(shortcoming="1 patterns could not be described"))

    assert set(not_ok(examine("--json", settings=planned))) >= {"urls-unlisted", "plan-names-unknown"}


@on_sqlite
async def test_without_a_profile_nothing_is_said_of_the_plan(examine: Examine, site: Site, planned: dict[str, str]):
    await site.profile.withdraw()

    assert not_ok(examine("--json", settings=planned))["plan-names-unknown"]["ok"] is None


@on_sqlite
async def test_endpoints_that_cannot_be_imported_are_refused(run: Run, site: Site, service_url: str):
    done = run("doctor", url=service_url, BRIDGE_ENDPOINTS=json.dumps(["no_such_module:router"]))

    assert_one_line(done, naming="no_such_module", cure="Name an importable module")


# Unsafe configurations ------------------------------------------------------------------------------------------------


@each_unsafe()
async def test_an_unsafe_configuration_is_named_with_its_cure(examine: Examine, site: Site, unsafe: Unsafe):
    await unsafe.arrange(site)

    done = examine("--json", settings=unsafe.settings)

    assert done.returncode == 1, done.stderr
    assert json.loads(done.stdout)["safe"] is False
    found = not_ok(done)[unsafe.code]
    assert found["blocking"] is True
    assert found["message"]
    assert found["cure"] == CURES[unsafe.code]


@each_unsafe(databases=("sqlite",))
async def test_an_unsafe_configuration_is_shown_with_its_cure(examine: Examine, site: Site, unsafe: Unsafe):
    await unsafe.arrange(site)

    done = examine(settings=unsafe.settings)

    assert done.returncode == 1
    assert CURES[unsafe.code] in done.stdout
    assert done.stdout.endswith("Re-hashing would be unsafe.\n")


RIGHTS: Final = (
    ("SELECT", "auth_user"),
    ("SELECT (password)", "auth_user"),
    ("UPDATE (password)", "auth_user"),
    ("UPDATE (last_login)", "auth_user"),
    ("SELECT", "django_session"),
    ("DELETE", "django_session"),
    ("SELECT", "bridge_activity"),
    ("INSERT", "bridge_activity"),
    ("UPDATE", "bridge_password_lineage"),
    ("INSERT", "bridge_password_upgrade"),
    ("DELETE", "bridge_rehash_journal"),
)


@on_postgresql
@pytest.mark.parametrize(("right", "table"), RIGHTS, ids=str)
async def test_a_right_that_is_missing_is_named(examine: Examine, site: Site, right: str, table: str):
    site.revoke(right, table)

    done = examine("--json")

    assert done.returncode == 1, done.stderr
    assert f"{right.split(maxsplit=1)[0]} on {table}" in not_ok(done)["privileges-missing"]["message"]


@on_sqlite
async def test_without_a_profile_nothing_is_said_to_be_fine_that_only_it_can_tell(examine: Examine, site: Site):
    await site.profile.withdraw()

    checks = {each["code"]: each["ok"] for each in json.loads(examine("--json").stdout)["checks"]}

    told_by_the_profile = ("profile-stale", "argon2-missing", "secret-key-differs", "session-hash-custom")
    assert [code for code in told_by_the_profile if checks[code] is True] == []


@on_sqlite
async def test_without_a_profile_the_table_shows_no_checkmark_for_what_it_would_tell(examine: Examine, site: Site):
    await site.profile.withdraw()

    shown = examine().stdout
    assert "✓ Django prefers argon2" not in shown
    assert "✓ Both apps have the same SECRET_KEY" not in shown


@on_sqlite
async def test_everything_that_is_wrong_is_named_at_once(examine: Examine, site: Site):
    await argon2(available=False, reproducible=False)(site)
    await sessions(auth_hash_is_stock=False, password_check_is_stock=False)(site)

    done = examine("--json", settings={"signing_key": SIGNING_KEY + "2"})

    assert set(not_ok(done)) == {
        "argon2-not-installed",
        "argon2-other-parameters",
        "session-hash-custom",
        "password-check-custom",
        "simple-jwt-rejects",
        "app-rejects",
    }


@on_sqlite
async def test_no_secret_is_shown(examine: Examine, site: Site):
    await site.profile.make_unsafe()

    for done in (examine(), examine("--json")):
        assert not [secret for secret in (DJANGO_SECRET_KEY, SIGNING_KEY) if secret in done.stdout + done.stderr]


@pytest.mark.parametrize(
    "finding", [each for each in vars(findings).values() if isinstance(each, Finding)], ids=lambda each: each.code
)
def test_a_cure_is_a_sentence(finding: Finding):
    assert finding.cure.endswith(".")
    assert not finding.message.endswith(".")


# What Django publishes ------------------------------------------------------------------------------------------------

Publish = Callable[[str], None]


@pytest.fixture
def publish(tmp_path: Path, database_url: str) -> Publish:
    """Publish the profile of the shop with some settings of one's own, as its operator would."""

    def with_settings(source: str) -> None:
        (tmp_path / "their_settings.py").write_text(f"from tests.site.settings import *\n{source}\n")
        (tmp_path / "their_hashers.py").write_text(HASHERS)
        manage(
            database_url,
            "bridge_profile",
            DJANGO_SETTINGS_MODULE="their_settings",
            PYTHONPATH=f"{CHECKOUT}:{tmp_path}",
        )

    return with_settings


HASHERS: Final = """
from django.contrib.auth.hashers import Argon2PasswordHasher

class Longer(Argon2PasswordHasher):
    def params(self):
        import argon2
        return argon2.Parameters(**{**{name: getattr(super(Longer, self).params(), name) for name in
            ("type", "version", "salt_len", "time_cost", "memory_cost", "parallelism")}, "hash_len": 64})

class OtherCosts(Argon2PasswordHasher):
    time_cost, memory_cost, parallelism = 3, 128, 2

class OtherVariant(Argon2PasswordHasher):
    def params(self):
        import argon2
        return argon2.Parameters(**{**{name: getattr(super(OtherVariant, self).params(), name) for name in
            ("version", "salt_len", "hash_len", "time_cost", "memory_cost", "parallelism")},
            "type": argon2.low_level.Type.I})

class NotInstalled(Argon2PasswordHasher):
    library = ("argon2", "a_library_that_is_not_there")
"""

STOCK: Final = "django.contrib.auth.hashers."
PUBLISHED: Final = {
    "argon2_missing": (f"PASSWORD_HASHERS = ['{STOCK}PBKDF2PasswordHasher']", "argon2-missing"),
    "argon2_not_first": (
        f"PASSWORD_HASHERS = ['{STOCK}PBKDF2PasswordHasher', '{STOCK}Argon2PasswordHasher']",
        "argon2-not-first",
    ),
    "argon2_not_installed": ("PASSWORD_HASHERS = ['their_hashers.NotInstalled']", "argon2-not-installed"),
    "argon2_of_another_length": ("PASSWORD_HASHERS = ['their_hashers.Longer']", "argon2-other-parameters"),
    "argon2_of_another_variant": ("PASSWORD_HASHERS = ['their_hashers.OtherVariant']", "argon2-other-parameters"),
    "secret_key": ("SECRET_KEY = 'another secret key, which the bridge has never heard of'", "secret-key-differs"),
    "check_revoke_token": ("SIMPLE_JWT = SIMPLE_JWT | {'CHECK_REVOKE_TOKEN': True}", "check-revoke-token"),
    "simple_jwt_algorithm": ("SIMPLE_JWT = SIMPLE_JWT | {'ALGORITHM': 'HS512'}", "simple-jwt-rejects app-rejects"),
    "simple_jwt_key": ("SIMPLE_JWT = SIMPLE_JWT | {'SIGNING_KEY': SECRET_KEY}", "simple-jwt-rejects app-rejects"),
    "simple_jwt_user_id": ("SIMPLE_JWT = SIMPLE_JWT | {'USER_ID_FIELD': 'username'}", "simple-jwt-rejects"),
}


@on_sqlite
@pytest.mark.parametrize(("source", "codes"), PUBLISHED.values(), ids=PUBLISHED.keys())
async def test_what_an_unsafe_site_publishes_is_unsafe(
    examine: Examine, site: Site, publish: Publish, source: str, codes: str
):
    publish(source)

    done = examine("--json")

    assert (done.returncode, list(not_ok(done))) == (1, codes.split())


PUBLISHED_SAFE: Final = {
    "other_costs": "PASSWORD_HASHERS = ['their_hashers.OtherCosts']",
    "one_header_type_as_text": "SIMPLE_JWT = SIMPLE_JWT | {'AUTH_HEADER_TYPES': 'Bearer'}",
    "our_issuer": "SIMPLE_JWT = SIMPLE_JWT | {'ISSUER': 'bridge', 'AUDIENCE': 'django'}",
}


@on_sqlite
@pytest.mark.parametrize("source", PUBLISHED_SAFE.values(), ids=PUBLISHED_SAFE.keys())
async def test_what_a_safe_site_publishes_is_safe(examine: Examine, site: Site, publish: Publish, source: str):
    publish(source)

    done = examine("--json")

    assert (done.returncode, not_ok(done)) == (0, {})


@on_sqlite
async def test_an_app_at_the_site_that_would_reject_the_bridges_tokens_is_named(
    examine: Examine, site: Site, publish: Publish
):
    """At a site without SimpleJWT as well, where a wrong key was found by nobody but the users."""
    publish("BRIDGE = {'SIGNING_KEY': 'another signing key, which the bridge has never heard of'}")

    done = examine("--json")

    assert (done.returncode, list(not_ok(done))) == (0, ["app-rejects"])


# It cannot look -------------------------------------------------------------------------------------------------------


def test_a_database_without_the_tables_is_refused(run: Run, empty_url: str, tmp_path: Path):
    (tmp_path / "empty.sqlite3").touch()

    assert_one_line(run("doctor", url=empty_url), naming="no bridge_* tables", cure="bridge migrate")


def test_a_database_that_is_not_there_is_refused(run: Run, tmp_path: Path):
    done = run("doctor", url=f"sqlite:///{tmp_path / 'missing.sqlite3'}")

    assert_one_line(done, naming="cannot be reached", cure="Check BRIDGE_DATABASE_URL")


@on_sqlite
async def test_a_profile_of_another_version_is_refused(run: Run, site: Site, database_url: str):
    await site.profile.edit(lambda document: document.update(schema_version=SCHEMA_VERSION + 1))

    assert_one_line(run("doctor", url=database_url), naming="another version", cure="bridge_profile")
