"""What Django wrote into a session, and everything that it did not."""

import base64
import json
import pickle
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core import signing
from django.test import override_settings
from django.utils.crypto import salted_hmac
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.sessions.codec import MAX_COOKIE_LENGTH, MAX_ROW_LENGTH, SessionData, decode_cookie, decode_row
from tests.session_vectors import SECRET_KEY, VECTORS, SessionVector, each_vector

SECRETS: Final = (SECRET_KEY,)
ROW: Final = "django.contrib.sessions.SessionStore"
COOKIE: Final = "django.contrib.sessions.backends.signed_cookies"
TWO_WEEKS: Final = timedelta(days=14)
CONTENT: Final = {"_auth_user_id": "1", "_auth_user_backend": "a.Backend", "_auth_user_hash": "abc"}


def decode(vector: SessionVector, *, stored: str | None = None, secrets: tuple[str, ...] = SECRETS) -> Any:
    given_text = vector.stored if stored is None else stored
    if vector.engine == "signed_cookies":
        return decode_cookie(given_text, secrets=secrets, max_age=TWO_WEEKS, now=vector.written_at)
    return decode_row(given_text, secrets=secrets)


def expected(content: Any) -> SessionData:
    return SessionData(
        user_id=content.get("_auth_user_id"),
        backend=content.get("_auth_user_backend"),
        auth_hash=content.get("_auth_user_hash"),
        csrf_secret=content.get("_csrftoken"),
    )


# What Django wrote ----------------------------------------------------------------------------------------------------


@each_vector()
def test_every_djangos_session_is_read(vector: SessionVector):
    assert decode(vector) == expected(vector.content)


@each_vector()
def test_a_fallback_key_reads_it_as_well(vector: SessionVector):
    assert decode(vector, secrets=("the key in use now", SECRET_KEY)) == expected(vector.content)


@given(
    st.dictionaries(
        st.sampled_from(["_auth_user_id", "_auth_user_backend", "_auth_user_hash", "_csrftoken"]) | st.text(max_size=9),
        st.text(max_size=99),
    ),
    st.text(min_size=1),
)
@settings(deadline=None, derandomize=True, database=None)
def test_whatever_the_running_django_writes_is_read(content: dict[str, str], secret: str):
    with override_settings(SECRET_KEY=secret):
        stored = SessionStore().encode(content)

    assert decode_row(stored, secrets=[secret]) == expected(content)


@pytest.mark.parametrize("value", [1, None, True, ["1"], {"a": "b"}, 1.5], ids=repr)
def test_what_is_no_text_is_not_there(value: Any):
    stored = signing.dumps({**CONTENT, "_auth_user_id": value}, key=SECRET_KEY, salt=ROW)

    assert decode_row(stored, secrets=SECRETS) == expected({**CONTENT, "_auth_user_id": None})


def test_nothing_shows_what_is_secret():
    shown = repr([decode(vector) for vector in VECTORS])

    assert not [each for vector in VECTORS for each in (vector.auth_hash, vector.csrf_token) if each in shown]


# What it did not ------------------------------------------------------------------------------------------------------


@each_vector()
def test_another_key_reads_nothing(vector: SessionVector):
    assert decode(vector, secrets=("another key",)) is None


@given(st.sampled_from(VECTORS), st.integers(min_value=0), st.characters())
@settings(max_examples=2000, deadline=None, derandomize=True, database=None)
def test_a_changed_character_opens_nothing_else(vector: SessionVector, position: int, character: str):
    position %= len(vector.stored)
    changed = vector.stored[:position] + character + vector.stored[position + 1 :]

    # The same once more only where base64 does not tell two texts apart.
    assert decode(vector, stored=changed) in (None, expected(vector.content))


def test_rows_and_cookies_are_not_each_others():
    row, cookie = (signing.dumps(CONTENT, key=SECRET_KEY, salt=salt) for salt in (ROW, COOKIE))

    assert decode_row(cookie, secrets=SECRETS) is None
    assert decode_cookie(row, secrets=SECRETS, max_age=TWO_WEEKS, now=datetime.now(UTC)) is None


@pytest.mark.parametrize(("late", "read"), [(0, True), (1, False)], ids=["just", "a_second_late"])
def test_a_cookie_is_read_until_its_age(late: int, read: bool):  # noqa: FBT001
    cookie = signing.dumps(CONTENT, key=SECRET_KEY, salt=COOKIE)
    written_at = datetime.fromtimestamp(signing.b62_decode(cookie.split(":")[1]), UTC)
    now = written_at + TWO_WEEKS + timedelta(seconds=late)

    assert (decode_cookie(cookie, secrets=SECRETS, max_age=TWO_WEEKS, now=now) is not None) is read


def signed(payload: str, *, salt: str = ROW) -> str:
    """Sign anything as Django would, at a time of one's own."""
    return signing.Signer(key=SECRET_KEY, salt=salt).sign(payload)


def packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def legacy(serialized: bytes) -> str:
    """Sign anything as Django 2.2 would."""
    digest = salted_hmac("django.contrib.sessionsSessionStore", serialized, secret=SECRET_KEY, algorithm="sha1")
    return base64.b64encode(digest.hexdigest().encode() + b":" + serialized).decode()


def compressed(data: bytes) -> str:
    return "." + packed(zlib.compress(data))


FORGERIES: Final[dict[str, Callable[[], str]]] = {
    "nothing": lambda: "",
    "a_colon": lambda: ":",
    "colons": lambda: ":::::",
    "base64_of_nothing": lambda: base64.b64encode(b"").decode(),
    "a_row_without_a_time": lambda: signed(packed(b"{}")),
    "no_json": lambda: signed(f"{packed(b'no json')}:1"),
    "no_object": lambda: signed(f"{packed(b'[]')}:1"),
    "no_base64": lambda: signed("a:1"),
    "a_pickle": lambda: signed(f"{packed(pickle.dumps(CONTENT))}:1"),
    "a_legacy_pickle": lambda: legacy(pickle.dumps(CONTENT)),
    "no_zlib": lambda: signed(f".{packed(b'no zlib')}:1"),
    "zlib_cut_off": lambda: signed(f"{compressed(json.dumps(CONTENT).encode())[:-8]}:1"),
    "a_bomb": lambda: signed(f"{compressed(b'{' + b' ' * 2**22 + b'}')}:1"),
    "a_tall_tower": lambda: signed(f"{packed(b'[' * 100_000)}:1"),
    "a_tall_legacy_tower": lambda: legacy(b"[" * 100_000),
    "a_huge_number": lambda: signed(f"{packed(b'9' * 100_000)}:1"),
    "too_long": lambda: signing.dumps({**CONTENT, "more": "x" * MAX_ROW_LENGTH}, key=SECRET_KEY, salt=ROW),
    "not_ascii": lambda: signing.dumps(CONTENT, key=SECRET_KEY, salt=ROW) + "ü",
}


@pytest.mark.parametrize("make", FORGERIES.values(), ids=FORGERIES.keys())
def test_a_broken_row_is_not_read(make: Callable[[], str]):
    assert decode_row(make(), secrets=SECRETS) is None


@pytest.mark.parametrize(
    "timestamp", ["", "-", "-1", "!", "0", "ü", "9" * 13, "1:1"], ids=lambda value: repr(value)[:8]
)
def test_a_cookie_of_no_time_is_not_read(timestamp: str):
    cookie = signed(f"{packed(json.dumps(CONTENT).encode())}:{timestamp}", salt=COOKIE)

    assert decode_cookie(cookie, secrets=SECRETS, max_age=TWO_WEEKS, now=datetime.now(UTC)) is None


def test_a_cookie_that_no_browser_keeps_is_not_read():
    content = {**CONTENT, "more": "x" * MAX_COOKIE_LENGTH}
    cookie = signing.dumps(content, key=SECRET_KEY, salt=COOKIE)

    assert decode_cookie(cookie, secrets=SECRETS, max_age=TWO_WEEKS, now=datetime.now(UTC)) is None


def test_a_bomb_is_refused_while_it_is_inflated():
    inflater = zlib.compressobj(9)
    bomb = b"".join(inflater.compress(bytes(2**20)) for _ in range(512)) + inflater.flush()
    stored = signed(f".{packed(bomb)}:1")
    assert len(stored) < MAX_ROW_LENGTH

    tracemalloc.start()
    try:
        assert decode_row(stored, secrets=SECRETS) is None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 16 * 2**20


@given(st.text() | st.binary().map(lambda each: base64.b64encode(each).decode()))
@settings(max_examples=500, deadline=None, derandomize=True, database=None)
def test_garbage_is_not_read(garbage: str):
    assert decode_row(garbage, secrets=SECRETS) is None
    assert decode_cookie(garbage, secrets=SECRETS, max_age=TWO_WEEKS, now=datetime.now(UTC)) is None


@given(st.text(alphabet=st.characters(codec="ascii")) | st.binary().map(packed) | st.binary().map(compressed))
@settings(max_examples=500, deadline=None, derandomize=True, database=None)
def test_signed_garbage_is_not_read_and_breaks_nothing(garbage: str):
    assert decode_row(signed(f"{garbage}:1"), secrets=SECRETS) in (None, expected({}))
    for digits in ("1", "z" * 6):
        cookie = signed(f"{garbage}:{digits}", salt=COOKIE)
        read = decode_cookie(cookie, secrets=SECRETS, max_age=TWO_WEEKS, now=datetime.now(UTC))
        assert read in (None, expected({}))


@given(st.binary())
@settings(max_examples=500, deadline=None, derandomize=True, database=None)
def test_signed_garbage_of_old_is_not_read_and_breaks_nothing(garbage: bytes):
    assert decode_row(legacy(garbage), secrets=SECRETS) in (None, expected({}))
