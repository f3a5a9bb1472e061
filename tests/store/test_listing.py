"""Both apps side by side, with the stage in force and what was counted. Which database it is does not matter."""

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

import pytest
from prometheus_client import CollectorRegistry

from bridge.cutover.confidence import lower_bound
from bridge.cutover.demands import Demands
from bridge.cutover.inventory import Handler, LegacyEndpoint, Pair
from bridge.cutover.operations import Operation
from bridge.cutover.parity import Verdict
from bridge.cutover.plan import Plan
from bridge.cutover.stages import Side, Stage, Standing
from bridge.progress.endpoints import EndpointFigures
from bridge.services.listing import EndpointList, EndpointRow, Listing
from bridge.services.traffic import Traffic
from bridge.store.database import Database, open_database
from bridge.store.endpoints import Author, Endpoints
from bridge.store.traffic import EndpointCounts

NOON: Final = datetime(2026, 7, 15, 12, 30, tzinfo=UTC)
ORDERS: Final = Operation.parse("GET /orders/{id}/")
REPORTS: Final = Operation.parse("GET /reports/")
NEW: Final = Operation.parse("GET /new/")
VIEW: Final = LegacyEndpoint(
    ("POST", "GET"),
    "/orders/{pk}/",
    "",
    name="api:order",
    view="shop.orders",
    kind="drf",
    demands=Demands(login=True, staff=True),
    actions=("create", "retrieve"),
)
HANDLER: Final = Handler(ORDERS, Demands(login=True), re.compile(""), name="shop_api.orders")
KNOWN: Final = (Pair(ORDERS, VIEW, HANDLER), Pair(REPORTS, legacy=VIEW), Pair(NEW, handler=HANDLER))


@pytest.fixture
async def database(sqlite_url: str) -> AsyncIterator[Database]:
    opened = await open_database(sqlite_url)
    yield opened
    await opened.close()


async def listed(database: Database, *, everything: bool = False, plan: Plan | None = None) -> EndpointList:
    listing = Listing(
        endpoints=Endpoints(database),
        counts=EndpointCounts(database),
        known=KNOWN,
        shortcoming="",
        plan=plan,
        clock=lambda: NOON,
    )
    return await listing.listed(everything=everything)


async def put(database: Database, shape: str, standing: Standing) -> None:
    author = Author("cli:ada", "because", NOON)
    await Endpoints(database).change(shape, expected_version=None, standing=standing, author=author)


def row_of(found: EndpointList, operation: str) -> EndpointRow:
    [row] = [each for each in found.rows if str(each.pair.operation) == operation]
    return row


async def test_a_row_has_all_that_is_known_of_an_operation(database: Database):
    traffic = Traffic(
        database=database, registry=CollectorRegistry(), clock=lambda: NOON, window_of=lambda _: timedelta(minutes=5)
    )
    for side, count in ((Side.LEGACY, 3), (Side.BRIDGE, 2)):
        for _ in range(count):
            traffic.count(ORDERS.shape, side=side, role="user", status=200, seconds=0.01)
    traffic.compared(ORDERS.shape, role="user", status=200, verdict=Verdict.MATCH)
    await traffic.flush()
    await put(database, ORDERS.shape, Standing(Stage.CANARY, 500))

    document = row_of(await listed(database, plan=Plan()), "GET /orders/{id}/").to_document()

    anybody = {"login": False, "staff": False, "superuser": False}
    names: dict[str, list[str]] = {"permissions": [], "groups": [], "scopes": [], "unknown": []}
    lacking = "Django lets only staff in, the handler others as well"
    assert document == {
        "operation": "GET /orders/{id}/",
        "view": "shop.orders",
        "view_kind": "drf",
        "url_name": "api:order",
        "action": "retrieve",
        "handler": "shop_api.orders",
        "stage": "canary",
        "share": "5%",
        "is_tripped": False,
        "version": 1,
        "is_beyond_plan": False,
        "changed_at": NOON.isoformat(),
        "actor": "cli:ada",
        "reason": "because",
        "requests": {"legacy": 3, "bridge": 2},
        "parity": {"compared": 1, "lower_bound": round(lower_bound(1, 1), 6)},
        "auth": {
            "legacy": {**anybody, "login": True, "staff": True, **names},
            "handler": {**anybody, "login": True, **names},
            "differences": [lacking],
            "lacking": [lacking],
        },
    }


def test_what_has_neither_a_name_nor_an_action_is_listed_with_none():
    plain = replace(VIEW, methods=(), name="", actions=())

    documents = [
        EndpointRow(pair, None, EndpointFigures("GET /"), None).to_document()
        for pair in (Pair(ORDERS, plain), Pair(NEW))
    ]

    assert [(each["url_name"], each["action"]) for each in documents] == [(None, None), (None, None)]


async def test_what_nothing_was_done_about_is_counted_and_listed_only_on_request(database: Database):
    short, whole = await listed(database), await listed(database, everything=True)

    assert [str(row.pair.operation) for row in short.rows] == ["GET /new/", "GET /orders/{id}/"]
    assert [str(row.pair.operation) for row in whole.rows] == ["GET /new/", "GET /orders/{id}/", "GET /reports/"]
    assert short.untouched == whole.untouched == 1


async def test_a_stage_is_listed_though_nothing_answers_there_any_more(database: Database):
    await put(database, "POST /gone/{}/", Standing(Stage.RETIRED))

    row = row_of(await listed(database), "POST /gone/{}/")

    assert (row.stage, row.pair.legacy, row.pair.handler) == ("retired", None, None)


async def test_what_a_newer_version_put_in_force_is_listed_as_it_stands(database: Database):
    await put(database, "QUERY /orders/", Standing(Stage.SHADOW))
    await database.execute("UPDATE bridge_endpoint_stage SET stage = 'mirrored'")

    row = row_of(await listed(database), "QUERY /orders/")

    assert (row.stage, row.standing.stage) == ("mirrored", Stage.LEGACY)


@pytest.mark.parametrize(
    ("stage", "is_beyond"), [(Stage.SHADOW, False), (Stage.CANARY, True)], ids=["within", "beyond"]
)
async def test_a_stage_in_force_that_the_plan_does_not_allow_is_marked(
    database: Database, stage: Stage, *, is_beyond: bool
):
    await put(database, ORDERS.shape, Standing(stage, 500))
    plan = Plan.parse(f'[operations."{ORDERS}"]\nstages = ["shadow"]')

    found = await listed(database, plan=plan)

    assert [(str(row.pair.operation), row.is_beyond_plan) for row in found.rows] == [
        ("GET /new/", False),
        ("GET /orders/{id}/", is_beyond),
    ]


async def test_without_a_plan_that_can_be_read_no_stage_is_said_to_be_within_it(database: Database):
    assert {row.is_beyond_plan for row in (await listed(database)).rows} == {None}
