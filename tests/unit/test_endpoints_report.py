"""How ``bridge endpoints report`` looks to people."""

import io
from dataclasses import replace
from datetime import UTC, datetime

from rich.console import Console

from bridge.cli.endpoints_report import show_report
from bridge.cutover.parity import Verdict
from bridge.cutover.stages import Stage, Standing
from bridge.progress.cutover import CutoverReport, EndpointReport
from bridge.progress.endpoints import DifferingPlace, EndpointFigures, ParityFigures, SideFigures

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SHADOWED = EndpointFigures(
    "GET /orders/{}/",
    Standing(Stage.SHADOW, 2500),
    legacy=SideFigures.of([("user", 2, 100, 1234)]),
    parity=ParityFigures.of([("user", 200, Verdict.MATCH, 37)]),
    differences=(DifferingPlace("$.price[bold]", "type", "string", "number", 3, NOON),),
)


def shown(*figures: EndpointFigures, never_seen: tuple[str, ...] | None = ()) -> str:
    report = CutoverReport(
        generated_at=NOON,
        since=NOON,
        endpoints=tuple(EndpointReport.of(each, allowed=frozenset(Stage), now=NOON) for each in figures),
        never_seen=never_seen,
    )
    written = io.StringIO()
    show_report(report, Console(file=written, width=160))
    return written.getvalue()


def test_an_endpoint_is_a_line_with_its_stage_and_its_figures():
    [line] = [line for line in shown(SHADOWED).splitlines() if "shadow" in line]

    assert [cell.strip() for cell in line.strip("│").split("│")] == [
        "GET /orders/{}/", "shadow 25%", "1,234", "85/98", "0", "-", "37", "0.906", "1",
    ]  # fmt: skip


def test_what_is_lacking_is_said_below():
    assert "GET /orders/{}/, before canary:\n  - needs 200 compared answers, has 37\n" in shown(SHADOWED)


def test_the_places_that_differ_are_said_as_they_are():
    assert "GET /orders/{}/ $.price[bold]: type, Django string, bridge number (3 times)" in shown(SHADOWED)


def test_values_that_were_kept_stand_below_their_place_and_reach_no_terminal_raw():
    place = replace(SHADOWED.differences[0], values=("1.50", "\x1b[2J"))

    text = shown(replace(SHADOWED, differences=(place,)))

    assert "(3 times)\n    the last time Django '1.50', bridge '\\x1b[2J'\n" in text


def test_one_that_was_tripped_says_so():
    assert "legacy (tripped)" in shown(EndpointFigures("GET /a/", Standing(is_tripped=True)))


def test_what_cannot_be_compared_has_no_parity():
    [line] = [line for line in shown(EndpointFigures("POST /a/")).splitlines() if "POST /a/" in line and "│" in line]

    assert [cell.strip() for cell in line.strip("│").split("│")][6:8] == ["-", "-"]


def test_how_far_all_of_it_is_stands_at_the_end():
    bridge = SideFigures.of([("user", 2, 20, 1234)])

    assert "1 of 2 endpoints moved (50.0%); the bridge answered 1,234 of 2,468 requests (50.0%)." in shown(
        EndpointFigures("GET /a/", Standing(Stage.MIGRATED), bridge=bridge), SHADOWED
    )


def test_what_has_no_handler_is_said_with_the_most_asked_for_first():
    few, many = SideFigures.of([("user", 2, 20, 5)]), SideFigures.of([("user", 2, 20, 1000)])

    text = shown(
        EndpointFigures("GET /few/", has_handler=False, legacy=few),
        EndpointFigures("GET /many/", has_handler=False, legacy=many),
        EndpointFigures("GET /none/", has_handler=False),
    )

    assert "Without a handler, most requests first: GET /many/ (1,000), GET /few/ (5)\n" in text


def test_what_nobody_asks_for_is_named_in_part():
    names = tuple(f"GET /{number}/" for number in range(25))

    text = shown(never_seen=names)

    assert "Never asked for: GET /0/, GET /1/," in text
    assert "GET /19/ and 5 more" in text


def test_where_it_cannot_be_told_what_nobody_asks_for_nothing_is_named():
    assert "Never asked for: cannot be told, as more operations were asked for than" in shown(never_seen=None)
