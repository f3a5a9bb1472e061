"""``BRIDGE_REHASH=auto`` on every site that is not ready: nothing is written, and ``on`` writes all the same."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from bridge.findings import Finding
from bridge.services.preconditions import PING_PONG_LIMIT, Preconditions
from bridge.store.database import Database
from bridge.store.keyfiles import KeyDirectory
from bridge.tokens import SigningKey
from bridge.tokens.keyset import DatedKey
from bridge.web.composition import preconditions_of, site_profile
from tests.conftest import PASSWORD, Cast, FrozenClock, Serve, execute_on_server, log_in, old_hash, settings_for
from tests.web.conftest import FULL_COST, PublishedProfile, before_any_database

OTHER_SECRET: Final = "another secret key, which the site has never heard of"


# The unsafe configurations --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """What a test turns into something unsafe."""

    database: Database
    database_url: str
    role: str | None

    @property
    def profile(self) -> PublishedProfile:
        return PublishedProfile(self.database)

    @property
    def cast(self) -> Cast:
        return Cast(self.database)

    def revoke(self, right: str, table: str) -> None:
        """Take a right away from the bridge's role."""
        execute_on_server(self.database_url, f"REVOKE {right} ON {table} FROM {self.role}")

    async def revert_upgrades(self, count: int, *, days_ago: int = 0, app: str = "bridge") -> None:
        """Count downgrades of upgraded values, as replicas would have."""
        await self.database.execute(
            "INSERT INTO bridge_activity (day, app, event, count) VALUES (:day, :app, 'upgrade_reverted', :count)",
            {"day": datetime.now(UTC).date() - timedelta(days=days_ago), "app": app, "count": count},
        )


def site_of(request: pytest.FixtureRequest, database: Database, database_url: str) -> Site:
    is_sqlite = database_url.startswith("sqlite")
    return Site(database, database_url, None if is_sqlite else request.getfixturevalue("service_role"))


@pytest.fixture
def site(request: pytest.FixtureRequest, database: Database, database_url: str) -> Site:
    return site_of(request, database, database_url)


Arrange = Callable[[Site], Awaitable[object]]


@dataclass(frozen=True)
class Unsafe:
    """One way in which a site is not ready.

    Attributes:
        code: what ``bridge doctor`` calls it.
        arrange: brings it about.
        settings: of the bridge, that bring it about.
        on_writes: whether ``BRIDGE_REHASH=on`` can write to such a site at all.
        databases: on which it can be.
    """

    code: str
    arrange: Arrange
    settings: Mapping[str, Any] = field(default_factory=dict)
    on_writes: bool = True
    databases: tuple[str, ...] = ("sqlite", "postgresql")


def edited(change: Callable[[dict[str, Any]], object]) -> Arrange:
    """Publish something else."""
    return lambda site: site.profile.edit(change)


def argon2(**said: Any) -> Arrange:
    return edited(lambda document: document["hashers"][0].update(said))


def user_table(**said: Any) -> Arrange:
    return edited(lambda document: document["user_table"].update(said))


def columns(**said: int | None) -> Arrange:
    return edited(lambda document: document["user_table"]["columns"].update(said))


def sessions(**said: Any) -> Arrange:
    return edited(lambda document: document["sessions"].update(said))


def simple_jwt(**said: Any) -> Arrange:
    return edited(lambda document: document["simple_jwt"].update(said))


def users(*usernames: str) -> Arrange:
    async def arrange(site: Site) -> None:
        for username in usernames:
            await site.cast.add(username, encoded="!")

    return arrange


async def nothing(_: Site) -> None:
    """Leave the site as it is."""


def published_ago(age: timedelta) -> Arrange:
    return edited(lambda document: document.update(published_at=(datetime.now(UTC) - age).isoformat()))


async def revoked(site: Site) -> None:
    site.revoke("DELETE", "bridge_revoked_token")


async def dropped(site: Site) -> None:
    await site.cast.database.execute("DROP TABLE bridge_census_snapshot")


