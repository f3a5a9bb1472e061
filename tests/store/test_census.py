"""Counting formats inside the database, by the rules that ``EncodedPassword`` has in Python."""

from collections import Counter
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.passwords.encoded import ALGORITHMS, EncodedPassword
from bridge.profile import UserTable
from bridge.store.census import Census
from bridge.store.database import Database

TABLE: Final = UserTable(name="Members of the Club", key="uid", username="email")
HEX: Final = "0123456789abcdef" * 4


@pytest.fixture
async def column(database: Database) -> Database:
    """A table of the site's own with nothing but stored passwords."""
    await database.execute('CREATE TABLE "Members of the Club" (password varchar(128) NOT NULL)')
    return database


def parsed(stored: str) -> str:
    """Name a value's format as the report does."""
    if stored.startswith("!"):
        return "unusable"
    return EncodedPassword.parse(stored).algorithm or "unknown"


async def counted(column: Database, *values: str) -> dict[str, int]:
    await column.execute('DELETE FROM "Members of the Club"')
    for value in values:
        await column.execute('INSERT INTO "Members of the Club" VALUES (:value)', {"value": value})
    return await Census(column, TABLE).users_by_algorithm()


SPECIMENS: Final = {
    **{name: f"{name}$rounds$salt$digest" for name in ALGORITHMS},
    **{f"{name}_without_dollar": name for name in ALGORITHMS},
    **{f"{name}_upper": f"{name.upper()}$x" for name in ALGORITHMS},
    "empty": "",
    "dollar": "$",
    "bare_argon2": "$argon2id$v=19$m=64,t=1,p=1$c2FsdA$aGFzaA",
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
    named = {specimen: await counted(column, stored) for specimen, stored in SPECIMENS.items()}

    assert named == {specimen: {parsed(stored): 1} for specimen, stored in SPECIMENS.items()}


async def test_an_empty_table_has_no_formats(column: Database):
    assert await counted(column) == {}


async def test_users_are_counted_by_format(column: Database):
    values = ["argon2$a", "argon2$b", "md5$a$b", "!x", "nonsense"]

    assert await counted(column, *values) == {"argon2": 2, "md5": 1, "unusable": 1, "unknown": 1}


printable = st.characters(exclude_characters="\0", exclude_categories=["Cs"])
lengths = st.sampled_from([31, 32, 33, 36, 37, 38, 45, 46, 47])
heads = st.sampled_from([*ALGORITHMS, "!", "", "md5$", "sha1$", "ARGON2", "unsalted"]).flatmap(
    lambda head: st.sampled_from([head, head + "$"])
)
stored_values = (
    st.text(printable, max_size=128)
    | st.builds(lambda head, tail: (head + tail)[:128], heads, st.text(printable, max_size=60))
    | st.builds(lambda head, length: (head + HEX)[:length], heads, lengths)
)


@given(values=st.lists(stored_values, max_size=12))
@settings(max_examples=60, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_database_counts_any_values_as_python_would(column: Database, values: list[str]):
    assert await counted(column, *values) == Counter(parsed(value) for value in values)
