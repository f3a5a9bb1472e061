"""What may be moved where, in words that say what to do about a refusal. Which database it is does not matter."""

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest

from bridge.cutover.demands import Demands
from bridge.cutover.inventory import Handler
from bridge.cutover.operations import Operation
from bridge.cutover.plan import Plan
from bridge.cutover.stages import Stage, Standing
from bridge.services.endpoints import Move, Moved, MoveRefused, Moving, Refusal, RolledBack, Rules
from bridge.store.database import Database, open_database
from bridge.store.endpoints import Endpoints
from tests.conftest import FrozenClock

ORDERS: Final = Operation.parse("GET /orders/{id}/")
ITEMS: Final = Operation.parse("GET /items/")
UNSERVED: Final = Operation.parse("GET /nowhere/")
LEGACY: Final = Standing.of(Stage.LEGACY)
SHADOW: Final = Standing.of(Stage.SHADOW)
CANARY: Final = Standing.of(Stage.CANARY, 500)
RETIRED: Final = Standing.of(Stage.RETIRED)
PLAN: Final = """
[operations."GET /orders/{number}/"]
stages = ["shadow", "canary", "migrated", "retired"]
[operations."GET /items/"]
stages = ["shadow"]
"""


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = await open_database(sqlite_url)
    yield opened
    await opened.close()


@pytest.fixture
def endpoints(database: Database) -> Endpoints:
    return Endpoints(database)


def served(*operations: Operation) -> dict[str, Handler]:
    """A handler of each."""
    return {each.shape: Handler(each, Demands(), re.compile(""), name="shop_api.endpoint") for each in operations}


@pytest.fixture
def moving(endpoints: Endpoints, clock: FrozenClock) -> Moving:
    rules = Rules(plan=Plan.parse(PLAN), file="cutover.toml", served=served(ORDERS, ITEMS))
    return Moving(endpoints=endpoints, clock=clock, rules=rules)


async def put(moving: Moving, operation: Operation, standing: Standing, **more: Any) -> Moved:
    outcome = await attempt(moving, operation, standing, **more)
    assert isinstance(outcome, Moved), outcome
    return outcome


async def attempt(moving: Moving, operation: Operation, standing: Standing, **more: Any) -> Moved | MoveRefused:
    return await moving.set(Move(operation, standing, actor="cli:ada", reason="because", **more))


async def refused(moving: Moving, operation: Operation, standing: Standing, code: Refusal, **more: Any) -> str:
    """Hold a move to a refusal that changes nothing, and give its words."""
    before = [each.version for each in await moving._endpoints.history(limit=99)]
    outcome = await attempt(moving, operation, standing, **more)
    assert isinstance(outcome, MoveRefused), outcome
    assert outcome.code is code
    assert [each.version for each in await moving._endpoints.history(limit=99)] == before
    return outcome.detail


async def rolled_back(moving: Moving, operation: Operation | None, **more: Any) -> RolledBack:
    outcome = await moving.rollback(operation, actor="cli:ada", reason="it burns", **more)
    assert isinstance(outcome, RolledBack), outcome
    return outcome


async def test_a_move_says_what_was_and_what_is(moving: Moving):
    first = await put(moving, ORDERS, SHADOW)
    second = await put(moving, ORDERS, CANARY)

    assert first == Moved(ORDERS.shape, "legacy", 0, Standing(Stage.SHADOW, 10_000, 1))
    assert second == Moved(ORDERS.shape, "shadow", 10_000, Standing(Stage.CANARY, 500, 2))


async def test_who_moved_it_is_kept_as_far_as_the_column_goes(moving: Moving, endpoints: Endpoints):
    await moving.set(Move(ORDERS, SHADOW, actor="a" * 300, reason="r" * 2000))

    (change,) = await endpoints.history(limit=1)
    assert (change.actor, change.reason) == ("a" * 255, "r" * 1024)


async def test_a_stage_that_the_plan_does_not_allow_is_refused_with_the_line_to_write(moving: Moving):
    detail = await refused(moving, ITEMS, CANARY, Refusal.STAGE_NOT_ALLOWED)

    assert "cutover.toml" in detail
    assert '[operations."GET /items/"]' in detail
    assert 'stages = ["legacy", "shadow", "canary"]' in detail


async def test_the_line_that_a_refusal_gives_is_one_that_allows_it(moving: Moving):
    detail = await refused(moving, ITEMS, CANARY, Refusal.STAGE_NOT_ALLOWED)
    line = detail.partition("write ")[2]

    plan = Plan.parse(f'[operations."GET /items/"]\n{line}')

    assert plan.of(ITEMS.shape).allowed == {Stage.LEGACY, Stage.SHADOW, Stage.CANARY}


async def test_without_a_plan_a_refusal_names_the_setting(endpoints: Endpoints, clock: FrozenClock):
    rules = Rules(served=served(ORDERS))
    moving = Moving(endpoints=endpoints, clock=clock, rules=rules)

    assert "BRIDGE_CUTOVER_FILE" in await refused(moving, ORDERS, RETIRED, Refusal.STAGE_NOT_ALLOWED)


async def test_an_operation_without_a_handler_stays_with_django(moving: Moving):
    assert "BRIDGE_ENDPOINTS" in await refused(moving, UNSERVED, SHADOW, Refusal.NO_HANDLER)


async def test_an_operation_whose_handler_is_gone_can_go_back(moving: Moving, endpoints: Endpoints, clock: FrozenClock):
    await put(moving, ORDERS, CANARY)
    without = Moving(endpoints=endpoints, clock=clock, rules=Rules())

    moved = await put(without, ORDERS, LEGACY)

    assert moved.standing == Standing(version=2)


