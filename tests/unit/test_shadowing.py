"""What comes of two answers to one request. No database: what would be stored is remembered."""

import logging
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from prometheus_client import CollectorRegistry

from bridge.cutover import Answer, Plan, Side, Verdict
from bridge.errors import DatabaseUnavailable
from bridge.services.shadowing import Pair, Shadowing
from bridge.store.database import Batch, Database, Dialect, Executor, Parameters, Reading, Row
from bridge.store.differences import Differences

NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
ITEM = "GET /items/{}/"


@dataclass
class Statements:
    """A database that remembers what it was asked to write, or is away."""

    written: list[Parameters] = field(default_factory=list)
    is_away: bool = False
    dialect: Dialect = "sqlite"

    async def fetch_one(self, statement: str, parameters: Parameters | None = None) -> Row | None:
        raise NotImplementedError

    async def fetch_all(self, statement: str, parameters: Parameters | None = None) -> list[Row]:
        raise NotImplementedError

    async def execute(self, statement: str, parameters: Parameters | None = None) -> int:
        if self.is_away:
            raise DatabaseUnavailable("away")
        self.written.append(parameters or {})
        return 1

    def transaction(self) -> AbstractAsyncContextManager[Executor]:
        raise NotImplementedError

    def batch(self) -> AbstractAsyncContextManager[Batch]:
        raise NotImplementedError

    def read_only(self, *, statement_timeout: timedelta) -> AbstractAsyncContextManager[Reading]:
        raise NotImplementedError

    def unhurried(self) -> Database:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError

    @property
    def places(self) -> list[list[str]]:
        """What was stored, statement by statement."""
        return [[each[name] for name in each if name.startswith("place_")] for each in self.written]


@dataclass
class Counted:
    """The counts that reached ``Traffic``."""

    verdicts: list[tuple[str, str, int, Verdict]] = field(default_factory=list)

    def compared(self, operation: str, *, role: str, status: int, verdict: Verdict) -> None:
        self.verdicts.append((operation, role, status, verdict))

    def ran(self, operation: str, *, side: Side, role: str, status: int, seconds: float) -> None:
        raise NotImplementedError


@dataclass
class Bench:
    """A judge, and what it told others."""

    shadowing: Shadowing
    statements: Statements
    counted: Counted
    registry: CollectorRegistry

    @property
    def lost(self) -> float:
        return self.registry.get_sample_value("bridge_differences_lost_total") or 0


@pytest.fixture
def bench() -> Bench:
    return bench_with("")


def bench_with(plan: str) -> Bench:
    statements, counted, registry = Statements(), Counted(), CollectorRegistry()
    shadowing = Shadowing(
        counts=counted,
        differences=Differences(statements),
        plan=Plan.parse(plan),
        digest_key=b"the tests' own",
        registry=registry,
        clock=lambda: NOW,
    )
    return Bench(shadowing, statements, counted, registry)


def answer(body: str = "", *, status: int = 200, is_whole: bool = True, **headers: str) -> Answer:
    given = {"content_type": "application/json", **headers}
    lines = ((name.replace("_", "-").encode(), value.encode()) for name, value in given.items())
    return Answer(status, tuple(lines), body.encode(), is_whole=is_whole)


PRICE = answer('{"price": "1.50", "at": 1}')
"""Django's."""


async def judge(
    bench: Bench,
    candidate: Answer | None,
    *,
    legacy: Answer | None = PRICE,
    again: Answer | None = PRICE,
    head: bool = False,
    tried_to_write: bool = False,
) -> Verdict:
    async def ask_again() -> Answer | None:
        return again

    pair = Pair(legacy, candidate, role="user", head=head, host="shop.example", tried_to_write=tried_to_write)
    return await bench.shadowing.judge(ITEM, pair, ask_again=ask_again)


OTHER_TYPE = answer('{"price": 1.5, "at": 1}')


