"""``bridge report``: how far the upgrade is, who remains, and whether an algorithm may go."""

import asyncio
import csv
import json
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from bridge.cli.opening import opened
from bridge.cli.report_table import show_gate, show_report
from bridge.errors import ConfigurationError, SchemaMissing, WriteRefused
from bridge.passwords.encoded import ALGORITHMS
from bridge.profile import SiteProfile, UserTable
from bridge.progress import MigrationReport
from bridge.progress.census import Cohort
from bridge.progress.gate import RemovalGate
from bridge.progress.report import SCHEMA_VERSION
from bridge.services.clock import system_clock
from bridge.store.database import Database
from bridge.store.remaining import RemainingUsers
from bridge.web.composition import reporting_of, site_profile
from bridge.web.settings import DatabaseSettings

__all__ = ["report"]

_LOCKED_OUT: Final = 1
_MOST_DAYS: Final = 36_500
_READ_AS_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of one (OWASP, CSV Injection)."""


class Format(StrEnum):
    """How to show it."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def report(
    form: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.TABLE,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
    gate: Annotated[
        str | None,
        typer.Option(metavar="ALGORITHM", help="Who would be locked out without it; exit 1 while anybody would be."),
    ] = None,
    snapshot: Annotated[bool, typer.Option("--snapshot", help="Keep the report as today's snapshot.")] = False,
    remaining: Annotated[
        bool, typer.Option("--remaining", help="List the accounts that are not upgraded, as csv for a mailing.")
    ] = False,
    algorithm: Annotated[str | None, typer.Option(help="Of --remaining, only those stored by it.")] = None,
    dormant_days: Annotated[
        int | None, typer.Option(min=0, max=_MOST_DAYS, help="Likewise, only those away for so long.")
    ] = None,
    active_only: Annotated[bool, typer.Option("--active-only", help="Likewise, only those who may log in.")] = False,
) -> None:
    """Count how far the upgrade is. Needs BRIDGE_DATABASE_URL only; no hash leaves the database."""
    if sum((gate is not None, snapshot, remaining)) > 1:
        raise typer.BadParameter("--gate, --snapshot and --remaining are three different things")
    if not remaining and (algorithm is not None or dormant_days is not None or active_only):
        raise typer.BadParameter("--algorithm, --dormant-days and --active-only go with --remaining")
    for name in (gate, algorithm):
        _require_known(name)
    url = DatabaseSettings.load().database_url.get_secret_value()
    if remaining:
        asyncio.run(_list_remaining(url, algorithm, dormant_days, only_active=active_only))
        return
    counted, listed = asyncio.run(_count(url, keep=snapshot))
    shown = Format.JSON if as_json else form
    if gate is not None:
        _answer(RemovalGate.of(counted.census, gate, listed=listed), shown)
    else:
        _print(counted, shown)


def _require_known(algorithm: str | None) -> None:
    if algorithm is not None and algorithm not in ALGORITHMS:
        raise ConfigurationError(
            f"No algorithm of Django's is called {algorithm!r}", cure=f"There are {', '.join(ALGORITHMS)}."
        )


@asynccontextmanager
async def _site(url: str) -> AsyncIterator[tuple[Database, SiteProfile | None]]:
    try:
        async with opened(url) as database:
            yield database, await site_profile(database)
    except SchemaMissing as exc:
        raise ConfigurationError(
            "The bridge_* tables are of an earlier version, or the user table is not what the site told",
            cure="Run `python manage.py migrate` at the site, or `bridge migrate`.",
        ) from exc
    except WriteRefused as exc:
        raise ConfigurationError(
            "The database role may not read the users, or not keep a snapshot",
            cure="Run the GRANT statements that `bridge privileges` prints as the tables' owner.",
        ) from exc


async def _count(url: str, *, keep: bool) -> tuple[MigrationReport, frozenset[str] | None]:
    async with _site(url) as (database, profile):
        reporting = reporting_of(database, profile, system_clock)
        counted = await (reporting.take_snapshot() if keep else reporting.report())
    if counted is None:
        raise ConfigurationError("Another process is taking a snapshot", cure="Try again once it has finished.")
    return counted, profile.accepted_algorithms if profile else None


def _answer(gate: RemovalGate, form: Format) -> None:
    match form:
        case Format.JSON:
            typer.echo(json.dumps({"schema_version": SCHEMA_VERSION, **gate.to_document()}, indent=2))
        case Format.CSV:
            _write_csv([("cohort", "locked_out"), *((cohort.value, users) for cohort, users in gate.by_cohort)])
        case Format.TABLE:
            show_gate(gate)
    if not gate.is_open:
        raise typer.Exit(_LOCKED_OUT)


def _print(counted: MigrationReport, form: Format) -> None:
    match form:
        case Format.JSON:
            typer.echo(json.dumps(counted.to_document(), indent=2))
        case Format.CSV:
            _write_csv(_rows(counted))
        case Format.TABLE:
            show_report(counted)


def _rows(counted: MigrationReport) -> list[tuple[Any, ...]]:
    users: Counter[tuple[str, Cohort]] = Counter()
    for row, number in counted.census.rows.items():
        users[row.algorithm, row.cohort] += number
    return [
        ("algorithm", "users", "share", *(cohort.value for cohort in Cohort), "schema_version"),
        *(
            (
                each.algorithm,
                each.users,
                round(each.share, 6),
                *(users[each.algorithm, cohort] for cohort in Cohort),
                SCHEMA_VERSION,
            )
            for each in counted.by_algorithm
        ),
    ]


def _write_csv(rows: list[tuple[Any, ...]]) -> None:
    csv.writer(sys.stdout, lineterminator="\n").writerows(rows)


async def _list_remaining(url: str, algorithm: str | None, dormant_days: int | None, *, only_active: bool) -> None:
    not_since = None if dormant_days is None else system_clock() - timedelta(days=dormant_days)
    async with _site(url) as (database, profile):
        table, zone = (profile.user_table, profile.time_zone) if profile else (UserTable(), None)
        rows = csv.writer(sys.stdout, lineterminator="\n")
        rows.writerow(("id", "username", "email", "last_login"))
        users = RemainingUsers(database, table, time_zone=zone)
        async for batch in users.batches(algorithm=algorithm, not_since=not_since, only_active=only_active):
            rows.writerows(
                (_inert(user.id), _inert(user.username), _inert(user.email), _moment(user.last_login)) for user in batch
            )


def _inert(text: str) -> str:
    """Keep a spreadsheet from running what a user has chosen to be called."""
    return f"'{text}" if text.startswith(_READ_AS_FORMULA) else text


def _moment(moment: datetime | None) -> str:
    return moment.isoformat(timespec="seconds") if moment else ""
