"""``bridge endpoints``: what an operator sees and does, also one in trouble."""

import getpass
import json
import unicodedata
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from bridge.cutover.operations import Operation
from bridge.cutover.parity import Difference
from bridge.cutover.stages import Stage, Standing
from bridge.store.database import open_database
from bridge.store.differences import Differences
from bridge.store.endpoints import Author, Endpoints
from tests.cli.conftest import Done, Run, assert_one_line

ORDERS: Final = "GET /api/orders/{id}/"
SHIP: Final = "POST /api/orders/{id}/ship"
ONLY_THE_DATABASE: Final = {"BRIDGE_DJANGO_SECRET_KEY": None, "BRIDGE_SIGNING_KEY": None}
ROUTER: Final = """
from fastapi import APIRouter, WebSocket

orders = APIRouter(prefix="/orders")
router = APIRouter(prefix="/api")

@orders.get("/{number}/")
async def show(number: int) -> None: ...

@orders.post("/{number}/ship")
async def ship(number: int) -> None: ...

@orders.websocket("/live")
async def live(socket: WebSocket) -> None: ...

router.include_router(orders)
"""
PLAN: Final = '[operations."GET /api/orders/{id}/"]\nstages = ["shadow", "canary", "retired"]\n'

Command = Callable[..., Done]
Put = Callable[..., Awaitable[None]]


@pytest.fixture
def endpoints(run: Run, tmp_path: Path, sqlite_url: str) -> Command:
    """Run ``bridge endpoints`` beside a router and a plan, with nothing else set but the database."""
    (tmp_path / "shop_api.py").write_text(ROUTER)
    (tmp_path / "cutover.toml").write_text(PLAN)
    serving = {"BRIDGE_ENDPOINTS": '["shop_api:router"]', "BRIDGE_CUTOVER_FILE": "cutover.toml"}

    def bridge(*arguments: str, **settings: str | None) -> Done:
        return run("endpoints", *arguments, url=sqlite_url, **{**ONLY_THE_DATABASE, **serving, **settings})

    return bridge


