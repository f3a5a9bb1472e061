"""Who a bearer token lets in: GET /users/me/ stands for every protected endpoint."""

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx
import jwt
import pytest
from django.contrib.auth import get_user_model
from rest_framework_simplejwt.tokens import AccessToken

from tests.conftest import SIGNING_KEY, Cast, FrozenClock, Serve, bearer
from tests.web.conftest import assert_problem, before_any_database
from tests.web.test_refresh import issued_by_the_site

ME: Final = "/users/me/"


def assert_invalid_token(answer: httpx.Response) -> None:
    """Hold an answer to RFC 6750 section 3.1."""
    assert_problem(answer, status=401, code="invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'


def with_token(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def signed(*, key: str = SIGNING_KEY, algorithm: str = "HS256", **claims: Any) -> dict[str, str]:
    """Sign what SimpleJWT would, but for ``claims``; a claim of None is left out."""
    payload = {
        "token_type": "access",
        "exp": datetime.now(UTC) + timedelta(minutes=5),
        "jti": "a token of the site",
        "user_id": "1",
        **claims,
    }
    kept = {name: value for name, value in payload.items() if value is not None}
    return with_token(jwt.encode(kept, key, algorithm))


# No token -------------------------------------------------------------------------------------------------------------


@before_any_database
@pytest.mark.parametrize(
    "headers", [{}, {"Authorization": ""}, {"Authorization": "Basic YWRhOng="}], ids=["none", "empty", "basic"]
)
async def test_a_request_without_a_bearer_token_is_challenged(client: httpx.AsyncClient, headers: dict[str, str]):
    answer = await client.get(ME, headers=headers)

    assert_problem(answer, status=401, code="not_authenticated")
    assert answer.headers["www-authenticate"] == "Bearer"


# Tokens that are not to be believed -----------------------------------------------------------------------------------


@before_any_database
@pytest.mark.parametrize(
    "value",
    [
        b"Bearer",
        b"Bearer ",
        b"Bearer  ",
        b"Bearer two words",
        b"Bearer garbage",
        b"Bearer a.b.c",
        b"Bearer ..",
        b"Bearer \xff\xfe",
        b"Bearer " + b"x" * 9_000,
        b"bearer garbage",
    ],
    ids=lambda value: repr(value[:20]),
)
async def test_a_malformed_bearer_token_is_invalid(client: httpx.AsyncClient, value: bytes):
    assert_invalid_token(await client.get(ME, headers={b"authorization": value}))


async def test_spaces_before_a_token_are_none_of_it(client: httpx.AsyncClient, cast: Cast):
    """RFC 9110 section 11.4 has one or more, and Django takes them."""
    await cast.add("ada")
    token = (await bearer(client, "ada"))["Authorization"].removeprefix("Bearer ")

    assert (await client.get(ME, headers={"Authorization": f"Bearer   {token}"})).status_code == 200


async def test_two_authorization_headers_are_invalid(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    valid = (await bearer(client, "ada"))["Authorization"]

    answer = await client.get(ME, headers=[("Authorization", valid), ("Authorization", valid)])

    assert_invalid_token(answer)


async def test_an_expired_token_is_invalid(client: httpx.AsyncClient, cast: Cast, clock: FrozenClock):
    await cast.add("ada")
    headers = await bearer(client, "ada")
    clock.advance(timedelta(minutes=15))

    assert_invalid_token(await client.get(ME, headers=headers))


@before_any_database
@pytest.mark.parametrize("part", [0, 1, 2], ids=["header", "payload", "signature"])
async def test_a_tampered_token_is_invalid(client: httpx.AsyncClient, cast: Cast, part: int):
    await cast.add("ada")
    parts = (await bearer(client, "ada"))["Authorization"].removeprefix("Bearer ").split(".")
    parts[part] = ("B" if parts[part][4] == "A" else "A").join((parts[part][:4], parts[part][5:]))

    assert_invalid_token(await client.get(ME, headers=with_token(".".join(parts))))


async def test_a_token_without_a_signature_is_invalid(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    claims = {"token_type": "access", "exp": 9_999_999_999, "jti": "x", "user_id": str(key)}
    header, payload = (
        base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode()
        for each in ({"alg": "none", "typ": "JWT"}, claims)
    )

    assert_invalid_token(await client.get(ME, headers=with_token(f"{header}.{payload}.")))


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "another key that is long enough for HS256 and not ours"},
        {"algorithm": "HS384"},
        {"token_type": "refresh"},
        {"token_type": None},
        {"exp": None},
        {"exp": "tomorrow"},
        {"exp": 1},
        {"exp": 10**30},
        {"jti": None},
        {"jti": 7},
        {"jti": ""},
        {"jti": "\0"},
        {"jti": "\ud800"},
        {"jti": "x" * 300},
        {"user_id": None},
        {"user_id": ""},
        {"user_id": True},
        {"user_id": ["1"]},
        {"user_id": {"pk": 1}},
        {"user_id": 1.0},
        {"user_id": "1 OR 1=1"},
        {"user_id": "0x1"},
        {"user_id": "\0"},
        {"user_id": "\ud800"},
        {"user_id": 10**40},
        {"user_id": "-1"},
        {"iss": "elsewhere"},
        {"iss": "bridge"},
        {"aud": "elsewhere"},
        {"nbf": 9_999_999_999},
        {"iat": 9_999_999_999},
        {"iat": "yesterday"},
    ],
    ids=str,
)
async def test_a_token_with_one_wrong_claim_is_invalid(client: httpx.AsyncClient, cast: Cast, wrong: dict[str, Any]):
    key = await cast.add("ada")

    assert_invalid_token(await client.get(ME, headers=signed(**{"user_id": str(key), **wrong})))


async def test_the_token_of_the_test_above_is_valid_but_for_the_wrong_claim(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")

    assert (await client.get(ME, headers=signed(user_id=str(key)))).status_code == 200


async def test_a_token_for_another_audience_is_invalid(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(audience="another site") as elsewhere:
        headers = await bearer(elsewhere, "ada")

    async with serve() as client:
        assert_invalid_token(await client.get(ME, headers=headers))


async def test_a_token_of_another_issuer_is_invalid(serve: Serve, cast: Cast):
    await cast.add("ada")
    async with serve(issuer="another bridge") as elsewhere:
        headers = await bearer(elsewhere, "ada")

    async with serve() as client:
        assert_invalid_token(await client.get(ME, headers=headers))


# Users who are gone ---------------------------------------------------------------------------------------------------


async def test_a_deactivated_user_is_out_at_once(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    headers = await bearer(client, "ada")

    await cast.database.execute("UPDATE auth_user SET is_active = :no", {"no": False})

    assert_invalid_token(await client.get(ME, headers=headers))


async def test_a_deleted_user_is_out_at_once(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    headers = await bearer(client, "ada")

    await cast.database.execute("UPDATE token_blacklist_outstandingtoken SET user_id = NULL")  # as Django does
    await cast.database.execute("DELETE FROM auth_user")

    assert_invalid_token(await client.get(ME, headers=headers))


async def test_a_user_made_staff_is_staff_at_once(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")
    headers = await bearer(client, "ada")

    await cast.database.execute("UPDATE auth_user SET is_staff = :yes", {"yes": True})

    assert (await client.get(ME, headers=headers)).json()["is_staff"] is True


# Tokens of the site ---------------------------------------------------------------------------------------------------


async def test_an_access_token_of_simplejwt_opens_the_bridge(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")

    me = await client.get(ME, headers=with_token(str(AccessToken.for_user(get_user_model()(pk=key)))))

    assert me.json()["username"] == "ada"


async def test_a_refresh_token_of_simplejwt_does_not(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")

    me = await client.get(ME, headers=with_token(str(issued_by_the_site(key))))

    assert_invalid_token(me)


async def test_an_integer_user_id_is_taken_as_older_simplejwts_wrote_it(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")

    assert (await client.get(ME, headers=signed(user_id=key))).json()["username"] == "ada"


async def test_a_refused_token_is_not_repeated(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada")
    headers = signed(user_id=str(key), token_type="refresh")

    answer = await client.get(ME, headers=headers)

    assert headers["Authorization"].split(".")[2] not in answer.text + str(answer.headers)
