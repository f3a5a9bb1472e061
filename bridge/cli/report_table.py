"""The report for people."""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.progress import MigrationReport
from bridge.progress.census import TARGET
from bridge.progress.forecast import Forecast, Milestone
from bridge.progress.gate import RemovalGate
from bridge.progress.words import COHORTS, LACKING
from bridge.progress.wrapped import WrappedUsers

__all__ = ["show_gate", "show_report"]

_BAR_WIDTH: Final = 32


def show_report(counted: MigrationReport) -> None:
    """Print it."""
    console = Console()
    console.print(_by_algorithm(counted))
    console.print(_by_cohort(counted))
    share = counted.share
    console.print(
        f"[bold]{share.upgraded:,} of {share.usable:,} usable passwords upgraded ({share.upgraded_share:.1%})[/],"
        f" {share.remaining:,} to go; {counted.total:,} users in all."
    )
    active = counted.active
    console.print(f"Of active accounts, {active.upgraded:,} of {active.usable:,} ({active.upgraded_share:.1%}).")
    for line in _wrapped(counted.wrapped):
        console.print(line, highlight=False)
    if counted.unknown_formats:
        named = ", ".join(f"{name} ({users:,})" for name, users in counted.unknown_formats.items())
        console.print(f"Unknown formats: {named}", highlight=False)
    for line in _forecast(counted.forecast):
        console.print(line, highlight=False)
    for activity in sorted(counted.activity, key=lambda each: (each.app, each.event)):
        console.print(f"  {activity.app:7} {activity.event:24} {activity.count:>8,}", highlight=False)


def show_gate(gate: RemovalGate) -> None:
    """Print who would be locked out."""
    console = Console(highlight=False, soft_wrap=True)
    if gate.is_open:
        console.print(f"Nobody's password is stored by {gate.algorithm}: it may leave PASSWORD_HASHERS.")
        return
    console.print(
        f"[bold]{gate.locked_out:,} users would be locked out without {gate.algorithm}[/]:"
        f" {gate.active:,} of them active, {gate.staff:,} staff. By their last login:"
    )
    for cohort, users in gate.by_cohort:
        console.print(f"  {COHORTS[cohort]:16} {users:>10,}")
    if gate.is_listed is False:
        console.print("The site does not verify it any more: they are locked out now.")


def _by_algorithm(counted: MigrationReport) -> Table:
    table = Table(title=f"Passwords by algorithm, {counted.generated_at:%Y-%m-%d %H:%M} UTC", title_justify="left")
    table.add_column("algorithm")
    table.add_column("users", justify="right")
    table.add_column("share", justify="right")
    table.add_column("", min_width=_BAR_WIDTH)
    for each in counted.by_algorithm:
        style = "green" if each.algorithm == TARGET else "yellow"
        table.add_row(each.algorithm, f"{each.users:,}", f"{each.share:.1%}", _bar(each.share, style))
    return table


def _by_cohort(counted: MigrationReport) -> Table:
    table = Table(title="Usable passwords by last login", title_justify="left")
    table.add_column("last login")
    table.add_column("usable", justify="right")
    table.add_column("upgraded", justify="right")
    table.add_column("", min_width=_BAR_WIDTH)
    for cohort, share in counted.by_cohort:
        bar = _bar(share.upgraded_share, "green") if share.usable else Text()
        table.add_row(COHORTS[cohort], f"{share.usable:,}", f"{share.upgraded:,}", bar)
    return table


def _wrapped(kinds: Sequence[WrappedUsers]) -> Iterator[str]:
    if kinds:
        users = sum(each.users for each in kinds)
        yield f"Of those to go, {users:,} are wrapped: argon2 to a thief, and plain argon2 after their next login."
        yield "Until nobody is left, PASSWORD_HASHERS needs"
    for each in kinds:
        missing = " [bold red](not listed: they cannot log in)[/]" if each.is_listed is False else ""
        yield f"  {each.hasher}{missing}: {each.users:,}, {each.active:,} of them active"


def _forecast(found: Forecast) -> Iterator[str]:
    if found.lacking is not None:
        yield f"No forecast, not enough data: {LACKING[found.lacking]}."
    for each in found.milestones:
        yield f"{each.share:.0%} of active accounts: {_when(each)}"


def _when(milestone: Milestone) -> str:
    if milestone.is_reached:
        return "reached"
    return f"{milestone.expected} (90% certain: {milestone.earliest} to {milestone.latest})"


def _bar(share: float, style: str) -> Text:
    filled = round(share * _BAR_WIDTH)
    return Text("█" * filled, style=style) + Text("░" * (_BAR_WIDTH - filled), style="dim")
