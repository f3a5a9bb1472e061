"""Real handlers, run again beside a Django of the tests: what they read is compared, and nothing is written."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio.from_thread
import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, Request

from bridge.cutover import Side, Verdict
from bridge.errors import DatabaseError
from bridge.store.activity import Activity, Happened
from bridge.store.database import Database
from bridge.store.differences import Differences
from bridge.web.app import create_app
from bridge.web.cutover.shadow import Limits
from bridge.web.dependencies import CurrentUser, SiteDatabase
from tests.conftest import Cast, FrozenClock, bearer, running, settings_for
from tests.web.conftest import before_any_database, shared_events
from tests.web.shadowing import DEFAULTS, REVERSED, SHADOWED, App, Front, answering, front

TODAY = datetime(2026, 11, 21, tzinfo=UTC).date()
ENDLESS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) AS count FROM n"
COUNT = "SELECT count(*) AS count FROM auth_user"
NOBODY = b'{"users":0}'

router = APIRouter()


async def write(database: Database) -> None:
    await Activity(database).add({Happened(TODAY, "bridge", "seen"): 1}, executor=database)


async def number_of_users(database: Database) -> dict[str, int]:
    row = await database.fetch_one(COUNT)
    assert row is not None
    return {"users": row["count"]}


@router.get("/reads/")
async def reads(database: SiteDatabase) -> dict[str, int]:
    return await number_of_users(database)


@router.get("/writes/")
async def writes(database: SiteDatabase) -> dict[str, int]:
    await write(database)
    return await number_of_users(database)


@router.get("/writes-and-says-nothing/")
async def writes_and_says_nothing(database: SiteDatabase) -> dict[str, int]:
    with suppress(DatabaseError):
        await write(database)
    return await number_of_users(database)


@router.get("/writes-in-a-transaction/")
async def writes_in_a_transaction(database: SiteDatabase) -> dict[str, int]:
    async with database.transaction() as transaction:
        await transaction.execute("UPDATE auth_user SET last_login = NULL")
    return {"users": 0}


@router.get("/writes-from-a-thread/")
def writes_from_a_thread(database: SiteDatabase) -> dict[str, int]:
    anyio.from_thread.run(write, database)
    return {"users": 0}


@router.get("/writes-afterwards/")
async def writes_afterwards(database: SiteDatabase, tasks: BackgroundTasks) -> dict[str, int]:
    tasks.add_task(write, database)
    return await number_of_users(database)


@router.get("/never-ends/")
async def never_ends(database: SiteDatabase) -> dict[str, int]:
    await database.fetch_one(ENDLESS)
    return {"users": 0}


@dataclass
class Held:
    """A request that waits for the test in its midst."""

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    let_go: asyncio.Event = field(default_factory=asyncio.Event)


@router.get("/holds/")
async def holds(request: Request, database: SiteDatabase) -> dict[str, int]:
    held: Held = request.app.state.held
    found = await number_of_users(database)
    held.reached.set()
    await held.let_go.wait()
    await write(database)
    return found


@router.get("/many-at-once/")
async def many_at_once(database: SiteDatabase) -> dict[str, int]:
    found = await asyncio.gather(*(number_of_users(database) for _ in range(10)))
    return found[0]


@router.get("/mine/")
async def mine(user: CurrentUser) -> dict[str, str]:
    return {"user": user.username}


@router.get("/knows/")
async def knows(request: Request) -> dict[str, bool]:
    return {"is shadow": request.scope.get("bridge.shadow", False)}


StartFront = Callable[..., AbstractAsyncContextManager[Front]]


@pytest.fixture
def start_front(service_url: str, clock: FrozenClock) -> StartFront:
    """Start the bridge with these handlers, and a front before it and a Django."""

    @asynccontextmanager
    async def start(django: App, *, limits: Limits = DEFAULTS, **more: Any) -> AsyncIterator[Front]:
        app = create_app(settings_for(service_url), routers=[router], clock=clock)
        async with running(app):
            both = front(app, django, database=app.state.bridge.database, limits=limits, **more)
            yield both
            await both.shadow.close()

    return start


async def test_a_handler_that_reads_what_django_reads_matches(start_front: StartFront, cast: Cast):
    await cast.add("ada")

    async with start_front(answering(b'{"users": 1}')) as both:
        await both.ask(path="/reads/")

        assert await both.counted.settled() == [Verdict.MATCH]
        assert both.counted.runs == [(Side.BRIDGE, 200)]


async def test_a_handler_that_reads_something_else_is_reported_with_the_place(
    start_front: StartFront, database: Database
):
    async with start_front(answering(b'{"users":"0"}')) as both:
        assert (await both.ask(path="/reads/")).json() == {"users": "0"}
        assert await both.counted.settled() == [Verdict.MISMATCH]

    (stored,) = await Differences(database).top("GET /it/", limit=10)
    assert (stored.difference.place, stored.difference.legacy) == ("$.users", "string")


@pytest.mark.parametrize(
    "path",
    [
        "/writes/",
        "/writes-and-says-nothing/",
        "/writes-in-a-transaction/",
        "/writes-from-a-thread/",
        "/writes-afterwards/",
    ],
)
async def test_a_handler_that_writes_is_reported_and_writes_nothing(
    start_front: StartFront, cast: Cast, database: Database, path: str
):
    await cast.add("ada", last_login=datetime(2026, 1, 1, tzinfo=UTC))

    async with start_front(answering(b'{"users":1}')) as both:
        assert (await both.ask(path=path)).json() == {"users": 1}
        assert await both.counted.settled() == [Verdict.WRITES]

    assert await shared_events(database) == {}
    assert await cast.column("ada", "last_login") is not None


async def test_a_statement_that_never_ends_is_a_failure(start_front: StartFront):
    limits = Limits(statement_timeout=timedelta(milliseconds=100))

    async with start_front(answering(NOBODY), limits=limits) as both:
        await both.ask(path="/never-ends/")

        assert await both.counted.settled() == [Verdict.FAILED]
        assert both.counted.runs == [(Side.BRIDGE, 503)]


async def test_requests_of_clients_write_while_a_shadow_runs(start_front: StartFront, database: Database):
    """What is bound to the shadow is not bound to them, even on the same handler."""
    async with start_front(answering(NOBODY)) as both:
        held = both.app.state.held = Held()  # type: ignore[attr-defined]
        await both.ask(path="/holds/")
        await held.reached.wait()
        async with httpx.AsyncClient(transport=httpx.ASGITransport(both.app), base_url="http://bridge") as client:
            answers = await asyncio.gather(client.get("/writes/"), client.get("/writes-in-a-transaction/"))
        held.let_go.set()

        assert [answer.status_code for answer in answers] == [200, 200]
        assert await both.counted.settled() == [Verdict.WRITES]
    assert await shared_events(database) == {"seen": 1}


async def test_what_a_handler_asks_at_once_is_answered(start_front: StartFront):
    async with start_front(answering(NOBODY)) as both:
        await both.ask(path="/many-at-once/")

        assert await both.counted.settled() == [Verdict.MATCH]


# Who asked ------------------------------------------------------------------------------------------------------------


@before_any_database
@pytest.mark.parametrize(
    ("columns", "role"),
    [({}, "user"), ({"is_staff": True}, "staff"), ({"is_staff": True, "is_superuser": True}, "superuser")],
    ids=["user", "staff", "superuser"],
)
@pytest.mark.parametrize("standing", [SHADOWED, REVERSED], ids=["shadow", "migrated"])
async def test_the_role_is_that_of_whom_the_handler_found(
    start_front: StartFront, cast: Cast, columns: dict[str, Any], role: str, standing
):
    await cast.add("ada", **columns)

    async with start_front(answering(b'{"user": "ada"}'), standing=standing) as both:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(both.app), base_url="http://bridge") as client:
            header = await bearer(client, "ada")
        await both.ask(path="/mine/", headers=header)

        assert await both.counted.settled() == [Verdict.MATCH]
        assert both.counted.roles == [role]


@before_any_database
@pytest.mark.parametrize(
    ("headers", "role"),
    [({}, "anonymous"), ({"Cookie": "sessionid=stale"}, "anonymous"), ({"Authorization": "Bearer x"}, "unknown")],
    ids=["nobody", "a_stale_session", "a_bad_token"],
)
async def test_a_login_that_is_refused_is_compared_like_any_answer(
    start_front: StartFront, headers: dict[str, str], role: str
):
    django = answering(b"", status=401, headers=())

    async with start_front(django) as both:
        await both.ask(path="/mine/", headers=headers)

        # Both refuse; how they say so is another matter.
        assert await both.counted.settled() == [Verdict.MISMATCH]
        assert both.counted.runs[0] == (Side.BRIDGE, 401)
        assert both.counted.roles == [role]


@before_any_database
async def test_a_handler_can_tell_that_no_client_gets_its_answer(start_front: StartFront):
    async with start_front(answering(b'{"is shadow": true}')) as both:
        await both.ask(path="/knows/")

        assert await both.counted.settled() == [Verdict.MATCH]


@before_any_database
async def test_an_answer_that_another_app_compressed_is_the_same(start_front: StartFront):

    django = answering(
        gzip.compress(NOBODY), headers=((b"content-type", b"application/json"), (b"content-encoding", b"gzip"))
    )

    async with start_front(django) as both:
        await both.ask(path="/reads/")

        assert await both.counted.settled() == [Verdict.MATCH]
