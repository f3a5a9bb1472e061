"""Logging in at the bridge: POST /auth/token and /auth/login."""

import asyncio
import unicodedata
from collections.abc import Callable
from typing import Final

import httpx
import pytest
from argon2 import PasswordHasher, Type
from bcrypt import gensalt, hashpw
from django.contrib.auth.hashers import (
    BCryptPasswordHasher,
    BCryptSHA256PasswordHasher,
    ScryptPasswordHasher,
    check_password,
    make_password,
)
from passlib.hash import des_crypt

from tests.conftest import PASSWORD, Cast, FrozenClock, Serve, bearer, log_in, old_hash
from tests.web.conftest import INCORRECT, PublishedProfile, before_any_database, events, moment, shared_events

ARGON2_OF_THE_SITE: Final = "argon2$argon2id$v=19$m=64,t=1,p=1$"


def with_bcrypt(password: str, hasher: BCryptPasswordHasher | BCryptSHA256PasswordHasher) -> str:
    hasher.rounds = 4
    encoded: str = hasher.encode(password, hasher.salt())
    return encoded


def argon2(**parameters: int | Type) -> str:
    settings = {"time_cost": 1, "memory_cost": 64, "parallelism": 1, "salt_len": 22, **parameters}
    return "argon2" + PasswordHasher(**settings).hash(PASSWORD)  # type: ignore[arg-type]  # by name


FORMATS: Final[dict[str, Callable[[], str]]] = {
    "pbkdf2_sha256": lambda: make_password(PASSWORD, hasher="pbkdf2_sha256"),
    "pbkdf2_sha1": lambda: make_password(PASSWORD, hasher="pbkdf2_sha1"),
    "bcrypt_sha256": lambda: with_bcrypt(PASSWORD, BCryptSHA256PasswordHasher()),
    "bcrypt": lambda: with_bcrypt(PASSWORD, BCryptPasswordHasher()),
    "scrypt": lambda: ScryptPasswordHasher().encode(PASSWORD, "pepperandsalt", n=16),
    "md5": lambda: make_password(PASSWORD, hasher="md5"),
    "sha1": lambda: make_password(PASSWORD, hasher="sha1"),
    "unsalted_md5": lambda: make_password(PASSWORD, hasher="unsalted_md5"),
    "unsalted_md5_with_its_prefix": lambda: "md5$$" + make_password(PASSWORD, hasher="unsalted_md5"),
    "unsalted_sha1": lambda: make_password(PASSWORD, hasher="unsalted_sha1"),
    "argon2_of_more_passes": lambda: argon2(time_cost=3),
    "argon2_of_less_memory": lambda: argon2(memory_cost=32),
    "argon2_of_more_lanes": lambda: argon2(parallelism=2),
    "argon2_of_a_short_salt": lambda: argon2(salt_len=16),
    "argon2i_of_django_before_3_2": lambda: argon2(type=Type.I),
}


@pytest.mark.parametrize("encode", FORMATS.values(), ids=FORMATS.keys())
async def test_a_login_replaces_an_old_hash_with_the_one_django_would_write(
    client: httpx.AsyncClient, cast: Cast, encode: Callable[[], str]
):
    await cast.add("ada", encoded=encode())

    answer = await log_in(client, "ada")

    assert answer.status_code == 200
    stored = await cast.stored_password("ada")
    assert stored.startswith(ARGON2_OF_THE_SITE)
    assert check_password(PASSWORD, stored, setter=pytest.fail)


@pytest.mark.parametrize("encode", FORMATS.values(), ids=FORMATS.keys())
async def test_a_wrong_password_is_refused_whatever_the_format(
    client: httpx.AsyncClient, cast: Cast, encode: Callable[[], str]
):
    before = encode()
    await cast.add("ada", encoded=before)

    answer = await log_in(client, "ada", "wrong")

    assert (answer.status_code, answer.json()) == (401, INCORRECT)
    assert await cast.stored_password("ada") == before


