"""Whom the site's session cookie lets in: GET /users/me/ stands for every protected endpoint."""

import json
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.sessions.auth_hash import session_auth_hash
from bridge.store.database import Database
from tests.conftest import DJANGO_SECRET_KEY, PASSWORD, Cast, FrozenClock, Serve, bearer, log_in
from tests.session_vectors import ENCODED, SECRET_KEY, USER_ID, VECTORS, SessionVector, each_vector
from tests.web.conftest import FULL_COST, PublishedProfile, assert_problem, before_any_database

ME: Final = "/users/me/"
KEY: Final = "abcdefghijklmnopqrstuvwxyz012345"
BACKEND: Final = "django.contrib.auth.backends.ModelBackend"
ENGINES: Final = "django.contrib.sessions.backends"
COOKIE_SALT: Final = "django.contrib.sessions.backends.signed_cookies"
NEW_PASSWORD: Final = "an entirely different set of words"
on_rows = each_vector(lambda vector: vector.session_key is not None)


@dataclass(frozen=True)
class Browsers:
    """Logs users in at the site, as far as the database can tell."""

    database: Database
    cast: Cast
    clock: FrozenClock

    async def keep(self, stored: str, *, key: str = KEY, age: timedelta = timedelta(days=14)) -> None:
        """Put a row into the session table."""
        await self.database.execute(
            "INSERT INTO django_session (session_key, session_data, expire_date) VALUES (:key, :stored, :expires)",
            {"key": key, "stored": stored, "expires": self.clock() + age},
        )

    async def log_in(self, username: str = "ada", **content: Any) -> str:
        """Open a session as the site's Django does, but for ``content``; give the cookie's value."""
        encoded = await self.cast.stored_password(username)
        user_id = await self.cast.column(username, "id")
        logged_in = {
            "_auth_user_id": str(user_id),
            "_auth_user_backend": BACKEND,
            "_auth_user_hash": session_auth_hash(encoded, secret=DJANGO_SECRET_KEY),
            **content,
        }
        await self.keep(SessionStore().encode({name: value for name, value in logged_in.items() if value is not None}))
        return KEY


@pytest.fixture
def browsers(database: Database, cast: Cast, clock: FrozenClock) -> Browsers:
    return Browsers(database, cast, clock)


def with_cookie(value: str, *, name: str = "sessionid") -> dict[str, str]:
    return {"Cookie": f"{name}={value}"}


