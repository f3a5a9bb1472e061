"""``bridge endpoints``: which app answers on which endpoint, and moving them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Annotated, Any, Final

import typer
from rich.console import Console

from bridge.cli.auditing import actor
from bridge.cli.endpoints_report import show_report
from bridge.cli.endpoints_tables import left_unnoticed, show_demands, show_endpoints, show_log
from bridge.cli.opening import opened
from bridge.cli.options import AsJson
from bridge.cli.own_code import see_own_code
from bridge.cutover.inventory import Handler, by_shape
from bridge.cutover.operations import Operation
from bridge.cutover.plan import Plan
from bridge.cutover.stages import Stage, Standing, basis_points
from bridge.errors import ConfigurationError, SchemaMissing, WriteRefused
from bridge.progress.cutover import CutoverReport
from bridge.services.clock import system_clock
from bridge.services.endpoints import Move, Moved, MoveRefused, Moving, RolledBack, Rules, in_words
from bridge.services.figures import PERIOD
from bridge.services.listing import EndpointList, change_document, moved_document, moved_fields
from bridge.services.recording import Event, tell
from bridge.services.traffic import KEPT
from bridge.store.database import Database
from bridge.store.endpoints import LONGEST_REASON, Endpoints, StoredChange
from bridge.store.text import is_storable
from bridge.web.app import handlers_in, load_router
from bridge.web.composition import cutover_reporting_of, listing_of, rules_of, site_profile
from bridge.web.settings import CutoverSettings, DatabaseSettings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Which app answers on which endpoint.")

_LEAST_WIDTH: Final = 160
"""An operation is of use only whole: a narrower terminal breaks the lines."""
_ANY_WIDTH: Final = 1000
"""For a table that people search: each endpoint in a line of its own."""
_REFUSED: Final = 1


def _operation(text: str) -> Operation:
    try:
        return Operation.parse(_storable(text))
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _share(text: str) -> int:
    try:
        return basis_points(text)
    except ValueError as exc:
        raise typer.BadParameter(str(exc)) from exc


def _storable(text: str) -> str:
    if len(text) > LONGEST_REASON or not is_storable(text):
        raise typer.BadParameter(f"at most {LONGEST_REASON} characters, and only such as can be stored")
    return text


_OPERATION: Final = typer.Argument(parser=_operation, metavar="OPERATION", help="As in 'GET /orders/{id}/'.")
Reason = Annotated[str, typer.Option(callback=_storable, help="Why; it goes to the log.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")]


@app.callback()
def endpoints() -> None:
    """Which app answers on which endpoint."""


@app.command("list")
def list_endpoints(
    *,
    everything: Annotated[bool, typer.Option("--all", help="Also Django's endpoints that have no handler.")] = False,
    auth: Annotated[bool, typer.Option("--auth", help="Whom either app lets in, and every difference.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show every endpoint that has a handler in BRIDGE_ENDPOINTS or was ever moved, and the stage in force."""
    settings = CutoverSettings.load()
    url, served, plan = settings.database_url.get_secret_value(), _served(settings), _plan(settings)
    listed = asyncio.run(_listed(url, served, plan, everything=everything))
    if as_json:
        _print_json(listed.to_document())
    elif auth:
        show_demands(listed, _console())
    else:
        show_endpoints(listed, _console(least_width=_ANY_WIDTH))


@app.command()
def report(
    *,
    days: Annotated[int, typer.Option(min=1, max=KEPT.days, help="How far back its figures go.")] = PERIOD.days,
    as_json: AsJson = False,
) -> None:
    """Show how far the endpoints have moved, and what each still lacks before its next stage."""
    settings = CutoverSettings.load()
    url, rules = settings.database_url.get_secret_value(), _rules(settings)
    drawn_up = asyncio.run(_report(url, rules, period=timedelta(days=days)))
    if as_json:
        _print_json(drawn_up.to_document(with_values=True))
    else:
        show_report(drawn_up, _console())


