"""Counting users inside the database, by rules that stand here once more in Python."""

import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bench.population import NOW as THEN
from bench.population import fill as populate
from bench.recount import differences
from bridge.errors import SchemaMissing
from bridge.passwords.encoded import ALGORITHMS, EncodedPassword
from bridge.profile import UserTable
from bridge.progress.census import Census, CensusRow, Cohort
from bridge.progress.forecast import LastSeen
from bridge.store.census import UserCensus
from bridge.store.database import Database, open_database
from bridge.store.letters import LetterCount
from tests.conftest import Cast

NOW: Final = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
TABLE: Final = UserTable(name="Members of the Club", key="uid", username="email", columns={"password": 128})
HEX: Final = "0123456789abcdef" * 4


# The same in Python ---------------------------------------------------------------------------------------------------

DIGITS: Final = frozenset("0123456789")
COSTS: Final = (
    "pbkdf2_sha256$",
    "pbkdf2_sha1$",
    "scrypt$",
    *(f"{name}$$2{minor}$" for name in ("bcrypt_sha256", "bcrypt") for minor in "ab"),
    "argon2$argon2id$v=19$",
    "argon2_pbkdf2_sha256$",
    "argon2_pbkdf2_sha1$",
)
"""What stands before a cost."""
KINDS: Final = {"$2": "bare_bcrypt", "$argon2": "bare_argon2", "$": "modular_crypt", "{": "ldap"}


def named(stored: str) -> tuple[str, str]:
    """A value's algorithm and cost as a census names them."""
    if stored.startswith("!"):
        return "unusable", ""
    algorithm = EncodedPassword.parse(stored).algorithm
    if algorithm is None:
        return "unknown", kind(stored)
    for before in COSTS:
        if stored.startswith(before):
            cost = stored[len(before) :].partition("$")[0]
            is_cost = len(cost) <= 32 and set(cost) <= DIGITS | set("mtp=," * (algorithm == "argon2"))
            return algorithm, cost if is_cost else ""
    return algorithm, ""


def kind(stored: str) -> str:
    if stored == "":
        return "empty"
    for prefix, name in KINDS.items():
        if stored.startswith(prefix):
            return name
    foreign = re.match(r"([a-z0-9_]{2,32})\$[^$]*\$", stored, re.DOTALL)
    return foreign[1] if foreign and len(stored) >= 40 else "other"


# Formats --------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def column(database: Database) -> Database:
    """A table of the site's own with nothing but stored passwords."""
    await database.execute('CREATE TABLE "Members of the Club" (password varchar(128) NOT NULL)')
    return database


async def counted(column: Database, *values: str) -> dict[tuple[str, str], int]:
    await column.execute('DELETE FROM "Members of the Club"')
    for value in values:
        await column.execute('INSERT INTO "Members of the Club" VALUES (:value)', {"value": value})
    census = await UserCensus(column, TABLE).count(NOW)
    return {(row.algorithm, row.cost): users for row, users in census.rows.items()}


