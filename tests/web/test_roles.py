"""What kinds of users are counted, and of which a promotion says that they were never compared."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Final

import pytest

from bridge.cutover import WHOLE, Stage
from bridge.store.database import Database
from bridge.store.traffic import EndpointCounts
from tests.conftest import Cast, bearer
from tests.web.conftest import before_any_database
from tests.web.front import Front, in_front
from tests.web.test_sessions import Browsers, browsers, with_cookie

__all__ = ["browsers"]

pytestmark = before_any_database

MOVED: Final = "GET /moved/"
PERIOD_BEGINS: Final = datetime(2000, 1, 1, tzinfo=UTC)
SECONDS: Final = 20.0


@pytest.fixture
async def front(service_url: str, database: Database) -> AsyncIterator[Front]:
    async with in_front(service_url, database) as started:
        yield started


async def answered(front: Front, operation: str = MOVED) -> dict[tuple[str, str], int]:
    """Give how many requests of whom each app answered."""
    await front.app.state.cutover.traffic.flush()
    found: Counter[tuple[str, str]] = Counter()
    for row, count in await EndpointCounts(front.database).answered(PERIOD_BEGINS):
        if row.operation == operation and "shadow" not in row.side:
            found[row.side, row.role] += count
    return dict(found)


async def compared(front: Front) -> dict[str, int]:
    """Give whose requests were compared, once some were."""
    found: Counter[str] = Counter()
    async with asyncio.timeout(SECONDS):
        while not found:
            await front.app.state.cutover.traffic.flush()
            for row, count in await EndpointCounts(front.database).compared(PERIOD_BEGINS.date()):
                found[row.role] += count
    return dict(found)


async def lacking(front: Front) -> tuple[str, ...]:
    report = await front.app.state.bridge.cutover_reporting.report()
    [moved] = [each for each in report.endpoints if each.figures.operation == MOVED]
    return tuple(moved.lacks)


@pytest.mark.parametrize(
    ("headers", "role"),
    [
        pytest.param({}, "anonymous", id="nothing"),
        pytest.param({"Cookie": "theme=dark"}, "anonymous", id="another-cookie"),
        pytest.param({"Cookie": "theme=dark; sessionid=abc"}, "unknown", id="session"),
        pytest.param({"Authorization": "Token abc"}, "unknown", id="authorization"),
    ],
)
async def test_whoever_brings_nothing_to_be_known_by_is_anonymous_to_django_too(
    front: Front, headers: dict[str, str], role: str
):
    await front.ask("/moved/", headers=headers)

    assert await answered(front) == {("legacy", role): 1}


async def test_who_asks_for_what_has_no_handler_is_not_looked_at(front: Front):
    await front.ask("/orders/")

    assert await answered(front, "GET /orders/") == {("legacy", "unknown"): 1}


@pytest.mark.parametrize("share", [0, WHOLE], ids=["django", "bridge"])
async def test_a_canary_knows_whom_either_app_answers(front: Front, cast: Cast, browsers: Browsers, share: int):
    """It looked them up to choose; the handler looks at nobody."""
    await cast.add("ada", is_staff=True)
    await front.set(MOVED, Stage.CANARY, share)

    await front.ask("/moved/", headers=with_cookie(await browsers.log_in("ada")))

    assert await answered(front) == {("bridge" if share else "legacy", "staff"): 1}


@pytest.mark.parametrize(
    "stage", [pytest.param(Stage.SHADOW, id="shadow"), pytest.param(Stage.MIGRATED, id="reverse-shadow")]
)
async def test_whose_request_was_compared_is_known_where_the_handler_looks_at_nobody(
    front: Front, cast: Cast, stage: Stage
):
    await cast.add("ada", is_staff=True)
    headers = await bearer(front.client, "ada")
    await front.set(MOVED, stage, WHOLE)

    await front.ask("/moved/", headers=headers)

    assert await compared(front) == {"staff": 1}


async def test_staff_of_whom_nobody_was_compared_are_said(front: Front, cast: Cast):
    """Django may show them more; of its answers it is not known who got them."""
    await cast.add("ada")
    headers = await bearer(front.client, "ada")
    await front.set(MOVED, Stage.SHADOW, WHOLE)

    await front.ask("/moved/", headers=headers)
    await compared(front)

    lacks = await lacking(front)
    assert "no staff user compared; of 1 requests Django does not say who asked" in lacks
    assert not [each for each in lacks if "ordinary" in each]
