"""An operation that harms its clients goes back on all replicas, whichever noticed."""

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import pytest
from prometheus_client import CollectorRegistry

from bridge.cutover.demands import Demands
from bridge.cutover.inventory import Handler
from bridge.cutover.operations import Operation
from bridge.cutover.plan import Plan
from bridge.cutover.stages import Side, Stage, Standing
from bridge.cutover.tripping import SideSample
from bridge.errors import DatabaseUnavailable
from bridge.services.baseline import KEPT_FOR, Baselines
from bridge.services.clock import system_clock
from bridge.services.endpoints import Move, Moved, Moving, Rules
from bridge.services.recording import Recorder
from bridge.services.stages import Stages
from bridge.services.traffic import Traffic
from bridge.services.tripping import Tripping
from bridge.store.activity import Activity
from bridge.store.database import Database, open_database
from bridge.store.endpoints import Endpoints
from bridge.store.traffic import Answered, EndpointCounts
from tests.conftest import FrozenClock
from tests.unit.services.away import AwayDatabase

ORDERS: Final = Operation.parse("GET /orders/")
HANDLER: Final = Handler(ORDERS, Demands(), re.compile("^/orders/$"), name="shop_api.orders")


@dataclass(frozen=True)
class Replica:
    """One process of the bridge, as far as it trips."""

    stages: Stages
    moving: Moving
    traffic: Traffic
    tripping: Tripping

    async def look(self) -> None:
        await self.stages.look()
        await self.tripping.look()
        await self.tripping.look_back()
        await self.tripping.look()

    def answer(self, side: Side, *, seconds: float) -> None:
        for _ in range(50):
            self.traffic.count(ORDERS.shape, side=side, role="user", status=200, seconds=seconds)

    def fail(self) -> None:
        for _ in range(50):
            self.traffic.count(ORDERS.shape, side=Side.BRIDGE, role="user", status=500, seconds=0.01)

    async def put_into_canary(self, *, rearm: bool = False) -> None:
        await self.move(Standing.of(Stage.CANARY, 500), rearm=rearm)

    async def move(self, standing: Standing, *, rearm: bool = False) -> None:
        move = Move(ORDERS, standing, actor="ada", reason="", rearm=rearm)
        assert isinstance(await self.moving.set(move), Moved)


@asynccontextmanager
async def replica(url: str) -> AsyncIterator[Replica]:
    database, plan, registry = await open_database(url), Plan(), CollectorRegistry()
    endpoints = Endpoints(database)
    stages = Stages(endpoints)
    moving = Moving(endpoints=endpoints, clock=system_clock, rules=Rules(plan=plan, served={ORDERS.shape: HANDLER}))
    traffic = Traffic(
        database=database, registry=registry, clock=system_clock, window_of=lambda shape: plan.of(shape).trip.window
    )
    recorder = Recorder(database=database, registry=registry, clock=system_clock)
    tripping = Tripping(
        traffic=traffic,
        before=Baselines(EndpointCounts(database), clock=system_clock),
        stages=stages,
        moving=moving,
        plan=plan,
        recorder=recorder,
    )
    yield Replica(stages, moving, traffic, tripping)
    await recorder.flush()
    await database.close()


async def test_of_two_replicas_that_trip_at_once_one_writes_it_and_both_go_back(service_url: str, database: Database):
    async with replica(service_url) as one, replica(service_url) as other:
        await one.put_into_canary()
        for each in (one, other):
            await each.look()
            each.fail()
        await asyncio.gather(one.tripping.look(), other.tripping.look())

        for each in (one, other):
            await each.stages.look()
            assert each.stages.of(ORDERS.shape) == Standing(version=2, is_tripped=True)
    assert [each.count for each in await Activity(database).totals() if each.event == "endpoint_tripped"] == [1]


async def test_a_replica_that_saw_nothing_goes_back_with_the_one_that_did_and_both_can_be_re_armed(service_url: str):
    async with replica(service_url) as one, replica(service_url) as other:
        await one.put_into_canary()
        await one.look()
        one.fail()
        await one.tripping.look()

        await other.look()
        assert other.stages.of(ORDERS.shape).is_tripped

        await other.put_into_canary(rearm=True)
        for each in (one, other):
            await each.look()
            assert each.stages.of(ORDERS.shape).stage is Stage.CANARY


async def test_what_is_migrated_goes_back_when_it_is_slower_than_django_was_at_another_replica_that_has_ended(
    service_url: str,
):
    async with replica(service_url) as ended:
        ended.answer(Side.LEGACY, seconds=0.1)
        await ended.traffic.flush()
        await ended.move(Standing.of(Stage.MIGRATED))

    async with replica(service_url) as one:
        await one.look()
        one.answer(Side.BRIDGE, seconds=0.2)
        await one.look()
        assert one.stages.of(ORDERS.shape).stage is Stage.MIGRATED

        one.answer(Side.BRIDGE, seconds=2.0)
        await one.look()
        await one.stages.look()
        assert one.stages.of(ORDERS.shape) == Standing(version=2, is_tripped=True)


async def test_what_django_answered_before_is_read_once_for_a_while(database: Database, clock: FrozenClock):
    answers = [Answered(clock(), ORDERS.shape, side, "user", 2, 100) for side in ("legacy", "legacy shadow", "bridge")]
    baselines = Baselines(EndpointCounts(database), clock=clock)

    async def add() -> None:
        async with database.transaction() as transaction:
            await EndpointCounts(database).add(dict.fromkeys(answers, 7), {}, executor=transaction)

    await add()
    first = await baselines.of(ORDERS.shape)
    await add()
    assert await baselines.of(ORDERS.shape) == first == SideSample(answers=14, latencies={100: 14})

    clock.advance(KEPT_FOR)
    assert (await baselines.of(ORDERS.shape)).answers == 28


async def test_what_cannot_be_read_is_not_asked_for_again_at_once(clock: FrozenClock):
    baselines = Baselines(EndpointCounts(AwayDatabase()), clock=clock)

    with pytest.raises(DatabaseUnavailable):
        await baselines.of(ORDERS.shape)
    assert await baselines.of(ORDERS.shape) == SideSample()

    clock.advance(KEPT_FOR)
    with pytest.raises(DatabaseUnavailable):
        await baselines.of(ORDERS.shape)