SPECIMENS: Final = {
    **{name: f"{name}$rounds$salt$digest" for name in ALGORITHMS},
    **{f"{name}_without_dollar": name for name in ALGORITHMS},
    **{f"{name}_upper": f"{name.upper()}$x" for name in ALGORITHMS},
    "pbkdf2": f"pbkdf2_sha256$1000000$salt${HEX}",
    "pbkdf2_few": f"pbkdf2_sha256$1$salt${HEX}",
    "pbkdf2_no_rounds": f"pbkdf2_sha256$$salt${HEX}",
    "pbkdf2_only_rounds": "pbkdf2_sha256$1000",
    "pbkdf2_endless_rounds": "pbkdf2_sha256$" + "1" * 60,
    "pbkdf2_digest_for_rounds": f"pbkdf2_sha256${HEX}",
    "pbkdf2_other_digits": "pbkdf2_sha256$\u0661\u0662$salt$digest",
    "pbkdf2_sha1": f"pbkdf2_sha1$20000$salt${HEX}",
    "wrapped": "argon2_pbkdf2_sha256$260000$salt$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA",
    "wrapped_sha1": "argon2_pbkdf2_sha1$20000$salt$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA",
    "wrapped_digest": "argon2_md5$1234$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA",
    "argon2id": "argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdA$aGFzaA",
    "argon2i": "argon2$argon2i$v=19$m=512,t=2,p=2$c2FsdA$aGFzaA",
    "argon2_without_version": "argon2$argon2i$m=512,t=2,p=2$c2FsdA$aGFzaA",
    "argon2_nonsense": f"argon2$argon2id$v=19${HEX}",
    "bcrypt_sha256": "bcrypt_sha256$$2b$12$" + "x" * 53,
    "bcrypt_old": "bcrypt$$2a$10$" + "x" * 53,
    "bcrypt_long": "bcrypt$$2b$1234567$" + "x" * 40,
    "scrypt_django": f"scrypt$16384$salt$8$5${HEX}",
    "empty": "",
    "dollar": "$",
    "bare_argon2": "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA",
    "bare_bcrypt": "$2y$10$" + "x" * 53,
    "sha512_crypt": "$6$salt$" + "x" * 86,
    "ldap": "{SSHA}c2FsdA",
    "foreign": f"pbkdf2_sha512$1000$salt${HEX}",
    "foreign_of_one_letter": f"x$1000$salt${HEX}",
    "foreign_upper": f"PBKDF2$1000$salt${HEX}",
    "foreign_long_name": "x" * 33 + "$a$" + HEX,
    "foreign_longest_name": "x" * 32 + "$a$" + HEX,
    "foreign_without_second_dollar": f"foreign${HEX}",
    "a_password_as_it_is": "pa$sw$ord",
    "unusable": "!",
    "unusable_md5": "!" + HEX[:31],
    "unusable_later": "argon2!",
    "bare_md5": HEX[:32],
    "bare_md5_upper": HEX[:32].upper(),
    "thirty_two_of_anything": "ä" * 32,
    "thirty_two_with_dollar": HEX[:31] + "$",
    "bare_31": HEX[:31],
    "bare_33": HEX[:33],
    "md5_empty_salt": "md5$$" + HEX[:32],
    "md5_empty_salt_short": "md5$$" + HEX[:31],
    "md5_empty_salt_long": "md5$$" + HEX[:33],
    "sha1_empty_salt": "sha1$$" + HEX[:40],
    "sha1_empty_salt_short": "sha1$$" + HEX[:39],
    "sha1_empty_salt_long": "sha1$$" + HEX[:41],
    "spaces": " " * 32,
    "leading_space": " argon2$x",
    "trailing_space": "argon2$ ",
    "hat": "🎩" * 32,
    "percent": "%argon2$",
    "underscore": "argon_$x",
    "prefix_of_another": "pbkdf2_sha2567$x",
    "full": "x" * 128,
}


async def test_the_database_names_each_format_as_python_does(column: Database):
    found = {specimen: await counted(column, stored) for specimen, stored in SPECIMENS.items()}

    assert found == {specimen: {named(stored): 1} for specimen, stored in SPECIMENS.items()}


@pytest.mark.parametrize(
    ("specimen", "expected"),
    [
        ("pbkdf2", ("pbkdf2_sha256", "1000000")),
        ("argon2id", ("argon2", "m=102400,t=2,p=8")),
        ("bcrypt_sha256", ("bcrypt_sha256", "12")),
        ("scrypt_django", ("scrypt", "16384")),
        ("wrapped", ("argon2_pbkdf2_sha256", "260000")),
        ("wrapped_sha1", ("argon2_pbkdf2_sha1", "20000")),
        ("wrapped_digest", ("argon2_md5", "")),
        ("pbkdf2_digest_for_rounds", ("pbkdf2_sha256", "")),
        ("foreign", ("unknown", "pbkdf2_sha512")),
        ("bare_bcrypt", ("unknown", "bare_bcrypt")),
        ("a_password_as_it_is", ("unknown", "other")),
        ("empty", ("unknown", "empty")),
    ],
)
def test_formats_have_names_that_tell_something(specimen: str, expected: tuple[str, str]):
    assert named(SPECIMENS[specimen]) == expected


async def test_an_empty_table_has_no_formats(column: Database):
    assert await counted(column) == {}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_rare_costs_are_counted_together(column: Database):
    often = [f"pbkdf2_sha256${rounds}$a$b" for rounds in range(32)] * 2
    seldom = [f"pbkdf2_sha256${rounds}$a$b" for rounds in range(100, 105)]

    found = await counted(column, *often, *seldom, "md5$a$b")

    assert found == {
        **{("pbkdf2_sha256", str(rounds)): 2 for rounds in range(32)},
        ("pbkdf2_sha256", "other"): 5,
        ("md5", ""): 1,
    }