UNSAFE: Final[dict[str, Unsafe]] = {
    "profile_missing": Unsafe("profile-missing", lambda site: site.profile.withdraw(), FULL_COST),
    "profile_stale": Unsafe("profile-stale", published_ago(timedelta(days=7, minutes=1))),
    "argon2_missing": Unsafe("argon2-missing", lambda site: site.profile.forget("argon2"), FULL_COST),
    "argon2_not_first": Unsafe("argon2-not-first", lambda site: site.profile.make_unsafe()),
    "argon2_not_installed": Unsafe("argon2-not-installed", argon2(available=False)),
    "argon2_other_parameters": Unsafe("argon2-other-parameters", argon2(reproducible=False)),
    "secret_key_not_shared": Unsafe("secret-key-differs", nothing, {"django_secret_key": OTHER_SECRET}),
    "check_revoke_token": Unsafe("check-revoke-token", simple_jwt(check_revoke_token=True)),
    "session_hash_custom": Unsafe("session-hash-custom", sessions(auth_hash_is_stock=False)),
    "password_column_short": Unsafe("password-column", columns(password=60)),
    "password_column_absent": Unsafe(
        "password-column", edited(lambda document: document["user_table"]["columns"].pop("password"))
    ),
    "user_table_absent": Unsafe("user-table-differs", user_table(name="crm_customer"), on_writes=False),
    "user_key_absent": Unsafe("user-table-differs", user_table(key="customer_id"), on_writes=False),
    "user_column_absent": Unsafe("user-table-differs", columns(nickname=30)),
    "table_missing": Unsafe("tables-missing", dropped),
    "privilege_missing": Unsafe("privileges-missing", revoked, databases=("postgresql",)),
    "simple_jwt_key": Unsafe("simple-jwt-rejects", nothing, {"signing_key": OTHER_SECRET}),
    "simple_jwt_issuer": Unsafe("simple-jwt-rejects", simple_jwt(issuer="https://shop.example")),
    "usernames_by_case": Unsafe("usernames-differ-by-case", users("Grace", "grace")),
    "usernames_by_case_beyond_ascii": Unsafe("usernames-differ-by-case", users("Ärger", "ärger")),
    "usernames_not_nfkc": Unsafe("usernames-not-nfkc", users("so\N{LATIN SMALL LIGATURE FI}a")),
    "usernames_by_nfkc_form": Unsafe("usernames-not-nfkc", users("zoe\N{COMBINING DIAERESIS}", "zoë")),
    "ping_pong": Unsafe("ping-pong", lambda site: site.revert_upgrades(PING_PONG_LIMIT)),
}


def each_unsafe(*, databases: tuple[str, ...] = ("sqlite", "postgresql"), on_writes: bool = False) -> Any:
    """Run a test on each configuration, on each kind of database where it can be."""
    return pytest.mark.parametrize(
        ("unsafe", "database_url"),
        [
            pytest.param(unsafe, kind, id=f"{name}-{kind}")
            for name, unsafe in UNSAFE.items()
            for kind in unsafe.databases
            if kind in databases and (unsafe.on_writes or not on_writes)
        ],
        indirect=["database_url"],
    )


# Nothing is written ---------------------------------------------------------------------------------------------------


@each_unsafe()
async def test_auto_and_a_percentage_write_nothing(serve: Serve, site: Site, unsafe: Unsafe):
    before = old_hash(PASSWORD)
    await site.cast.add("ada", encoded=before)
    await unsafe.arrange(site)
    expected = 200 if unsafe.on_writes else 503

    for rehash in ("auto", "100%"):
        async with serve(rehash=rehash, **unsafe.settings) as client:
            assert (await log_in(client, "ada")).status_code == expected
        assert await site.cast.stored_password("ada") == before
    assert await site.database.fetch_all("SELECT user_id FROM bridge_password_upgrade") == []


@each_unsafe(on_writes=True)
async def test_on_writes_all_the_same(serve: Serve, site: Site, unsafe: Unsafe):
    await site.cast.add("ada", encoded=old_hash(PASSWORD))
    await unsafe.arrange(site)

    async with serve(rehash="on", **unsafe.settings) as client:
        assert (await log_in(client, "ada")).status_code == 200

    assert (await site.cast.stored_password("ada")).startswith("argon2$argon2id$")


