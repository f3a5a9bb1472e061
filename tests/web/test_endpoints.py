"""Moving endpoints through the API: for staff."""

import asyncio
import json
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

from bridge.cutover.parity import Difference
from bridge.cutover.stages import Stage, Standing
from bridge.demo.endpoints import router as demo_router
from bridge.errors import ConfigurationError
from bridge.store.database import MOST_CONNECTIONS, open_database
from bridge.store.differences import Differences
from bridge.store.endpoints import Author, Endpoints
from bridge.web.app import create_app
from tests.conftest import PASSWORD, Cast, FrozenClock, Serve, bearer, running, settings_for
from tests.web.conftest import FULL_COST, PublishedProfile, assert_problem, before_any_database
from tests.web.front import UPSTREAM, in_front
from tests.web.test_csrf import SECRET, Visitor
from tests.web.test_sessions import Browsers, browsers

__all__ = ["browsers"]

LIST: Final = "/migration/endpoints"
REPORT: Final = "/migration/endpoints/report"
STAGE: Final = "/migration/endpoints/stage"
ROLLBACK: Final = "/migration/endpoints/rollback"
ITEMS: Final = "GET /users/me/items/"
CANARY: Final = {"operation": ITEMS, "stage": "canary", "share": "5%", "reason": "first try"}
JSON: Final = {"Content-Type": "application/json"}
BOUND: Final = 20.0  # seconds, for a test that would otherwise wait for ever


@pytest.fixture
async def staff(client: httpx.AsyncClient, cast: Cast) -> httpx.AsyncClient:
    """A client of a member of staff."""
    await cast.add("ada", is_staff=True)
    client.headers.update(await bearer(client, "ada"))
    return client