@app.command("set")
def set_stage(
    operation: Annotated[Operation, _OPERATION],
    stage: Annotated[Stage, typer.Argument(help="Where to.")],
    *,
    share: Annotated[
        int | None,
        typer.Option(parser=_share, metavar="N%", help="Of the users of a canary; of the requests compared."),
    ] = None,
    reason: Reason = "",
    rearm: Annotated[
        bool, typer.Option("--rearm", help="Let one that was rolled back automatically leave Django again.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Take a retired one back: Django has it after all.")] = False,
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Move an endpoint. Every replica follows within a second."""
    try:
        standing = Standing.of(stage, share)
    except ValueError as exc:
        raise typer.BadParameter(str(exc), param_hint="--share") from exc
    settings = CutoverSettings.load()
    rules = Rules() if stage is Stage.LEGACY else _rules(settings)
    move = Move(operation, standing, actor(), reason, rearm=rearm, force=force)
    outcome = asyncio.run(_set(settings.database_url.get_secret_value(), rules, move, dry_run=dry_run))
    if isinstance(outcome, MoveRefused):
        raise _refused(outcome)
    _note(outcome, dry_run=dry_run)
    if as_json:
        _print_json({**moved_document(outcome), "dry_run": dry_run})
        return
    typer.echo(_told(outcome, dry_run=dry_run))
    if unnoticed := left_unnoticed(operation, standing):
        typer.echo(unnoticed)


@app.command()
def rollback(
    operation: Annotated[Operation | None, _OPERATION] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every endpoint but the retired ones.")] = False,
    reason: Reason = "",
    dry_run: DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Let Django answer, within a second on every replica. Needs BRIDGE_DATABASE_URL only."""
    if everything == (operation is not None):
        raise typer.BadParameter("name one operation, or say --all")
    url = DatabaseSettings.load().database_url.get_secret_value()
    outcome = asyncio.run(_rollback(url, operation, reason=reason, dry_run=dry_run))
    if isinstance(outcome, MoveRefused):
        raise _refused(outcome)
    _note(*outcome.moved, dry_run=dry_run)
    if as_json:
        moved = [moved_document(each) for each in outcome.moved]
        _print_json({"moved": moved, "retired": outcome.retired, "dry_run": dry_run})
    else:
        _tell(outcome, operation, dry_run=dry_run)
    raise typer.Exit(_REFUSED if operation and outcome.retired else 0)


@app.command()
def log(
    operation: Annotated[Operation | None, _OPERATION] = None,
    *,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many, the newest first.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Show who moved what, when and why. Needs BRIDGE_DATABASE_URL only."""
    url = DatabaseSettings.load().database_url.get_secret_value()
    changes = asyncio.run(_history(url, operation, limit=limit))
    if as_json:
        _print_json({"changes": [change_document(change) for change in changes]})
        return
    show_log(changes, _console())


# Asking the database --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _database(url: str) -> AsyncIterator[Database]:
    try:
        async with opened(url) as database:
            yield database
    except SchemaMissing as exc:
        raise ConfigurationError(
            "The database has no bridge_endpoint_* tables",
            cure="Run `python manage.py migrate` at the site, or `bridge migrate`.",
        ) from exc
    except WriteRefused as exc:
        raise ConfigurationError(
            "The database role may not read or write the bridge_endpoint_* tables",
            cure="Run the GRANT statements that `bridge privileges` prints as the tables' owner.",
        ) from exc


async def _listed(url: str, served: Mapping[str, Handler], plan: Plan | None, *, everything: bool) -> EndpointList:
    async with _database(url) as database:
        try:
            profile, trouble = await site_profile(database), ""
        except ConfigurationError as exc:
            profile, trouble = None, str(exc)
        listing = listing_of(database, profile, served.values(), system_clock, plan=plan)
        listed = await listing.listed(everything=everything)
        return replace(listed, shortcoming=trouble or listed.shortcoming)


async def _report(url: str, rules: Rules, *, period: timedelta) -> CutoverReport:
    async with _database(url) as database:
        profile = await site_profile(database)
        return await cutover_reporting_of(database, profile, rules, system_clock).report(period=period)


async def _set(url: str, rules: Rules, move: Move, *, dry_run: bool) -> Moved | MoveRefused:
    async with _database(url) as database:
        moving = Moving(endpoints=Endpoints(database), clock=system_clock, rules=rules)
        return await moving.set(move, dry_run=dry_run)


async def _rollback(url: str, operation: Operation | None, *, reason: str, dry_run: bool) -> RolledBack | MoveRefused:
    async with _database(url) as database:
        moving = Moving(endpoints=Endpoints(database), clock=system_clock, rules=Rules())
        return await moving.rollback(operation, actor=actor(), reason=reason, dry_run=dry_run)


async def _history(url: str, operation: Operation | None, *, limit: int) -> tuple[StoredChange, ...]:
    async with _database(url) as database:
        return await Endpoints(database).history(operation.shape if operation else None, limit=limit)


def _rules(settings: CutoverSettings) -> Rules:
    see_own_code()
    return rules_of(settings, handlers_in([load_router(name) for name in settings.endpoints]))


def _served(settings: CutoverSettings) -> dict[str, Handler]:
    """Give what the routers serve; one that is broken hides neither the others nor a stage that is in force."""
    see_own_code()
    handlers: list[Handler] = []
    for name in settings.endpoints:
        try:
            handlers += handlers_in([load_router(name)])
        except Exception as exc:  # noqa: BLE001  # it is the team's own code, which may raise anything
            typer.echo(f"bridge: its handlers are not listed: {type(exc).__name__}: {exc}", err=True)
    return by_shape(handlers)


def _plan(settings: CutoverSettings) -> Plan | None:
    """Read the plan; one that is broken hides no stage that is in force."""
    try:
        return settings.plan()
    except ConfigurationError as exc:
        typer.echo(f"bridge: no stage is held against the plan: {exc}", err=True)
        return None


def _note(*moved: Moved, dry_run: bool) -> None:
    for each in moved if not dry_run else ():
        tell(Event.STAGE_CHANGED, actor=actor(), **moved_fields(each))


# Showing it -----------------------------------------------------------------------------------------------------------


def _tell(done: RolledBack, operation: Operation | None, *, dry_run: bool) -> None:
    for moved in done.moved:
        typer.echo(_told(moved, dry_run=dry_run))
    for each in done.retired:
        typer.echo(f"{each} stays retired: Django has it no more (bridge endpoints set --force)", err=True)
    if not done.moved and not done.retired:
        typer.echo(f"{operation} is Django's already." if operation else "Everything is Django's already.")


def _told(moved: Moved, *, dry_run: bool) -> str:
    old = in_words(moved.old_stage, moved.old_share)
    new = in_words(moved.standing.stage, moved.standing.share)
    if dry_run:
        return f"{moved.operation} would go from {old} to {new}"
    return f"{moved.operation} went from {old} to {new} (version {moved.standing.version})"


def _refused(refused: MoveRefused) -> typer.Exit:
    typer.echo(f"bridge: {refused.detail}", err=True)
    return typer.Exit(_REFUSED)


def _console(*, least_width: int = _LEAST_WIDTH) -> Console:
    console = Console(highlight=False)
    console.width = max(console.width, least_width)
    return console


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=2))