async def test_a_clock_that_differs_from_the_databases_writes_nothing(serve: Serve, cast: Cast, clock: FrozenClock):
    before = old_hash(PASSWORD)
    await cast.add("ada", encoded=before)
    clock.advance(timedelta(minutes=-1))

    async with serve() as client:
        assert (await log_in(client, "ada")).status_code == 200
    assert await cast.stored_password("ada") == before


async def test_on_writes_whatever_the_clocks_say(serve: Serve, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    clock.advance(timedelta(minutes=-1))

    async with serve(rehash="on") as client:
        await log_in(client, "ada")
    assert (await cast.stored_password("ada")).startswith("argon2$")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_column_that_is_shorter_than_anybody_said_lets_the_user_in(serve: Serve, cast: Cast):
    before = old_hash(PASSWORD)
    await cast.add("ada", encoded=before)
    await cast.database.execute(f"ALTER TABLE auth_user ALTER COLUMN password TYPE varchar({len(before)})")

    async with serve(rehash="on") as client:
        assert (await log_in(client, "ada")).status_code == 200
    assert await cast.stored_password("ada") == before


# It is safe -----------------------------------------------------------------------------------------------------------

SAFE: Final[dict[str, Arrange]] = {
    "stock": nothing,
    "six_days_old": published_ago(timedelta(days=6, hours=23)),
    "other_costs": argon2(parameters={"time_cost": 3, "memory_cost": 128, "parallelism": 2, "salt_length": 33}),
    "column_just_long_enough": columns(password=108),
    "column_unlimited": columns(password=None),
    "without_simple_jwt": edited(lambda document: document.update(simple_jwt=None)),
    "simple_jwt_of_the_same_issuer": simple_jwt(issuer="bridge", audience="django"),
    "names_alike": users("grace", "grace2", "Gräce", "zoë"),
    "four_reverted": lambda site: site.revert_upgrades(PING_PONG_LIMIT - 1),
    "many_reverted_long_ago": lambda site: site.revert_upgrades(100, days_ago=2),
    "stock_session_middleware": sessions(middleware_keeps_keys=False),
    "own_password_check": sessions(password_check_is_stock=False),
}


@pytest.mark.parametrize("arrange", SAFE.values(), ids=SAFE.keys())
async def test_auto_writes_to_a_site_that_is_ready(serve: Serve, site: Site, arrange: Arrange):
    await site.cast.add("ada")
    await arrange(site)

    async with serve() as client:
        await log_in(client, "ada")

    assert (await site.cast.stored_password("ada")).startswith("argon2$argon2id$")


# What is found --------------------------------------------------------------------------------------------------------

Look = Callable[..., Awaitable[dict[str, Finding]]]


@pytest.fixture
def look(database: Database, database_url: str, clock: FrozenClock) -> Look:
    """Look at the site as the running bridge does."""

    async def findings(**given: str) -> dict[str, Finding]:
        settings = settings_for(database_url, **given)
        preconditions: Preconditions = preconditions_of(
            settings, database, await site_profile(database), clock, keys=settings.keys()
        )
        found = (*await preconditions.findings(), *(await preconditions.username_findings() or ()))
        return {each.code: each for each in found}

    return findings


async def test_nothing_is_found_at_a_site_that_is_ready(look: Look):
    assert await look() == {}


@pytest.mark.parametrize(
    ("skew", "is_found"),
    [(timedelta(seconds=25), False), (timedelta(minutes=1), True), (timedelta(minutes=-1), True)],
    ids=["tolerated", "ahead", "behind"],
)
async def test_clocks_that_differ_are_found(look: Look, clock: FrozenClock, skew: timedelta, *, is_found: bool):
    clock.advance(skew)

    assert ("clock-skew" in await look()) is is_found


@pytest.mark.parametrize(("age", "is_found"), [(timedelta(days=7), False), (timedelta(days=8), True)], ids=str)
async def test_a_profile_is_fresh_for_a_week(
    look: Look, site: Site, clock: FrozenClock, age: timedelta, *, is_found: bool
):
    await site.profile.edit(lambda document: document.update(published_at=(clock.now - age).isoformat()))

    assert ("profile-stale" in await look()) is is_found


REJECTING: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "algorithm": ({"algorithm": "HS512"}, "ALGORITHM is HS512"),
    "key": ({"key_fingerprint": "0123456789abcdef"}, "key is another"),
    "issuer": ({"issuer": "shop"}, "ISSUER is 'shop'"),
    "audience": ({"audience": "shop"}, "AUDIENCE is 'shop'"),
    "user_id_claim": ({"user_id_claim": "uid"}, "USER_ID_CLAIM is 'uid'"),
    "user_id_field": ({"user_id_field_is_key": False}, "USER_ID_FIELD is not the primary key"),
    "token_type_claim": ({"token_type_claim": "kind"}, "TOKEN_TYPE_CLAIM is 'kind'"),
    "jti_claim": ({"jti_claim": "id"}, "JTI_CLAIM is 'id'"),
    "header_types": ({"header_types": ["JWT"]}, "AUTH_HEADER_TYPES lack Bearer"),
}