def moved(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code == httpx.codes.OK, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def put(cast: Cast, operation: str, standing: Standing, clock: FrozenClock) -> None:
    author = Author("cli:bob", "before", clock())
    await Endpoints(cast.database).change(operation, expected_version=None, standing=standing, author=author)


async def test_staff_move_an_endpoint_and_see_it(staff: httpx.AsyncClient, clock: FrozenClock):
    done = moved(await staff.put(STAGE, json=CANARY))

    listing = moved(await staff.get(LIST))
    assert done == {
        "operation": ITEMS,
        "old_stage": "legacy",
        "old_share": "0%",
        "stage": "canary",
        "share": "5%",
        "is_tripped": False,
        "version": 1,
    }
    (row,) = [each for each in listing["endpoints"] if each["operation"] == ITEMS]
    assert {name: row[name] for name in done if name in row} == {
        name: value for name, value in done.items() if not name.startswith("old_")
    }
    assert (row["changed_at"], row["actor"], row["reason"]) == (clock.now.isoformat(), "user:ada", "first try")
    assert (row["handler"], row["view"]) == ("bridge.demo.endpoints.my_items", None)


@before_any_database
async def test_staff_see_what_has_no_handler_on_request(staff: httpx.AsyncClient):
    short, whole = moved(await staff.get(LIST)), moved(await staff.get(LIST, params={"all": "true"}))

    assert all(each["handler"] for each in short["endpoints"])
    assert len(whole["endpoints"]) == len(short["endpoints"]) + short["untouched"] > len(short["endpoints"])
    (orders,) = [each for each in whole["endpoints"] if each["operation"] == "GET /api/orders/"]
    assert (orders["view"], orders["handler"]) == ("legacy_django.shop.api.OrderViewSet", None)
    assert orders["auth"]["legacy"]["login"] is True


@before_any_database
async def test_before_the_sites_first_profile_the_list_says_what_is_missing(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    await cast.add("ada", is_staff=True)
    await profile.withdraw()

    async with serve(**FULL_COST) as client:
        listing = moved(await client.get(LIST, headers=await bearer(client, "ada")))

    assert (listing["shortcoming"], listing["untouched"]) == ("the site has not published its profile", 0)


async def test_staff_see_how_far_the_endpoints_have_moved(staff: httpx.AsyncClient, clock: FrozenClock):
    await staff.put(STAGE, json=CANARY)

    report = moved(await staff.get(REPORT, params={"days": 3}))

    (items,) = [each for each in report["operations"] if each["operation"] == ITEMS]
    assert (items["stage"], items["has_handler"], items["next_stage"]) == ("canary", True, "migrated")
    assert "needs 200 compared answers, has 0" in items["lacks"]
    assert clock.now - datetime.fromisoformat(report["since"]) < timedelta(days=3, hours=1)


@before_any_database
async def test_staff_see_where_answers_differ_and_no_values_of_users(
    staff: httpx.AsyncClient, cast: Cast, clock: FrozenClock
):
    found = Difference("$.iban", kind="value", legacy="string", candidate="string", values=("DE02", "DE03"))
    expires_at = clock() + timedelta(days=1)
    await Differences(cast.database).add(ITEMS, [found], now=clock(), expires_at=expires_at)

    answer = await staff.get(REPORT)

    (items,) = [each for each in moved(answer)["operations"] if each["operation"] == ITEMS]
    assert [(each["place"], "values" in each) for each in items["differences"]] == [("$.iban", False)]
    assert "DE02" not in answer.text


@before_any_database
@pytest.mark.parametrize("days", ["0", "91", "many"])
async def test_a_report_goes_back_as_far_as_traffic_is_kept(staff: httpx.AsyncClient, days: str):
    assert_problem(await staff.get(REPORT, params={"days": days}), status=422, code="invalid")


async def test_staff_give_one_back(staff: httpx.AsyncClient):
    await staff.put(STAGE, json=CANARY)

    done = moved(await staff.post(ROLLBACK, json={"operation": ITEMS, "reason": "it burns"}))

    assert [(each["operation"], each["old_stage"], each["stage"]) for each in done["moved"]] == [
        (ITEMS, "canary", "legacy")
    ]


@before_any_database
async def test_staff_give_all_back_but_the_retired(staff: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    await staff.put(STAGE, json=CANARY)
    await put(cast, "GET /old/", Standing.of(Stage.RETIRED), clock)

    done = moved(await staff.post(ROLLBACK, json={"operation": None, "reason": "it burns"}))

    assert ([each["operation"] for each in done["moved"]], done["retired"]) == ([ITEMS], ["GET /old/"])


async def test_a_move_is_in_force_where_it_was_asked_for_before_the_answer_and_elsewhere_soon(
    service_url: str, cast: Cast
):
    await cast.add("ada", is_staff=True)
    settings = settings_for(service_url, upstream=UPSTREAM)  # without a site there is nothing to choose
    apps = [create_app(settings, routers=(demo_router,)) for _ in range(2)]

    async with running(apps[0]) as client, running(apps[1]), asyncio.timeout(BOUND):
        headers = await bearer(client, "ada")
        moved(await client.put(STAGE, json=CANARY, headers=headers))
        here, there = (app.state.bridge.stages for app in apps)
        assert here.of(ITEMS).stage is Stage.CANARY

        while there.of(ITEMS).stage is not Stage.CANARY:
            await cast.database.fetch_one("SELECT 1")  # the follower has its turn meanwhile


async def test_a_replica_that_starts_knows_what_is_in_force(service_url: str, cast: Cast, clock: FrozenClock):
    await put(cast, ITEMS, Standing.of(Stage.MIGRATED), clock)
    app = create_app(settings_for(service_url), clock=clock)

    async with running(app):
        assert app.state.bridge.stages.of(ITEMS).stage is Stage.MIGRATED


# Refused --------------------------------------------------------------------------------------------------------------


@before_any_database
async def test_what_was_seen_must_still_stand(staff: httpx.AsyncClient):
    await staff.put(STAGE, json=CANARY)

    answer = await staff.put(STAGE, json={**CANARY, "share": "10%", "expected_version": 0})

    assert "version 1, by user:ada" in assert_problem(answer, status=409, code="version_conflict")["detail"]


@before_any_database
@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"operation": "GET /nowhere/"}, 422, "no_handler"),
        ({"stage": "retired", "share": None}, 422, "stage_not_allowed"),
        ({"share": None}, 422, "invalid"),
        ({"share": "101%"}, 422, "invalid"),
        ({"share": "5" * 21}, 422, "invalid"),
        ({"stage": "finished"}, 422, "invalid"),
        ({"operation": "OPTIONS /"}, 422, "invalid"),
        ({"operation": "GET /" + "x" * 255}, 422, "invalid"),
        ({"operation": "GET /\0"}, 422, "invalid"),
        ({"operation": "GET /\ud800"}, 422, "invalid"),
        ({"operation": None}, 422, "invalid"),
        ({"reason": "  "}, 422, "invalid"),
        ({"reason": "\0"}, 422, "invalid"),
        ({"reason": "x" * 1025}, 422, "invalid"),
        ({"expected_version": -1}, 422, "invalid"),
        ({"expected_version": 2**63}, 422, "invalid"),
        ({"force": True}, 422, "invalid"),
    ],
    ids=[
        "no_handler",
        "not_allowed",
        "canary_without_share",
        "share_too_large",
        "share_too_long",
        "unknown_stage",
        "no_operation",
        "operation_too_long",
        "nul",
        "surrogate",
        "null",
        "no_reason",
        "reason_with_nul",
        "reason_too_long",
        "negative_version",
        "version_too_large",
        "force",
    ],
)
async def test_what_cannot_be_done_is_refused(
    staff: httpx.AsyncClient, cast: Cast, change: dict[str, Any], status: int, code: str
):
    answer = await staff.put(STAGE, content=json.dumps({**CANARY, **change}), headers=JSON)

    assert_problem(answer, status=status, code=code)
    assert await Endpoints(cast.database).history(limit=9) == ()


