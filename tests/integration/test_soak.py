"""The soak finds what it is for: each fault is planted, in what a database saw or in what processes held."""

import asyncio
from dataclasses import replace

import pytest

from bench.soak import audit
from bench.soak.asking import Tally
from bench.soak.audit import Change, Record, Seen
from bench.soak.members import Asked
from bench.soak.memory import Growth, Memory
from bench.soak.report import Outcome, lines
from bench.soak.values import argon2_value, old_value
from bench.soak.verdict import Verdict, judge, links_under
from tests.conftest import DJANGO_SECRET_KEY, Cast, Serve, log_in

OLD = old_value("first", salt="salt")
UPGRADED = argon2_value("first")
AGAIN = argon2_value("first")
CHANGED = argon2_value("second")

SEEDED = Change("10", "1", None, OLD)
UPGRADE = Change("11", "1", OLD, UPGRADED)
REAL = Change("12", "1", UPGRADED, CHANGED)
RECORDS = [Record("11", "1", "lineage", f"{OLD} {UPGRADED}"), Record("11", "1", "upgrade", "pbkdf2_sha256")]
FIRST = {"first": Asked.CONFIRMED}


def seen(*changes: Change, records: list[Record] = RECORDS, upgraded: bool = True, counted: int = 1) -> Seen:
    return Seen(
        changes=changes,
        records=records,
        usernames={"1": "ada"},
        stands={"1": changes[-1].new},
        upgraded=frozenset({"1"} if upgraded else ()),
        counted=counted,
    )


def judged(found: Seen, passwords: dict[str, Asked] = FIRST) -> Verdict:
    return judge(found, {"ada": passwords}, link=lambda old, new: f"{old} {new}")


@pytest.mark.parametrize("asked", [Asked.CONFIRMED, Asked.UNKNOWN])
def test_an_upgrade_and_a_password_change_are_as_they_should_be(asked: Asked):
    verdict = judged(seen(SEEDED, UPGRADE, REAL), FIRST | {"second": asked})

    assert (verdict.faults, verdict.seeded, verdict.upgraded, verdict.changes) == ([], 1, 1, 1)


PLANTED = {
    "doubled": (
        seen(
            SEEDED, UPGRADE, Change("12", "1", UPGRADED, AGAIN),
            records=[*RECORDS, *(replace(each, transaction="12") for each in RECORDS)],
        ),
        FIRST, "upgraded 2 times",
    ),
    "doubled-over-a-stale-value": (seen(SEEDED, UPGRADE, Change("12", "1", OLD, AGAIN)), FIRST, "nobody had seen"),
    "lost": (seen(SEEDED, records=[], upgraded=False, counted=0), FIRST, "not upgraded, though logged in"),
    "recorded-and-lost": (seen(SEEDED), FIRST, "upgrade recorded without an upgrade"),
    "without-lineage": (seen(SEEDED, UPGRADE, records=RECORDS[1:]), FIRST, "its transaction recorded upgrade"),
    "lineage-of-another-transaction": (
        seen(SEEDED, UPGRADE, records=[replace(RECORDS[0], transaction="13"), RECORDS[1]]),
        FIRST, "lineage recorded without an upgrade",
    ),
    "unrecorded": (seen(SEEDED, UPGRADE, records=[], upgraded=False, counted=0), FIRST, "upgraded and not recorded"),
    "old-value-written-back": (seen(SEEDED, UPGRADE, Change("12", "1", UPGRADED, OLD)), FIRST, "an old value was"),
    "written-unseen": (replace(seen(SEEDED, UPGRADE), stands={"1": AGAIN}), FIRST, "another value stands"),
    "begun-unseen": (seen(replace(SEEDED, old=OLD), UPGRADE), FIRST, "nobody saw the first value"),
    "upgraded-without-need": (
        seen(replace(SEEDED, new=UPGRADED), replace(UPGRADE, old=UPGRADED, new=AGAIN)), FIRST, "upgraded without need",
    ),
    "counted-and-not-made": (seen(SEEDED, UPGRADE, counted=2), FIRST, "2 upgrades are counted, and 1 were made"),
    "change-lost": (seen(SEEDED, UPGRADE), FIRST | {"second": Asked.CONFIRMED}, "confirmed was written 0 times"),
    "change-refused-and-made": (
        seen(SEEDED, UPGRADE, REAL), FIRST | {"second": Asked.REFUSED}, "refused was written 1 times",
    ),
    "change-overwritten": (
        seen(SEEDED, UPGRADE, REAL, Change("14", "1", CHANGED, AGAIN)),
        FIRST | {"second": Asked.CONFIRMED}, "a value of an earlier password was written",
    ),
    "password-of-nobody": (seen(SEEDED, UPGRADE, REAL), FIRST, "no password that was ever asked for"),
}  # fmt: skip


@pytest.mark.parametrize(("found", "passwords", "told"), PLANTED.values(), ids=PLANTED.keys())
def test_what_should_not_be_is_found(found: Seen, passwords: dict[str, Asked], told: str):
    verdict = judged(found, passwords)

    assert any(told in fault for fault in verdict.faults), verdict.faults


@pytest.mark.parametrize("database_url", ["postgresql"], indirect=True)
async def test_the_database_sees_an_upgrade_once_and_sees_another_that_is_planted(
    serve: Serve, cast: Cast, database_url: str
):
    audit.install(database_url)
    key = await cast.add("ada", encoded=OLD)

    async with serve() as client:
        answers = await asyncio.gather(*(log_in(client, "ada", "first") for _ in range(4)))
    verdict = judge(audit.read(database_url), {"ada": FIRST}, link=links_under(DJANGO_SECRET_KEY))

    assert {answer.status_code for answer in answers} == {200}
    assert (verdict.faults, verdict.upgraded, verdict.apps, verdict.counted) == ([], 1, {"bridge": 1}, 1)

    await cast.database.execute("UPDATE auth_user SET password = :again", {"again": AGAIN})
    verdict = judge(audit.read(database_url), {"ada": FIRST}, link=links_under(DJANGO_SECRET_KEY))

    assert verdict.faults == ["ada: upgraded 2 times", f"user {key}: with the upgrade its transaction recorded nothing"]


def outcome(**found: object) -> Outcome:
    return Outcome(60.0, Tally(), Memory(), **found)  # type: ignore[arg-type]


def missed(found: Outcome) -> list[str]:
    return [line.name for line in lines(found) if not line.is_met]


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (outcome(locked_out=["ada cannot log in at the site"]), "logins that failed at the end"),
        (outcome(verdict=Verdict(seeded=2, upgraded=1)), "old hashes upgraded, or replaced with their password, once"),
        (outcome(recoveries={"rows locked": [0.1, 60.0]}), "recovery: rows locked"),
    ],
    ids=["lockout", "not-all", "no-recovery"],
)
def test_a_run_that_found_something_misses_its_target(found: Outcome, name: str):
    assert missed(found) == [name]


@pytest.mark.parametrize(("a_minute", "expected"), [(0.0, []), (2.0, ["memory of bridge, early -> late"])])
def test_memory_that_grows_is_found_and_a_warm_up_is_not(a_minute: float, expected: list[str]):
    found = outcome(survivors=[("bridge", 1)])
    found.memory.samples["bridge", 1] = [(at, min(100.0, 50 + at) + at / 60 * a_minute) for at in range(600)]

    assert missed(found) == expected
    assert Growth.of(found.memory.samples["bridge", 1]).slope == pytest.approx(a_minute)