@before_any_database
@pytest.mark.parametrize(("said", "named"), REJECTING.values(), ids=REJECTING.keys())
async def test_a_simple_jwt_that_rejects_our_tokens_is_found(look: Look, site: Site, said: dict[str, Any], named: str):
    await site.profile.edit(lambda document: document["simple_jwt"].update(said))

    assert named in (await look())["simple-jwt-rejects"].message


@before_any_database
async def test_everything_that_simple_jwt_rejects_is_named_at_once(look: Look, site: Site):
    every = {name: value for said, _ in REJECTING.values() for name, value in said.items()}
    await site.profile.edit(lambda document: document["simple_jwt"].update(every))

    message = (await look())["simple-jwt-rejects"].message

    assert [named for _, named in REJECTING.values() if named not in message] == []


@before_any_database
@pytest.mark.parametrize(
    "said",
    [
        {"issuer": None, "audience": None},
        {"issuer": "bridge", "audience": "django"},
        {"token_type_claim": None},
        {"jti_claim": None},
        {"header_types": ["JWT", "Bearer"]},
    ],
    ids=["anybody", "us", "no_token_type", "no_jti", "also_bearer"],
)
async def test_a_simple_jwt_that_takes_our_tokens_is_not_in_the_way(look: Look, site: Site, said: dict[str, Any]):
    await site.profile.edit(lambda document: document["simple_jwt"].update(said))

    assert await look() == {}


def verifying_by(algorithm: str, key: str | None) -> Callable[[dict[str, Any]], None]:
    """SIMPLE_JWT, and the app that goes by it, with one key; None where they fetch them."""

    def say(document: dict[str, Any]) -> None:
        document["simple_jwt"].update(algorithm=algorithm, key_fingerprint=key)
        document["bearer"].update(algorithm=algorithm, key_fingerprints=None if key is None else [key])

    return say


@before_any_database
async def test_a_simple_jwt_that_fetches_its_keys_takes_ours_and_not_its_own(look: Look, site: Site):
    """With JWK_URL set, SimpleJWT wants a ``kid``, which the bridge's tokens have and its own have not."""
    await site.profile.edit(verifying_by("ES256", None))

    found = await look(signing_key=SigningKey.generate("ES256").to_pem(), signing_algorithm="ES256")

    assert list(found) == ["simple-jwt-rejects-its-own"]
    assert not found["simple-jwt-rejects-its-own"].blocking


@before_any_database
async def test_a_simple_jwt_that_fetches_its_keys_finds_no_shared_secret_there(look: Look, site: Site):
    await site.profile.edit(verifying_by("ES256", None))

    message = (await look())["simple-jwt-rejects"].message

    assert "its JWK_URL has no key of the bridge, whose secret is shared" in message


@before_any_database
async def test_a_simple_jwt_may_verify_with_any_key_that_the_bridge_has(look: Look, site: Site, tmp_path: Path):
    old, new = (SigningKey.generate("ES256") for _ in range(2))
    for key in (old, new):
        KeyDirectory(tmp_path).write(DatedKey(key=key))

    for key, codes in ((old, []), (new, []), (SigningKey.generate("ES256"), ["simple-jwt-rejects", "app-rejects"])):
        await site.profile.edit(verifying_by("ES256", key.fingerprint))

        assert list(await look(signing_key=str(tmp_path), signing_algorithm="ES256")) == codes


