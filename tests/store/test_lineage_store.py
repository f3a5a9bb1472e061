"""Links between stored values in the database, where Django reads them."""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest

from bridge.sessions.auth_hash import session_auth_hash
from bridge.sessions.lineage import LineageLink, lineage_digest, links_between
from bridge.store.database import Database
from bridge.store.lineage import Lineage

NOW: Final = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
WEEK: Final = timedelta(days=7)
SECRET: Final = "the site's secret key"
FALLBACK: Final = "the site's secret key before"


@pytest.fixture
def lineage(database: Database) -> Lineage:
    return Lineage(database)


def linked(old: str, new: str, *, user_id: str = "1", expires: timedelta = WEEK) -> list[LineageLink]:
    """Link two values under each key."""
    until = NOW + expires
    return list(links_between(old, new, user_id=user_id, secrets=(SECRET, FALLBACK), expires_at=until))


async def rehash(lineage: Lineage, database: Database, *rehashes: list[LineageLink]) -> None:
    for links in rehashes:
        async with database.transaction() as transaction:
            for each in links:
                await lineage.record(each, executor=transaction)


async def live_under(database: Database, value: str, *, user_id: str = "1") -> set[str]:
    """Give the auth hashes of the sessions that go on while the column holds a value, as Django asks for them."""
    found: set[str] = set()
    for secret in (SECRET, FALLBACK):
        rows = await database.fetch_all(
            "SELECT old_auth_hash FROM bridge_password_lineage WHERE user_id = :user_id AND new_digest = :digest",
            {"user_id": user_id, "digest": lineage_digest(value, secret=secret)},
        )
        found |= {row["old_auth_hash"] for row in rows}
    return found


def sessions_of(*values: str) -> set[str]:
    return {session_auth_hash(value, secret=secret) for value in values for secret in (SECRET, FALLBACK)}


async def test_sessions_of_the_old_value_go_on_under_the_new_one(lineage: Lineage, database: Database):
    await rehash(lineage, database, linked("V0", "V1"))

    assert await live_under(database, "V1") == sessions_of("V0")


async def test_earlier_links_are_carried_forward(lineage: Lineage, database: Database):
    await rehash(lineage, database, linked("V0", "V1"), linked("V1", "V2"), linked("V2", "V3"))

    assert await live_under(database, "V3") == sessions_of("V0", "V1", "V2")
    assert await live_under(database, "V1") == await live_under(database, "V2") == set()


async def test_a_way_back_keeps_every_session(lineage: Lineage, database: Database):
    await rehash(lineage, database, linked("V0", "V1"), linked("V1", "V0"))

    assert await live_under(database, "V0") >= sessions_of("V1")


async def test_there_and_back_and_there_again_keeps_every_session(lineage: Lineage, database: Database):
    await rehash(lineage, database, linked("V0", "V1"), linked("V1", "V0"), linked("V0", "V2"))

    assert await live_under(database, "V2") >= sessions_of("V0", "V1")


async def test_sessions_before_a_real_change_stay_ended_by_a_later_re_hash(lineage: Lineage, database: Database):
    await rehash(lineage, database, linked("V0", "V1"), linked("changed", "changed and re-hashed"))

    assert await live_under(database, "changed and re-hashed") == sessions_of("changed")


async def test_other_users_of_the_same_value_are_left_alone(lineage: Lineage, database: Database):
    await rehash(lineage, database, linked("V0", "V1"), linked("V0", "V1", user_id="2"), linked("V1", "V2"))

    assert await live_under(database, "V1", user_id="2") == sessions_of("V0")
    assert await live_under(database, "V2", user_id="2") == set()


async def test_the_same_link_twice_is_one_that_lasts_longer(lineage: Lineage, database: Database):
    await rehash(lineage, database, linked("V0", "V1"), linked("V0", "V1", expires=2 * WEEK))

    assert await live_under(database, "V1") == sessions_of("V0")
    assert await lineage.prune(now=NOW + WEEK + timedelta(days=1)) == 0


async def test_a_link_of_a_transaction_that_failed_is_not_there(lineage: Lineage, database: Database):
    async def fail() -> None:
        async with database.transaction() as transaction:
            for each in linked("V0", "V1"):
                await lineage.record(each, executor=transaction)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await fail()

    assert await live_under(database, "V1") == set()


async def test_links_that_no_session_can_need_are_pruned_and_no_others(lineage: Lineage, database: Database):
    await rehash(
        lineage,
        database,
        linked("over", "V1", expires=timedelta(seconds=-1)),
        linked("ending_now", "V1", expires=timedelta()),
        linked("kept", "V1", expires=timedelta(seconds=1)),
    )

    assert await lineage.prune(now=NOW) == 2  # under either key
    assert await live_under(database, "V1") == sessions_of("ending_now", "kept")


# Following ------------------------------------------------------------------------------------------------------------


async def leads(lineage: Lineage, old: str, new: str, *, user_id: str = "1", later: timedelta = timedelta()) -> bool:
    """Ask with the newer of two keys for a session of either."""
    return all(
        [
            await lineage.leads(
                user_id,
                old_auth_hash=session_auth_hash(old, secret=secret),
                new_digests=[lineage_digest(new, secret=each) for each in (SECRET, FALLBACK)],
                now=NOW + later,
            )
            for secret in (SECRET, FALLBACK)
        ]
    )


async def test_a_superseded_value_leads_to_the_present_one(lineage: Lineage, database: Database):
    await rehash(lineage, database, linked("V0", "V1"), linked("V1", "V2"))

    assert await leads(lineage, "V0", "V2")
    assert await leads(lineage, "V1", "V2")


@pytest.mark.parametrize(
    ("old", "new", "more"),
    [
        ("V0", "V1", {"user_id": "2"}),
        ("V0", "V2", {}),
        ("V1", "V0", {}),
        ("V1", "V1", {}),
        ("V0", "V1", {"later": WEEK}),
    ],
    ids=["of_another_user", "to_another_value", "backwards", "to_itself", "once_expired"],
)
async def test_nothing_else_leads_anywhere(
    lineage: Lineage, database: Database, old: str, new: str, more: dict[str, Any]
):
    await rehash(lineage, database, linked("V0", "V1"))

    assert not await leads(lineage, old, new, **more)


async def test_a_withdrawn_keys_sessions_are_led_nowhere(lineage: Lineage, database: Database):
    await rehash(lineage, database, linked("V0", "V1"))

    assert not await lineage.leads(
        "1",
        old_auth_hash=session_auth_hash("V0", secret=FALLBACK),
        new_digests=[lineage_digest("V1", secret=SECRET)],
        now=NOW,
    )