@before_any_database
@pytest.mark.parametrize(
    ("standing", "code"),
    [(Standing(is_tripped=True), "tripped"), (Standing.of(Stage.RETIRED), "retired")],
    ids=["tripped", "retired"],
)
async def test_what_needs_a_word_more_is_refused_without(
    staff: httpx.AsyncClient, cast: Cast, clock: FrozenClock, standing: Standing, code: str
):
    await put(cast, ITEMS, standing, clock)

    assert_problem(await staff.put(STAGE, json=CANARY), status=409, code=code)


@before_any_database
async def test_what_tripped_is_armed_again_by_hand(staff: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    await put(cast, ITEMS, Standing(is_tripped=True), clock)

    assert moved(await staff.put(STAGE, json={**CANARY, "rearm": True}))["stage"] == "canary"


@before_any_database
async def test_a_rollback_of_what_was_never_moved_is_not_found(staff: httpx.AsyncClient):
    answer = await staff.post(ROLLBACK, json={"operation": ITEMS, "reason": "it burns"})

    assert_problem(answer, status=404, code="never_moved")


@before_any_database
async def test_a_rollback_of_all_has_to_be_said(staff: httpx.AsyncClient):
    assert_problem(await staff.post(ROLLBACK, json={"reason": "it burns"}), status=422, code="invalid")


# Who may --------------------------------------------------------------------------------------------------------------

each_route = pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", LIST, None),
        ("GET", REPORT, None),
        ("PUT", STAGE, CANARY),
        ("POST", ROLLBACK, {"operation": None, "reason": "it burns"}),
    ],
    ids=["list", "report", "stage", "rollback"],
)


@each_route
@before_any_database
async def test_nobody_gets_in_without_a_token(client: httpx.AsyncClient, method: str, path: str, body: Any):
    assert_problem(await client.request(method, path, json=body), status=401, code="not_authenticated")