REJECTED_BY_THE_APP: Final[dict[str, tuple[dict[str, Any], str]]] = {
    "algorithm": ({"algorithm": "RS256"}, "algorithm is RS256"),
    "key": ({"key_fingerprints": ["0123456789abcdef"]}, "key is another"),
    "issuer": ({"issuer": "shop"}, "ISSUER is 'shop'"),
    "audience": ({"audience": "shop"}, "AUDIENCE is 'shop'"),
}


@before_any_database
@pytest.mark.parametrize(("said", "named"), REJECTED_BY_THE_APP.values(), ids=REJECTED_BY_THE_APP.keys())
async def test_an_app_at_the_site_that_rejects_our_tokens_is_found(
    look: Look, site: Site, said: dict[str, Any], named: str
):
    """As at a site without SimpleJWT, whose middleware takes the bridge's tokens."""
    await site.profile.edit(lambda document: document.update(simple_jwt=None))
    await site.profile.edit(lambda document: document["bearer"].update(said))

    found = await look()

    assert list(found) == ["app-rejects"]
    assert named in found["app-rejects"].message
    assert not found["app-rejects"].blocking


@before_any_database
async def test_an_app_at_the_site_that_has_no_key_is_found(look: Look, site: Site):
    await site.profile.edit(lambda document: document["bearer"].update(algorithm="", key_fingerprints=[]))

    assert "no key to verify them with" in (await look())["app-rejects"].message


@before_any_database
async def test_a_profile_of_before_the_app_told_what_it_verifies_by_is_found(look: Look, site: Site):
    await site.profile.edit(lambda document: document.update(bearer=None))

    found = await look()

    assert list(found) == ["profile-of-before"]
    assert not found["profile-of-before"].blocking


@before_any_database
async def test_a_site_that_holds_only_a_retired_key_is_found(look: Look, site: Site, tmp_path: Path):
    old, new = (SigningKey.generate("ES256") for _ in range(2))
    directory = KeyDirectory(tmp_path)
    directory.write(DatedKey(key=old, retired_at=datetime.now(UTC)))
    directory.write(DatedKey(key=new))
    await site.profile.edit(verifying_by("ES256", old.fingerprint))

    found = await look(signing_key=str(tmp_path), signing_algorithm="ES256")

    assert list(found) == ["simple-jwt-rejects", "app-rejects"]


@before_any_database
async def test_an_app_may_hold_keys_that_are_still_to_come(look: Look, site: Site):
    await site.profile.edit(lambda document: document["bearer"]["key_fingerprints"].append("0123456789abcdef"))

    assert await look() == {}


async def test_downgrades_are_counted_over_both_apps_and_two_days(look: Look, site: Site):
    await site.revert_upgrades(2)
    await site.revert_upgrades(2, app="django")
    await site.revert_upgrades(1, days_ago=1)

    assert "5 since yesterday" in (await look())["ping-pong"].message


async def test_names_that_differ_are_named(look: Look, site: Site):
    await users("Grace", "grace", "so\N{LATIN SMALL LIGATURE FI}a")(site)

    found = await look()

    assert "'grace'" in found["usernames-differ-by-case"].message
    assert "'so\N{LATIN SMALL LIGATURE FI}a'" in found["usernames-not-nfkc"].message


async def test_a_password_column_of_another_name_is_found(look: Look, site: Site):
    """``db_column="pwd"``: the site publishes no ``password``, and the database has none."""
    await site.profile.edit(lambda document: document["user_table"]["columns"].pop("password"))
    await site.database.execute("ALTER TABLE auth_user RENAME COLUMN password TO pwd")

    assert "password-column" in await look()


async def test_everything_that_is_wrong_is_found_at_once(look: Look, site: Site, clock: FrozenClock):
    together = ("profile_stale", "argon2_not_first", "session_hash_custom", "password_column_short", "ping_pong")
    for name in together:
        await UNSAFE[name].arrange(site)
    clock.advance(timedelta(minutes=5))

    assert {UNSAFE[name].code for name in together} | {"clock-skew"} <= set(await look())
