"""Values that argon2 wraps, found in the user table."""

from bridge.profile import UserTable
from bridge.store.database import Database
from bridge.store.users import Users
from bridge.store.wrapped import wrapped_values
from tests.conftest import Cast


async def test_those_around_pbkdf2_are_given_and_no_others(database: Database, cast: Cast):
    for number, value in enumerate(("argon2_pbkdf2_sha256$9$a$b", "argon2$a", "argon2_md5$a", "argon2xpbkdf2_sha1$1")):
        await cast.add(f"user{number}", encoded=value)

    assert await wrapped_values(Users(database, UserTable())) == ["argon2_pbkdf2_sha256$9$a$b"]
