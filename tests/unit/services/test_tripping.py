"""When an operation goes back to Django by itself."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from prometheus_client import CollectorRegistry

from bridge.cutover.parity import Verdict
from bridge.cutover.plan import Plan
from bridge.cutover.stages import Side, Stage, Standing
from bridge.cutover.tripping import Observed, SideSample
from bridge.errors import DatabaseUnavailable
from bridge.services.recording import Recorder
from bridge.services.traffic import Traffic
from bridge.services.tripping import DjangoBefore, StagesInForce, Tripping, TripWriter
from tests.conftest import FrozenClock
from tests.unit.services.away import AwayDatabase

ORDERS = "GET /orders/"
MINIMUM = 50


@dataclass
class Stages(StagesInForce):
    """What one process goes by; moved by the test."""

    standings: dict[str, Standing] = field(default_factory=dict)

    @property
    def in_force(self) -> Mapping[str, Standing]:
        return self.standings

    def trip_locally(self, shape: str) -> None:
        self.standings[shape] = Standing(version=self.standings[shape].version, is_tripped=True)


@dataclass
class Log(TripWriter):
    """Where rollbacks are written, unless it is away."""

    stages: Stages
    is_away: bool = False
    moved_meanwhile: bool = False
    written: list[tuple[str, str, int]] = field(default_factory=list)

    async def trip(self, shape: str, *, reason: str, expected_version: int) -> bool:
        if self.is_away:
            raise DatabaseUnavailable("away")
        if self.moved_meanwhile:
            return False
        self.written.append((shape, reason, expected_version))
        self.stages.standings[shape] = Standing(version=expected_version + 1, is_tripped=True)
        return True


@dataclass
class Before(DjangoBefore):
    """How Django answered before; what happens while it is asked the test says."""

    sample: SideSample = field(default_factory=SideSample)
    is_away: bool = False
    meanwhile: Callable[[], None] = lambda: None
    is_asked: asyncio.Event = field(default_factory=asyncio.Event)
    answers: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.answers.set()

    async def of(self, operation: str) -> SideSample:
        self.is_asked.set()
        await self.answers.wait()
        if self.is_away:
            raise DatabaseUnavailable("away")
        self.meanwhile()
        return self.sample


class Process:
    """One process of the bridge, as far as it trips."""

    def __init__(self, clock: FrozenClock, stage: Stage, plan: Plan) -> None:
        self.registry = CollectorRegistry()
        self.traffic = Traffic(
            database=AwayDatabase(),
            registry=self.registry,
            clock=clock,
            window_of=lambda shape: plan.of(shape).trip.window,
        )
        self.stages = Stages({ORDERS: Standing(stage, 500, version=7)})
        self.log = Log(self.stages)
        self.before = Before()
        recorder = Recorder(database=AwayDatabase(), registry=self.registry, clock=clock)
        self.tripping = Tripping(
            traffic=self.traffic,
            before=self.before,
            stages=self.stages,
            moving=self.log,
            plan=plan,
            recorder=recorder,
        )

    async def look(self) -> None:
        """Look, look back, and write down what came of it."""
        for look in (self.tripping.look, self.tripping.look_back, self.tripping.look):
            await look()

    def answer(
        self, status: int = 200, *, times: int = MINIMUM, side: Side = Side.BRIDGE, seconds: float = 0.01
    ) -> None:
        for _ in range(times):
            self.traffic.count(ORDERS, side=side, role="user", status=status, seconds=seconds)

    def compare(self, verdict: Verdict, *, times: int = MINIMUM) -> None:
        for _ in range(times):
            self.traffic.compared(ORDERS, role="user", status=200, verdict=verdict)

    @property
    def trips(self) -> float:
        return self.registry.get_sample_value("bridge_events_total", {"event": "endpoint_tripped"}) or 0


@pytest.fixture
async def canary(clock: FrozenClock) -> Process:
    return await begun(clock, Stage.CANARY)


async def begun(clock: FrozenClock, stage: Stage, plan: Plan | None = None) -> Process:
    """A process that has seen its stages before anybody asks."""
    process = Process(clock, stage, plan or Plan())
    await process.tripping.look()
    return process


@pytest.mark.parametrize("stage", [Stage.CANARY, Stage.MIGRATED])
async def test_a_handler_that_fails_goes_back_with_the_reason(clock: FrozenClock, stage: Stage):
    process = await begun(clock, stage)
    process.answer(500)

    await process.tripping.look()

    [(shape, reason, version)] = process.log.written
    assert (shape, version) == (ORDERS, 7)
    assert "100.0% of 50 answers of the new handler were 5xx" in reason
    assert process.trips == 1


async def test_a_handler_that_is_slower_than_django_goes_back(canary: Process):
    canary.answer(seconds=0.02, side=Side.BRIDGE)
    canary.answer(seconds=0.02, side=Side.LEGACY)
    canary.answer(seconds=2.0)

    await canary.tripping.look()

    assert len(canary.log.written) == 1


QUICK = SideSample(answers=MINIMUM, latencies={100: MINIMUM})


async def slow(clock: FrozenClock, stage: Stage = Stage.MIGRATED) -> Process:
    """A process whose handler is slow, where Django took a tenth of a second before."""
    process = await begun(clock, stage)
    process.before.sample = QUICK
    process.answer(seconds=2.0)
    return process


@pytest.mark.parametrize("stage", [Stage.CANARY, Stage.MIGRATED])
async def test_a_handler_that_is_slower_than_django_was_goes_back_where_django_is_not_asked_any_more(
    clock: FrozenClock, stage: Stage
):
    process = await slow(clock, stage)

    await process.look()

    [(shape, reason, version)] = process.log.written
    assert (shape, version) == (ORDERS, 7)
    assert "of Django 98 ms in 50 answers of before" in reason
    assert process.trips == 1


async def test_how_django_answered_before_is_asked_of_what_is_slow_alone(clock: FrozenClock):
    process = await begun(clock, Stage.MIGRATED)
    process.answer(seconds=0.02)

    await process.look()

    assert not process.before.is_asked.is_set()


async def test_what_django_answers_now_counts_and_not_what_it_did_before(canary: Process):
    canary.before.sample = QUICK
    canary.answer(seconds=2.0)
    canary.answer(seconds=2.0, side=Side.LEGACY)

    await canary.look()

    assert not canary.before.is_asked.is_set()
    assert canary.log.written == []


async def test_what_nobody_can_tell_while_the_database_is_away_is_told_once_it_is_back(
    clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    process = await slow(clock)
    process.before.is_away = True

    await process.look()
    assert process.log.written == []
    assert f"whether {ORDERS} is slower than Django was is not known yet: DatabaseUnavailable" in caplog.text

    process.before.is_away = False
    await process.look()
    assert len(process.log.written) == 1


async def test_a_handler_that_fails_does_not_wait_for_what_the_database_is_asked_of_another(clock: FrozenClock):
    process = await slow(clock)
    process.stages.standings["GET /items/"] = Standing(Stage.MIGRATED, version=8)
    await process.tripping.look()
    process.before.answers.clear()
    looking_back = asyncio.create_task(process.tripping.look_back())
    await process.before.is_asked.wait()
    for _ in range(MINIMUM):
        process.traffic.count("GET /items/", side=Side.BRIDGE, role="user", status=500, seconds=0.01)

    await process.tripping.look()
    assert [shape for shape, _, _ in process.log.written] == ["GET /items/"]

    process.before.answers.set()
    await looking_back
    await process.tripping.look()
    assert [shape for shape, _, _ in process.log.written] == ["GET /items/", ORDERS]


async def test_one_that_is_moved_while_the_database_is_asked_does_not_trip(clock: FrozenClock):
    process = await slow(clock)
    moved = {ORDERS: Standing(Stage.CANARY, 500, version=8)}
    process.before.meanwhile = lambda: process.stages.standings.update(moved)

    await process.look()

    assert process.log.written == []
    assert process.stages.in_force == moved


async def test_a_handler_whose_answers_differ_goes_back(clock: FrozenClock):
    process = await begun(clock, Stage.MIGRATED)
    process.compare(Verdict.MISMATCH)

    await process.tripping.look()

    assert "compared answers differ" in process.log.written[0][1]


async def test_a_handler_that_is_well_stays(canary: Process):
    canary.answer(200)
    canary.compare(Verdict.MATCH)

    await canary.tripping.look()

    assert canary.log.written == []
    assert canary.trips == 0


async def test_a_shadow_does_not_trip_for_it_serves_nobody(clock: FrozenClock):
    process = await begun(clock, Stage.SHADOW)
    process.answer(500)
    process.compare(Verdict.MISMATCH)

    await process.tripping.look()

    assert process.log.written == []


async def test_the_plan_says_when_an_operation_trips(clock: FrozenClock):
    lenient = Plan.parse(f'[operations."{ORDERS}".tripping]\nminimum = 51')
    process = await begun(clock, Stage.CANARY, lenient)
    process.answer(500)

    await process.tripping.look()
    assert process.log.written == []

    process.answer(500, times=1)
    await process.tripping.look()
    assert len(process.log.written) == 1


async def test_what_happened_longer_ago_than_the_window_does_not_trip(canary: Process, clock: FrozenClock):
    canary.answer(500)
    clock.advance(timedelta(minutes=10))

    await canary.tripping.look()

    assert canary.log.written == []


async def test_an_operation_trips_once(canary: Process):
    canary.answer(500)

    await canary.tripping.look()
    await canary.tripping.look()

    assert len(canary.log.written) == 1


async def test_while_the_database_is_away_this_process_goes_back_alone_and_writes_it_later(canary: Process):
    canary.log.is_away = True
    canary.answer(500)

    await canary.tripping.look()
    assert canary.stages.in_force[ORDERS].stage is Stage.LEGACY
    assert canary.trips == 0

    canary.log.is_away = False
    await canary.tripping.look()
    assert [version for _, _, version in canary.log.written] == [7]
    assert canary.trips == 1


async def test_while_the_database_is_away_every_operation_that_must_goes_back_at_once(canary: Process):
    canary.stages.standings["GET /items/"] = Standing(Stage.MIGRATED, version=8)
    await canary.tripping.look()
    canary.log.is_away = True
    canary.answer(500)
    for _ in range(MINIMUM):
        canary.traffic.count("GET /items/", side=Side.BRIDGE, role="user", status=500, seconds=0.01)

    await canary.tripping.look()

    assert {standing.stage for standing in canary.stages.in_force.values()} == {Stage.LEGACY}


async def test_a_move_by_hand_that_came_first_stands(canary: Process):
    canary.log.moved_meanwhile = True
    canary.answer(500)

    await canary.tripping.look()
    canary.log.moved_meanwhile = False
    await canary.tripping.look()

    assert canary.log.written == []
    assert canary.trips == 0


async def test_one_that_was_re_armed_begins_anew(canary: Process):
    canary.answer(500)
    await canary.tripping.look()
    canary.answer(500)

    canary.stages.standings[ORDERS] = Standing(Stage.CANARY, 500, version=9)
    await canary.tripping.look()
    assert canary.traffic.window(ORDERS) == Observed()

    canary.answer(500)
    await canary.tripping.look()
    assert [version for _, _, version in canary.log.written] == [7, 9]


async def test_that_an_operation_goes_back_is_logged_with_the_reason(canary: Process, caplog: pytest.LogCaptureFixture):
    canary.answer(500)

    with caplog.at_level(logging.INFO, "bridge.audit"):
        await canary.tripping.look()

    assert f"{ORDERS} goes back to Django: 100.0% of 50 answers" in caplog.text
    assert "endpoint_tripped" in caplog.text