ARGON2: Final = "argon2$argon2id$v=19$m=1,t=1,p=1"
printable = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
lengths = st.sampled_from([31, 32, 33, 36, 37, 38, 45, 46, 47])
heads = st.sampled_from(
    [*ALGORITHMS, "!", "", "md5$", "sha1$", "ARGON2", "unsalted", "$2", "{", "foreign", ARGON2]
).flatmap(lambda head: st.sampled_from([head, head + "$", head + "$1000$", head + "$$2b$10"]))
stored_values = (
    st.text(printable, max_size=128)
    | st.builds(lambda head, tail: (head + tail)[:128], heads, st.text(printable, max_size=60))
    | st.builds(lambda head, tail: (head + tail)[:128], heads, st.text("0159$,=mtpab_", max_size=60))
    | st.builds(lambda head, length: (head + HEX)[:length], heads, lengths)
)


@given(values=st.lists(stored_values, max_size=12))
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_database_counts_any_values_as_python_would(column: Database, values: list[str]):
    assert await counted(column, *values) == Counter(named(value) for value in values)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_more_costs_than_are_told_apart_by_comparing_are_counted_as_well(column: Database):
    costs = [f"argon2$argon2id$v=19$m={memory},t=1,p=1$a$b" for memory in range(200)]

    found = await counted(column, *costs, *costs[:32])

    assert found[("argon2", "m=0,t=1,p=1")] == 2
    assert found[("argon2", "other")] == 200 - 32
    assert sum(found.values()) == 200 + 32


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_values_are_counted_wherever_in_the_table_they_are(column: Database):
    for place in (-(2**63), -(2**40), -1, 0, 1, 99_999, 100_000, 100_001, 2**63 - 1):
        await column.execute(
            'INSERT INTO "Members of the Club" (rowid, password) VALUES (:place, :value)',
            {"place": place, "value": "md5$a$b"},
        )
    census = await UserCensus(column, TABLE).count(NOW)

    assert census.count() == 9


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_column_of_the_sites_that_is_called_as_sqlite_calls_places_hides_nobody(column: Database):
    await column.execute("CREATE TABLE club (rowid integer NULL, password varchar(128) NOT NULL)")
    await column.execute("INSERT INTO club VALUES (NULL, 'md5$a$b'), (7, 'md5$a$b'), (NULL, '!')")

    census = await UserCensus(column, replace(TABLE, name="club")).count(NOW)

    assert census.by(lambda row: row.algorithm) == {"md5": 2, "unusable": 1}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_what_keeps_users_from_being_counted_is_one_error_of_ours(column: Database):
    letters = LetterCount(column, TABLE.name, lambda written: f"absent + {written(0)}", 1, timedelta(minutes=1))

    with pytest.raises(SchemaMissing) as error:
        await letters.count({})

    assert "absent" in str(error.value.__cause__)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_column_that_cannot_be_read_keeps_nobody_from_being_counted(column: Database):
    await column.execute('CREATE VIEW club AS SELECT password, json(password) AS other FROM "Members of the Club"')
    await column.execute('INSERT INTO "Members of the Club" (password) VALUES (:value)', {"value": "no JSON"})

    census = await UserCensus(column, replace(TABLE, name="club")).count(NOW)

    assert census.count() == 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_view_of_users_is_counted(column: Database):
    await column.execute("INSERT INTO \"Members of the Club\" VALUES ('md5$a$b'), ('!'), ('pbkdf2_sha256$7$a$b')")
    await column.execute('CREATE VIEW club AS SELECT password FROM "Members of the Club"')

    census = await UserCensus(column, replace(TABLE, name="club")).count(NOW)

    assert census.by(lambda row: row.algorithm) == {"md5": 1, "pbkdf2_sha256": 1, "unusable": 1}


# Users ----------------------------------------------------------------------------------------------------------------

BOUNDS: Final = ((7, Cohort.WEEK), (30, Cohort.MONTH), (90, Cohort.QUARTER), (365, Cohort.YEAR))


def cohort_of(last_login: datetime | None) -> Cohort:
    if last_login is None:
        return Cohort.NEVER
    within = (cohort for days, cohort in BOUNDS if last_login >= NOW - timedelta(days=days))
    return next(within, Cohort.OLDER)


