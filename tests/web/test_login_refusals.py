"""Logins that come to nothing: what is answered, and that it is the same whatever the reason."""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import httpx
import pytest
from django.contrib.auth.hashers import make_password

from tests.conftest import PASSWORD, Cast, log_in
from tests.web.conftest import INCORRECT, before_any_database, events

FORM: Final = {"grant_type": "password", "username": "ada", "password": PASSWORD}
FORM_TYPE: Final = "application/x-www-form-urlencoded"
BOUNDARY: Final = "multipart/form-data; boundary=b"


def assert_incorrect(answer: httpx.Response) -> None:
    """Hold an answer to the one of every refused login."""
    assert (answer.status_code, answer.json()) == (401, INCORRECT)
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.headers["cache-control"] == "no-store"


def assert_oauth_error(answer: httpx.Response, error: str, *, status: int = 400) -> None:
    """Hold an answer to RFC 6749 section 5.2, plus ``detail``."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body == {"error": error, "error_description": body["detail"], "detail": body["detail"]}
    assert body["detail"]
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


async def everybody(cast: Cast) -> None:
    await cast.add("ada")
    await cast.add("inactive", is_active=False)
    await cast.add("unusable", encoded=make_password(None))
    await cast.add("empty", encoded="")
    await cast.add("foreign", encoded="$2y$10$from.another.framework")
    await cast.add("malformed", encoded="pbkdf2_sha256$many$salt$hash")


# Who is refused -------------------------------------------------------------------------------------------------------

REFUSED: Final = {
    "wrong_password": ("ada", "wrong"),
    "empty_password": ("ada", ""),
    "password_in_other_case": ("ada", PASSWORD.upper()),
    "password_with_nul": ("ada", PASSWORD + "\0"),
    "long_password": ("ada", "p" * 20_000),
    "unknown": ("nobody", PASSWORD),
    "empty_username": ("", PASSWORD),
    "username_with_nul": ("ada\0", PASSWORD),
    "username_of_nul": ("\0", PASSWORD),
    "long_username": ("a" * 20_000, PASSWORD),
    "username_that_grows_when_normalised": ("\ufdfa" * 2_000, PASSWORD),
    "inactive": ("inactive", PASSWORD),
    "unusable": ("unusable", PASSWORD),
    "unusable_and_empty": ("unusable", ""),
    "empty_stored_value": ("empty", ""),
    "empty_stored_value_and_a_password": ("empty", PASSWORD),
    "foreign_stored_value": ("foreign", PASSWORD),
    "malformed_stored_value": ("malformed", PASSWORD),
    "stored_value_as_password": ("foreign", "$2y$10$from.another.framework"),
}


@pytest.mark.parametrize(("username", "password"), REFUSED.values(), ids=REFUSED.keys())
async def test_a_form_login_is_refused(client: httpx.AsyncClient, cast: Cast, username: str, password: str):
    await everybody(cast)

    assert_incorrect(await log_in(client, username, password))


async def test_the_json_login_refuses_the_same(client: httpx.AsyncClient, cast: Cast):
    await everybody(cast)

    answers = {
        why: await client.post("/auth/login", json={"username": username, "password": password})
        for why, (username, password) in REFUSED.items()
    }

    assert {why: answer.status_code for why, answer in answers.items()} == dict.fromkeys(REFUSED, 401)
    for answer in answers.values():
        assert_incorrect(answer)


@pytest.mark.parametrize(
    "body",
    [
        rb'{"username": "\ud800", "password": "x"}',
        rb'{"username": "ada\udfff", "password": "x"}',
        rb'{"username": "ada", "password": "\ud800"}',
        rb'{"username": "nobody", "password": "\ud800"}',
        rb'{"username": "ada\u0000", "password": "\u0000"}',
    ],
    ids=["username", "end_of_username", "password", "password_of_nobody", "nul"],
)
async def test_text_that_no_database_can_hold_is_nobodys(client: httpx.AsyncClient, cast: Cast, body: bytes):
    await everybody(cast)

    assert_incorrect(await client.post("/auth/login", content=body, headers={"content-type": "application/json"}))


@pytest.mark.parametrize("value", [b"%ff", b"\xff", b"%ed%a0%80", b"%00", b"%"], ids=repr)
@pytest.mark.parametrize("field", ["username", "password"])
async def test_form_bytes_that_are_no_text_are_nobodys(client: httpx.AsyncClient, cast: Cast, field: str, value: bytes):
    await everybody(cast)
    sent = {"username": b"ada", "password": b"x", field: value}

    body = b"grant_type=password&username=" + sent["username"] + b"&password=" + sent["password"]

    assert_incorrect(await client.post("/auth/token", content=body, headers={"content-type": FORM_TYPE}))


async def test_nobody_learns_why_a_login_was_refused(client: httpx.AsyncClient, cast: Cast):
    await everybody(cast)

    answers = {why: await log_in(client, *credentials) for why, credentials in REFUSED.items()}

    reference = answers["wrong_password"]
    assert [why for why, answer in answers.items() if answer.content != reference.content] == []
    assert [why for why, answer in answers.items() if answer.headers != reference.headers] == []


@pytest.mark.parametrize("algorithm", ["pbkdf2_sha256", "pbkdf2_sha1"])
async def test_a_password_that_only_hmac_takes_for_the_right_one_is_refused_and_binds_nothing(
    client: httpx.AsyncClient, cast: Cast, algorithm: str
):
    """HMAC pads its key with NULs; Django's login form therefore refuses them, and a new hash must not bind them."""
    before = make_password(PASSWORD, hasher=algorithm)
    await cast.add("ada", encoded=before)

    assert_incorrect(await log_in(client, "ada", PASSWORD + "\0"))
    assert await cast.stored_password("ada") == before


