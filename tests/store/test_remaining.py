"""The users whose passwords have not been upgraded."""

from uuid import UUID, uuid4

from bridge.profile import UserTable
from bridge.store.database import Database
from bridge.store.remaining import RemainingUsers
from tests.conftest import Cast

TABLE = UserTable(name="Club members", key="uid", key_type="uuid", username="nick", columns={"password": 128})


async def test_a_long_list_comes_in_batches_and_each_user_once(database: Database):
    async with database.transaction() as transaction:
        for number in range(2001):
            await transaction.execute(
                "INSERT INTO auth_user (username, password, email, first_name, last_name, is_active, is_staff,"
                " is_superuser, date_joined) VALUES (:name, 'md5$a$b', '', '', '', :yes, :no, :no, :joined)",
                {"name": f"user_{number}", "yes": True, "no": False, "joined": "2026-01-01 00:00:00"},
            )

    batches = [batch async for batch in RemainingUsers(database, UserTable()).batches()]

    assert [len(batch) for batch in batches] == [1000, 1000, 1]
    assert len({user.id for batch in batches for user in batch}) == 2001


async def test_a_table_of_the_sites_own_is_listed_as_far_as_it_has_the_columns(database: Database, cast: Cast):
    kind = "uuid" if database.dialect == "postgresql" else "char(32)"
    await database.execute(f'CREATE TABLE "Club members" (uid {kind}, nick varchar(9), password varchar(128))')
    keys = [uuid4() for _ in range(3)]
    for key in keys:
        await database.execute("INSERT INTO \"Club members\" VALUES (:key, 'ada', 'md5$a$b')", {"key": key})

    users = RemainingUsers(database, TABLE)
    [batch] = [batch async for batch in users.batches()]

    assert sorted(UUID(user.id) for user in batch) == sorted(keys)
    assert {(user.username, user.email, user.last_login) for user in batch} == {("ada", "", None)}
    assert [batch async for batch in users.batches(only_active=True)] == []
