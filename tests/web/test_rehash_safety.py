"""What a login must never do to a stored password."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import httpx
import pytest
from django.contrib.auth.hashers import check_password, make_password
from prometheus_client import CollectorRegistry

from bridge.errors import HashingAbandoned, HashingUnavailable
from bridge.passwords.pool import HashingPool
from bridge.services.client import Client
from bridge.services.endpoints import Rules
from bridge.services.floor import Floor
from bridge.services.login import LoggedIn, LoginRefused
from bridge.services.preconditions import Safety
from bridge.services.recording import Recorder
from bridge.services.stages import Stages
from bridge.store.database import Database
from bridge.store.endpoints import Endpoints
from bridge.web.composition import Bridge, Foundation, compose, site_profile
from bridge.web.composition.limits import limits_of
from tests.conftest import PASSWORD, Cast, FrozenClock, Serve, bearer, log_in, old_hash, settings_for
from tests.web.conftest import FULL_COST, PublishedProfile, RefusingDatabase, events, shared_events

T = TypeVar("T")


class PoolWithAnInterval(HashingPool):
    """A pool in whose presence something else happens between a verification and what follows from it."""

    def __init__(self, meanwhile: Callable[[], Awaitable[object]]) -> None:
        super().__init__(workers=1)
        self._meanwhile = meanwhile

    async def run(self, work: Callable[[], T], **how: Any) -> T:
        done: T = await super().run(work, **how)
        await self._meanwhile()
        return done


class CountingPool(HashingPool):
    """A pool that counts what it is asked for."""

    def __init__(self) -> None:
        super().__init__(workers=1)
        self.runs = 0

    async def run(self, work: Callable[[], T], **how: Any) -> T:
        self.runs += 1
        done: T = await super().run(work, **how)
        return done


class FullPool(HashingPool):
    """A pool whose one worker and whose queue are taken."""

    async def run(self, work: Callable[[], T], **how: Any) -> T:
        raise HashingUnavailable(retry_after=self._deadline)


Composed = Callable[[HashingPool], Any]


@pytest.fixture
def composed(database: Database, database_url: str, clock: FrozenClock) -> Composed:
    """Compose the bridge's use cases around a pool of one's own."""

    @asynccontextmanager
    async def around(pool: HashingPool) -> Any:
        registry, floor = CollectorRegistry(), Floor(HashingPool(workers=1))
        await floor.measure([lambda: None])
        recorder = Recorder(database=database, registry=registry, clock=clock)
        settings = settings_for(database_url)
        foundation = Foundation(
            settings=settings,
            database=database,
            pool=pool,
            recorder=recorder,
            registry=registry,
            safety=Safety(clock),
            key_source=settings.key_source(),
            clock=clock,
            rules=Rules(),
            endpoints=Endpoints(database),
            stages=Stages(Endpoints(database)),
            floor=floor,
            limits=limits_of(settings, registry, clock),
        )
        bridge = compose(foundation, await site_profile(database), settings.keys())
        await foundation.safety.look(bridge.preconditions)
        yield bridge
        await pool.close()
        await recorder.flush()

    return around


async def attempt(
    bridge: Bridge, username: str = "ada", password: str = PASSWORD, client: Client | None = None
) -> LoggedIn | LoginRefused:
    outcome = await bridge.login.attempt(username=username, password=password, client=client or Client())
    assert isinstance(outcome, LoggedIn | LoginRefused)
    return outcome


# Somebody else writes in between --------------------------------------------------------------------------------------


async def test_a_password_changed_during_the_login_is_not_overwritten(composed: Composed, cast: Cast):
    await cast.add("ada")
    theirs = make_password("changed at the site meanwhile")

    async def change_at_the_site() -> None:
        await cast.database.execute("UPDATE auth_user SET password = :theirs", {"theirs": theirs})

    async with composed(PoolWithAnInterval(change_at_the_site)) as bridge:
        outcome = await attempt(bridge)

    assert isinstance(outcome, LoggedIn)
    assert await cast.stored_password("ada") == theirs


async def test_an_upgrade_that_came_too_late_is_counted_as_superseded(composed: Composed, cast: Cast):
    await cast.add("ada")

    async def change_at_the_site() -> None:
        await cast.database.execute("UPDATE auth_user SET password = 'theirs'")

    async with composed(PoolWithAnInterval(change_at_the_site)) as bridge:
        await attempt(bridge)
        counted = bridge.registry.get_sample_value("bridge_events_total", {"event": "upgrade_superseded"})

    assert counted == 1
    assert await shared_events(cast.database) == {"login_succeeded": 1, "upgrade_superseded": 1}


async def test_a_user_deleted_during_the_login_stays_deleted(composed: Composed, cast: Cast):
    await cast.add("ada")

    async def delete_at_the_site() -> None:
        await cast.database.execute("DELETE FROM auth_user")

    async with composed(PoolWithAnInterval(delete_at_the_site)) as bridge:
        await attempt(bridge)

    assert await cast.database.fetch_all("SELECT id FROM auth_user") == []


async def test_two_logins_at_once_leave_one_valid_hash(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    answers = await asyncio.gather(log_in(client, "ada"), log_in(client, "ada"))

    assert [answer.status_code for answer in answers] == [200, 200]
    assert check_password(PASSWORD, await cast.stored_password("ada"), setter=pytest.fail)
    assert (await events(client))["upgrade_written"] == 1


async def test_two_logins_that_verified_the_same_value_write_once(composed: Composed, cast: Cast):
    await cast.add("ada")
    both_have_verified = asyncio.Barrier(2)

    async with composed(PoolWithAnInterval(both_have_verified.wait)) as bridge:
        outcomes = await asyncio.gather(attempt(bridge), attempt(bridge))

    assert [type(outcome) for outcome in outcomes] == [LoggedIn, LoggedIn]
    assert check_password(PASSWORD, await cast.stored_password("ada"), setter=pytest.fail)
    assert await shared_events(cast.database) == {
        "login_succeeded": 2,
        "upgrade_written": 1,
        "upgrade_superseded": 1,
    }


# The database refuses -------------------------------------------------------------------------------------------------


async def test_a_database_that_takes_no_writes_lets_the_user_in(serve: Serve, cast: Cast, refusing: RefusingDatabase):
    before = old_hash(PASSWORD)
    await cast.add("ada", encoded=before)
    refusing.refuse_everything()

    async with serve(url=refusing.url) as client:
        me = await client.get("/users/me/", headers=await bearer(client, "ada"))

    assert me.json()["username"] == "ada"
    assert await cast.stored_password("ada") == before


async def test_a_database_that_takes_no_more_writes_lets_the_user_in(
    serve: Serve, cast: Cast, refusing: RefusingDatabase
):
    before = old_hash(PASSWORD)
    await cast.add("ada", encoded=before)

    async with serve(url=refusing.url) as client:
        refusing.refuse_everything()
        assert (await log_in(client, "ada")).status_code == 200
    assert await cast.stored_password("ada") == before


@pytest.mark.parametrize(
    ("refused", "kept"),
    [(("UPDATE", "auth_user"), "grant"), (("INSERT", "bridge_grant"), "last_login")],
    ids=["last_login", "the_grant"],
)
async def test_of_what_a_login_writes_the_database_keeps_what_it_takes(
    serve: Serve, cast: Cast, refusing: RefusingDatabase, refused: tuple[str, str], kept: str
):
    await cast.add("ada", encoded=make_password(PASSWORD))

    async with serve(url=refusing.url) as client:
        refusing.refuse(*refused)
        answer = await log_in(client, "ada")

    assert answer.status_code == 200
    assert (answer.json()["refresh_token"] is not None) is (kept == "grant")
    assert (await cast.column("ada", "last_login") is not None) is (kept == "last_login")


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_trigger_of_the_sites_that_writes_to_the_user_as_well_loses_nothing(
    serve: Serve, cast: Cast, database: Database
):
    """PostgreSQL lets no statement write to a row that a trigger of the same statement has written to."""
    await cast.add("ada", encoded=make_password(PASSWORD))
    await database.execute(
        "CREATE FUNCTION seen() RETURNS trigger LANGUAGE plpgsql AS"
        " $$ BEGIN UPDATE auth_user SET first_name = 'seen'; RETURN NEW; END $$"
    )
    await database.execute("CREATE TRIGGER seen BEFORE INSERT ON bridge_grant FOR EACH ROW EXECUTE FUNCTION seen()")

    async with serve() as client:
        answer = await log_in(client, "ada")

    assert answer.json()["refresh_token"] is not None
    assert await cast.column("ada", "last_login") is not None
    assert await cast.column("ada", "first_name") == "seen"


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_a_user_whose_row_the_site_holds_is_logged_in_for_good(serve: Serve, cast: Cast, database: Database):
    """As a slow view does that has saved its user; others may refer to the row meanwhile."""
    await cast.add("ada", encoded=make_password(PASSWORD))

    async with serve(database_timeout=1) as client, database.transaction() as site:
        await site.execute("UPDATE auth_user SET first_name = 'Ada'")
        answer = await log_in(client, "ada")

    assert answer.status_code == 200
    assert answer.json()["refresh_token"] is not None


async def test_an_upgrade_that_is_refused_is_in_the_metrics_where_nothing_can_be_counted_in_the_database(
    serve: Serve, cast: Cast, refusing: RefusingDatabase
):
    await cast.add("ada")

    async with serve(url=refusing.url) as client:
        refusing.refuse_everything()
        await log_in(client, "ada")

        assert await events(client) == {"login_succeeded": 1, "upgrade_failed": 1}
    assert await shared_events(cast.database) == {}


async def test_an_upgrade_that_is_refused_is_counted_for_the_report_where_the_database_takes_that(
    serve: Serve, cast: Cast, refusing: RefusingDatabase
):
    await cast.add("ada")

    async with serve(url=refusing.url) as client:
        refusing.refuse("UPDATE", "auth_user")
        await log_in(client, "ada")

    assert await shared_events(cast.database) == {"login_succeeded": 1, "upgrade_failed": 1}


async def test_a_last_login_alone_that_is_refused_is_no_failed_upgrade(
    serve: Serve, cast: Cast, refusing: RefusingDatabase
):
    await cast.add("ada", encoded=make_password(PASSWORD))

    async with serve(url=refusing.url) as client:
        refusing.refuse("UPDATE", "auth_user")
        assert (await log_in(client, "ada")).status_code == 200
        assert await events(client) == {"login_succeeded": 1}


async def test_an_upgrade_is_made_up_for_once_the_database_takes_it(
    serve: Serve, cast: Cast, refusing: RefusingDatabase
):
    await cast.add("ada")

    async with serve(url=refusing.url) as client:
        refusing.refuse("UPDATE", "auth_user")
        await log_in(client, "ada")
        refusing.allow("UPDATE", "auth_user")
        await log_in(client, "ada")

    assert check_password(PASSWORD, await cast.stored_password("ada"), setter=pytest.fail)


# Nobody asked for it, or it is not safe -------------------------------------------------------------------------------


@pytest.mark.parametrize("rehash", ["off", "0%"])
async def test_re_hashing_switched_off_verifies_and_leaves_the_value(serve: Serve, cast: Cast, rehash: str):
    before = old_hash(PASSWORD)
    await cast.add("ada", encoded=before)

    async with serve(rehash=rehash) as client:
        assert (await log_in(client, "ada")).status_code == 200
    assert await cast.stored_password("ada") == before


@pytest.mark.parametrize("rehash", ["auto", "on", "100%"])
async def test_re_hashing_switched_on_upgrades_where_the_site_is_ready(serve: Serve, cast: Cast, rehash: str):
    await cast.add("ada")

    async with serve(rehash=rehash) as client:
        await log_in(client, "ada")

    assert check_password(PASSWORD, await cast.stored_password("ada"), setter=pytest.fail)


async def test_a_percentage_upgrades_some_and_the_same_ones_each_time(serve: Serve, cast: Cast):
    names = [f"user{number}" for number in range(24)]
    for name in names:
        await cast.add(name, encoded=make_password(PASSWORD, hasher="md5"))

    async def upgraded() -> set[str]:
        async with serve(rehash="50%") as client:
            for name in names:
                await log_in(client, name)
        return {name for name in names if (await cast.stored_password(name)).startswith("argon2$")}

    first = await upgraded()

    assert 0 < len(first) < len(names)
    assert await upgraded() == first


async def test_on_writes_stock_djangos_argon2_without_a_profile(serve: Serve, cast: Cast, profile: PublishedProfile):
    await cast.add("ada")
    await profile.withdraw()

    async with serve(rehash="on", **FULL_COST) as client:
        await log_in(client, "ada")

    assert (await cast.stored_password("ada")).startswith("argon2$argon2id$v=19$m=102400,t=2,p=8$")


async def test_the_parameters_that_the_site_published_are_the_ones_written(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    await cast.add("ada")
    await profile.edit(lambda document: document["hashers"][0]["parameters"].update(memory_cost=128, time_cost=3))

    async with serve() as client:
        await log_in(client, "ada")

    assert (await cast.stored_password("ada")).startswith("argon2$argon2id$v=19$m=128,t=3,p=1$")


# Work that is always the same, and work that there is no room for -----------------------------------------------------


@pytest.mark.parametrize(
    "columns",
    [{}, {"encoded": "!unusable"}, {"encoded": ""}, {"encoded": "nonsense"}, {"is_active": False}],
    ids=["wrong", "unusable", "empty", "foreign", "inactive"],
)
async def test_every_refusal_costs_one_verification(composed: Composed, cast: Cast, columns: dict[str, Any]):
    await cast.add("ada", **columns)

    pool = CountingPool()

    async with composed(pool) as bridge:
        assert isinstance(await attempt(bridge, password="wrong"), LoginRefused)
    assert pool.runs == 1


async def test_an_unknown_user_costs_one_verification_too(composed: Composed):
    pool = CountingPool()

    async with composed(pool) as bridge:
        assert isinstance(await attempt(bridge, "nobody"), LoginRefused)
    assert pool.runs == 1


async def test_a_login_that_there_is_no_room_for_is_counted_as_such(composed: Composed, cast: Cast):
    await cast.add("ada")

    async with composed(FullPool()) as bridge:
        with pytest.raises(HashingUnavailable):
            await attempt(bridge)

    assert await shared_events(cast.database) == {"login_without_capacity": 1}


# Whoever hangs up -----------------------------------------------------------------------------------------------------


async def test_a_login_that_waits_is_given_up_with_its_client_and_is_no_failure(composed: Composed, cast: Cast):
    await cast.add("ada")
    stored, gate = await cast.stored_password("ada"), threading.Event()
    waits, gone, pool = asyncio.Event(), asyncio.Event(), HashingPool(workers=1)

    async def hung_up() -> None:
        waits.set()
        await gone.wait()

    async with composed(pool) as bridge:
        before = asyncio.create_task(pool.run(partial(gate.wait, 5)))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(attempt(bridge, client=Client(hung_up=hung_up)))
        await asyncio.wait([asyncio.create_task(waits.wait())], timeout=5)
        gone.set()
        with pytest.raises(HashingAbandoned):
            await waiting
        gate.set()
        await before
        events = {
            each.labels["event"]: each.value
            for metric in bridge.registry.collect()
            for each in metric.samples
            if each.name == "bridge_events_total" and each.value
        }

    assert events == {"login_abandoned": 1}
    assert await cast.stored_password("ada") == stored


async def test_a_login_whose_hash_was_made_is_finished_though_its_client_hung_up(composed: Composed, cast: Cast):
    await cast.add("ada")
    gone = asyncio.Event()

    async def hang_up() -> None:
        gone.set()

    async with composed(PoolWithAnInterval(hang_up)) as bridge:
        assert isinstance(await attempt(bridge, client=Client(hung_up=gone.wait)), LoggedIn)

    assert (await cast.stored_password("ada")).startswith("argon2$")
