"""How far the upgrade is, for staff: GET /migration/report."""

import asyncio
from collections import Counter
from typing import Any, Final

import httpx
import pytest
from django.contrib.auth.hashers import identify_hasher, make_password

from bridge.web.app import create_app
from bridge.web.composition import reporting_of
from tests.conftest import PASSWORD, Cast, FrozenClock, Serve, bearer, log_in, running, settings_for
from tests.web.conftest import assert_problem, moment

REPORT: Final = "/migration/report"

STORED: Final = {
    "argon2": "argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA",
    "pbkdf2_sha256": "pbkdf2_sha256$1000$salt$aGFzaA==",
    "pbkdf2_sha1": "pbkdf2_sha1$1000$salt$aGFzaA==",
    "bcrypt_sha256": "bcrypt_sha256$$2b$04$saltsaltsaltsaltsaltsuhashhashhashhashhashhashhashhas",
    "bcrypt": "bcrypt$$2b$04$saltsaltsaltsaltsaltsuhashhashhashhashhashhashhashhas",
    "scrypt": "scrypt$16384$salt$8$5$aGFzaA==",
    "md5": "md5$salt$d41d8cd98f00b204e9800998ecf8427e",
    "sha1": "sha1$salt$da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "unsalted_md5": "d41d8cd98f00b204e9800998ecf8427e",
    "unsalted_sha1": "sha1$$da39a3ee5e6b4b0d3255bfef95601890afd80709",
    "crypt": "crypt$$saltsaltsalts",
    "unusable": "!unusable",
}
"""What ``Cast.add`` stores for each format; each one more user than the one before."""


async def crowd(cast: Cast) -> None:
    for number, (algorithm, encoded) in enumerate(STORED.items(), start=1):
        for copy in range(number):
            await cast.add(f"{algorithm}_{copy}", encoded=encoded)
    await cast.add("empty", encoded="")
    await cast.add("foreign", encoded="$2y$10$another.framework")


async def test_staff_see_how_many_users_have_which_format(client: httpx.AsyncClient, cast: Cast):
    await crowd(cast)
    await cast.add("staff", encoded=make_password(PASSWORD), is_staff=True)

    report = (await client.get(REPORT, headers=await bearer(client, "staff"))).json()

    counted = {each["algorithm"]: each["users"] for each in report["by_algorithm"]}
    expected = {algorithm: number for number, algorithm in enumerate(STORED, start=1)}
    assert counted == expected | {"argon2": 2, "unknown": 2}


async def test_the_figures_equal_an_independent_count(client: httpx.AsyncClient, cast: Cast):
    await crowd(cast)
    await cast.add("staff", is_staff=True)
    headers = await bearer(client, "staff")

    report = (await client.get(REPORT, headers=headers)).json()

    stored = [row["password"] for row in await cast.database.fetch_all("SELECT password FROM auth_user")]
    unusable = sum(each.startswith("!") for each in stored)
    foreign = sum(each in {"", "$2y$10$another.framework"} for each in stored)
    upgraded = sum(each.startswith("argon2$") for each in stored)
    usable = len(stored) - unusable - foreign
    assert (report["total"], report["usable"], report["upgraded"]) == (len(stored), usable, upgraded)
    assert report["remaining"] == usable - upgraded
    assert report["upgraded_share"] == pytest.approx(upgraded / usable, abs=1e-6)


async def test_formats_that_the_site_lists_are_counted_as_django_identifies_them(client: httpx.AsyncClient, cast: Cast):
    await crowd(cast)
    await cast.add("staff", is_staff=True)

    report = (await client.get(REPORT, headers=await bearer(client, "staff"))).json()

    stored = [row["password"] for row in await cast.database.fetch_all("SELECT password FROM auth_user")]
    listed = [each for each in stored if not each.startswith(("!", "crypt$", "$2y$")) and each]
    expected = Counter(identify_hasher(each).algorithm for each in listed)
    counted = {each["algorithm"]: each["users"] for each in report["by_algorithm"]}
    assert {name: counted[name] for name in expected} == expected


