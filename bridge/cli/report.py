"""``bridge report``: how many hashes have been upgraded."""

import asyncio
import csv
import json
import sys
from enum import StrEnum
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cli.opening import opened
from bridge.profile import UserTable
from bridge.progress import MigrationReport
from bridge.services.clock import system_clock
from bridge.services.reporting import Reporting
from bridge.store.activity import Activity
from bridge.store.census import Census
from bridge.web.composition import site_profile
from bridge.web.settings import DatabaseSettings

__all__ = ["report"]

_BAR_WIDTH = 32


class Format(StrEnum):
    """How to show it."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


def report(
    form: Annotated[Format, typer.Option("--format", help="How to show it.")] = Format.TABLE,
    *,
    as_json: Annotated[bool, typer.Option("--json", help="The same as --format json.")] = False,
) -> None:
    """Count how many hashes have been upgraded. Needs BRIDGE_DATABASE_URL only; no hash leaves the database."""
    counted = asyncio.run(_count(DatabaseSettings.load().database_url.get_secret_value()))
    match Format.JSON if as_json else form:
        case Format.JSON:
            typer.echo(json.dumps(counted.to_document(), indent=2))
        case Format.CSV:
            _write_csv(counted)
        case Format.TABLE:
            _show(counted)


async def _count(url: str) -> MigrationReport:
    async with opened(url) as database:
        profile = await site_profile(database)
        census = Census(database, profile.user_table if profile else UserTable())
        return await Reporting(census=census, activity=Activity(database), clock=system_clock).report()


def _write_csv(counted: MigrationReport) -> None:
    rows = csv.writer(sys.stdout, lineterminator="\n")
    rows.writerow(("algorithm", "users", "share"))
    rows.writerows((each.algorithm, each.users, round(each.share, 6)) for each in counted.by_algorithm)


def _show(counted: MigrationReport) -> None:
    console = Console()
    table = Table(title=f"Passwords by algorithm, {counted.generated_at:%Y-%m-%d %H:%M} UTC", title_justify="left")
    table.add_column("algorithm")
    table.add_column("users", justify="right")
    table.add_column("share", justify="right")
    table.add_column("", min_width=_BAR_WIDTH)
    for each in counted.by_algorithm:
        table.add_row(each.algorithm, f"{each.users:,}", f"{each.share:.1%}", _bar(each.share, each.algorithm))
    console.print(table)
    console.print(
        f"[bold]{counted.upgraded:,} of {counted.usable:,} usable passwords upgraded ({counted.upgraded_share:.1%})[/],"
        f" {counted.remaining:,} to go; {counted.total:,} users in all."
    )
    for activity in counted.activity:
        console.print(f"  {activity.app:7} {activity.event:24} {activity.count:>8,}", highlight=False)


def _bar(share: float, algorithm: str) -> Text:
    filled = round(share * _BAR_WIDTH)
    return Text("█" * filled, style="green" if algorithm == "argon2" else "yellow") + Text(
        "░" * (_BAR_WIDTH - filled), style="dim"
    )