def generated(number: int) -> Iterator[dict[str, Any]]:
    """Users of every format, age and kind."""
    rng = random.Random(6)  # noqa: S311
    formats = list(SPECIMENS.values())
    for index in range(number):
        seen = rng.choice([None, *(timedelta(days=days) for days, _ in BOUNDS), timedelta(days=rng.expovariate(0.01))])
        yield {
            "username": f"user_{index}",
            "password": rng.choice(formats),
            "email": "",
            "first_name": "",
            "last_name": "",
            "is_active": rng.random() < 0.9,
            "is_staff": rng.random() < 0.1,
            "is_superuser": rng.random() < 0.1,
            "date_joined": NOW,
            "last_login": None if seen is None else NOW - seen + rng.choice([timedelta(0), timedelta(microseconds=-1)]),
        }


async def fill(database: Database, users: Sequence[dict[str, Any]]) -> None:
    names = tuple(users[0])
    async with database.transaction() as transaction:
        for user in users:
            await transaction.execute(
                f"INSERT INTO auth_user ({', '.join(names)}) VALUES ({', '.join(f':{name}' for name in names)})", user
            )


async def test_the_figures_equal_an_independent_count(database: Database):
    users = list(generated(3000))
    await fill(database, users)

    census = await UserCensus(database, UserTable()).count(NOW)

    expected = Counter(
        CensusRow(
            *named(user["password"]),
            cohort=cohort_of(user["last_login"]),
            is_active=user["is_active"],
            is_staff=user["is_staff"] or user["is_superuser"],
        )
        for user in users
    )
    assert Census(expected).count() == 3000
    assert census.rows == expected


async def test_who_was_last_seen_when_equals_an_independent_count(database: Database):
    users = list(generated(1500))
    await fill(database, users)

    found = await UserCensus(database, UserTable()).last_seen(NOW)

    expected: Counter[tuple[int, bool]] = Counter()
    for user in users:
        algorithm, _ = named(user["password"])
        active = user["is_active"] and user["last_login"] and user["last_login"] > NOW - timedelta(days=365)
        if active and algorithm not in ("unusable", "unknown"):
            expected[(NOW - user["last_login"]).days, algorithm == "argon2"] += 1
    ages = {age for age, _ in expected}
    assert found == {age: LastSeen(upgraded=expected[age, True], waiting=expected[age, False]) for age in ages}


async def test_the_bench_counts_the_same_and_notices_what_differs(tmp_path: Path):
    (tmp_path / "users.sqlite3").touch()
    database = await open_database(f"sqlite:///{tmp_path}/users.sqlite3")
    try:
        await populate(database, 3000)
        census = UserCensus(database, UserTable())
        counted = await census.count(THEN), await census.last_seen(THEN)

        assert await differences(database, *counted, now=THEN) == 0
        await database.execute("UPDATE auth_user SET password = 'pbkdf2_sha256$7$' WHERE id = 7")
        assert await differences(database, *counted, now=THEN) > 0
    finally:
        await database.close()


async def test_whoever_logged_in_later_than_now_did_so_now(database: Database, cast: Cast):
    await cast.add("ahead", encoded="md5$a$b", last_login=NOW + timedelta(hours=30))

    assert await UserCensus(database, UserTable()).last_seen(NOW) == {0: LastSeen(upgraded=0, waiting=1)}


@pytest.mark.parametrize("always_active", [True, False])
async def test_columns_that_a_site_does_not_have_are_not_asked_for(column: Database, *, always_active: bool):
    await column.execute("INSERT INTO \"Members of the Club\" VALUES ('md5$a$b')")
    census = UserCensus(
        column, UserTable(name=TABLE.name, key="uid", columns={"password": 128}, always_active=always_active)
    )

    assert (await census.count(NOW)).rows == {
        CensusRow("md5", "", Cohort.NEVER, is_active=always_active, is_staff=False): 1
    }
    assert await census.last_seen(NOW) == {}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_site_that_keeps_local_times_is_read_by_them(database: Database, cast: Cast):
    await cast.add("tokyo", encoded="md5$a$b", last_login=datetime(2026, 11, 20, 20, 0))  # 11:00 UTC  # noqa: DTZ001

    census = await UserCensus(database, UserTable(), time_zone="Asia/Tokyo").count(NOW + timedelta(days=7))

    assert [row.cohort for row in census.rows] == [Cohort.MONTH]