async def test_a_refused_login_is_counted(client: httpx.AsyncClient, cast: Cast):
    await everybody(cast)

    await log_in(client, "ada", "wrong")
    await log_in(client, "nobody")

    assert await events(client) == {"login_refused": 2}


# Malformed token requests ---------------------------------------------------------------------------------------------


def without(name: str) -> dict[str, str]:
    return {key: value for key, value in FORM.items() if key != name}


MALFORMED_FORMS: Final[dict[str, dict[str, Any]]] = {
    "json": {"json": FORM},
    "text": {"content": "grant_type=password", "headers": {"content-type": "text/plain"}},
    "no_content_type": {"content": "grant_type=password&username=ada&password=x"},
    "a_content_type_of_garbage": {"content": "grant_type=password", "headers": {"content-type": ";;="}},
    "empty": {"content": "", "headers": {"content-type": FORM_TYPE}},
    "no_grant_type": {"data": without("grant_type")},
    "no_username": {"data": without("username")},
    "no_password": {"data": without("password")},
    "repeated_username": {"data": FORM | {"username": ["ada", "ada"]}},
    "repeated_password": {"data": FORM | {"password": [PASSWORD, "x"]}},
    "repeated_grant_type": {"data": FORM | {"grant_type": ["password", "password"]}},
    "repeated_unknown": {"data": FORM | {"more": ["1", "2"]}},
    "many_parameters": {"data": FORM | {f"p{number}": "" for number in range(2_000)}},
    "file": {"data": FORM, "files": {"more": ("name.txt", b"content")}},
    "file_as_password": {"data": without("password"), "files": {"password": ("name.txt", PASSWORD.encode())}},
    "multipart_without_boundary": {"content": "--b\r\n", "headers": {"content-type": "multipart/form-data"}},
    "multipart_of_garbage": {"content": "garbage", "headers": {"content-type": BOUNDARY}},
    "multipart_cut_short": {
        "content": '--b\r\nContent-Disposition: form-data; name="username"\r\n\r\na',
        "headers": {"content-type": BOUNDARY},
    },
    "multipart_without_names": {
        "content": "--b\r\nContent-Disposition: form-data\r\n\r\na\r\n--b--\r\n",
        "headers": {"content-type": BOUNDARY},
    },
    "multipart_of_an_unknown_charset": {
        "content": '--b\r\nContent-Disposition: form-data; name="username"\r\n\r\n\xe9\r\n--b--\r\n'.encode("latin-1"),
        "headers": {"content-type": BOUNDARY + "; charset=klingon"},
    },
}


@before_any_database
@pytest.mark.parametrize("request_", MALFORMED_FORMS.values(), ids=MALFORMED_FORMS.keys())
async def test_a_malformed_token_request_is_an_invalid_request(
    client: httpx.AsyncClient, cast: Cast, request_: dict[str, Any]
):
    await cast.add("ada")

    assert_oauth_error(await client.post("/auth/token", **request_), "invalid_request")


