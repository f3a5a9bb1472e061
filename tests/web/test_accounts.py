"""New users and new passwords, by the site's rules: POST /auth/register and POST /auth/password."""

import asyncio
import unicodedata
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
from django.contrib.auth.hashers import check_password

from tests.conftest import PASSWORD, Cast, FrozenClock, Serve, bearer, log_in
from tests.web.conftest import FULL_COST, PublishedProfile, assert_problem, before_any_database, moment

NEW: Final = "a password that nobody has guessed"


@pytest.fixture
async def open_client(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    """The bridge with registration on."""
    async with serve(registration="on") as client:
        yield client


async def register(
    client: httpx.AsyncClient, username: str = "ada", password: str = NEW, **more: Any
) -> httpx.Response:
    return await client.post("/auth/register", json={"username": username, "password": password, **more})


# Registration ---------------------------------------------------------------------------------------------------------


async def test_registration_is_off_by_default(client: httpx.AsyncClient, cast: Cast):
    assert_problem(await register(client), status=403, code="registration_closed")
    assert await cast.database.fetch_all("SELECT id FROM auth_user") == []


async def test_a_registration_creates_an_ordinary_user(open_client: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    answer = await register(open_client, email="ada@example.com", first_name="Ada", last_name="Lovelace")

    assert answer.status_code == 201
    body = answer.json()
    assert body.pop("id") == await cast.column("ada", "id")
    assert moment(body.pop("date_joined")) == clock.now
    assert body == {
        "username": "ada",
        "email": "ada@example.com",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "full_name": "Ada Lovelace",
        "disabled": False,
        "is_active": True,
        "is_staff": False,
        "is_superuser": False,
        "last_login": None,
    }


async def test_django_verifies_a_registered_password_and_leaves_it_alone(open_client: httpx.AsyncClient, cast: Cast):
    await register(open_client)

    stored = await cast.stored_password("ada")

    assert stored.startswith("argon2$argon2id$v=19$m=64,t=1,p=1$")
    assert check_password(NEW, stored, setter=pytest.fail)


async def test_a_registered_user_logs_in(open_client: httpx.AsyncClient, cast: Cast):
    await register(open_client)

    assert (await log_in(open_client, "ada", NEW)).status_code == 200


async def test_a_username_is_stored_as_django_would_normalise_it(open_client: httpx.AsyncClient, cast: Cast):
    answer = await register(open_client, " ﬁona ")

    assert answer.json()["username"] == "fiona"


@pytest.mark.parametrize("username", ["ada", "ADA", "Ada", " ada "], ids=repr)
async def test_a_username_that_differs_in_case_only_is_taken(open_client: httpx.AsyncClient, cast: Cast, username: str):
    await cast.add("Ada")

    assert_problem(await register(open_client, username), status=409, code="username_taken")
    assert len(await cast.database.fetch_all("SELECT id FROM auth_user")) == 1


async def test_of_two_registrations_of_one_name_one_wins(open_client: httpx.AsyncClient, cast: Cast):
    answers = await asyncio.gather(register(open_client), register(open_client))

    assert sorted(answer.status_code for answer in answers) == [201, 409]
    assert len(await cast.database.fetch_all("SELECT id FROM auth_user")) == 1


async def test_an_address_that_the_site_lets_only_one_have_does_not_take_the_username(
    open_client: httpx.AsyncClient, cast: Cast
):
    await cast.add("grace", email="grace@example.com")
    await cast.database.execute("CREATE UNIQUE INDEX one_address ON auth_user (email)")

    assert_problem(await register(open_client, email="grace@example.com"), status=409, code="site_demands_more")
    assert (await register(open_client, email="ada@example.com")).status_code == 201


WEAK: Final = {
    "short": ("Xy7!", ["This password is too short. It must contain at least 8 characters."]),
    "common": ("password1", ["This password is too common."]),
    "numeric": ("73910284617", ["This password is entirely numeric."]),
    "like_the_username": ("adalovelace1", ["The password is too similar to the username."]),
    "like_the_address": ("charlesbabbage", ["The password is too similar to the email."]),
    "short_common_and_numeric": (
        "12345",
        [
            "This password is too short. It must contain at least 8 characters.",
            "This password is too common.",
            "This password is entirely numeric.",
        ],
    ),
    "empty": ("", ["This password is too short. It must contain at least 8 characters."]),
    "nul": ("a long password with a \0 in it", ["Null characters are not allowed."]),
}


@before_any_database
@pytest.mark.parametrize(("password", "messages"), WEAK.values(), ids=WEAK.keys())
async def test_a_password_against_the_sites_rules_is_refused_in_the_validators_words(
    open_client: httpx.AsyncClient, cast: Cast, password: str, messages: list[str]
):
    answer = await register(open_client, "adalovelace", password, email="charlesbabbage@example.com")

    body = assert_problem(answer, status=422, code="invalid")
    assert body["errors"] == {"password": messages}
    assert not password or password not in answer.text
    assert await cast.database.fetch_all("SELECT id FROM auth_user") == []


@before_any_database
@pytest.mark.parametrize(
    "username",
    ["", " ", "two words", "semi;colon", "slash/", "x" * 151, "nul\0", "new\nline", "🎩", "\ufdfa"],
    ids=lambda value: ascii(value[:12]),
)
async def test_a_username_against_djangos_rules_is_refused(open_client: httpx.AsyncClient, cast: Cast, username: str):
    body = assert_problem(await register(open_client, username), status=422, code="invalid")

    assert list(body["errors"]) == ["username"]
    assert await cast.database.fetch_all("SELECT id FROM auth_user") == []


@pytest.mark.parametrize("username", ["a@b.example", "a+b", "a.b-c_d", "ßtraße", "日本語", "x" * 150], ids=ascii)
async def test_a_username_within_djangos_rules_is_taken(open_client: httpx.AsyncClient, cast: Cast, username: str):
    answer = await register(open_client, username)

    assert (answer.status_code, answer.json()["username"]) == (201, unicodedata.normalize("NFKC", username))


@pytest.mark.parametrize("field", ["username", "email", "first_name", "last_name"])
async def test_no_text_is_so_long_that_validators_would_hold_others_up(open_client: httpx.AsyncClient, field: str):
    answer = await register(open_client, **{field: "a" * 1025})

    assert_problem(answer, status=422, code="invalid")
    refusal = {"field": field, "message": "String should have at most 1024 characters"}
    assert answer.json()["errors"] == [refusal]


async def test_everything_wrong_is_said_at_once(open_client: httpx.AsyncClient):
    answer = await register(open_client, "two words", "12345678", email="nonsense", first_name="x" * 151)

    assert set(answer.json()["errors"]) == {"username", "password", "email", "first_name"}


@before_any_database
@pytest.mark.parametrize("field", ["is_staff", "is_superuser", "is_active", "id"])
async def test_nobody_registers_as_more_than_an_ordinary_user(open_client: httpx.AsyncClient, cast: Cast, field: str):
    more: dict[str, Any] = {field: True}

    assert_problem(await register(open_client, **more), status=422, code="invalid")
    assert await cast.database.fetch_all("SELECT id FROM auth_user") == []


@before_any_database
@pytest.mark.parametrize(
    "body",
    [
        rb'{"username": "\ud800", "password": "a password that nobody has guessed"}',
        rb'{"username": "ada", "password": "a password that nobody has guessed \ud800"}',
        rb'{"username": "ada", "password": "a password that nobody has guessed", "first_name": "\ud800"}',
    ],
    ids=["username", "password", "first_name"],
)
async def test_lone_surrogates_are_refused(open_client: httpx.AsyncClient, body: bytes):
    headers = {"content-type": "application/json"}

    assert_problem(await open_client.post("/auth/register", content=body, headers=headers), status=422, code="invalid")


async def test_a_registration_that_the_table_refuses_says_that_the_site_demands_more(
    open_client: httpx.AsyncClient, cast: Cast, database_url: str
):
    if database_url.startswith("sqlite"):
        await cast.database.execute(
            "CREATE TRIGGER more BEFORE INSERT ON auth_user BEGIN SELECT RAISE(ABORT, 'a rule of the site'); END"
        )
    else:
        await cast.database.execute("ALTER TABLE auth_user ADD CONSTRAINT more CHECK (email <> '')")

    assert_problem(await register(open_client), status=409, code="site_demands_more")


# Password change ------------------------------------------------------------------------------------------------------


async def change(
    client: httpx.AsyncClient, headers: dict[str, str], *, current: str = PASSWORD, new: str = NEW
) -> httpx.Response:
    body = {"current_password": current, "new_password": new}
    return await client.post("/auth/password", headers=headers, json=body)


async def test_a_changed_password_is_the_one_that_logs_in(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    answer = await change(client, await bearer(client, "ada"))

    assert (answer.status_code, answer.content) == (204, b"")
    assert (await log_in(client, "ada", NEW)).status_code == 200
    assert (await log_in(client, "ada", PASSWORD)).status_code == 401


async def test_django_verifies_a_changed_password_and_leaves_it_alone(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    await change(client, await bearer(client, "ada"))

    assert check_password(NEW, await cast.stored_password("ada"), setter=pytest.fail)


async def test_a_change_without_the_current_password_is_refused(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    headers = await bearer(client, "ada")
    before = await cast.stored_password("ada")

    assert_problem(await change(client, headers, current="wrong"), status=403, code="incorrect_password")
    assert await cast.stored_password("ada") == before


@pytest.mark.parametrize("current", [PASSWORD + "\0", PASSWORD + "\0\0"], ids=["one", "two"])
async def test_a_current_password_that_only_hmac_takes_for_the_right_one_is_refused(
    serve: Serve, cast: Cast, current: str
):
    await cast.add("ada")
    async with serve(rehash="off") as client:
        client_headers = await bearer(client, "ada")
    async with serve() as client:
        assert_problem(await change(client, client_headers, current=current), status=403, code="incorrect_password")


@before_any_database
@pytest.mark.parametrize(
    ("new", "message"),
    [
        ("Xy7!", "This password is too short. It must contain at least 8 characters."),
        ("password1", "This password is too common."),
        ("adalovelace1", "The password is too similar to the username."),
        ("charlesbabbage", "The password is too similar to the email."),
        ("a long password with a \0 in it", "Null characters are not allowed."),
    ],
    ids=["short", "common", "username", "email", "nul"],
)
async def test_a_weak_new_password_is_refused_in_the_validators_words(
    client: httpx.AsyncClient, cast: Cast, new: str, message: str
):
    await cast.add("adalovelace", email="charlesbabbage@example.com")
    headers = await bearer(client, "adalovelace")
    before = await cast.stored_password("adalovelace")

    answer = await change(client, headers, new=new)

    assert message in assert_problem(answer, status=422, code="invalid")["errors"]["new_password"]
    assert new not in answer.text
    assert await cast.stored_password("adalovelace") == before


async def test_whoever_does_not_know_the_current_password_learns_nothing_of_the_rules(
    client: httpx.AsyncClient, cast: Cast
):
    await cast.add("ada")

    answer = await change(client, await bearer(client, "ada"), current="wrong", new="short")

    assert_problem(answer, status=403, code="incorrect_password")


async def test_nobody_changes_a_password_without_a_token(client: httpx.AsyncClient):
    assert_problem(await change(client, {}), status=401, code="not_authenticated")


@before_any_database
@pytest.mark.parametrize(
    "body", [{}, {"current_password": PASSWORD}, {"new_password": NEW}, {"current_password": 1, "new_password": NEW}]
)
async def test_a_change_needs_both_passwords_as_text(client: httpx.AsyncClient, cast: Cast, body: dict[str, Any]):
    await cast.add("ada")

    answer = await client.post("/auth/password", headers=await bearer(client, "ada"), json=body)

    assert_problem(answer, status=422, code="invalid")
    assert NEW not in answer.text
    assert PASSWORD not in answer.text


# Where the site could not use the password ----------------------------------------------------------------------------


async def assert_no_password_is_written(serve: Serve, cast: Cast) -> None:
    """Hold both endpoints to a refusal, and the table to what it held."""
    await cast.add("grace")
    before = await cast.stored_password("grace")
    async with serve(registration="on", **FULL_COST) as client:
        headers = await bearer(client, "grace")
        assert_problem(await register(client), status=503, code="not_configured")
        assert_problem(await change(client, headers), status=503, code="not_configured")
    rows = await cast.database.fetch_all("SELECT username FROM auth_user")
    assert [row["username"] for row in rows] == ["grace"]
    assert not check_password(NEW, await cast.stored_password("grace"))
    assert check_password(PASSWORD, before)


async def test_no_password_is_written_where_django_would_write_the_old_format_back(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    await profile.make_unsafe()

    await assert_no_password_is_written(serve, cast)


async def test_no_password_is_written_where_the_site_does_not_know_argon2(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    await profile.forget("argon2")

    await assert_no_password_is_written(serve, cast)


async def test_no_password_is_written_where_the_site_published_no_profile(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    await profile.withdraw()

    await assert_no_password_is_written(serve, cast)


async def test_no_password_is_written_where_the_sites_validators_are_not_installed(
    serve: Serve, cast: Cast, profile: PublishedProfile
):
    await profile.edit(lambda document: document["validators"].append({"NAME": "shop_rules.NotInstalledHere"}))

    await assert_no_password_is_written(serve, cast)


async def test_the_sites_own_options_of_a_validator_count(serve: Serve, cast: Cast, profile: PublishedProfile):
    await profile.edit(lambda document: document["validators"][1].update(OPTIONS={"min_length": 100}))

    async with serve(registration="on") as client:
        answer = await register(client)

    assert answer.json()["errors"]["password"] == [
        "This password is too short. It must contain at least 100 characters."
    ]
