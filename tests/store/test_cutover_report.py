"""How far the endpoints have moved, drawn up from the database."""

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from prometheus_client import CollectorRegistry

from bridge.cutover.demands import Demands
from bridge.cutover.inventory import Handler, LegacyEndpoint, Pair
from bridge.cutover.operations import Operation
from bridge.cutover.parity import Difference, Verdict
from bridge.cutover.plan import Plan
from bridge.cutover.stages import Side, Stage, Standing
from bridge.progress.cutover import CutoverReport, EndpointReport
from bridge.services.cutover_report import CutoverReporting
from bridge.services.figures import PERIOD
from bridge.services.traffic import UNNAMED, Traffic
from bridge.store.database import Database, open_database
from bridge.store.differences import Differences
from bridge.store.endpoints import Author, Endpoints
from bridge.store.traffic import EndpointCounts

NOON: Final = datetime(2026, 7, 1, 12, 30, tzinfo=UTC)
ORDERS: Final = "GET /orders/{}/"
ANYBODY: Final = Demands()


def pair(text: str, *, demands: Demands = ANYBODY, demanded: Demands = ANYBODY) -> Pair:
    """An operation of both apps, with what Django's view demands and what the handler does."""
    operation = Operation.parse(text)
    view = LegacyEndpoint(
        (operation.method,), operation.template, "", name="", view="shop.view", kind="view", demands=demands
    )
    return Pair(operation, view, Handler(operation, demanded, re.compile(""), name="shop_api.view"))


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    """What is read is tested on each kind of database elsewhere; how it is put together does not depend on it."""
    opened = await open_database(sqlite_url)
    yield opened
    await opened.close()


def traffic(database: Database, *, now: datetime = NOON) -> Traffic:
    return Traffic(
        database=database, registry=CollectorRegistry(), clock=lambda: now, window_of=lambda _: timedelta(minutes=5)
    )


async def drawn(database: Database, known: Sequence[Pair] = (), *, plan: Plan | None = None) -> CutoverReport:
    return await CutoverReporting(
        endpoints=Endpoints(database),
        counts=EndpointCounts(database),
        known=known,
        plan=plan or Plan(),
        clock=lambda: NOON,
    ).report()


async def put(database: Database, shape: str, standing: Standing) -> None:
    author = Author("cli:ada", "because", NOON)
    await Endpoints(database).change(shape, expected_version=None, standing=standing, author=author)


def orders(report: CutoverReport) -> EndpointReport:
    [found] = [each for each in report.endpoints if each.figures.operation == ORDERS]
    return found


PAIR: Final = pair("GET /orders/{id}/")


async def test_an_operation_is_known_by_its_shape_with_its_stage_and_both_apps_figures(database: Database):
    one = traffic(database)
    one.count(ORDERS, side=Side.LEGACY, role="staff", status=200, seconds=0.1)
    one.count(ORDERS, side=Side.BRIDGE, role="user", status=404, seconds=0.01)
    await one.flush()

    await put(database, ORDERS, Standing(Stage.CANARY, 500))

    report = await drawn(database, [PAIR])

    figures = orders(report).figures
    assert figures.standing == Standing(Stage.CANARY, 500, version=1)
    assert figures.changed_at == NOON
    assert (figures.legacy.by_role, figures.legacy.by_class) == ({"staff": 1}, {2: 1})
    assert (figures.bridge.by_role, figures.bridge.by_class) == ({"user": 1}, {4: 1})
    assert figures.legacy.latency(1) == 100


async def test_what_only_served_a_comparison_is_parity_and_latency_and_no_traffic(database: Database):
    one = traffic(database)
    one.ran(ORDERS, side=Side.BRIDGE, role="user", status=200, seconds=0.1)
    one.compared(ORDERS, role="user", status=200, verdict=Verdict.MATCH)
    await one.flush()

    report = await drawn(database, [PAIR])

    figures = orders(report).figures
    assert (figures.parity.compared, figures.bridge.latency(1), report.requests) == (1, 100, 0)