@pytest.fixture
def put(sqlite_url: str) -> Put:
    """Move an operation as somebody did before."""

    async def stored(operation: str, stage: Stage, share: int | None = None) -> None:
        database = await open_database(sqlite_url)
        author = Author("cli:ada", "[bold]first[/] try", datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
        shape, standing = Operation.parse(operation).shape, Standing.of(stage, share)
        await Endpoints(database).change(shape, expected_version=None, standing=standing, author=author)
        await database.close()

    return stored


def document(done: Done) -> Any:
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def moved(done: Done) -> str:
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def assert_refused(done: Done, *, saying: str) -> None:
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("bridge: ")
    assert done.stderr.count("\n") == 1
    assert saying in done.stderr


async def test_every_handler_is_listed_with_the_stage_in_force(endpoints: Command, put: Put):
    await put(ORDERS, Stage.CANARY, 500)

    show, ship = document(endpoints("list", "--json"))["endpoints"]

    figures = {name: show.pop(name) for name in ("requests", "parity", "auth")}
    assert show == {
        "operation": "GET /api/orders/{number}/",
        "view": "legacy_django.shop.api.OrderViewSet",
        "view_kind": "drf",
        "url_name": "order-detail",
        "action": "retrieve",
        "handler": "shop_api.show",
        "stage": "canary",
        "share": "5%",
        "is_tripped": False,
        "version": 1,
        "is_beyond_plan": False,
        "changed_at": "2026-07-01T12:00:00+00:00",
        "actor": "cli:ada",
        "reason": "[bold]first[/] try",
    }
    assert figures["requests"] == {"legacy": 0, "bridge": 0}
    assert figures["parity"] == {"compared": 0, "lower_bound": None}
    assert figures["auth"]["lacking"][0] == "Django demands a login, the handler does not"
    assert (ship["operation"], ship["stage"], ship["version"]) == ("POST /api/orders/{number}/ship", "legacy", 0)
    assert ship["changed_at"] is ship["actor"] is None


async def test_the_table_shows_operations_whole_however_narrow_the_terminal(endpoints: Command, put: Put):
    await put(ORDERS, Stage.SHADOW)

    done = endpoints("list", COLUMNS="40")

    (line,) = [line for line in moved(done).splitlines() if "GET" in line]
    assert line.split() == [
        *("GET", "/api/orders/{number}/", "shadow", "100%", "2026-07-01", "12:00", "cli:ada", "0", "0", "-"),
        *("✗", "less", "shop_api.show", "legacy_django.shop.api.OrderViewSet", "(drf)"),
    ]


def test_what_has_no_handler_is_counted_and_listed_on_request(endpoints: Command):
    short, whole = moved(endpoints("list")), moved(endpoints("list", "--all"))

    assert "GET /accounts/login/" not in short
    assert "of Django's endpoints have no handler yet; --all lists them." in short
    assert "GET /accounts/login/" in whole
    assert "no handler yet" not in whole


def test_the_matrix_says_whom_either_app_lets_in_and_how_they_differ(endpoints: Command):
    lines = moved(endpoints("list", "--auth")).splitlines()

    (line,) = [line for line in lines if "GET" in line]
    assert line.split()[:5] == ["GET", "/api/orders/{number}/", "✗", "less", "login,"]
    assert "Django demands a login, the handler does not" in line
    assert "1 of 1 handlers that take over from a view let in whom Django keeps out." in lines


async def test_what_is_broken_hides_no_stage(endpoints: Command, put: Put, tmp_path: Path, sqlite_url: str):
    await put(ORDERS, Stage.SHADOW)
    (tmp_path / "shop_api.py").write_text("1 / 0")
    (tmp_path / "cutover.toml").write_text("broken")
    database = await open_database(sqlite_url)
    await database.execute("UPDATE bridge_site_profile SET document = '{}'")
    await database.close()

    done = endpoints("list", "--json")

    listed = json.loads(done.stdout)
    (row,) = listed["endpoints"]
    assert (row["operation"], row["handler"], row["stage"]) == ("GET /api/orders/{}/", None, "shadow")
    assert row["is_beyond_plan"] is None
    assert listed["shortcoming"].startswith("The site profile was written by another version of the bridge")
    assert "ZeroDivisionError" in done.stderr
    assert "BRIDGE_CUTOVER_FILE: cutover.toml" in done.stderr


@pytest.mark.parametrize(
    ("given", "is_warned"),
    [(("migrated",), True), (("migrated", "--share", "5%"), False), (("canary", "--share", "5%"), False)],
    ids=["migrated", "migrated-and-compared", "canary"],
)
def test_where_django_is_asked_no_more_it_is_said_what_nobody_will_notice(
    endpoints: Command, given: tuple[str, ...], *, is_warned: bool
):
    done = endpoints("set", ORDERS, *given, BRIDGE_CUTOVER_FILE=None)

    assert done.returncode == 0
    assert ("nobody notices mismatches" in done.stdout) is is_warned
    assert ("--share 5%" in done.stdout) is is_warned


def test_a_stage_that_somebody_set_without_the_plan_is_marked(endpoints: Command):
    moved(endpoints("set", ORDERS, "migrated", BRIDGE_CUTOVER_FILE=None))

    (row,) = [row for row in document(endpoints("list", "--json"))["endpoints"] if row["stage"] == "migrated"]

    assert (row["operation"], row["is_beyond_plan"]) == ("GET /api/orders/{number}/", True)
    assert "migrated (beyond the plan)" in moved(endpoints("list"))


def test_a_broken_router_hides_no_other(endpoints: Command, tmp_path: Path):
    (tmp_path / "broken.py").write_text("1 / 0")

    done = endpoints("list", BRIDGE_ENDPOINTS='["broken:router", "shop_api:router"]')

    assert "shop_api.show" in done.stdout
    assert "ZeroDivisionError" in done.stderr


# report ---------------------------------------------------------------------------------------------------------------


async def test_the_report_says_what_an_endpoint_still_lacks(endpoints: Command, put: Put):
    await put(ORDERS, Stage.SHADOW)

    lines = moved(endpoints("report", "--days", "3")).splitlines()

    (row,) = [line for line in lines if "│ GET" in line]
    assert [cell.strip() for cell in row.strip("│").split("│")][:2] == ["GET /api/orders/{}/", "shadow 100%"]
    assert "GET /api/orders/{}/, before canary:" in lines
    assert "  - needs 200 compared answers, has 0" in lines


def test_the_report_in_json_is_a_document(endpoints: Command):
    report = document(endpoints("report", "--json"))

    (show,) = [each for each in report["operations"] if each["operation"] == "GET /api/orders/{}/"]
    assert (report["schema_version"], show["has_handler"], show["is_at_site"]) == (1, True, True)
    assert (show["stage"], show["next_stage"]) == ("legacy", "shadow")


async def test_the_report_shows_the_values_that_the_plan_kept(endpoints: Command, sqlite_url: str):
    found = Difference("$.price", kind="value", legacy="number", candidate="number", values=("1.50", "1.5"))
    now, shape = datetime.now(UTC), Operation.parse(ORDERS).shape
    database = await open_database(sqlite_url)
    await Differences(database).add(shape, [found], now=now, expires_at=now + timedelta(days=1))
    await database.close()

    report, table = document(endpoints("report", "--json")), moved(endpoints("report"))

    (show,) = [each for each in report["operations"] if each["operation"] == shape]
    assert [each["values"] for each in show["differences"]] == [{"legacy": "1.50", "candidate": "1.5"}]
    assert "the last time Django '1.50', bridge '1.5'" in table


def test_a_report_goes_back_as_far_as_traffic_is_kept(endpoints: Command):
    done = endpoints("report", "--days", "91", COLUMNS="200")

    assert (done.returncode, done.stdout) == (2, "")
    assert "less than or equal to 90" in done.stderr


def test_without_a_plan_that_can_be_read_nothing_is_judged(endpoints: Command, tmp_path: Path):
    (tmp_path / "cutover.toml").write_text("broken")

    assert_one_line(endpoints("report"), naming="BRIDGE_CUTOVER_FILE: cutover.toml", cure="no TOML")


# set ------------------------------------------------------------------------------------------------------------------


def test_a_move_is_confirmed_in_a_line(endpoints: Command):
    assert moved(endpoints("set", ORDERS, "canary", "--share", "0.25%")) == (
        "GET /api/orders/{}/ went from legacy to canary 0.25% (version 1)\n"
    )


def test_a_move_is_logged_with_the_operator_and_the_reason(endpoints: Command):
    moved(endpoints("set", ORDERS, "shadow", "--reason", "first try"))

    (change,) = document(endpoints("log", "--json"))["changes"]

    assert (change["actor"], change["reason"]) == (f"cli:{getpass.getuser()}", "first try")


def test_a_dry_move_writes_nothing(endpoints: Command):
    assert moved(endpoints("set", ORDERS, "shadow", "--dry-run")) == (
        "GET /api/orders/{}/ would go from legacy to shadow 100%\n"
    )
    assert document(endpoints("log", "--json")) == {"changes": []}


def test_a_move_in_json_is_a_document(endpoints: Command):
    assert document(endpoints("set", ORDERS, "shadow", "--json")) == {
        "operation": "GET /api/orders/{}/",
        "old_stage": "legacy",
        "old_share": "0%",
        "stage": "shadow",
        "share": "100%",
        "is_tripped": False,
        "version": 1,
        "dry_run": False,
    }


def test_a_stage_that_the_plan_does_not_allow_is_refused_with_the_cure(endpoints: Command):
    assert_refused(endpoints("set", ORDERS, "migrated"), saying='In cutover.toml, below [operations."GET /api/orders')


def test_an_operation_without_a_handler_is_refused(endpoints: Command):
    assert_refused(endpoints("set", "GET /nowhere/", "shadow"), saying="BRIDGE_ENDPOINTS")


@pytest.mark.parametrize(
    ("arguments", "saying"),
    [
        ((ORDERS, "canary"), "--share 5%"),
        ((ORDERS, "canary", "--share", "110%"), "between 0% and 100%"),
        ((ORDERS, "legacy", "--share", "5%"), "takes no share"),
        ((ORDERS, "finished"), "finished"),
        (("OPTIONS /orders/", "shadow"), "no operation"),
        ((ORDERS, "shadow", "--reason", "x" * 1025), "1024"),
    ],
    ids=["canary_without_share", "share_too_large", "share_of_nothing", "unknown_stage", "no_operation", "long_reason"],
)
def test_what_makes_no_sense_is_a_wrong_call(endpoints: Command, arguments: tuple[str, ...], saying: str):
    done = endpoints("set", *arguments, COLUMNS="200")

    assert (done.returncode, done.stdout) == (2, "")
    assert saying in done.stderr


@pytest.mark.parametrize(
    ("plan", "naming"),
    [(None, "cannot be read"), ("stages = ", "no TOML"), ("[default]\n", "default")],
    ids=["missing", "no_toml", "unknown_key"],
)
def test_a_plan_that_cannot_be_read_moves_nothing(endpoints: Command, tmp_path: Path, plan: str | None, naming: str):
    (tmp_path / "cutover.toml").unlink()
    if plan is not None:
        (tmp_path / "cutover.toml").write_text(plan)

    assert_one_line(endpoints("set", ORDERS, "shadow"), naming="BRIDGE_CUTOVER_FILE: cutover.toml", cure=naming)


# rollback -------------------------------------------------------------------------------------------------------------


async def test_an_operator_in_trouble_needs_the_database_only(endpoints: Command, put: Put, tmp_path: Path):
    await put(ORDERS, Stage.CANARY, 5000)
    (tmp_path / "shop_api.py").write_text("1 / 0")
    (tmp_path / "cutover.toml").write_text("broken")

    done = endpoints("rollback", ORDERS, "--reason", "it burns")

    assert moved(done) == "GET /api/orders/{}/ went from canary 50% to legacy (version 2)\n"


async def test_a_rollback_of_all_confirms_each_and_says_what_stays(endpoints: Command, put: Put):
    await put(ORDERS, Stage.RETIRED)
    await put(SHIP, Stage.MIGRATED)

    done = endpoints("rollback", "--all")

    assert (done.returncode, done.stdout) == (0, "POST /api/orders/{}/ship went from migrated to legacy (version 3)\n")
    assert done.stderr.startswith("GET /api/orders/{}/ stays retired")


async def test_a_retired_operation_named_alone_is_not_rolled_back_with_success(endpoints: Command, put: Put):
    await put(ORDERS, Stage.RETIRED)

    done = endpoints("rollback", ORDERS)

    assert (done.returncode, done.stdout) == (1, "")
    assert "--force" in done.stderr


async def test_a_second_rollback_has_nothing_to_do(endpoints: Command, put: Put):
    await put(ORDERS, Stage.SHADOW)
    await put(ORDERS, Stage.LEGACY)

    assert moved(endpoints("rollback", ORDERS)) == "GET /api/orders/{id}/ is Django's already.\n"


async def test_a_dry_rollback_writes_nothing(endpoints: Command, put: Put):
    await put(ORDERS, Stage.SHADOW)

    answer = document(endpoints("rollback", "--all", "--dry-run", "--json"))

    assert ([each["operation"] for each in answer["moved"]], answer["dry_run"]) == (["GET /api/orders/{}/"], True)
    assert len(document(endpoints("log", "--json"))["changes"]) == 1


def test_a_rollback_of_what_was_never_moved_is_refused(endpoints: Command):
    assert_refused(endpoints("rollback", ORDERS), saying="never moved")


@pytest.mark.parametrize("arguments", [(), (ORDERS, "--all")], ids=["neither", "both"])
def test_a_rollback_is_of_one_or_of_all(endpoints: Command, arguments: tuple[str, ...]):
    done = endpoints("rollback", *arguments)

    assert done.returncode == 2
    assert "--all" in done.stderr


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
def test_the_least_privileges_are_enough(run: Run, service_url: str, tmp_path: Path):
    (tmp_path / "shop_api.py").write_text(ROUTER)
    settings = {**ONLY_THE_DATABASE, "BRIDGE_ENDPOINTS": '["shop_api:router"]'}
    moved(run("endpoints", "set", ORDERS, "canary", "--share", "5%", url=service_url, **settings))
    moved(run("endpoints", "rollback", "--all", url=service_url, **ONLY_THE_DATABASE))

    changes = document(run("endpoints", "log", "--json", url=service_url, **ONLY_THE_DATABASE))["changes"]

    assert [(each["version"], each["old_stage"], each["stage"]) for each in changes] == [
        (2, "canary", "legacy"),
        (1, "legacy", "canary"),
    ]


def test_a_database_without_the_tables_names_the_cure(run: Run, tmp_path: Path):
    (tmp_path / "empty.sqlite3").touch()

    done = run("endpoints", "rollback", "--all", url=f"sqlite:///{tmp_path / 'empty.sqlite3'}")

    assert_one_line(done, naming="no bridge_endpoint_* tables", cure="bridge migrate")


# log ------------------------------------------------------------------------------------------------------------------


async def test_the_log_shows_who_moved_what_and_why(endpoints: Command, put: Put):
    await put(ORDERS, Stage.CANARY, 500)
    await put(SHIP, Stage.SHADOW)

    lines = moved(endpoints("log", ORDERS)).splitlines()

    assert len(lines) == 2
    assert lines[1].split()[0] == "1"
    assert lines[1].rstrip().endswith("[bold]first[/] try")
    assert "cli:ada" in lines[1]


def test_a_reason_commands_no_terminal(endpoints: Command):
    """Staff may give one over HTTP; whoever reads the log does so in a terminal."""
    moved(endpoints("set", ORDERS, "shadow", "--reason", "\x1b[2K\x1b[1Aall\x07 is\x9b31m well"))

    shown = moved(endpoints("log"))

    assert "\ufffd[2K\ufffd[1Aall\ufffd is\ufffd31m well" in shown
    assert not [each for each in shown if unicodedata.category(each) == "Cc" and each != "\n"]


async def test_the_log_ends_at_the_limit(endpoints: Command, put: Put):
    for share in (100, 200, 300):
        await put(ORDERS, Stage.CANARY, share)

    changes = document(endpoints("log", "--limit", "2", "--json"))["changes"]

    assert [each["share"] for each in changes] == ["3%", "2%"]
