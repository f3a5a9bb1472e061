"""The dashboard's own login page: no second path around anything, and nothing left lying in the browser."""

from datetime import timedelta
from typing import Final

import httpx
import pytest

from bridge.store.database import Database
from bridge.web.admission import DEVICE_COOKIE
from tests.conftest import PASSWORD, Cast, FrozenClock, Serve
from tests.web.conftest import before_any_database
from tests.web.dashboard import HTML, PAGE, as_browser, cookies_of
from tests.web.test_sessions import Browsers, with_cookie

LOGIN: Final = "/migration/login"
INCORRECT: Final = "Incorrect username or password."
ACCESS: Final = "bridge_dashboard"
REFRESH: Final = "bridge_dashboard_refresh"

pytestmark = before_any_database


async def live_grants(database: Database) -> int:
    rows = await database.fetch_all("SELECT id FROM bridge_grant WHERE ended_at IS NULL")
    return len(rows)


async def test_staff_log_in_see_the_page_and_log_out_for_good(
    client: httpx.AsyncClient, cast: Cast, database: Database
):
    await cast.add("staff", is_staff=True)
    visit = as_browser(client)

    shown = await visit.enter("staff")
    kept = client.cookies.get(ACCESS) or ""
    left = await visit.post("/migration/logout")

    assert '<span class="who">staff</span>' in shown.text
    assert (left.status_code, left.headers["location"]) == (303, "login")
    assert (await visit.get()).headers["location"] == "login"
    assert await live_grants(database) == 0
    assert (await client.get("/users/me/", headers={"Authorization": f"Bearer {kept}"})).status_code == 401


async def test_a_login_upgrades_the_hash_as_any_other(client: httpx.AsyncClient, cast: Cast):
    await cast.add("staff", is_staff=True)

    await as_browser(client).log_in("staff")

    assert (await cast.stored_password("staff")).startswith("argon2$")


@pytest.mark.parametrize("who", ["unknown", "wrong", "inactive", "unusable"])
async def test_every_refused_login_is_answered_in_the_same_words(client: httpx.AsyncClient, cast: Cast, who: str):
    await cast.add("wrong", encoded="argon2$argon2id$v=19$m=64,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$aGFzaA", is_staff=True)
    await cast.add("inactive", is_active=False, is_staff=True)
    await cast.add("unusable", encoded="!", is_staff=True)

    answer = await as_browser(client).log_in(who)

    assert answer.status_code == 401
    assert f'role="alert" id="said">{INCORRECT}</p>' in answer.text
    assert ACCESS not in cookies_of(answer)


async def test_whoever_is_not_staff_is_told_so_and_given_nothing(
    client: httpx.AsyncClient, cast: Cast, database: Database
):
    await cast.add("ada", is_superuser=True)

    answer = await as_browser(client).log_in("ada")

    assert answer.status_code == 403
    assert "This page is for staff." in answer.text
    assert ACCESS not in cookies_of(answer)
    assert await live_grants(database) == 0


async def test_what_the_browser_keeps_is_for_this_page_alone_and_for_no_script(client: httpx.AsyncClient, cast: Cast):
    await cast.add("staff", is_staff=True)

    plain = cookies_of(await as_browser(client).log_in("staff"))
    client.cookies.clear()
    secure = cookies_of(
        await as_browser(client).log_in("staff", **{"Sec-Fetch-Site": "same-origin", "Origin": "https://bridge"})
    )

    assert {ACCESS, REFRESH} <= plain.keys()
    assert {f"__Secure-{ACCESS}", f"__Secure-{REFRESH}"} <= secure.keys()
    # That the device is known is for every login to read, and no credential.
    kept = {name: cookie for name, cookie in (plain | secure).items() if name != DEVICE_COOKIE}
    for name, cookie in kept.items():
        attributes = {each.strip().lower() for each in cookie.split(";")[1:]}
        assert {"httponly", "path=/migration/", "samesite=lax"} <= attributes
        assert ("secure" in attributes) == name.startswith("__Secure-")
        assert not any(each.startswith(("expires", "max-age", "domain")) for each in attributes)


async def test_a_login_goes_on_when_its_access_token_has_expired(
    client: httpx.AsyncClient, cast: Cast, clock: FrozenClock, database: Database
):
    await cast.add("staff", is_staff=True)
    visit = as_browser(client)
    await visit.enter("staff")
    form = dict(visit.fields)

    clock.advance(timedelta(minutes=16))
    renewed = await visit.get()
    clock.advance(timedelta(minutes=16))
    visit.fields = form
    counted = await visit.post("/migration/count")

    assert renewed.status_code == 200
    assert {ACCESS, REFRESH} == cookies_of(renewed).keys()
    assert (counted.status_code, counted.headers["location"]) == (303, "./")
    assert await live_grants(database) == 1


async def test_a_login_ends_with_the_password_that_it_hangs_on(
    client: httpx.AsyncClient, cast: Cast, database: Database
):
    await cast.add("staff", is_staff=True)
    visit = as_browser(client)
    await visit.enter("staff")

    await database.execute("UPDATE auth_user SET password = 'md5$a$b'")
    answer = await visit.get()

    assert answer.headers["location"] == "login"
    assert all("Max-Age=0" in cookie for cookie in cookies_of(answer).values())
    assert cookies_of(answer).keys() == {ACCESS, REFRESH}