async def test_what_is_older_than_the_period_does_not_count_and_was_seen_all_the_same(database: Database):
    old = traffic(database, now=NOON - PERIOD - timedelta(hours=1))
    old.count(ORDERS, side=Side.LEGACY, role="user", status=200, seconds=0.1)
    await old.flush()

    report = await drawn(database, [PAIR])

    assert (report.requests, report.never_seen) == (0, ())


async def test_operations_of_the_site_that_nobody_asks_for_were_never_seen(database: Database):
    only_here = replace(pair("GET /new/"), legacy=None)

    report = await drawn(database, [PAIR, only_here])

    assert report.never_seen == (ORDERS,)


async def test_what_was_never_asked_for_cannot_be_told_once_there_were_more_operations_than_names(database: Database):
    one = traffic(database)
    for number in range(2_500):
        one.count(f"GET /{number}/", side=Side.LEGACY, role="unknown", status=200, seconds=0.1)
    await one.flush()

    report = await drawn(database, [PAIR])

    assert report.never_seen is None
    assert report.requests == 2_500
    assert UNNAMED not in [each.figures.operation for each in report.endpoints]


async def test_what_is_in_no_table_is_traffic_and_no_operation(database: Database):
    one = traffic(database)
    one.count(None, side=Side.LEGACY, role="unknown", status=404, seconds=0.1)
    await one.flush()

    report = await drawn(database)

    assert (report.requests, report.other_requests, report.endpoints) == (1, 1, ())


async def test_operations_that_only_traffic_or_a_stage_knows_are_told_of(database: Database):
    one = traffic(database)
    one.count("POST /undeclared/", side=Side.LEGACY, role="user", status=200, seconds=0.1)
    await one.flush()

    await put(database, "GET /gone/", Standing(Stage.SHADOW, 500))

    report = await drawn(database, [PAIR])

    assert [each.figures.operation for each in report.endpoints] == ["GET /gone/", ORDERS, "POST /undeclared/"]
    assert report.endpoints[0].lacks == ("has no handler",)


async def test_what_is_lacking_follows_the_plan_and_what_both_apps_demand(database: Database):
    guarded = pair(ORDERS, demands=Demands(login=True), demanded=Demands(scopes=frozenset({"orders:read"})))
    plan = Plan.parse(f'[operations."{PAIR.operation}"]\nstages = ["migrated"]')

    report = orders(await drawn(database, [guarded], plan=plan))

    assert report.next_stage is Stage.MIGRATED
    assert report.figures.auth_differences == (
        "Django demands a login, the handler does not",
        "the handler demands the scope orders:read of limited tokens",
    )
    assert report.lacks == (
        "auth demands differ: Django demands a login, the handler does not",
        "needs 200 compared answers, has 0",
        "needs 200 answers of the bridge, has 0",
    )


async def test_a_verdict_that_a_newer_version_wrote_is_left_out(database: Database):
    await database.execute(
        "INSERT INTO bridge_endpoint_parity (day, operation, role, status, verdict, count)"
        " VALUES (:day, :operation, 'user', 200, 'unheard_of', 1)",
        {"day": NOON.date(), "operation": ORDERS},
    )

    assert orders(await drawn(database, [PAIR])).figures.parity.by_verdict == {}


async def test_values_that_were_kept_are_reported_only_until_they_expire(database: Database):
    found = Difference("$.price", kind="value", legacy="number", candidate="number", values=("1.50", "1.5"))
    for shape, left in ((ORDERS, timedelta(hours=1)), ("GET /old/", -timedelta(hours=1))):
        await Differences(database).add(shape, [found], now=NOON - timedelta(days=1), expires_at=NOON + left)

    report = await drawn(database, [PAIR, pair("GET /old/")])

    assert {
        each.figures.operation: [place.values for place in each.figures.differences] for each in report.endpoints
    } == {
        ORDERS: [("1.50", "1.5")],
        "GET /old/": [],
    }
