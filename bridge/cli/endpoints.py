"""``bridge endpoints``: which app answers on which endpoint, and moving them."""

import asyncio
import getpass
import json
import os
import sys
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Final

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.opening import opened
from bridge.cutover.operations import Operation
from bridge.cutover.stages import Stage, Standing, basis_points, share_text
from bridge.errors import ConfigurationError, SchemaMissing, WriteRefused
from bridge.services.clock import system_clock
from bridge.services.endpoints import Move, Moved, MoveRefused, Moving, RolledBack, Rules, Served, in_words
from bridge.services.listing import EndpointRow, Listing, change_document, moved_document
from bridge.store.endpoints import LONGEST_REASON, Endpoints, StoredChange
from bridge.store.text import is_storable
from bridge.web.app import load_router
from bridge.web.composition import rules_of, served_by
from bridge.web.settings import CutoverSettings, DatabaseSettings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Which app answers on which endpoint.")

_TABLE_WIDTH: Final = 140
"""An operation is of use only whole: a narrower terminal breaks the lines."""
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
AsJson = Annotated[bool, typer.Option("--json", help="For scripts.")]


@app.callback()
def endpoints() -> None:
    """Which app answers on which endpoint."""


@app.command("list")
def list_endpoints(*, as_json: AsJson = False) -> None:
    """Show every endpoint that has a handler in BRIDGE_ENDPOINTS or was ever moved, and the stage in force."""
    settings = CutoverSettings.load()
    rows = asyncio.run(_rows(settings.database_url.get_secret_value(), _served(settings)))
    if as_json:
        _print_json({"endpoints": [row.to_document() for row in rows]})
        return
    _print_table(_listed(rows))


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
    move = Move(operation, standing, _actor(), reason, rearm=rearm, force=force)
    outcome = asyncio.run(_set(settings.database_url.get_secret_value(), rules, move, dry_run=dry_run))
    if isinstance(outcome, MoveRefused):
        raise _refused(outcome)
    if as_json:
        _print_json({**moved_document(outcome), "dry_run": dry_run})
        return
    typer.echo(_told(outcome, dry_run=dry_run))


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
    _print_table(_logged(changes))


# Asking the database --------------------------------------------------------------------------------------------------


@asynccontextmanager
async def _endpoints(url: str) -> AsyncIterator[Endpoints]:
    async with opened(url) as database:
        try:
            yield Endpoints(database)
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


async def _rows(url: str, served: Mapping[str, Served]) -> tuple[EndpointRow, ...]:
    async with _endpoints(url) as endpoints:
        return await Listing(endpoints=endpoints, served=served).rows()


async def _set(url: str, rules: Rules, move: Move, *, dry_run: bool) -> Moved | MoveRefused:
    async with _endpoints(url) as endpoints:
        return await Moving(endpoints=endpoints, clock=system_clock, rules=rules).set(move, dry_run=dry_run)


async def _rollback(url: str, operation: Operation | None, *, reason: str, dry_run: bool) -> RolledBack | MoveRefused:
    async with _endpoints(url) as endpoints:
        moving = Moving(endpoints=endpoints, clock=system_clock, rules=Rules())
        return await moving.rollback(operation, actor=_actor(), reason=reason, dry_run=dry_run)


async def _history(url: str, operation: Operation | None, *, limit: int) -> tuple[StoredChange, ...]:
    async with _endpoints(url) as endpoints:
        return await endpoints.history(operation.shape if operation else None, limit=limit)


def _rules(settings: CutoverSettings) -> Rules:
    sys.path.insert(0, "")  # as `bridge serve` does
    return rules_of(settings, [load_router(name) for name in settings.endpoints])


def _served(settings: CutoverSettings) -> dict[str, Served]:
    """Give what the routers serve; one that cannot be imported hides no stage that is in force."""
    sys.path.insert(0, "")
    routers = []
    for name in settings.endpoints:
        try:
            routers.append(load_router(name))
        except Exception as exc:  # noqa: BLE001  # it is the team's own code, which may raise anything
            typer.echo(f"bridge: its handlers are not listed: {type(exc).__name__}: {exc}", err=True)
    return served_by(routers)


def _actor() -> str:
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user often has no name
        return f"cli:{os.getuid()}"


# Showing it -----------------------------------------------------------------------------------------------------------


def _listed(rows: Iterable[EndpointRow]) -> Table:
    table = Table("Operation", "Handler", "Stage", "Share", "Since", "By", box=None)
    for row in rows:
        tripped = " (tripped)" if row.standing.is_tripped else ""
        moved = row.moved
        since, actor = (_shown(moved.changed_at), moved.actor) if moved else ("", "")
        share = share_text(row.standing.share) if row.standing.share else ""
        cells = (row.operation, row.handler or "none here", f"{row.stage}{tripped}", share, since, actor)
        table.add_row(*map(Text, cells))
    return table


def _logged(changes: Iterable[StoredChange]) -> Table:
    table = Table("Version", "When", "Operation", "From", "To", "By", "Reason", box=None)
    for change in changes:
        old = in_words(change.old_stage, change.old_share)
        new = in_words(change.stage, change.share) + (" (tripped)" if change.is_tripped else "")
        cells = (
            str(change.version),
            _shown(change.changed_at),
            change.operation,
            old,
            new,
            change.actor,
            change.reason,
        )
        table.add_row(*map(Text, cells))
    return table


def _print_table(table: Table) -> None:
    console = Console(highlight=False)
    console.width = max(console.width, _TABLE_WIDTH)
    console.print(table)


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


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _print_json(content: Any) -> None:
    typer.echo(json.dumps(content, indent=2))