@pytest.mark.parametrize(
    ("legacy", "candidate", "again", "verdict"),
    [
        (PRICE, PRICE, PRICE, Verdict.MATCH),
        (PRICE, answer('{"at": 1, "price": "1.50"}'), PRICE, Verdict.MATCH),
        (PRICE, OTHER_TYPE, PRICE, Verdict.MISMATCH),
        (PRICE, answer(status=404), PRICE, Verdict.MISMATCH),
        (PRICE, answer('{"price": "1.50", "at": 2}'), answer('{"price": "1.50", "at": 3}'), Verdict.NOISE),
        (PRICE, OTHER_TYPE, answer('{"price": "1.50", "at": 3}'), Verdict.MISMATCH),
        (PRICE, OTHER_TYPE, answer(status=404), Verdict.NOISE),
        (PRICE, OTHER_TYPE, answer(status=502), Verdict.SKIPPED),
        (PRICE, OTHER_TYPE, None, Verdict.SKIPPED),
        (PRICE, None, PRICE, Verdict.FAILED),
        (PRICE, answer(status=500), PRICE, Verdict.FAILED),
        (answer(status=500), answer(status=500), PRICE, Verdict.SKIPPED),
        (answer(status=502), PRICE, PRICE, Verdict.SKIPPED),
        (None, PRICE, PRICE, Verdict.SKIPPED),
        (answer(status=404), answer(status=404), PRICE, Verdict.MATCH),
        (PRICE, answer(is_whole=False), PRICE, Verdict.SKIPPED),
        (PRICE, answer(status=404, is_whole=False), PRICE, Verdict.MISMATCH),
        (answer("?", content_encoding="br"), answer("?", content_encoding="br"), PRICE, Verdict.SKIPPED),
    ],
    ids=[
        *("the_same", "the_same_to_a_client", "another_type", "another_status"),
        *("django_disagrees_with_itself", "and_elsewhere_the_candidate_does", "django_disagrees_altogether"),
        *("django_is_down_meanwhile", "django_hangs_meanwhile"),
        *("no_answer", "an_error", "both_err", "django_errs", "django_does_not_answer"),
        *("both_refuse", "too_long", "another_status_and_too_long", "an_encoding_that_is_not_known"),
    ],
)
async def test_a_verdict(
    bench: Bench, legacy: Answer | None, candidate: Answer | None, again: Answer | None, verdict: Verdict
):
    assert await judge(bench, candidate, legacy=legacy, again=again) is verdict
    assert bench.counted.verdicts == [(ITEM, "user", legacy.status if legacy else 0, verdict)]


@pytest.mark.parametrize("legacy", [PRICE, answer(status=500)], ids=["answered", "an_error"])
async def test_a_candidate_that_tried_to_write_has_whatever_it_answered(bench: Bench, legacy: Answer):
    assert await judge(bench, PRICE, legacy=legacy, tried_to_write=True) is Verdict.WRITES
    assert bench.statements.places == []


async def test_an_answer_to_head_has_no_body_to_compare(bench: Bench):
    heads = answer(content_encoding="br"), answer(content_encoding="br", is_whole=False)

    assert await judge(bench, heads[1], legacy=heads[0], head=True) is Verdict.MATCH


async def test_django_is_asked_again_on_a_mismatch_only(bench: Bench):
    async def never() -> Answer | None:
        raise AssertionError("Django was asked again")

    for candidate in (PRICE, answer(status=500), None):
        await bench.shadowing.judge(ITEM, Pair(PRICE, candidate, role="user"), ask_again=never)


async def test_only_what_is_no_noise_is_kept(bench: Bench):
    await judge(bench, answer('{"price": 1.5, "at": 2}'), again=answer('{"price": "1.50", "at": 3}'))

    assert bench.statements.places == [["$.price"]]


@pytest.mark.parametrize("candidate", [answer(status=404), answer(status=500)], ids=["mismatch", "failure"])
async def test_another_status_is_kept(bench: Bench, candidate: Answer):
    await judge(bench, candidate)

    assert bench.statements.places == [["status"]]


async def test_no_value_is_kept_unless_the_plan_asks(bench: Bench):
    await judge(bench, OTHER_TYPE)

    (row,) = bench.statements.written
    assert row["sample_0"] == ""
    assert "1.5" not in str(row.values())
    assert row["legacy_digest_0"] != row["candidate_digest_0"] != ""


async def test_values_are_kept_for_as_long_as_the_plan_says():
    bench = bench_with("[defaults.comparison]\nkeep_values = true\nkeep_days = 3\n")

    await judge(bench, answer('{"price": "2.50", "at": 1}'))

    (row,) = bench.statements.written
    assert "2.50" in row["sample_0"]
    assert row["expires_at"] == NOW + timedelta(days=3)


async def test_a_database_that_is_away_is_reported_once_and_what_is_lost_is_counted(
    bench: Bench, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.WARNING)
    bench.statements.is_away = True

    for _ in range(3):
        assert await judge(bench, OTHER_TYPE) is Verdict.MISMATCH

    assert (len(caplog.records), bench.lost) == (1, 3)
    bench.statements.is_away = False
    await judge(bench, OTHER_TYPE)
    assert (bench.statements.places, bench.lost) == ([["$.price"]], 3)


async def test_keys_that_are_data_do_not_fill_the_table(bench: Bench):
    for number in range(510):
        await judge(bench, answer(f'{{"price": "1.50", "at": 1, "order-{number}": 1}}'))

    assert sum(map(len, bench.statements.places)) == 500
    assert bench.lost == 10
    assert len(bench.counted.verdicts) == 510
