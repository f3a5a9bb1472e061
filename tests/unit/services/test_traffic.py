"""What a process counts in memory."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from bridge.cutover.parity import Verdict
from bridge.cutover.stages import Side
from bridge.cutover.tripping import Observed
from bridge.services.traffic import OTHER, UNNAMED, Traffic
from bridge.store.database import Database
from tests.unit.services.away import AwayDatabase, FragileDatabase

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def traffic(registry: CollectorRegistry) -> Traffic:
    return counting(registry)


def counting(registry: CollectorRegistry, database: Database | None = None, **more: Any) -> Traffic:
    return Traffic(
        database=database or AwayDatabase(),
        registry=registry,
        clock=lambda: NOON,
        window_of=lambda _: timedelta(minutes=5),
        **more,
    )


def count(traffic: Traffic, operation: str | None, *, side: Side = Side.LEGACY, status: int = 200) -> None:
    traffic.count(operation, side=side, role="user", status=status, seconds=0.02)


def requests(registry: CollectorRegistry, operation: str, side: str = "legacy", status: str = "2xx") -> float:
    labels = {"operation": operation, "side": side, "status": status}
    return registry.get_sample_value("bridge_requests_total", labels) or 0


def test_requests_are_counted_by_operation_app_and_class_of_status(traffic: Traffic, registry: CollectorRegistry):
    count(traffic, "GET /orders/{}/")
    count(traffic, "GET /orders/{}/")
    count(traffic, "GET /orders/{}/", side=Side.BRIDGE, status=404)

    assert requests(registry, "GET /orders/{}/") == 2
    assert requests(registry, "GET /orders/{}/", "bridge", "4xx") == 1


def test_durations_are_measured_by_operation_and_app(traffic: Traffic, registry: CollectorRegistry):
    count(traffic, "GET /orders/")

    labels = {"operation": "GET /orders/", "side": "legacy"}
    assert registry.get_sample_value("bridge_request_duration_seconds_sum", labels) == 0.02


def test_comparisons_are_counted_by_operation_and_verdict(traffic: Traffic, registry: CollectorRegistry):
    traffic.compared("GET /orders/", role="user", status=200, verdict=Verdict.DROPPED)

    labels = {"operation": "GET /orders/", "verdict": "dropped"}
    assert registry.get_sample_value("bridge_shadow_total", labels) == 1


def test_what_is_no_operation_counts_under_one_name(traffic: Traffic, registry: CollectorRegistry):
    count(traffic, None)

    assert requests(registry, OTHER) == 1


@pytest.mark.parametrize(
    "operation",
    [
        pytest.param("", id="empty"),
        pytest.param("GET /" + "x" * 255, id="too-long-for-the-column"),
        pytest.param("GET /\0", id="not-storable"),
    ],
)
def test_operations_whose_names_cannot_be_kept_count_under_another(
    traffic: Traffic, registry: CollectorRegistry, operation: str
):
    count(traffic, operation)

    assert requests(registry, UNNAMED) == 1


def fill(traffic: Traffic) -> None:
    """Ask for more operations than are counted by name, as a scanner does."""
    for number in range(2_500):
        count(traffic, f"GET /{number}/")


def test_what_has_a_handler_is_counted_by_its_name_whatever_came_before(registry: CollectorRegistry):
    traffic = counting(registry, handled=["GET /orders/"])
    fill(traffic)

    count(traffic, "GET /orders/", side=Side.BRIDGE, status=500)
    traffic.compared("GET /orders/", role="user", status=200, verdict=Verdict.MISMATCH)

    seen = traffic.window("GET /orders/")
    assert (seen.candidate.errors, seen.mismatched) == (1, 1)


def test_however_many_operations_there_are_the_names_are_bounded(traffic: Traffic, registry: CollectorRegistry):
    fill(traffic)

    assert requests(registry, UNNAMED) == 500
    assert (
        len({sample.labels["operation"] for metric in registry.collect() for sample in metric.samples if sample.labels})
        <= 2_001
    )


@pytest.mark.parametrize("status", [0, 99, 600, 10**9])
def test_a_status_that_is_none_has_a_class_of_its_own(traffic: Traffic, registry: CollectorRegistry, status: int):
    count(traffic, "GET /", status=status)

    assert requests(registry, "GET /", status="0xx") == 1


async def test_while_the_database_is_away_what_is_kept_is_bounded_and_what_is_lost_is_counted(
    registry: CollectorRegistry,
):
    traffic = counting(registry, most_kept=10)
    for number in range(15):
        count(traffic, f"GET /{number}/")
        await traffic.flush()

    count(traffic, "GET /0/")

    assert registry.get_sample_value("bridge_traffic_lost_total") == 5


def test_what_was_never_answered_by_the_bridge_has_an_empty_window(traffic: Traffic):
    count(traffic, "GET /")

    assert traffic.window("GET /") == Observed()


def test_the_window_holds_both_apps_from_the_bridges_first_answer_on(traffic: Traffic):
    count(traffic, "GET /", side=Side.BRIDGE)
    count(traffic, "GET /", side=Side.LEGACY)

    seen = traffic.window("GET /")

    assert (seen.legacy.answers, seen.candidate.answers) == (1, 1)


def test_a_run_that_was_only_compared_is_in_the_window_and_is_no_request(traffic: Traffic, registry: CollectorRegistry):
    traffic.ran("GET /", side=Side.BRIDGE, role="user", status=500, seconds=0.02)

    assert traffic.window("GET /").candidate.errors == 1
    assert requests(registry, "GET /", "bridge", "5xx") == 0


def test_what_was_seen_can_be_forgotten(traffic: Traffic):
    count(traffic, "GET /", side=Side.BRIDGE)

    traffic.forget("GET /")

    assert traffic.window("GET /") == Observed()


async def test_a_commit_whose_answer_is_lost_may_have_held_and_is_not_counted_again(registry: CollectorRegistry):
    database = FragileDatabase()
    database.loses_commits = True
    traffic = counting(registry, database)
    count(traffic, "GET /")

    await traffic.flush()
    await traffic.flush()

    assert database.statements == 1
    assert registry.get_sample_value("bridge_traffic_lost_total") == 1


async def test_a_flush_that_is_cancelled_before_its_commit_is_made_up_for(registry: CollectorRegistry):
    database = FragileDatabase()
    traffic = counting(registry, database)
    count(traffic, "GET /")
    database.answers.clear()
    flushing = asyncio.create_task(traffic.flush())
    await database.asked.wait()
    flushing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await flushing

    database.answers.set()
    await traffic.flush()
    await traffic.flush()

    assert database.statements == 2
    assert registry.get_sample_value("bridge_traffic_lost_total") == 0
