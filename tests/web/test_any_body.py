"""No request body, however broken, gets a 500."""

import encodings
import json
from collections.abc import AsyncIterator
from typing import Any, Final
from urllib.parse import urlencode

import httpx
import jwt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import PASSWORD, SIGNING_KEY, Cast, Serve, bearer

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

FIELDS: Final = (
    "grant_type",
    "username",
    "password",
    "current_password",
    "new_password",
    "email",
    "first_name",
    "last_name",
    "scope",
)
CONTENT_TYPES: Final = (
    b"application/json",
    b"application/x-www-form-urlencoded",
    b"multipart/form-data; boundary=b",
    b"multipart/form-data",
    *(b"multipart/form-data; boundary=b; charset=" + each for each in (b"undefined", b"utf-7", b"idna", b"klingon")),
    b"application/problem+json; charset=utf-16",
    b"text/plain",
)

texts = st.text(max_size=40) | st.text(alphabet="\0\ud800\udfff\ufdfaﬁaA %&=\n", max_size=8) | st.just(PASSWORD)
names = st.sampled_from(FIELDS) | texts
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3),
    max_leaves=6,
)
objects = st.dictionaries(names, texts | values, max_size=6).map(lambda each: json.dumps(each).encode())
forms = st.lists(st.tuples(names, texts), max_size=6).map(
    lambda each: urlencode([("grant_type", "password"), *each], errors="surrogatepass").encode()
)
parts = st.lists(st.tuples(st.sampled_from(FIELDS), st.binary(max_size=20)), max_size=4).map(
    lambda each: (
        b"".join(
            b'--b\r\nContent-Disposition: form-data; name="' + name.encode() + b'"\r\n\r\n' + value + b"\r\n"
            for name, value in each
        )
        + b"--b--\r\n"
    )
)
bodies = st.binary(max_size=200) | objects | forms | parts
content_types = st.sampled_from(CONTENT_TYPES) | st.binary(max_size=40).filter(lambda each: not set(each) & {10, 13})


@pytest.fixture
async def open_client(serve: Serve, cast: Cast) -> AsyncIterator[httpx.AsyncClient]:
    """The bridge with registration on, as somebody who is logged in."""
    await cast.add("ada")
    async with serve(registration="on") as client:
        client.headers.update(await bearer(client, "ada"))
        yield client


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/auth/token"),
        ("POST", "/auth/login"),
        ("POST", "/auth/register"),
        ("POST", "/auth/password"),
        ("POST", "/auth/logout"),
        ("PATCH", "/users/me/"),
    ],
)
@given(body=bodies, content_type=content_types)
@settings(max_examples=120, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_body_gets_a_500(
    open_client: httpx.AsyncClient, method: str, path: str, body: bytes, content_type: bytes
):
    answer = await open_client.request(method, path, content=body, headers={b"content-type": content_type})

    assert answer.status_code < 500, answer.text


UNWRITABLE: Final = (
    b'--b\r\nContent-Disposition: form-data; name="username"\r\n\r\n+2AA-\r\n'
    b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\nx\r\n--b--\r\n'
)


@pytest.mark.parametrize("path", ["/auth/token", "/auth/revoke", "/migration/login", "/migration/login/code"])
@pytest.mark.parametrize(
    "charset", ["charset=utf-7", "charset=undefined", "Charset*=utf-8''utf-7", 'charset="u\\tf-7"', "charset*0=utf-7"]
)
async def test_no_form_chooses_what_it_is_read_by(client: httpx.AsyncClient, path: str, charset: str):
    content_type = f"multipart/form-data; boundary=b; {charset}"

    answer = await client.post(path, content=UNWRITABLE, headers={"content-type": content_type})

    assert answer.status_code < 500, answer.text
    assert "\ud800" not in answer.text


async def test_no_name_of_a_charset_is_remembered(client: httpx.AsyncClient):
    """Python keeps each that it was asked for, for as long as it runs."""
    content_type = "multipart/form-data; boundary=b; charset=of-nobody-that-is-known"

    await client.post("/auth/token", content=UNWRITABLE, headers={"content-type": content_type})

    assert not [name for name in encodings._cache if "nobody" in name]


@given(value=st.binary(max_size=60).filter(lambda each: not set(each) & {10, 13}))
@settings(max_examples=120, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_authorization_header_gets_a_500(client: httpx.AsyncClient, value: bytes):
    for header in (value, b"Bearer " + value):
        assert (await client.get("/users/me/", headers={b"authorization": header})).status_code == 401


@given(claims=st.dictionaries(st.sampled_from(["user_id", "jti", "exp", "iat", "aud", "iss", "scope", "sid"]), values))
@settings(max_examples=120, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_signed_token_gets_a_500(client: httpx.AsyncClient, claims: dict[str, Any]):
    header = {
        b"authorization": b"Bearer " + signed({"token_type": "access", "exp": 9_999_999_999, "jti": "x", **claims})
    }

    assert (await client.get("/users/me/", headers=header)).status_code in {200, 401}


def signed(payload: dict[str, Any]) -> bytes:
    """Sign anything that JSON can hold, which ``jwt.encode`` would refuse to."""
    return jwt.api_jws.encode(json.dumps(payload).encode(), SIGNING_KEY, "HS256").encode()
