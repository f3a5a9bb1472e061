"""Whom a canary's new handler answers: the same users however they come, and more of them as it grows."""

import asyncio
from collections.abc import AsyncIterator
from http.cookies import SimpleCookie
from pathlib import Path
from typing import Any, Final

import pytest
from starlette.datastructures import Headers
from starlette.types import Message

from bridge.cutover import WHOLE, Side, Stage, bucket_of
from bridge.store.database import Database
from bridge.web.cutover.canary import COOKIE, Choice, marking
from tests.conftest import DJANGO_SECRET_KEY, Cast, bearer
from tests.web.conftest import before_any_database
from tests.web.front import Front, by, in_front
from tests.web.test_health import allow_connections, end_every_connection, on_postgresql
from tests.web.test_sessions import Browsers, browsers, with_cookie

__all__ = ["browsers"]

MOVED: Final = "GET /moved/"
AGAIN: Final = "GET /again/"
SALT: Final = "a salt of the shop's"
HALF: Final = WHOLE // 2
NEVER_ISSUED: Final = "f" * 32

PLAN: Final = f"""
[defaults]
group = "shop"

[groups.shop]
salt = "{SALT}"

[groups.listed]
staff = true
groups = ["beta"]
users = ["4711"]

[operations."GET /cached/"]
group = "listed"
"""


@pytest.fixture
def plan(tmp_path: Path) -> Path:
    file = tmp_path / "cutover.toml"
    file.write_text(PLAN)
    return file


@pytest.fixture
async def front(service_url: str, database: Database, plan: Path) -> AsyncIterator[Front]:
    async with in_front(service_url, database, cutover_file=plan) as started:
        yield started


# Users ----------------------------------------------------------------------------------------------------------------


async def test_a_user_is_on_one_side_by_token_and_by_session(front: Front, cast: Cast, browsers: Browsers):
    bucket = bucket_of(str(await cast.add("ada")), salt=SALT)
    ways = [await bearer(front.client, "ada"), with_cookie(await browsers.log_in("ada"))]

    for share, side in ((bucket, "django"), (bucket + 1, "bridge")):
        await front.set(MOVED, Stage.CANARY, share)
        await front.set(AGAIN, Stage.CANARY, share)
        for headers in ways:
            assert await front.ask("/moved/", headers=headers) == side
            assert await front.ask("/again/", headers=headers) == side


@before_any_database
async def test_a_user_needs_no_cookie_of_the_canarys(front: Front, cast: Cast):
    await cast.add("ada")
    headers = await bearer(front.client, "ada")
    await front.set(MOVED, Stage.CANARY, HALF)

    assert "set-cookie" not in (await front.client.get("/moved/", headers=headers)).headers


@before_any_database
@pytest.mark.parametrize(
    ("columns", "side"),
    [
        pytest.param({}, "django", id="nobody-special"),
        pytest.param({"is_superuser": True}, "django", id="superuser"),
        pytest.param({"is_staff": True}, "bridge", id="staff"),
        pytest.param({"id": 4711}, "bridge", id="by-key"),
        pytest.param({"is_staff": True, "is_active": False}, "django", id="no-longer-active"),
    ],
)
async def test_those_whom_the_plan_lists_come_first(
    front: Front, cast: Cast, browsers: Browsers, columns: dict[str, Any], side: str
):
    await front.set("GET /cached/", Stage.CANARY, 0)
    await cast.add("ada", **columns)

    assert await front.ask("/cached/", headers=with_cookie(await browsers.log_in("ada"))) == side


async def test_a_group_of_the_sites_is_listed_by_its_name(front: Front, cast: Cast, browsers: Browsers):
    await front.set("GET /cached/", Stage.CANARY, 0)
    user, bob = await cast.add("ada"), await cast.add("bob")
    group = await cast.database.fetch_one("INSERT INTO auth_group (name) VALUES ('beta') RETURNING id")
    assert group is not None
    await cast.database.execute(
        "INSERT INTO auth_user_groups (user_id, group_id) VALUES (:user, :group)", {"user": user, "group": group["id"]}
    )

    assert await front.ask("/cached/", headers=with_cookie(await browsers.log_in("ada"))) == "bridge"
    assert await front.ask("/cached/", headers=await bearer(front.client, "ada")) == "bridge"
    assert (bob, await front.ask("/cached/", headers=await bearer(front.client, "bob"))) == (bob, "django")


# Clients that are nobody ----------------------------------------------------------------------------------------------


async def new_cookie(front: Front) -> str:
    answer = await front.client.get("/moved/")
    return SimpleCookie(answer.headers["set-cookie"])[COOKIE].value


