"""What staff see at GET /migration/, and that nobody else does."""

import re
from datetime import timedelta
from typing import Final

import httpx
import pytest

from bridge.store.activity import Activity, Happened
from bridge.store.database import Database
from bridge.web.composition import reporting_of, site_profile
from tests.conftest import Cast, FrozenClock, Serve, bearer, log_in
from tests.site.telling import BY
from tests.web.conftest import assert_problem, before_any_database
from tests.web.dashboard import HTML, PAGE, as_browser
from tests.web.front import in_front
from tests.web.test_sessions import Browsers, with_cookie

LIVE: Final = "/migration/live"
HOSTILE: Final = "<script>alert('x')</script>&\"'"


async def counted(client: httpx.AsyncClient, cast: Cast) -> dict[str, str]:
    """Take a snapshot as staff, and give the header that goes on seeing it."""
    await cast.add("staff", is_staff=True)
    headers = await bearer(client, "staff")
    assert (await client.post("/migration/count", headers=headers)).status_code == 303
    return headers


# Who sees it ----------------------------------------------------------------------------------------------------------


@before_any_database
@pytest.mark.parametrize("path", [PAGE, LIVE])
async def test_a_browser_without_a_login_is_sent_to_the_login_page_and_a_program_gets_401(
    client: httpx.AsyncClient, path: str
):
    sent = await client.get(path, headers=HTML)

    assert (sent.status_code, sent.headers["location"]) == (303, "login")
    assert_problem(await client.get(path), status=401, code="not_authenticated")


@before_any_database
@pytest.mark.parametrize("path", [PAGE, LIVE])
async def test_whoever_is_not_staff_gets_403_as_a_page_or_as_a_problem(
    client: httpx.AsyncClient, cast: Cast, path: str
):
    await cast.add("ada", is_superuser=True)
    headers = await bearer(client, "ada")

    page = await client.get(path, headers=headers | HTML)

    assert page.status_code == 403
    assert "Staff only." in page.text
    assert_problem(await client.get(path, headers=headers), status=403, code="staff_only")


@before_any_database
async def test_a_session_of_the_site_opens_it_for_staff(
    client: httpx.AsyncClient, cast: Cast, database: Database, clock: FrozenClock
):
    await cast.add("ada", is_staff=True)
    cookie = with_cookie(await Browsers(database, cast, clock).log_in())

    page = await client.get(PAGE, headers=cookie | HTML)

    assert page.status_code == 200
    assert "How far the migration is" in page.text
    assert "Log out" not in page.text  # the site's session is the site's to end


@before_any_database
async def test_a_token_that_was_lent_for_some_scope_does_not_open_it(client: httpx.AsyncClient, cast: Cast):
    await cast.add("staff", is_staff=True)
    form = {"grant_type": "password", "username": "staff", "password": "correct horse battery staple"}
    token = (await client.post("/auth/token", data=form | {"scope": "orders:read"})).json()["access_token"]

    answer = await client.get(PAGE, headers={"Authorization": f"Bearer {token}"})

    assert_problem(answer, status=403, code="insufficient_scope")


@before_any_database
async def test_a_bearer_token_that_is_refused_is_never_sent_to_the_login_page(client: httpx.AsyncClient):
    assert (await client.get(PAGE, headers=HTML | {"Authorization": "Bearer nothing"})).status_code == 401


# What it shows --------------------------------------------------------------------------------------------------------