def assert_nobody(answer: httpx.Response) -> None:
    """The same as without a cookie: a stale one is nothing to tell of."""
    assert_problem(answer, status=401, code="not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


# Sessions that real Djangos wrote -------------------------------------------------------------------------------------


class Visit:
    """A user who logged in at some Django, and comes to the bridge an hour later."""

    def __init__(self, vector: SessionVector, browsers: Browsers, profile: PublishedProfile) -> None:
        self.vector = vector
        self.browsers = browsers
        self.profile = profile
        browsers.clock.now = vector.written_at + timedelta(hours=1)

    async def prepare(self, **columns: Any) -> None:
        vector = self.vector
        await self.browsers.cast.add("ada", **{"id": USER_ID, "encoded": ENCODED, **columns})
        await self.profile.edit(lambda document: document["sessions"].update(engine=f"{ENGINES}.{vector.engine}"))
        if vector.session_key:
            await self.browsers.keep(vector.stored, key=vector.session_key)

    @contextmanager
    def today(self) -> Iterator[None]:
        """Let it be now, by which tokens are verified."""
        then, self.browsers.clock.now = self.browsers.clock.now, datetime.now(UTC)
        yield
        self.browsers.clock.now = then

    @property
    def headers(self) -> dict[str, str]:
        return with_cookie(self.vector.cookie)


@pytest.fixture
def visit(vector: SessionVector, browsers: Browsers, profile: PublishedProfile) -> Visit:
    return Visit(vector, browsers, profile)


@each_vector()
async def test_a_session_of_every_django_opens_a_migrated_endpoint(visit: Visit, serve: Serve):
    await visit.prepare()

    async with serve(django_secret_key=SECRET_KEY) as client:
        answer = await client.get(ME, headers=visit.headers)

    assert (answer.status_code, answer.json()["username"]) == (200, "ada"), answer.text


@each_vector()
@before_any_database
async def test_it_does_by_a_fallback_key(visit: Visit, serve: Serve):
    await visit.prepare()

    async with serve(django_secret_key_fallbacks=[SECRET_KEY]) as client:
        assert (await client.get(ME, headers=visit.headers)).status_code == 200


@each_vector()
@before_any_database
async def test_it_does_not_by_another_key(visit: Visit, serve: Serve):
    await visit.prepare()

    async with serve() as client:
        assert_nobody(await client.get(ME, headers=visit.headers))


@each_vector()
@before_any_database
async def test_it_does_not_for_an_inactive_user(visit: Visit, serve: Serve):
    await visit.prepare(is_active=False)

    async with serve(django_secret_key=SECRET_KEY) as client:
        assert_nobody(await client.get(ME, headers=visit.headers))


@each_vector()
@before_any_database
async def test_it_does_not_once_it_has_expired(visit: Visit, serve: Serve):
    await visit.prepare()
    visit.browsers.clock.advance(timedelta(days=14))

    async with serve(django_secret_key=SECRET_KEY) as client:
        assert_nobody(await client.get(ME, headers=visit.headers))


@each_vector()
@before_any_database
async def test_it_does_not_after_a_change_of_the_password(visit: Visit, serve: Serve):
    await visit.prepare()

    async with serve(django_secret_key=SECRET_KEY, rehash="on") as client:
        with visit.today():
            change = {"current_password": PASSWORD, "new_password": NEW_PASSWORD}
            changed = await client.post("/auth/password", json=change, headers=await bearer(client, "ada"))
            assert changed.status_code == 204, changed.text
        assert_nobody(await client.get(ME, headers=visit.headers))


@each_vector()
@before_any_database
async def test_it_does_after_a_silent_re_hash_where_the_site_itself_would_take_it(visit: Visit, serve: Serve):
    """Links carry the SHA-256 hash of Django 3.1 and newer; no Django that runs the app takes the older one."""
    await visit.prepare()

    async with serve(django_secret_key=SECRET_KEY, rehash="on") as client:
        assert (await log_in(client, "ada")).status_code == 200
        assert await visit.browsers.cast.stored_password("ada") != ENCODED
        answer = await client.get(ME, headers=visit.headers)

    assert answer.status_code == (401 if visit.vector.carries_sha1 else 200)


@each_vector()
@before_any_database
async def test_it_does_not_where_it_was_tampered_with(visit: Visit, serve: Serve):
    vector = visit.vector
    middle = len(vector.stored) // 2
    tampered = vector.stored[:middle] + ("B" if vector.stored[middle] == "A" else "A") + vector.stored[middle + 1 :]
    await visit.prepare()
    await visit.browsers.database.execute("UPDATE django_session SET session_data = :data", {"data": tampered})

    async with serve(django_secret_key=SECRET_KEY) as client:
        assert_nobody(await client.get(ME, headers=with_cookie(vector.session_key or tampered)))


# Sessions of the site as it is now ------------------------------------------------------------------------------------


async def test_a_session_opens_a_customers_endpoint_as_well(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")

    answer = await client.get("/users/me/items/", headers=with_cookie(await browsers.log_in()))

    assert (answer.status_code, answer.json()) == (200, [])


async def test_staff_come_in_by_their_session(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada", is_staff=True)

    assert (await client.get("/migration/report", headers=with_cookie(await browsers.log_in()))).status_code == 200


async def test_others_do_not(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")

    answer = await client.get("/migration/report", headers=with_cookie(await browsers.log_in()))

    assert_problem(answer, status=403, code="staff_only")


async def test_a_site_that_has_told_nothing_is_taken_for_a_stock_one(
    serve: Serve, cast: Cast, browsers: Browsers, profile: PublishedProfile
):
    await cast.add("ada")
    await profile.withdraw()

    async with serve(**FULL_COST) as client:
        assert (await client.get(ME, headers=with_cookie(await browsers.log_in()))).status_code == 200


@pytest.mark.parametrize(
    "content",
    [
        {"_auth_user_backend": "shop.backends.Gone"},
        {"_auth_user_backend": None},
        {"_auth_user_hash": "0" * 64},
        {"_auth_user_hash": ""},
        {"_auth_user_hash": None},
        {"_auth_user_hash": "\ud800"},
        {"_auth_user_id": "999999"},
        {"_auth_user_id": "\0"},
        {"_auth_user_id": "\ud800"},
        {"_auth_user_id": "9" * 99},
        {"_auth_user_id": 1},
        {"_auth_user_id": None},
    ],
    ids=ascii,
)
async def test_a_session_that_says_something_else_opens_nothing(
    client: httpx.AsyncClient, cast: Cast, browsers: Browsers, content: dict[str, Any]
):
    await cast.add("ada")

    assert_nobody(await client.get(ME, headers=with_cookie(await browsers.log_in(**content))))


async def test_a_backend_of_the_sites_own_does_as_well(
    serve: Serve, cast: Cast, browsers: Browsers, profile: PublishedProfile
):
    await cast.add("ada")
    await profile.edit(lambda document: document["sessions"].update(backends=[BACKEND, "shop.backends.Ldap"]))

    async with serve() as client:
        cookie = await browsers.log_in(_auth_user_backend="shop.backends.Ldap")
        assert (await client.get(ME, headers=with_cookie(cookie))).status_code == 200


async def test_a_session_that_nobody_is_logged_in_by_opens_nothing(client: httpx.AsyncClient, browsers: Browsers):
    await browsers.keep(SessionStore().encode({"basket": [1, 2, 3]}))

    assert_nobody(await client.get(ME, headers=with_cookie(KEY)))


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM django_session",
        "UPDATE django_session SET expire_date = '2020-01-01 00:00:00'",
        "UPDATE django_session SET session_data = 'x' || session_data",
        "UPDATE auth_user SET is_active = false",
        "UPDATE auth_user SET password = 'changed'",
        "DELETE FROM auth_user",
    ],
)
async def test_what_was_known_of_a_session_lets_nobody_in(
    client: httpx.AsyncClient, cast: Cast, browsers: Browsers, database: Database, statement: str
):
    await cast.add("ada")
    headers = with_cookie(await browsers.log_in())
    for _ in range(2):
        assert (await client.get(ME, headers=headers)).json()["username"] == "ada"

    await database.execute(statement)

    for _ in range(2):
        assert_nobody(await client.get(ME, headers=headers))


async def test_of_a_session_that_somebody_else_goes_on_with_they_are_who_is_asking(
    client: httpx.AsyncClient, cast: Cast, browsers: Browsers, database: Database
):
    names = ["ada", "grace"]
    stored = {}
    for name in names:
        await cast.add(name)
        key = await browsers.log_in(name)
        row = await database.fetch_one("SELECT session_data FROM django_session")
        stored[name] = row and row["session_data"]
        await database.execute("DELETE FROM django_session")
    await browsers.keep(str(stored["ada"]), key=key)

    for name in [*names, *names]:
        await database.execute("UPDATE django_session SET session_data = :data", {"data": stored[name]})
        for _ in range(2):
            assert (await client.get(ME, headers=with_cookie(key))).json()["username"] == name


async def test_a_session_that_was_ended_at_the_site_opens_nothing(
    client: httpx.AsyncClient, cast: Cast, browsers: Browsers, database: Database
):
    await cast.add("ada")
    cookie = await browsers.log_in()
    assert (await client.get(ME, headers=with_cookie(cookie))).status_code == 200

    await database.execute("DELETE FROM django_session")

    assert_nobody(await client.get(ME, headers=with_cookie(cookie)))


async def test_a_session_is_read_by_the_clock_of_a_site_with_local_times(
    serve: Serve, cast: Cast, browsers: Browsers, profile: PublishedProfile, database: Database
):
    """Twelve hours ahead of UTC, where the column of SQLite holds local times."""
    await cast.add("ada")
    await profile.edit(lambda document: document.update(time_zone="Pacific/Auckland"))
    cookie = await browsers.log_in()
    if database.dialect == "sqlite":
        in_an_hour_there = browsers.clock() + timedelta(hours=11)
        await database.execute("UPDATE django_session SET expire_date = :moment", {"moment": in_an_hour_there})

    async with serve() as client:
        answer = await client.get(ME, headers=with_cookie(cookie))

    assert answer.status_code == (401 if database.dialect == "sqlite" else 200)


@before_any_database
@pytest.mark.parametrize(
    "told",
    [
        {"engine": f"{ENGINES}.cache"},
        {"engine": f"{ENGINES}.signed_cookies"},
        {"serializer": "shop.PickleSerializer"},
        {"in_use": False},
        {"cookie_name": "shop_session"},
    ],
    ids=str,
)
async def test_where_the_site_keeps_them_elsewhere_a_row_opens_nothing(
    serve: Serve, cast: Cast, browsers: Browsers, profile: PublishedProfile, told: dict[str, Any]
):
    await cast.add("ada")
    await profile.edit(lambda document: document["sessions"].update(told))

    async with serve() as client:
        assert_nobody(await client.get(ME, headers=with_cookie(await browsers.log_in())))


@before_any_database
async def test_the_cookie_is_known_by_its_name_at_the_site(
    serve: Serve, cast: Cast, browsers: Browsers, profile: PublishedProfile
):
    await cast.add("ada")
    await profile.edit(lambda document: document["sessions"].update(cookie_name="shop_session"))

    async with serve() as client:
        headers = with_cookie(await browsers.log_in(), name="shop_session")
        assert (await client.get(ME, headers=headers)).status_code == 200


@before_any_database
async def test_a_signed_cookie_lives_as_long_as_the_site_says(
    serve: Serve, cast: Cast, clock: FrozenClock, profile: PublishedProfile
):
    vector = next(each for each in VECTORS if each.engine == "signed_cookies")
    await cast.add("ada", id=USER_ID, encoded=ENCODED)
    told = {"engine": f"{ENGINES}.signed_cookies", "cookie_age": 60}
    await profile.edit(lambda document: document["sessions"].update(told))

    async with serve(django_secret_key=SECRET_KEY) as client:
        clock.now = vector.written_at + timedelta(seconds=58)
        assert (await client.get(ME, headers=with_cookie(vector.stored))).status_code == 200
        clock.advance(timedelta(seconds=4))
        assert_nobody(await client.get(ME, headers=with_cookie(vector.stored)))


@pytest.mark.parametrize(
    ("method", "path", "varies"),
    [("GET", ME, True), ("GET", "/migration/report", True), ("POST", "/auth/token", False), ("GET", "/healthz", False)],
)
@before_any_database
async def test_caches_are_told_where_the_cookie_decides(
    client: httpx.AsyncClient, cast: Cast, browsers: Browsers, method: str, path: str, *, varies: bool
):
    await cast.add("ada")
    cookie = with_cookie(await browsers.log_in())

    for headers in (cookie, {}):
        assert ("Cookie" in (await client.request(method, path, headers=headers)).headers.get("vary", "")) is varies


@pytest.mark.parametrize("extra", ["", "; sessionid=", "; sessionid=garbage"], ids=["alone", "emptied", "overridden"])
async def test_of_two_cookies_of_a_name_the_last_one_counts(
    client: httpx.AsyncClient, cast: Cast, browsers: Browsers, extra: str
):
    """As in Django: whoever can set a cookie for a parent domain must not be able to choose."""
    await cast.add("ada")
    cookie = await browsers.log_in()

    answer = await client.get(ME, headers={"Cookie": f"a=b; sessionid={cookie}{extra}"})

    assert answer.status_code == (401 if extra else 200)


# Bearer and cookie ----------------------------------------------------------------------------------------------------


async def test_a_bearer_token_beats_the_cookie(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")
    await cast.add("grace")
    cookie = await browsers.log_in("ada")

    answer = await client.get(ME, headers=await bearer(client, "grace") | with_cookie(cookie))

    assert answer.json()["username"] == "grace"


async def test_a_bad_token_is_not_mended_by_a_good_cookie(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")
    cookie = await browsers.log_in()

    answer = await client.get(ME, headers={"Authorization": "Bearer garbage"} | with_cookie(cookie))

    assert_problem(answer, status=401, code="invalid_token")


async def test_another_scheme_leaves_the_cookie_in_force(client: httpx.AsyncClient, cast: Cast, browsers: Browsers):
    await cast.add("ada")
    cookie = await browsers.log_in()

    answer = await client.get(ME, headers={"Authorization": "Basic YWRhOng="} | with_cookie(cookie))

    assert answer.status_code == 200


@pytest.mark.parametrize(("method", "path"), [("GET", "/auth/token"), ("POST", "/auth/logout")])
async def test_what_is_about_a_token_takes_no_cookie(
    client: httpx.AsyncClient, cast: Cast, browsers: Browsers, method: str, path: str
):
    await cast.add("ada")

    assert_nobody(await client.request(method, path, headers=with_cookie(await browsers.log_in())))


# Broken cookies -------------------------------------------------------------------------------------------------------


def bomb() -> str:
    inflater = zlib.compressobj(9)
    data = b"".join(inflater.compress(b" " * 2**20) for _ in range(64)) + inflater.flush()
    packed = signing.b64_encode(data).decode()
    return signing.TimestampSigner(key=DJANGO_SECRET_KEY, salt="django.contrib.sessions.SessionStore").sign(
        "." + packed
    )


@pytest.mark.parametrize(
    "make",
    [bomb, lambda: "x" * 2**21, lambda: "", lambda: ":", lambda: "[" * 99_999, lambda: signing.dumps([1], key="x")],
    ids=["a_bomb", "too_large", "empty", "colon", "brackets", "no_object"],
)
async def test_a_row_that_is_no_session_opens_nothing(
    client: httpx.AsyncClient, browsers: Browsers, make: Callable[[], str]
):
    await browsers.keep(make())

    assert_nobody(await client.get(ME, headers=with_cookie(KEY)))


raw_cookies = st.binary(max_size=80).filter(lambda each: not set(each) & {10, 13}) | st.sampled_from(
    [KEY.encode() + b"x" * size for size in (1, 9, 10_000)] + [b"%00" * 4, b"..", b'"\\000\\000\\000\\000"', b"'" * 32]
)


@pytest.mark.parametrize("engine", ["db", "signed_cookies"])
@before_any_database
@given(value=raw_cookies)
@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_garbage_in_a_cookie_opens_or_breaks_anything(cookie_client: httpx.AsyncClient, value: bytes):
    answer = await cookie_client.get(ME, headers={b"cookie": b"sessionid=" + value})

    assert answer.status_code == 401, answer.text


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.sampled_from(["1", BACKEND]),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
names = st.sampled_from(["_auth_user_id", "_auth_user_backend", "_auth_user_hash", "_csrftoken"])


@pytest.mark.parametrize("engine", ["signed_cookies"])
@before_any_database
@given(content=st.dictionaries(names, values) | values)
@settings(max_examples=150, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_signed_content_breaks_anything(cookie_client: httpx.AsyncClient, content: Any):
    cookie = signing.dumps(json.loads(json.dumps(content)), key=DJANGO_SECRET_KEY, salt=COOKIE_SALT)

    assert (await cookie_client.get(ME, headers=with_cookie(cookie))).status_code == 401


@pytest.fixture
async def cookie_client(
    serve: Serve, cast: Cast, profile: PublishedProfile, engine: str
) -> AsyncIterator[httpx.AsyncClient]:
    """The bridge of a site with one user, and an engine."""
    await cast.add("ada")
    await profile.edit(lambda document: document["sessions"].update(engine=f"{ENGINES}.{engine}"))
    async with serve() as client:
        yield client