def with_canary(value: str) -> dict[str, str]:
    return with_cookie(value, name=COOKIE)


@before_any_database
async def test_a_client_that_is_nobody_keeps_its_side_by_a_cookie_that_it_is_given_once(front: Front):
    await front.set(MOVED, Stage.CANARY, 0)
    value = await new_cookie(front)
    bucket = bucket_of(f"cookie:{value.partition('.')[0]}", salt=SALT)

    for share, side in ((bucket, "django"), (bucket + 1, "bridge")):
        await front.set(MOVED, Stage.CANARY, share)
        answer = await front.client.get("/moved/", headers=with_canary(value))
        assert (by(answer), answer.headers.get_list("set-cookie")) == (side, [])


@before_any_database
async def test_a_greater_share_only_adds_clients_and_a_group_moves_together(front: Front):
    await front.set(MOVED, Stage.CANARY, 0)
    clients = [await new_cookie(front) for _ in range(40)]
    reached: list[set[str]] = []
    for share in (0, WHOLE // 4, HALF, WHOLE):
        sides = []
        for operation, path in ((MOVED, "/moved/"), (AGAIN, "/again/")):
            await front.set(operation, Stage.CANARY, share)
            asked = [each for each in clients if await front.ask(path, headers=with_canary(each)) == "bridge"]
            sides.append(set(asked))
        assert sides[0] == sides[1]
        reached.append(sides[0])

    assert reached[0] == set()
    assert reached[0] < reached[1] < reached[2] < reached[3]
    assert reached[3] == set(clients)


@before_any_database
async def test_a_cookie_that_the_bridge_never_signed_is_none(front: Front):
    await front.set(MOVED, Stage.CANARY, HALF)
    number, _, mac = (await new_cookie(front)).partition(".")
    of_others = [f"{NEVER_ISSUED}.{mac}", f".{mac}", f"{number}.{'0' * len(mac)}"]
    cut = ["", ".", number, f"{number}.", f"{number}.{mac[:-1]}", f"{number}.{mac}0", f"{number}.{mac}.{mac}"]
    odd = ["x" * 8_000, "\u00e9.\u00e9"]

    for value in [*of_others, *cut, *odd]:
        headers = [(b"cookie", f"{COOKIE}={value}".encode())]
        answer = await front.client.get("/moved/", headers=headers)
        assert COOKIE in SimpleCookie(answer.headers["set-cookie"]), value
        assert value != SimpleCookie(answer.headers["set-cookie"])[COOKIE].value


@before_any_database
async def test_a_cookie_of_before_the_key_was_changed_still_holds(service_url: str, database: Database, plan: Path):
    async with in_front(service_url, database, cutover_file=plan) as front:
        await front.set(MOVED, Stage.CANARY, HALF)
        value = await new_cookie(front)
    keys = {"django_secret_key": "another key, which opens nothing either, anywhere at all"}
    async with in_front(
        service_url, database, cutover_file=plan, **keys, django_secret_key_fallbacks=(DJANGO_SECRET_KEY,)
    ) as front:
        answer = await front.client.get("/moved/", headers=with_canary(value))

    assert answer.headers.get_list("set-cookie") == []


@before_any_database
async def test_the_session_of_somebody_who_has_left_makes_a_client_nobody(front: Front):
    await front.set(MOVED, Stage.CANARY, WHOLE)

    answer = await front.client.get("/moved/", headers=with_cookie("stale"))

    assert (by(answer), len(answer.headers.get_list("set-cookie"))) == ("bridge", 1)


@before_any_database
@pytest.mark.parametrize("credentials", ["Bearer e30.e30.e30", "Token 0123abcd", "Basic YTpi"])
async def test_credentials_that_only_the_site_may_know_stay_there_until_everybody_has_moved(
    front: Front, credentials: str
):
    """Their clients keep no cookies, and would change sides each time."""
    for share, side in ((WHOLE - 1, "django"), (WHOLE, "bridge")):
        await front.set(MOVED, Stage.CANARY, share)
        answer = await front.client.get("/moved/", headers={"Authorization": credentials})
        assert (by(answer), answer.headers.get_list("set-cookie")) == (side, [])


@before_any_database
async def test_a_client_that_never_brings_its_cookie_stays_with_django(front: Front):
    await front.set(MOVED, Stage.CANARY, WHOLE - 1)

    assert {await front.ask("/moved/") for _ in range(5)} == {"django"}


@before_any_database
@pytest.mark.parametrize(
    ("url", "told", "trusted", "is_secure"),
    [
        pytest.param("http://bridge/moved/", None, ("127.0.0.1",), False, id="http"),
        pytest.param("https://bridge/moved/", None, (), True, id="https"),
        pytest.param("http://bridge/moved/", "https", ("127.0.0.1",), True, id="a-trusted-proxy-says-https"),
        pytest.param("https://bridge/moved/", "http", ("127.0.0.1",), False, id="a-trusted-proxy-says-http"),
        pytest.param("http://bridge/moved/", "https", (), False, id="a-stranger-says-https"),
    ],
)
async def test_the_cookie_is_secure_where_the_client_came_by_tls(
    service_url: str, database: Database, *, url: str, told: str | None, trusted: tuple[str, ...], is_secure: bool
):
    async with in_front(service_url, database, trusted_proxies=trusted) as front:
        await front.set(MOVED, Stage.CANARY, HALF)
        answer = await front.client.get(url, headers={"X-Forwarded-Proto": told} if told else {})

    [line] = answer.headers.get_list("set-cookie")
    kept = SimpleCookie(line)[COOKIE]
    assert bool(kept["secure"]) is is_secure
    assert (kept["path"], kept["samesite"], bool(kept["httponly"]), kept["domain"]) == ("/", "Lax", True, "")


@before_any_database
async def test_a_preflight_carries_nothing_to_tell_by_and_is_djangos(front: Front):
    """Drawn by lot, it would be refused for some of the users whom its method lets pass."""
    await front.set(MOVED, Stage.CANARY, WHOLE)

    answer = await front.client.options("/moved/", headers={"Access-Control-Request-Method": "GET"})

    assert (by(answer), answer.headers.get_list("set-cookie")) == ("django", [])


# Caches ---------------------------------------------------------------------------------------------------------------


@before_any_database
@pytest.mark.parametrize(("share", "side"), [(0, "django"), (WHOLE, "bridge")], ids=["django", "bridge"])
async def test_no_shared_cache_keeps_the_answer_of_either_side(front: Front, share: int, side: str):
    await front.set("GET /cached/", Stage.CANARY, share)

    answer = await front.client.get("/cached/")

    assert by(answer) == side
    assert set(answer.headers["cache-control"].split(", ")) == {"max-age=60", "no-transform", "private"}
    assert set(answer.headers["vary"].split(", ")) == {"Accept-Language", "Authorization", "Cookie"}
    assert not {"cdn-cache-control", "surrogate-control"} & set(answer.headers)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ('private="Set-Cookie, X-Foo", max-age=60', "max-age=60, private"),
        ('no-cache="Set-Cookie, X-\\"Foo", public', 'no-cache="Set-Cookie, X-\\"Foo", private'),
        ('max-age=60, no-cache="Set-Cookie, X-Foo', "private, no-store"),
        ("", "private"),
    ],
    ids=["left-out", "kept", "never-closed", "none"],
)
async def test_what_is_quoted_in_cache_control_is_one(given: str, sent: str):
    told: list[Message] = []

    async def send(message: Message) -> None:
        told.append(message)

    marked = marking(send, Choice(Side.LEGACY), is_secure=False)
    await marked({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", given.encode())]})

    assert Headers(raw=told[0]["headers"])["cache-control"] == sent


@before_any_database
async def test_outside_of_a_canary_an_answer_stays_as_it_is(front: Front):
    answer = await front.client.get("/cached/")

    assert answer.headers.get_list("cache-control") == ["public, max-age=60", "s-maxage=600, no-transform"]
    assert answer.headers.get_list("vary") == ["Accept-Language"]
    assert answer.headers["cdn-cache-control"] == answer.headers["surrogate-control"] == "max-age=600"


# Without a database ---------------------------------------------------------------------------------------------------


@on_postgresql
async def test_while_nobody_can_be_looked_up_django_answers(
    front: Front, cast: Cast, database_url: str, postgresql_server: str
):
    await cast.add("ada")
    headers = await bearer(front.client, "ada")
    await front.set(MOVED, Stage.CANARY, WHOLE)
    assert await front.ask("/moved/", headers=headers) == "bridge"

    end_every_connection(database_url, postgresql_server, and_allow_no_more=True)
    for _ in range(2):  # on the connection that broke, and without any
        async with asyncio.timeout(4):  # a statement would wait five seconds for a connection
            answer = await front.client.get("/moved/", headers=headers)
        assert (by(answer), answer.headers["cache-control"]) == ("django", "private")
        assert "set-cookie" not in answer.headers

    allow_connections(database_url, postgresql_server)  # for the counts to be written at the end