@before_any_database
@pytest.mark.parametrize("grant_type", ["", "PASSWORD", "authorization_code", "client_credentials", "x" * 9_000])
async def test_another_grant_type_is_not_supported(client: httpx.AsyncClient, cast: Cast, grant_type: str):
    await cast.add("ada")

    answer = await client.post("/auth/token", data=FORM | {"grant_type": grant_type})

    assert_oauth_error(answer, "unsupported_grant_type")


# Malformed JSON logins ------------------------------------------------------------------------------------------------

MALFORMED_JSON: Final[dict[str, bytes]] = {
    "empty": b"",
    "not_json": b"username=ada",
    "cut_short": b'{"username": "ada", "password": "',
    "array": b'["ada", "x"]',
    "number": b"1",
    "text": b'"ada"',
    "null": b"null",
    "nan": b"NaN",
    "huge_number": b"1" * 5_000,
    "deeply_nested_arrays": b"[" * 60_000,
    "deeply_nested_objects": b'{"a":' * 12_000,
    "not_utf8": b'{"username": "\xff", "password": "x"}',
    "utf16": '{"username": "ada"}'.encode("utf-16"),
    "no_username": b'{"password": "x"}',
    "no_password": b'{"username": "ada"}',
    "username_of_null": b'{"username": null, "password": "x"}',
    "username_of_number": b'{"username": 1, "password": "x"}',
    "password_of_array": b'{"username": "ada", "password": ["x"]}',
    "password_of_object": b'{"username": "ada", "password": {"$ne": ""}}',
}


@before_any_database
@pytest.mark.parametrize("body", MALFORMED_JSON.values(), ids=MALFORMED_JSON.keys())
async def test_a_malformed_json_login_is_an_invalid_request(client: httpx.AsyncClient, body: bytes):
    answer = await client.post("/auth/login", content=body, headers={"content-type": "application/json"})

    assert_oauth_error(answer, "invalid_request")


# Large bodies ---------------------------------------------------------------------------------------------------------


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    """Send without saying how much is coming."""
    for start in range(0, len(body), 16_384):
        yield body[start : start + 16_384]


LARGE: Final[dict[str, tuple[str, str, bytes]]] = {
    "form": ("/auth/token", FORM_TYPE, b"grant_type=password&username=ada&password=" + b"p" * 1_048_576),
    "multipart": (
        "/auth/token",
        BOUNDARY,
        b'--b\r\nContent-Disposition: form-data; name="password"\r\n\r\n' + b"p" * 1_048_576 + b"\r\n--b--\r\n",
    ),
    "json": ("/auth/login", "application/json", json.dumps({"username": "ada", "password": "p" * 1_048_576}).encode()),
}


@before_any_database
@pytest.mark.parametrize(("path", "content_type", "body"), LARGE.values(), ids=LARGE.keys())
async def test_a_body_of_a_megabyte_is_too_large(client: httpx.AsyncClient, path: str, content_type: str, body: bytes):
    answer = await client.post(path, content=body, headers={"content-type": content_type})

    assert_oauth_error(answer, "invalid_request", status=413)


@before_any_database
@pytest.mark.parametrize(("path", "content_type", "body"), LARGE.values(), ids=LARGE.keys())
async def test_a_body_of_a_megabyte_that_does_not_say_so_is_too_large(
    client: httpx.AsyncClient, path: str, content_type: str, body: bytes
):
    answer = await client.post(path, content=in_pieces(body), headers={"content-type": content_type})

    assert_oauth_error(answer, "invalid_request", status=413)


@before_any_database
@pytest.mark.parametrize(
    "length", [b"9" * 5_000, b"-1", b"many", b"", b"1e3", b"\xb2"], ids=lambda value: repr(value[:5])
)
async def test_a_content_length_of_garbage_is_no_error_of_ours(client: httpx.AsyncClient, length: bytes):
    answer = await client.post(
        "/auth/login", content=b"{}", headers={b"content-type": b"application/json", b"content-length": length}
    )

    assert 400 <= answer.status_code < 500


async def test_a_refusal_repeats_nothing_of_what_was_sent(client: httpx.AsyncClient, cast: Cast):
    await cast.add("ada")

    for answer in (
        await log_in(client, "ada", "swordfish"),
        await client.post("/auth/token", data={"grant_type": "swordfish", "username": "swordfish"}),
        await client.post("/auth/login", content=b"swordfish"),
        await client.post("/auth/login", json={"username": "swordfish", "password": ["swordfish"]}),
    ):
        assert "swordfish" not in answer.text