async def test_a_login_leaves_a_current_hash_alone(client: httpx.AsyncClient, cast: Cast):
    current = make_password(PASSWORD)
    await cast.add("ada", encoded=current)

    assert (await log_in(client, "ada")).status_code == 200
    assert await cast.stored_password("ada") == current


async def test_a_second_login_finds_nothing_to_upgrade(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    await log_in(client, "ada")
    upgraded = await cast.stored_password("ada")

    assert (await log_in(client, "ada")).status_code == 200
    assert await cast.stored_password("ada") == upgraded


async def test_an_upgrade_is_counted_in_the_metrics_at_once_and_in_the_shared_counters_soon(
    client: httpx.AsyncClient, cast: Cast
):
    await cast.add("ada")

    await log_in(client, "ada")

    assert await events(client) == {"login_succeeded": 1, "upgrade_written": 1}
    async with asyncio.timeout(20):
        while await shared_events(cast.database) != {"login_succeeded": 1, "upgrade_written": 1}:  # noqa: ASYNC110  # nobody tells
            await asyncio.sleep(0)  # the flush has its turn


async def test_what_was_counted_last_is_in_the_shared_counters_when_the_service_ends(serve: Serve, cast: Cast):
    async with serve() as client:
        for _ in range(3):
            await log_in(client, "nobody")

    assert await shared_events(cast.database) == {"login_refused": 3}


async def test_a_refused_login_writes_nothing(client: httpx.AsyncClient, cast: Cast):
    before = old_hash(PASSWORD)
    await cast.add("ada", encoded=before)

    assert (await log_in(client, "ada", "wrong")).status_code == 401
    assert await cast.stored_password("ada") == before
    assert await cast.column("ada", "last_login") is None


async def test_a_login_sets_last_login(client: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    await cast.add("ada")

    await log_in(client, "ada")

    assert moment(await cast.column("ada", "last_login")) == clock.now


async def test_a_login_leaves_everybody_else_alone(client: httpx.AsyncClient, cast: Cast):
    before = old_hash(PASSWORD)
    await cast.add("ada")
    await cast.add("grace", encoded=before)

    await log_in(client, "ada")

    assert await cast.stored_password("grace") == before
    assert await cast.column("grace", "last_login") is None


# bcrypt reads 72 bytes ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("password", ["p" * 73, "p" * 71 + "é", "p" * 500], ids=["73", "72_and_a_half", "500"])
async def test_a_password_that_bcrypt_read_in_part_logs_in_and_is_not_re_hashed(
    client: httpx.AsyncClient, cast: Cast, password: str
):
    before = "bcrypt$" + hashpw(password.encode()[:72], gensalt(4)).decode()
    await cast.add("ada", encoded=before)

    assert (await log_in(client, "ada", password)).status_code == 200
    assert await cast.stored_password("ada") == before


async def test_a_password_that_bcrypt_read_to_the_last_byte_is_re_hashed(client: httpx.AsyncClient, cast: Cast):
    password = "p" * 72
    await cast.add("ada", encoded=with_bcrypt(password, BCryptPasswordHasher()))

    assert (await log_in(client, "ada", password)).status_code == 200
    assert check_password(password, await cast.stored_password("ada"), setter=pytest.fail)


async def test_a_long_password_of_bcrypt_sha256_was_read_whole_and_is_re_hashed(client: httpx.AsyncClient, cast: Cast):
    password = "p" * 100
    await cast.add("ada", encoded=with_bcrypt(password, BCryptSHA256PasswordHasher()))

    assert (await log_in(client, "ada", password)).status_code == 200
    assert check_password(password, await cast.stored_password("ada"), setter=pytest.fail)


# What the site itself would verify ------------------------------------------------------------------------------------


async def test_a_format_that_the_site_does_not_list_is_refused(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada", encoded="crypt$$" + des_crypt.hash("eightltr"))

    assert (await log_in(client, "ada", "eightltr")).status_code == 401


@pytest.mark.parametrize("algorithm", ["pbkdf2_sha256", "md5", "scrypt"])
async def test_a_format_that_the_site_no_longer_lists_is_refused(
    serve: Serve, cast: Cast, profile: PublishedProfile, algorithm: str
):
    await cast.add("ada", encoded=FORMATS[algorithm]())
    await profile.forget(algorithm)

    async with serve() as client:
        answer = await log_in(client, "ada")

    assert (answer.status_code, answer.json()) == (401, INCORRECT)


# The answer -----------------------------------------------------------------------------------------------------------


async def test_a_token_answer_has_these_fields_and_no_others(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    body = (await log_in(client, "ada")).json()

    assert (body.pop("access_token").count("."), body.pop("refresh_token").count(".")) == (2, 2)
    assert body == {"token_type": "bearer", "expires_in": 900, "scope": ""}


async def test_a_token_answer_is_not_to_be_stored(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    headers = (await log_in(client, "ada")).headers

    assert headers["cache-control"] == "no-store"
    assert headers["content-type"] == "application/json"


async def test_expires_in_is_the_configured_lifetime(serve: Serve, cast: Cast):
    await cast.add("ada")

    async with serve(access_token_lifetime=60) as client:
        assert (await log_in(client, "ada")).json()["expires_in"] == 60


async def test_the_json_login_answers_as_the_form_does(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    form = await log_in(client, "ada")
    json = await client.post("/auth/login", json={"username": "ada", "password": PASSWORD})

    assert json.status_code == form.status_code == 200
    tokens = {"access_token": "", "refresh_token": ""}
    assert json.json() | tokens == form.json() | tokens
    assert json.headers["cache-control"] == "no-store"


async def test_the_json_login_upgrades_too(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    await client.post("/auth/login", json={"username": "ada", "password": PASSWORD})

    assert (await cast.stored_password("ada")).startswith(ARGON2_OF_THE_SITE)


async def test_the_token_of_a_login_opens_the_users_own_door(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")

    me = await client.get("/users/me/", headers=await bearer(client, "ada"))

    assert me.json()["id"] == key


async def test_a_multipart_form_without_files_is_a_form(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    fields = {"grant_type": "password", "username": "ada", "password": PASSWORD}
    answer = await client.post("/auth/token", files={name: (None, value) for name, value in fields.items()})

    assert answer.status_code == 200


# Usernames as Django's login form takes them --------------------------------------------------------------------------


@before_any_database
@pytest.mark.parametrize(
    "typed",
    ["fiona", "  fiona\t", "ﬁona", unicodedata.lookup("FULLWIDTH LATIN SMALL LETTER F") + "iona", " ﬁona\n"],
    ids=["exact", "spaces", "ligature", "full-width", "both"],
)
async def test_a_username_is_stripped_and_normalised(client: httpx.AsyncClient, cast: Cast, typed: str):
    await cast.add("fiona")

    assert (await log_in(client, typed)).status_code == 200


@pytest.mark.parametrize("typed", ["FIONA", "Fiona", "fi ona", "fiona%"], ids=str)
async def test_a_username_is_compared_exactly(client: httpx.AsyncClient, cast: Cast, typed: str):
    await cast.add("fiona")

    assert (await log_in(client, typed)).status_code == 401


@pytest.mark.parametrize("password", [" spaces ", "ﬁ", "tab\t", "日本語", "a&b=c+d%"], ids=repr)
async def test_a_password_is_taken_as_it_stands(client: httpx.AsyncClient, cast: Cast, password: str):
    await cast.add("ada", encoded=old_hash(password))

    assert (await log_in(client, "ada", password)).status_code == 200
    assert check_password(password, await cast.stored_password("ada"), setter=pytest.fail)


async def test_a_password_is_not_stripped(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    assert (await log_in(client, "ada", PASSWORD + " ")).status_code == 401
