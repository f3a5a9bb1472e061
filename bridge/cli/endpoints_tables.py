"""How ``bridge endpoints list`` and ``log`` look to people."""

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cutover.demands import in_words as demands_in_words
from bridge.cutover.inventory import Pair
from bridge.cutover.operations import Operation
from bridge.cutover.stages import Stage, Standing
from bridge.services.endpoints import in_words
from bridge.services.listing import EndpointList, EndpointRow
from bridge.store.endpoints import StoredChange

__all__ = ["left_unnoticed", "show_demands", "show_endpoints", "show_log"]

_NOTHING: Final = "-"
_CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def show_endpoints(listed: EndpointList, console: Console) -> None:
    """Print what answers each endpoint, which of both is in force, and what is known of how they compare."""
    table = Table(box=None)
    for name in ("Operation", "Stage", "Since", "By"):
        table.add_column(name, no_wrap=True)
    for name in ("Django", "Bridge", "Parity ≥"):
        table.add_column(name, no_wrap=True, justify="right")
    for name in ("Demands", "Handler", "Django's view"):
        table.add_column(name, no_wrap=True)
    for row in listed.rows:
        table.add_row(*_figures(row), _verdict(row.pair), Text(_handler(row.pair)), Text(_view(row.pair)))
    console.print(table)
    _print_rest(listed, console)
    if listed.rows:
        console.print(f"Requests and comparisons are those since {listed.since:%Y-%m-%d %H:%M} UTC.", soft_wrap=True)


def show_demands(listed: EndpointList, console: Console) -> None:
    """Print whom each app lets in, and every difference: the auth-parity matrix."""
    table = Table(box=None)
    table.add_column("Operation", no_wrap=True)
    table.add_column("Demands", no_wrap=True)
    for name in ("Django's view demands", "The handler demands", "Difference"):
        table.add_column(name, overflow="fold")
    for row in listed.rows:
        pair = row.pair
        table.add_row(
            Text(str(pair.operation)),
            _verdict(pair),
            Text(demands_in_words(pair.legacy.demands) if pair.legacy else _NOTHING),
            Text(demands_in_words(pair.handler.demands) if pair.handler else _NOTHING),
            Text("\n".join(pair.differences)),
        )
    console.print(table)
    _print_rest(listed, console)
    paired = [row.pair for row in listed.rows if row.pair.legacy and row.pair.handler]
    console.print(
        f"{sum(bool(pair.lacking) for pair in paired):,} of {len(paired):,} handlers that take over from a view"
        " let in whom Django keeps out.",
        style="bold",
        soft_wrap=True,
    )
    console.print("What a view or a handler checks in its own body, nobody can tell from outside.", soft_wrap=True)


def show_log(changes: Iterable[StoredChange], console: Console) -> None:
    """Print who moved what, when and why."""
    table = Table("Version", "When", "Operation", "From", "To", "By", "Reason", box=None)
    for change in changes:
        old = in_words(change.old_stage, change.old_share)
        new = in_words(change.stage, change.share) + (" (tripped)" if change.is_tripped else "")
        when = f"{change.changed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        cells = (str(change.version), when, change.operation, old, new, change.actor, change.reason)
        table.add_row(*map(_harmless, cells))
    console.print(table)


def left_unnoticed(operation: Operation, standing: Standing) -> str | None:
    """Say what nobody will notice of an operation once Django is not asked any more; None where it is."""
    is_safe = operation.method == "GET"
    if standing.stage is not Stage.MIGRATED or (is_safe and standing.share):
        return None
    asking = " With --share 5% Django is asked behind so many of the requests." if is_safe else ""
    return (
        "Django is not asked any more: 5xx take it back, and answers that surely take longer than the plan's"
        f" slowness allows beside those that Django gave before; nobody notices mismatches.{asking}"
    )


def _print_rest(listed: EndpointList, console: Console) -> None:
    untouched = sum(not row.is_on_its_way for row in listed.rows)
    if listed.untouched > untouched:
        console.print(
            f"{listed.untouched:,} of Django's endpoints have no handler yet; --all lists them.", soft_wrap=True
        )
    if listed.shortcoming:
        told = Text(f"Not all of Django's endpoints are known: {listed.shortcoming}", style="yellow")
        console.print(told, soft_wrap=True)


def _figures(row: EndpointRow) -> tuple[Text, ...]:
    moved, parity = row.moved, row.figures.parity
    stage = in_words(row.stage, moved.share if moved else 0)
    tripped = " (tripped)" if row.standing.is_tripped else ""
    beyond = " (beyond the plan)" if row.is_beyond_plan else ""
    return (
        Text(str(row.pair.operation)),
        Text(f"{stage}{tripped}{beyond}"),
        Text(_shown(moved.changed_at) if moved else _NOTHING),
        _harmless(moved.actor if moved else _NOTHING),
        Text(f"{row.figures.legacy.requests:,}"),
        Text(f"{row.figures.bridge.requests:,}"),
        Text(f"{parity.lower_bound:.3f} of {parity.compared:,}" if parity.compared else _NOTHING),
    )


def _harmless(text: str) -> Text:
    """Give what somebody else wrote, and no commands to the terminal in it."""
    return Text(_CONTROLS.sub("\ufffd", text))


def _verdict(pair: Pair) -> Text:
    if not pair.legacy or not pair.handler:
        return Text(_NOTHING)
    if pair.lacking:
        return Text("✗ less", style="bold red")
    return Text("! differ", style="bold yellow") if pair.differences else Text("✓ same", style="green")


def _view(pair: Pair) -> str:
    return f"{pair.legacy.view} ({pair.legacy.kind})" if pair.legacy else _NOTHING


def _handler(pair: Pair) -> str:
    return pair.handler.name if pair.handler else _NOTHING


def _shown(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M}"