async def test_the_shares_add_up_and_the_largest_comes_first(client: httpx.AsyncClient, cast: Cast):
    await crowd(cast)
    await cast.add("staff", is_staff=True)

    formats = (await client.get(REPORT, headers=await bearer(client, "staff"))).json()["by_algorithm"]

    assert sum(each["share"] for each in formats) == pytest.approx(1, abs=1e-4)
    assert formats == sorted(formats, key=lambda each: (-each["users"], each["algorithm"]))


async def test_a_login_moves_a_user_from_remaining_to_upgraded(client: httpx.AsyncClient, cast: Cast):
    await cast.add("staff", encoded=make_password(PASSWORD), is_staff=True)
    await cast.add("ada")
    headers = await bearer(client, "staff")
    before = (await client.get(REPORT, headers=headers)).json()

    await log_in(client, "ada")

    after = (await client.get(REPORT, headers=headers)).json()
    assert (after["upgraded"], after["remaining"]) == (before["upgraded"] + 1, before["remaining"] - 1)


async def test_a_report_says_what_happened_at_any_replica_and_when_it_was_drawn_up(
    client: httpx.AsyncClient, serve: Serve, cast: Cast, clock: FrozenClock
):
    await cast.add("staff", is_staff=True)
    async with serve() as replica:
        await log_in(replica, "nobody")
        headers = await bearer(replica, "staff")

    report = (await client.get(REPORT, headers=headers)).json()

    assert moment(report["generated_at"]) == clock.now
    assert report["schema_version"] == 1
    assert report["activity"] == [
        {"app": "bridge", "event": "login_refused", "count": 1},
        {"app": "bridge", "event": "login_succeeded", "count": 1},
        {"app": "bridge", "event": "upgrade_written", "count": 1},
    ]


async def test_what_this_process_counted_last_is_in_its_reports(client: httpx.AsyncClient, cast: Cast):
    await cast.add("staff", is_staff=True)
    headers = await bearer(client, "staff")
    await client.post("/migration/count", headers=headers)
    await log_in(client, "nobody")

    report = (await client.get(REPORT, headers=headers)).json()
    page = (await client.get("/migration/", headers=headers)).text

    assert {each["event"] for each in report["activity"]} == {"login_refused", "login_succeeded", "upgrade_written"}
    assert "Nobody upgraded since." in page


async def test_a_count_by_hand_is_the_report_of_the_next_moment(service_url: str, cast: Cast):
    """Counting is a pass over the whole table: the dashboard and the report have one count between them."""
    await cast.add("ada")
    app = create_app(settings_for(service_url))
    async with running(app):
        await app.state.bridge.overviews.count()
        report = await app.state.bridge.reporting.report()
        kept = await app.state.bridge.reporting.latest_snapshot()

    assert kept["generated_at"] == report.generated_at.isoformat()


async def test_no_hash_and_no_username_is_in_a_report(client: httpx.AsyncClient, cast: Cast):
    await crowd(cast)
    await cast.add("the-boss", is_staff=True)

    report = await client.get(REPORT, headers=await bearer(client, "the-boss"))

    assert "the-boss" not in report.text
    assert not [encoded for encoded in STORED.values() if encoded in report.text]


@pytest.mark.parametrize("flags", [{}, {"is_superuser": True}], ids=["ordinary", "superuser"])
async def test_whoever_is_not_staff_sees_no_report(client: httpx.AsyncClient, cast: Cast, flags: dict[str, Any]):
    await cast.add("ada", **flags)

    assert_problem(await client.get(REPORT, headers=await bearer(client, "ada")), status=403, code="staff_only")


async def test_nobody_sees_a_report_without_a_token(client: httpx.AsyncClient):
    answer = await client.get(REPORT)

    assert_problem(answer, status=401, code="not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_prometheus_sees_the_last_snapshot(serve: Serve, cast: Cast, clock: FrozenClock):
    await cast.add("ada", encoded="md5$a$b")
    await reporting_of(cast.database, None, clock).take_snapshot()

    async with serve() as client, asyncio.timeout(10):
        while 'bridge_users{algorithm="md5",cohort="never"} 1.0' not in (await client.get("/metrics")).text:  # noqa: ASYNC110  # the service tells nobody else
            await asyncio.sleep(0.01)
