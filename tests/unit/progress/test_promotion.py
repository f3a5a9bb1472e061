"""What an endpoint still lacks before its next stage."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bridge.cutover.parity import Verdict
from bridge.cutover.stages import Stage, Standing
from bridge.progress.endpoints import EndpointFigures, ParityFigures, SideFigures
from bridge.progress.promotion import lacks, next_stage

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
ALL = frozenset(Stage)


def side(*, requests: int = 1000, role: str = "user", errors: int = 0, ms: int = 20) -> SideFigures:
    return SideFigures.of([(role, 2, ms, requests - errors), (role, 5, ms, errors)])


def parity(matches: int = 1000, mismatches: int = 0, *, role: str = "user", status: int = 200) -> ParityFigures:
    return ParityFigures.of([(role, status, Verdict.MATCH, matches), (role, status, Verdict.MISMATCH, mismatches)])


SHADOWED = EndpointFigures("GET /orders/", Standing.of(Stage.SHADOW), legacy=side(), parity=parity())
CANARY = replace(SHADOWED, standing=Standing.of(Stage.CANARY, 500), bridge=side())
MIGRATED = replace(CANARY, standing=Standing.of(Stage.MIGRATED), changed_at=NOON - timedelta(days=14))


def of(figures: EndpointFigures, **changes: Any) -> tuple[str, ...]:
    return lacks(replace(figures, **changes), allowed=ALL, now=NOON)


@pytest.mark.parametrize(
    "figures",
    [
        pytest.param(EndpointFigures("GET /orders/"), id="to-shadow"),
        pytest.param(SHADOWED, id="to-canary"),
        pytest.param(CANARY, id="to-migrated"),
        pytest.param(MIGRATED, id="to-retired"),
        pytest.param(replace(MIGRATED, standing=Standing.of(Stage.RETIRED)), id="nowhere"),
    ],
)
def test_nothing_is_missing_where_all_is_well(figures: EndpointFigures):
    assert of(figures) == ()


def test_two_hundred_comparisons_without_a_difference_are_enough():
    assert of(SHADOWED, parity=parity(200)) == ()


def test_too_few_comparisons_are_said_with_their_number():
    assert of(SHADOWED, parity=parity(37)) == ("needs 200 compared answers, has 37",)


def test_parity_that_may_be_too_low_is_said_with_its_bound():
    assert of(SHADOWED, parity=parity(970, 30)) == (
        "parity's lower bound 0.957 is below 0.98",
        "30 of 1,000 compared answers differ",
    )


def test_a_single_difference_is_said_even_where_parity_is_enough():
    assert of(SHADOWED, parity=parity(9_999, 1)) == ("1 of 10,000 compared answers differ",)


def test_a_handler_that_writes_while_it_is_compared_is_said():
    writing = ParityFigures.of([("user", 200, Verdict.MATCH, 1000), ("user", 200, Verdict.WRITES, 3)])

    assert of(SHADOWED, parity=writing) == ("its handler tried to write 3 times while it was compared",)


def test_a_kind_of_user_that_asks_and_was_never_compared_is_said():
    asked = SideFigures.of([("user", 2, 20, 1000), ("staff", 2, 20, 120)])

    assert of(SHADOWED, legacy=asked) == ("no staff user compared, of 120 requests",)


UNTOLD = SideFigures.of([("anonymous", 2, 20, 7), ("unknown", 2, 20, 120)])
ANYBODY = ("anonymous", "user", "staff")


def compared_with(*roles: str) -> ParityFigures:
    return ParityFigures.of([(role, 200, Verdict.MATCH, 1000) for role in roles])


@pytest.mark.parametrize("kind", ["user", "staff"])
def test_a_kind_of_user_who_may_have_asked_and_was_never_compared_is_said(kind: str):
    others = [role for role in ANYBODY if role != kind]
    name = {"user": "ordinary user", "staff": "staff user"}[kind]

    assert of(SHADOWED, legacy=UNTOLD, parity=compared_with(*others)) == (
        f"no {name} compared; of 120 requests Django does not say who asked",
    )


def test_every_kind_of_user_that_was_compared_is_enough():
    assert of(SHADOWED, legacy=UNTOLD, parity=compared_with(*ANYBODY)) == ()


def test_a_superuser_does_for_staff():
    assert of(SHADOWED, legacy=UNTOLD, parity=compared_with("anonymous", "user", "superuser")) == ()


def test_where_nobody_asks_who_could_be_known_nobody_is_missed():
    asked = SideFigures.of([("anonymous", 2, 20, 1000)])

    assert of(SHADOWED, legacy=asked, parity=compared_with("anonymous")) == ()


def test_whom_django_keeps_out_needs_no_comparison():
    assert of(SHADOWED, legacy=UNTOLD, parity=compared_with("anonymous", "staff"), users=("staff",)) == ()


def test_a_kind_of_user_whom_the_canary_may_never_have_answered_is_said():
    figures = replace(CANARY, legacy=UNTOLD, parity=compared_with(*ANYBODY))

    assert of(figures, bridge=SideFigures.of([("anonymous", 2, 20, 500), ("user", 2, 20, 500)])) == (
        "no staff user answered by the bridge; of 120 requests Django does not say who asked",
    )


def test_a_class_of_status_that_occurs_and_was_never_compared_is_said():
    asked = SideFigures.of([("user", 2, 20, 1000), ("user", 4, 20, 12), ("user", 5, 20, 1)])

    assert of(SHADOWED, legacy=asked) == ("status class 4xx never compared, of 12 requests",)


def test_a_handler_that_lets_in_whom_django_keeps_out_is_said():
    assert of(SHADOWED, auth_lacking=("Django demands a login, the handler does not",)) == (
        "auth demands differ: Django demands a login, the handler does not",
    )


def test_a_slow_handler_is_said_before_it_answers_anybody():
    slow = SideFigures.of([], runs=[(300, 1000)])

    [lacking] = of(SHADOWED, bridge=slow)

    assert lacking == "its p95 of 295 ms is 14.9 times Django's 20 ms"


def test_a_handler_that_is_slower_by_less_than_anybody_notices_is_not_slow():
    assert of(SHADOWED, legacy=side(ms=1), bridge=SideFigures.of([], runs=[(30, 1000)])) == ()


def test_one_that_was_tripped_says_that_it_is_to_be_re_armed():
    tripped = EndpointFigures("GET /orders/", Standing(is_tripped=True))

    assert of(tripped) == ("tripped: re-arm it",)


def test_a_canary_needs_answers_of_the_bridge():
    assert of(CANARY, bridge=side(requests=12)) == ("needs 200 answers of the bridge, has 12",)


def test_a_canary_with_more_errors_than_django_is_said():
    assert of(CANARY, bridge=side(errors=30)) == ("3.0% of the bridge's answers are 5xx, of Django's 0.0%",)


def test_errors_that_django_has_as_well_are_no_lack():
    assert of(CANARY, legacy=side(errors=30), bridge=side(errors=30)) == ()


def test_a_kind_of_user_whom_the_canary_never_answered_is_said():
    asked = SideFigures.of([("user", 2, 20, 1000), ("anonymous", 2, 20, 7)])
    compared = ParityFigures.of([("user", 200, Verdict.MATCH, 1000), ("anonymous", 200, Verdict.MATCH, 7)])

    assert of(CANARY, legacy=asked, parity=compared) == ("no anonymous request answered by the bridge, of 7 requests",)


def test_what_cannot_be_compared_needs_no_comparison():
    writing = replace(CANARY, operation="POST /orders/", parity=ParityFigures())

    assert of(writing) == ()


def test_what_was_migrated_settles_before_django_loses_it():
    assert of(MIGRATED, changed_at=NOON - timedelta(days=3)) == ("migrated for 3 days, needs 14",)


def test_without_a_handler_there_is_nothing_else_to_say():
    assert of(EndpointFigures("GET /orders/", has_handler=False)) == ("has no handler",)


@pytest.mark.parametrize(
    ("operation", "stage", "allowed", "following"),
    [
        pytest.param("GET /", Stage.LEGACY, ALL, Stage.SHADOW, id="reading-is-shadowed-first"),
        pytest.param("POST /", Stage.LEGACY, ALL, Stage.CANARY, id="writing-is-not-shadowed"),
        pytest.param("GET /", Stage.SHADOW, ALL, Stage.CANARY, id="canary"),
        pytest.param("GET /", Stage.SHADOW, {Stage.MIGRATED}, Stage.MIGRATED, id="what-the-plan-leaves-out-is-skipped"),
        pytest.param("GET /", Stage.SHADOW, {Stage.SHADOW}, None, id="as-far-as-the-plan-allows"),
        pytest.param("GET /", Stage.RETIRED, ALL, None, id="arrived"),
    ],
)
def test_the_next_stage_is_the_next_that_the_plan_allows(
    operation: str, stage: Stage, allowed: frozenset[Stage], following: Stage | None
):
    assert next_stage(EndpointFigures(operation, Standing(stage)), allowed=allowed) is following


def test_a_plan_that_allows_no_further_stage_is_said():
    assert lacks(SHADOWED, allowed={Stage.SHADOW}, now=NOON) == ("the plan allows no stage beyond shadow",)


def test_what_is_migrated_has_arrived_where_the_plan_does_not_let_django_lose_it():
    assert lacks(MIGRATED, allowed=ALL - {Stage.RETIRED}, now=NOON) == ()