async def test_staff_who_are_no_more_get_403(client: httpx.AsyncClient, cast: Cast, database: Database):
    await cast.add("staff", is_staff=True)
    visit = as_browser(client)
    await visit.enter("staff")

    await database.execute("UPDATE auth_user SET is_staff = false")

    assert (await visit.get()).status_code == 403
    assert (await visit.get(LOGIN)).status_code == 200  # to come in as somebody else


@pytest.mark.parametrize("query", ["?next=https://evil.example/", "?next=//evil.example/", "?next=/orders/"])
async def test_no_address_decides_where_a_login_leads(client: httpx.AsyncClient, cast: Cast, query: str):
    await cast.add("staff", is_staff=True)
    visit = as_browser(client)

    await visit.get(LOGIN + query)
    answer = await visit.post(LOGIN + query, username="staff", password=PASSWORD, next=query)

    assert (answer.status_code, answer.headers["location"]) == (303, "./")


# Forgery --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "forged",
    [
        {"form_token": ""},
        {"form_token": "0" * 64},
        {"form_token": "ä\udcff".encode("utf-8", "replace").decode()},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
    ids=["no token", "another token", "no ascii", "another origin", "no origin", "cross site", "subdomain"],
)
@pytest.mark.parametrize("path", [LOGIN, "/migration/count", "/migration/logout"])
async def test_a_form_that_somebody_else_has_made_does_nothing(
    client: httpx.AsyncClient, cast: Cast, database: Database, path: str, forged: dict[str, str]
):
    await cast.add("staff", is_staff=True)
    visit = as_browser(client)
    if path == LOGIN:
        await visit.get(LOGIN)
    else:
        await visit.enter("staff")
    before = await live_grants(database)

    fields = {"username": "staff", "password": PASSWORD}
    if "form_token" in forged:
        answer = await visit.post(path, headers=None, **fields | forged)
    else:
        answer = await visit.post(path, headers=forged, **fields)

    assert answer.status_code == 403
    assert await live_grants(database) == before
    assert await database.fetch_all("SELECT day FROM bridge_census_snapshot") == []


async def test_a_form_of_another_browser_or_login_does_nothing(client: httpx.AsyncClient, cast: Cast):
    await cast.add("staff", is_staff=True)
    await cast.add("other", is_staff=True)
    attacker = as_browser(client)
    await attacker.get(LOGIN)
    of_login = attacker.fields["form_token"]
    await attacker.enter("other")
    of_page = attacker.fields["form_token"]

    victim = as_browser(client)
    await victim.get(LOGIN)
    at_login = await victim.post(LOGIN, username="other", password=PASSWORD, form_token=of_login)
    await victim.enter("staff")
    at_page = await victim.post("/migration/logout", form_token=of_page)

    assert (at_login.status_code, at_page.status_code) == (403, 403)
    assert (await victim.get()).status_code == 200


async def test_a_session_of_the_site_counts_by_the_pages_own_form_alone(
    client: httpx.AsyncClient, cast: Cast, database: Database, clock: FrozenClock
):
    await cast.add("ada", is_staff=True)
    cookie = with_cookie(await Browsers(database, cast, clock).log_in())
    visit = as_browser(client)
    await visit.get(**cookie)

    forged = await visit.post("/migration/count", headers=cookie, form_token="")
    own = await visit.post("/migration/count", headers=cookie)

    assert (forged.status_code, own.status_code) == (403, 303)
    assert len(await database.fetch_all("SELECT day FROM bridge_census_snapshot")) == 1


# Trouble --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "body", [b"", b"\xff\xfe", b"username=%00&password=%ff", b"username=a&username=b&password=c"], ids=repr
)
async def test_no_body_however_broken_gets_more_than_a_refusal(client: httpx.AsyncClient, body: bytes):
    visit = as_browser(client)
    await visit.get(LOGIN)
    token = f"form_token={visit.fields['form_token']}&".encode()
    headers = HTML | {"Content-Type": "application/x-www-form-urlencoded"}

    answer = await client.post(LOGIN, content=token + body, headers=headers)

    assert answer.status_code == 401
    assert INCORRECT in answer.text


async def test_a_body_without_end_is_refused(client: httpx.AsyncClient):
    answer = await client.post(LOGIN, data={"username": "x" * 70_000}, headers=HTML)

    assert answer.status_code == 413
    assert "<h1>" in answer.text


async def test_a_database_that_is_away_gets_a_page_that_says_so(serve: Serve, cast: Cast, database: Database):
    await cast.add("staff", is_staff=True)
    async with serve() as client:
        visit = as_browser(client)
        await visit.enter("staff")
        await database.execute("ALTER TABLE auth_user RENAME TO away")

        answers = [await visit.get(), await visit.get(PAGE, Accept="application/json")]
        answers.append(await as_browser(client).log_in("staff"))

    assert [each.status_code for each in answers] == [503, 503, 503]
    assert "<h1>Service Unavailable</h1>" in answers[0].text
    assert answers[1].headers["content-type"] == "application/problem+json"