async def test_what_was_seen_must_still_stand(moving: Moving):
    await put(moving, ORDERS, SHADOW)
    await put(moving, ORDERS, CANARY, expected_version=1)

    detail = await refused(moving, ORDERS, SHADOW, Refusal.VERSION_CONFLICT, expected_version=1)

    assert "canary 5%" in detail
    assert "version 2, by cli:ada" in detail


async def test_a_version_of_what_was_never_moved_is_a_conflict(moving: Moving):
    assert "never moved" in await refused(moving, ORDERS, SHADOW, Refusal.VERSION_CONFLICT, expected_version=3)


# Tripped --------------------------------------------------------------------------------------------------------------


async def test_a_trip_is_a_rollback_of_the_bridge_itself(moving: Moving, endpoints: Endpoints):
    await put(moving, ORDERS, CANARY)

    assert await moving.trip(ORDERS.shape, reason="9% of 5xx", expected_version=1)

    stored = await endpoints.of(ORDERS.shape)
    assert stored is not None
    assert (stored.standing, stored.actor, stored.reason) == (
        Standing(version=2, is_tripped=True),
        "bridge",
        "9% of 5xx",
    )


async def test_of_two_processes_that_trip_one_writes_it(moving: Moving, endpoints: Endpoints):
    await put(moving, ORDERS, CANARY)

    outcomes = [await moving.trip(ORDERS.shape, reason="slow", expected_version=1) for _ in range(2)]

    assert outcomes == [True, False]
    assert len(await endpoints.history(limit=9)) == 2


async def test_what_tripped_leaves_django_only_when_it_is_armed_again(moving: Moving):
    await put(moving, ORDERS, CANARY)
    await moving.trip(ORDERS.shape, reason="9% of 5xx", expected_version=1)

    detail = await refused(moving, ORDERS, SHADOW, Refusal.TRIPPED)
    moved = await put(moving, ORDERS, SHADOW, rearm=True)

    assert "9% of 5xx" in detail
    assert "--rearm" in detail
    assert moved.standing == Standing(Stage.SHADOW, 10_000, 3)


@pytest.mark.parametrize("rearm", [False, True], ids=["kept_tripped", "armed_again"])
async def test_what_tripped_can_be_kept_with_django_by_hand(moving: Moving, *, rearm: bool):
    await put(moving, ORDERS, CANARY)
    await moving.trip(ORDERS.shape, reason="slow", expected_version=1)

    moved = await put(moving, ORDERS, LEGACY, rearm=rearm)

    assert moved.standing == Standing(version=3, is_tripped=not rearm)


# Retired --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("standing", [LEGACY, SHADOW, CANARY, RETIRED], ids=lambda each: each.stage)
async def test_what_is_retired_stays_unless_it_is_said_that_django_has_it(moving: Moving, standing: Standing):
    await put(moving, ORDERS, RETIRED)

    detail = await refused(moving, ORDERS, standing, Refusal.RETIRED)
    moved = await put(moving, ORDERS, standing, force=True)

    assert "--force" in detail
    assert (moved.old_stage, moved.standing.stage) == ("retired", standing.stage)


# Back -----------------------------------------------------------------------------------------------------------------


async def test_a_rollback_of_all_says_what_moved_and_what_stays(moving: Moving):
    await put(moving, ITEMS, SHADOW)
    await put(moving, ORDERS, RETIRED)

    done = await rolled_back(moving, None)

    assert done.moved == (Moved(ITEMS.shape, "shadow", 10_000, Standing(version=3)),)
    assert done.retired == (ORDERS.shape,)


async def test_a_rollback_of_one_says_nothing_of_others(moving: Moving):
    await put(moving, ITEMS, SHADOW)
    await put(moving, ORDERS, RETIRED)

    assert await rolled_back(moving, ITEMS) == RolledBack(
        moved=(Moved(ITEMS.shape, "shadow", 10_000, Standing(version=3)),), retired=()
    )


async def test_a_rollback_of_what_is_back_does_nothing(moving: Moving):
    await put(moving, ITEMS, SHADOW)
    await rolled_back(moving, ITEMS)

    assert await rolled_back(moving, ITEMS) == RolledBack((), ())


async def test_a_rollback_of_what_was_never_moved_says_so(moving: Moving):
    """It may be a slip of the pen, of somebody in a hurry."""
    outcome = await moving.rollback(ORDERS, actor="cli:ada", reason="it burns")

    assert isinstance(outcome, MoveRefused)
    assert outcome.code is Refusal.NEVER_MOVED


# Only looking ---------------------------------------------------------------------------------------------------------


async def test_a_dry_move_says_the_same_and_writes_nothing(moving: Moving, endpoints: Endpoints):
    move = Move(ORDERS, CANARY, actor="cli:ada", reason="because")

    assert await moving.set(move, dry_run=True) == Moved(ORDERS.shape, "legacy", 0, CANARY)
    assert await endpoints.history(limit=9) == ()


async def test_a_dry_move_is_refused_as_a_real_one(moving: Moving):
    outcome = await moving.set(Move(UNSERVED, CANARY, actor="cli:ada", reason="because"), dry_run=True)

    assert isinstance(outcome, MoveRefused)
    assert outcome.code is Refusal.NO_HANDLER


async def test_a_dry_rollback_says_the_same_and_writes_nothing(moving: Moving, endpoints: Endpoints):
    await put(moving, ITEMS, SHADOW)
    await put(moving, ORDERS, RETIRED)

    done = await rolled_back(moving, None, dry_run=True)

    assert ([each.operation for each in done.moved], done.retired) == ([ITEMS.shape], (ORDERS.shape,))
    assert len(await endpoints.history(limit=9)) == 2
