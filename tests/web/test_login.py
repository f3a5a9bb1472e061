"""Logging in at the bridge: POST /auth/token and /auth/login."""

import httpx
import pytest
from django.contrib.auth.hashers import check_password, make_password

from tests.conftest import PASSWORD, Cast, Serve, log_in, old_hash


async def test_a_login_replaces_an_old_hash_with_the_one_django_would_write(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    answer = await log_in(client, "ada")

    assert answer.status_code == 200
    stored = await cast.stored_password("ada")
    assert stored.startswith("argon2$argon2id$v=19$m=64,t=1,p=1$")
    assert check_password(PASSWORD, stored, setter=pytest.fail)


async def test_a_login_leaves_a_current_hash_alone(client: httpx.AsyncClient, cast: Cast):
    current = make_password(PASSWORD)
    await cast.add("ada", encoded=current)

    assert (await log_in(client, "ada")).status_code == 200
    assert await cast.stored_password("ada") == current


async def test_a_refused_login_writes_nothing(client: httpx.AsyncClient, cast: Cast):
    before = old_hash(PASSWORD)
    await cast.add("ada", encoded=before)

    assert (await log_in(client, "ada", "wrong")).status_code == 401
    assert await cast.stored_password("ada") == before
    assert await cast.column("ada", "last_login") is None


async def test_re_hashing_off_verifies_and_leaves_the_value(serve: Serve, cast: Cast):
    before = old_hash(PASSWORD)
    await cast.add("ada", encoded=before)

    async with serve(rehash="off") as client:
        assert (await log_in(client, "ada")).status_code == 200
    assert await cast.stored_password("ada") == before