async def test_the_answer_comes_first(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada", encoded="pbkdf2_sha256$1000$salt$aGFzaA==", is_staff=True)
    await cast.add("bob", encoded="pbkdf2_sha256$1000$salt$aGFzaA==")
    headers = await counted(client, cast)

    page = (await client.get(PAGE, headers=headers)).text

    assert "PBKDF2 cannot be dropped yet: 2 accounts, 1 of them staff, would be locked out." in page
    assert "1 of 3; 2 to go" in page
    assert "<strong>Not enough data</strong>: fewer than a hundred accounts are active." in page


@before_any_database
async def test_the_answer_is_yes_once_nobody_would_be_locked_out(client: httpx.AsyncClient, cast: Cast):
    page = (await client.get(PAGE, headers=await counted(client, cast))).text

    assert "Every old algorithm can be dropped: nobody would be locked out." in page


@before_any_database
async def test_before_the_first_count_it_says_so(client: httpx.AsyncClient, cast: Cast):
    await cast.add("staff", is_staff=True)

    page = await client.get(PAGE, headers=await bearer(client, "staff"))

    assert page.status_code == 200
    assert "Nobody has been counted yet." in page.text


@before_any_database
async def test_a_report_that_another_version_has_kept_is_not_misread(
    client: httpx.AsyncClient, cast: Cast, database: Database, clock: FrozenClock
):
    headers = await counted(client, cast)
    await database.execute("UPDATE bridge_census_snapshot SET document = :other", {"other": '{"schema_version": 2}'})
    clock.advance(timedelta(seconds=3))

    page = await client.get(PAGE, headers=headers)

    assert page.status_code == 200
    assert "Nobody has been counted yet." in page.text


@before_any_database
async def test_it_shows_every_algorithm_cohort_and_sign_of_trouble(
    client: httpx.AsyncClient, cast: Cast, database: Database, clock: FrozenClock
):
    for number, encoded in enumerate(
        ["md5$a$b", "argon2_md5$s$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHQ$aGFzaA", "!", "$2y$10$other"]
    ):
        await cast.add(f"user{number}", encoded=encoded, last_login=clock() - timedelta(days=100 * number))
    happened = [Happened(clock().date(), "bridge", event) for event in ("upgrade_reverted", "upgrade_failed")]
    await Activity(database).add(dict.fromkeys(happened, 1), executor=database)
    page = (await client.get(PAGE, headers=await counted(client, cast))).text

    for shown in ("argon2", "md5", "argon2_md5", "unusable", "unknown"):
        assert f'<th scope="row"><code>{shown}</code></th>' in page
    for cohort in ("within 7 days", "within 365 days", "longer ago", "never"):
        assert f'<th scope="row">{cohort}</th>' in page
    for trouble in ("Ping-pong", "Failed upgrades"):
        assert re.search(rf'<dt>{trouble}</dt>\s*<dd><span class="badge bad">1</span>', page)


@before_any_database
async def test_nothing_that_is_shown_is_taken_for_markup(
    client: httpx.AsyncClient, cast: Cast, database: Database, clock: FrozenClock
):
    await cast.add(HOSTILE, is_staff=True)
    headers = await bearer(client, HOSTILE)
    await client.post("/migration/count", headers=headers)
    # What neither app would write, in each place that is shown.
    await database.execute(
        "UPDATE bridge_census_snapshot SET document = replace(document, 'argon2', :hostile)",
        {"hostile": HOSTILE.replace('"', '\\"')},
    )
    await database.execute(
        "INSERT INTO bridge_endpoint_stage (operation, stage, share, is_tripped, version, actor, reason, changed_at)"
        " VALUES (:operation, 'migrated', 0, false, 1, '', '', :now)",
        {"operation": f"GET /{HOSTILE}", "now": clock()},
    )
    clock.advance(timedelta(seconds=3))

    page = (await client.get(PAGE, headers=headers)).text
    login = await as_browser(client).log_in(HOSTILE, "wrong")

    assert "<script>" not in page + login.text
    assert page.count("&lt;script&gt;alert(") >= 3


# What it costs --------------------------------------------------------------------------------------------------------


async def test_no_page_and_no_poll_counts_users_and_the_button_does(
    client: httpx.AsyncClient, cast: Cast, clock: FrozenClock
):
    headers = await counted(client, cast)
    await cast.add("ada", encoded="md5$a$b")
    clock.advance(timedelta(minutes=5))

    before = [(await client.get(path, headers=headers)).text for path in (PAGE, LIVE)]
    again = await client.post("/migration/count", headers=headers)

    assert all("1 of 1; 0 to go" in each for each in before)
    assert (again.status_code, again.headers["location"]) == (303, "./")
    assert "1 of 2; 1 to go" in (await client.get(PAGE, headers=headers)).text


async def test_what_happened_at_any_replica_since_the_count_is_shown_without_another(
    client: httpx.AsyncClient, serve: Serve, cast: Cast, clock: FrozenClock
):
    await cast.add("ada")
    await cast.add("staff", is_staff=True)
    async with serve() as replica:
        headers = await bearer(replica, "staff")
    await client.post("/migration/count", headers=headers)
    before = await client.get(LIVE, headers=headers)
    unchanged = await client.get(LIVE, headers=headers | {"If-None-Match": before.headers["etag"]})

    async with serve() as replica:
        await log_in(replica, "ada")
    clock.advance(timedelta(seconds=3))
    after = await client.get(LIVE, headers=headers | {"If-None-Match": before.headers["etag"]})

    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert after.status_code == 200
    assert after.headers["etag"] != before.headers["etag"]
    assert "Nobody upgraded since." in before.text
    assert "<strong>1</strong> upgraded at logins since." in after.text


@before_any_database
async def test_a_count_that_is_under_way_elsewhere_is_not_begun_again(
    serve: Serve, cast: Cast, database: Database, clock: FrozenClock
):
    async with serve() as client:
        headers = await counted(client, cast)
        await database.execute("UPDATE bridge_census_snapshot SET begun_at = :now", {"now": clock()})
        taken = await reporting_of(database, await site_profile(database), clock).latest_snapshot()

        answer = await client.post("/migration/count", headers=headers)

        assert answer.status_code == 303
        assert await reporting_of(database, await site_profile(database), clock).latest_snapshot() == taken


# What browsers may do with it -----------------------------------------------------------------------------------------


@before_any_database
async def test_every_page_has_a_strict_policy_and_is_kept_by_nobody(client: httpx.AsyncClient, cast: Cast):
    await cast.add("staff", is_staff=True)
    headers = await bearer(client, "staff")

    answers = [
        await client.get(PAGE, headers=headers),
        await client.get(LIVE, headers=headers),
        await client.get(PAGE, headers=HTML),
        await client.get("/migration/login", headers=HTML),
        await client.post("/migration/login", headers=HTML),
    ]

    for answer in answers:
        policy = dict(each.strip().split(" ", 1) for each in answer.headers["content-security-policy"].split(";"))
        assert policy["default-src"] == "'none'"
        assert {policy[name] for name in ("style-src", "script-src", "img-src", "connect-src", "form-action")} == {
            "'self'"
        }
        assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "same-origin"
        assert not re.search(r"<style|\sstyle=|\son\w+=|<script(?! type=\"module\" src=)", answer.text)
        assert not re.search(r"(?:src|href|action)=\"(?:https?:|//)", answer.text)


@before_any_database
async def test_files_are_named_by_what_is_in_them_and_may_be_kept_for_good(client: httpx.AsyncClient):
    page = (await client.get("/migration/login", headers=HTML)).text
    [style] = re.findall(r'rel="stylesheet" href="(static/dashboard\.[0-9a-f]{12}\.css)"', page)

    found = await client.get(f"/migration/{style}")
    other = [await client.get(f"/migration/static/{name}") for name in ("dashboard.css", "..%2fpages.py", "x")]

    assert (found.status_code, found.headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert "set-cookie" not in found.headers
    assert [each.status_code for each in other] == [404] * 3


@before_any_database
@pytest.mark.parametrize("path", ["/migration", PAGE, "/migration/login", LIVE, "/migration/static/x.css"])
async def test_in_front_of_a_site_the_dashboard_stays_the_bridges_own(database_url: str, database: Database, path: str):
    async with in_front(database_url, database) as front:
        answer = await front.client.get(path, headers=HTML)
        elsewhere = await front.client.get("/migration/something-else")

    assert BY not in answer.headers
    assert "content-security-policy" in answer.headers
    assert elsewhere.headers[BY] == "django"


@before_any_database
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_docs_are_served_from_here_and_may_run_no_other_script(client: httpx.AsyncClient, method: str):
    answer = await client.request(method, "/docs")

    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.partition("script-src")[2].partition(";")[0]
    assert not [each for each in re.findall(r'(?:src|href)="([^"]+)"', answer.text) if "://bridge/" not in each]
