"""The figures of ``bridge endpoints report``."""

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.cutover.parity import Verdict
from bridge.cutover.stages import Stage, Standing
from bridge.progress.cutover import CutoverReport, EndpointReport
from bridge.progress.endpoints import DifferingPlace, EndpointFigures, ParityFigures, SideFigures

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ALL = frozenset(Stage)


def side(requests: int) -> SideFigures:
    return SideFigures.of([("user", 2, 20, requests)])


def judged(figures: EndpointFigures) -> EndpointReport:
    return EndpointReport.of(figures, allowed=ALL, now=NOON)


def report(*figures: EndpointFigures, other_requests: int = 0) -> CutoverReport:
    return CutoverReport(
        generated_at=NOON,
        since=NOON - timedelta(days=14),
        endpoints=tuple(map(judged, figures)),
        other_requests=other_requests,
        never_seen=("GET /old/",),
    )


HALFWAY = report(
    EndpointFigures("GET /a/", Standing(Stage.MIGRATED), bridge=side(30)),
    EndpointFigures("GET /b/", Standing(Stage.CANARY, 500), legacy=side(50), bridge=side(10)),
    EndpointFigures("GET /c/", Standing(Stage.RETIRED)),
    EndpointFigures("GET /d/", has_handler=False),
    other_requests=10,
)


def test_an_endpoint_has_moved_once_the_new_handler_answers_everybody():
    assert HALFWAY.moved == 2
    assert HALFWAY.moved_share == 0.5


def test_the_share_by_traffic_is_of_all_requests_of_endpoints_that_nobody_knows_too():
    assert (HALFWAY.requests, HALFWAY.requests_to_bridge) == (100, 40)
    assert HALFWAY.traffic_share == 0.4


def test_a_site_that_nobody_has_asked_for_anything_has_a_report():
    empty = report()

    assert (empty.moved_share, empty.traffic_share) == (0, 0)


def test_runs_for_a_comparison_are_in_the_latency_and_are_no_requests():
    figures = SideFigures.of([("user", 2, 20, 1)], runs=[(20, 1), (1000, 98)])

    assert figures.requests == 1
    assert figures.latency(0.02) == 20
    assert figures.latency(0.5) == pytest.approx(845, abs=5)


def test_an_app_that_answered_nothing_has_no_latency_and_no_errors():
    assert SideFigures().latency(0.5) is None
    assert SideFigures().error_rate == 0


def test_parity_is_of_comparisons_that_had_a_result():
    parity = ParityFigures.of(
        [
            ("user", 200, Verdict.MATCH, 90),
            ("staff", 404, Verdict.MISMATCH, 6),
            ("user", 200, Verdict.FAILED, 4),
            ("anonymous", 302, Verdict.NOISE, 50),
            ("anonymous", 302, Verdict.DROPPED, 50),
        ]
    )

    assert (parity.compared, parity.matches) == (100, 90)
    assert parity.by_role == {"user": 94, "staff": 6}
    assert parity.by_class == {2: 94, 4: 6}
    assert 0.82 < parity.lower_bound < 0.83


def test_without_a_comparison_parity_is_nothing():
    assert ParityFigures().lower_bound == 0
    assert judged(EndpointFigures("GET /")).to_document()["parity"]["lower_bound"] is None


def test_values_are_in_the_document_only_where_they_are_asked_for():
    kept = DifferingPlace("$.price", "value", "number", "number", 3, NOON, values=("1.50", "1.5"))
    other = replace(kept, place="$.name", values=None)
    drawn_up = report(EndpointFigures("GET /orders/", differences=(kept, other)))

    def values(document: dict[str, Any]) -> list[Any]:
        return [each.get("values", "left out") for each in document["operations"][0]["differences"]]

    assert values(drawn_up.to_document()) == ["left out", "left out"]
    assert values(drawn_up.to_document(with_values=True)) == [{"legacy": "1.50", "candidate": "1.5"}, None]


def test_the_document_is_stable():
    place = DifferingPlace("$.price", "type", "string", "number", 3, NOON)
    figures = EndpointFigures(
        "GET /orders/",
        Standing(Stage.SHADOW, 10_000, version=3),
        changed_at=NOON,
        legacy=side(300),
        bridge=SideFigures.of([], runs=[(20, 37)]),
        parity=ParityFigures.of([("user", 200, Verdict.MATCH, 34), ("user", 200, Verdict.MISMATCH, 3)]),
        differences=(place,),
        auth_differences=("the handler demands a login, Django does not",),
    )

    assert json.loads(json.dumps(report(figures, other_requests=100).to_document())) == {
        "schema_version": 1,
        "generated_at": "2026-11-20T12:00:00+00:00",
        "since": "2026-11-06T12:00:00+00:00",
        "endpoints": {"known": 1, "moved": 0, "share": 0.0},
        "traffic": {"requests": 400, "bridge": 0, "other": 100, "share": 0.0},
        "never_seen": ["GET /old/"],
        "thresholds": {
            "compared": 200,
            "parity": 0.98,
            "answers": 200,
            "errors": 0.01,
            "slowness": 1.5,
            "noticeable_ms": 50,
            "settled_days": 14,
        },
        "operations": [
            {
                "operation": "GET /orders/",
                "stage": "shadow",
                "share": "100%",
                "is_tripped": False,
                "changed_at": "2026-11-20T12:00:00+00:00",
                "has_handler": True,
                "is_at_site": True,
                "legacy": {
                    "requests": 300,
                    "by_status": {"2xx": 300},
                    "by_role": {"user": 300},
                    "p50_ms": 17.5,
                    "p95_ms": 19.8,
                },
                "bridge": {"requests": 0, "by_status": {}, "by_role": {}, "p50_ms": 17.5, "p95_ms": 19.8},
                "parity": {
                    "compared": 37,
                    "matches": 34,
                    "lower_bound": 0.78699,
                    "by_verdict": {"match": 34, "mismatch": 3},
                    "by_status": {"2xx": 37},
                    "by_role": {"user": 37},
                },
                "differences": [
                    {
                        "place": "$.price",
                        "kind": "type",
                        "legacy": "string",
                        "candidate": "number",
                        "count": 3,
                        "last_seen": "2026-11-20T12:00:00+00:00",
                    }
                ],
                "auth_differences": ["the handler demands a login, Django does not"],
                "next_stage": "canary",
                "lacks": ["needs 200 compared answers, has 37", "3 of 37 compared answers differ"],
            }
        ],
    }


def test_what_cannot_be_told_is_null_to_scripts():
    assert replace(report(), never_seen=None).to_document()["never_seen"] is None