@each_route
@before_any_database
async def test_a_superuser_who_is_not_staff_stays_outside(
    client: httpx.AsyncClient, cast: Cast, method: str, path: str, body: Any
):
    await cast.add("bob", is_superuser=True)
    headers = await bearer(client, "bob")

    answer = await client.request(method, path, json=body, headers=headers)

    assert_problem(answer, status=403, code="staff_only")


@each_route
@before_any_database
async def test_an_application_that_staff_lent_a_scope_to_stays_outside(
    client: httpx.AsyncClient, cast: Cast, method: str, path: str, body: Any
):
    await cast.add("ada", is_staff=True)
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD, "scope": "orders:read"}
    token = (await client.post("/auth/token", data=form)).json()["access_token"]

    answer = await client.request(method, path, json=body, headers={"Authorization": f"Bearer {token}"})

    assert_problem(answer, status=403, code="insufficient_scope")


@before_any_database
async def test_a_session_of_staff_needs_djangos_csrf_token(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada", is_staff=True)
    client.base_url = httpx.URL("http://testserver")
    visitor = Visitor(client, await browsers.log_in())

    assert_problem(await visitor.send("PUT", STAGE, json=CANARY), status=403, code="csrf_failed")
    assert moved(await visitor.send("PUT", STAGE, json=CANARY, token=SECRET))["version"] == 1


# The plan -------------------------------------------------------------------------------------------------------------


@before_any_database
async def test_the_plan_decides_over_the_api_as_well(serve: Serve, cast: Cast, tmp_path: Path):
    await cast.add("ada", is_staff=True)
    file = tmp_path / "cutover.toml"
    file.write_text('[defaults]\nstages = ["shadow"]\n')

    async with serve(cutover_file=file) as client:
        answer = await client.put(STAGE, json=CANARY, headers=await bearer(client, "ada"))

    assert str(file) in assert_problem(answer, status=422, code="stage_not_allowed")["detail"]


@before_any_database
async def test_a_service_warns_of_a_stage_beyond_its_plan_and_lists_it_as_such(
    serve: Serve, cast: Cast, tmp_path: Path, clock: FrozenClock, caplog: pytest.LogCaptureFixture
):
    await cast.add("ada", is_staff=True)
    await put(cast, ITEMS, Standing(Stage.MIGRATED), clock)
    file = tmp_path / "cutover.toml"
    file.write_text('[defaults]\nstages = ["shadow"]\n')

    async with serve(cutover_file=file) as client:
        listing = moved(await client.get(LIST, headers=await bearer(client, "ada")))

    assert [each["operation"] for each in listing["endpoints"] if each["is_beyond_plan"]] == [ITEMS]
    assert f"{ITEMS} is migrated, beyond this process's plan" in caplog.text


@before_any_database
async def test_a_plan_that_cannot_be_read_stops_the_service_before_it_serves(serve: Serve, tmp_path: Path):
    with pytest.raises(ConfigurationError, match=r"BRIDGE_CUTOVER_FILE: .* cannot be read"):
        async with serve(cutover_file=tmp_path / "missing.toml"):
            pass


async def test_a_rollback_gets_through_where_a_slow_handler_holds_every_connection(postgresql_url: str):
    """Which is when one is wanted."""
    database = await open_database(postgresql_url)
    async with in_front(postgresql_url, database) as front:
        await front.set("GET /moved/", Stage.MIGRATED)
        slow = front.app.state.bridge.database
        holding = [asyncio.create_task(slow.fetch_one("SELECT pg_sleep(60)")) for _ in range(2 * MOST_CONNECTIONS)]
        busy = "SELECT count(*) AS busy FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)' AND state = 'active'"
        while (await database.fetch_one(busy) or {})["busy"] < MOST_CONNECTIONS:
            pass  # each look lets the others run

        await front.app.state.bridge.moving.rollback(None, actor="tests", reason="slow")
        await front.app.state.cutover.stages.look()

        assert await front.ask("/moved/") == "django"
        for each in holding:
            each.cancel()
        await asyncio.gather(*holding, return_exceptions=True)
    await database.close()
