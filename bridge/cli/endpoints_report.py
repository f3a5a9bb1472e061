"""How ``bridge endpoints report`` looks to people."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from bridge.cutover.stages import Stage, share_text
from bridge.progress.cutover import CutoverReport, EndpointReport
from bridge.progress.endpoints import SideFigures

__all__ = ["show_report"]

_MOST_OTHERS = 5
_MOST_PLACES = 3
_MOST_NEVER_SEEN = 20
_SHARED = frozenset({Stage.SHADOW, Stage.CANARY})


def show_report(report: CutoverReport, console: Console) -> None:
    """Print the endpoints that have a handler, what each still lacks, and what has none."""
    moving = [each for each in report.endpoints if each.figures.has_handler]
    console.print(_table(moving, title=f"Endpoints since {report.since:%Y-%m-%d %H:%M} UTC"))
    for each in moving:
        for line in _needs(each):
            console.print(line, soft_wrap=True)
    console.print(Text(_summary(report), style="bold"), soft_wrap=True)
    for sentence in _rest(report):
        console.print(Text(sentence), soft_wrap=True)


def _table(moving: list[EndpointReport], *, title: str) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("operation", "stage"):
        table.add_column(name, no_wrap=True)
    for name in ("Django", "p50/p95 ms", "bridge", "p50/p95 ms", "compared", "parity ≥", "lacks"):
        table.add_column(name, justify="right")
    for each in moving:
        figures, parity = each.figures, each.figures.parity
        table.add_row(
            Text(figures.operation),
            _stage(each),
            f"{figures.legacy.requests:,}",
            _latency(figures.legacy),
            f"{figures.bridge.requests:,}",
            _latency(figures.bridge),
            f"{parity.compared:,}" if figures.is_compared else "-",
            f"{parity.lower_bound:.3f}" if parity.compared else "-",
            Text(str(len(each.lacks)), style="yellow") if each.lacks else Text("✓", style="green"),
        )
    return table


def _stage(report: EndpointReport) -> Text:
    standing = report.figures.standing
    share = f" {share_text(standing.share)}" if standing.share or standing.stage in _SHARED else ""
    return Text(f"{standing.stage}{share}{' (tripped)' if standing.is_tripped else ''}")


def _latency(side: SideFigures) -> str:
    median, tail = side.latency(0.5), side.latency(0.95)
    return "-" if median is None or tail is None else f"{median:.0f}/{tail:.0f}"


def _needs(report: EndpointReport) -> Iterator[Text]:
    if report.lacks:
        yield Text(f"{report.figures.operation}, before {report.next_stage or 'it moves on'}:")
        yield from (Text(f"  - {each}") for each in report.lacks)
    for place in report.figures.differences[:_MOST_PLACES]:
        yield Text(
            f"  {report.figures.operation} {place.place}: {place.kind}, Django {place.legacy or '-'},"
            f" bridge {place.candidate or '-'} ({place.count:,} times)",
            style="dim",
        )
        if place.values:
            # Anybody's bytes, on an operator's terminal: written as Python would, which no terminal obeys.
            legacy, candidate = place.values
            yield Text(f"    the last time Django {legacy!r}, bridge {candidate!r}", style="dim")


def _summary(report: CutoverReport) -> str:
    return (
        f"{report.moved:,} of {len(report.endpoints):,} endpoints moved ({report.moved_share:.1%}); the bridge"
        f" answered {report.requests_to_bridge:,} of {report.requests:,} requests ({report.traffic_share:.1%})."
    )


def _rest(report: CutoverReport) -> Iterator[str]:
    others = [each.figures for each in report.endpoints if not each.figures.has_handler and each.figures.requests]
    others.sort(key=lambda figures: -figures.requests)
    if others:
        busiest = ", ".join(f"{each.operation} ({each.requests:,})" for each in others[:_MOST_OTHERS])
        yield f"Without a handler, most requests first: {busiest}"
    if report.never_seen is None:
        yield "Never asked for: cannot be told, as more operations were asked for than are counted by name."
    elif report.never_seen:
        yield f"Never asked for: {_shortened(report.never_seen)}"


def _shortened(names: Sequence[str]) -> str:
    left_out = len(names) - _MOST_NEVER_SEEN
    return ", ".join(names[:_MOST_NEVER_SEEN]) + (f" and {left_out:,} more" if left_out > 0 else "")
