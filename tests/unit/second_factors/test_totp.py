"""Time-based codes: the RFC's own vectors, and the verdicts of django-otp."""

import base64
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django_otp.oath import TOTP
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.second_factors.totp import Match, Totp

KEY = b"12345678901234567890"
NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def at(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


@pytest.mark.parametrize(
    ("seconds", "code"),
    [
        (59, "94287082"),
        (1_111_111_109, "07081804"),
        (1_111_111_111, "14050471"),
        (1_234_567_890, "89005924"),
        (2_000_000_000, "69279037"),
        (20_000_000_000, "65353130"),
    ],
)
def test_the_codes_are_those_of_rfc_6238(seconds: int, code: str):
    """Appendix B, SHA-1."""
    assert Totp(KEY, digits=8).match(code, now=at(seconds)) == Match(step=seconds // 30, drift=0)


@given(
    key=st.binary(min_size=1, max_size=40),
    period=st.integers(1, 120),
    origin=st.integers(0, 10**9),
    digits=st.sampled_from([6, 8]),
    tolerance=st.integers(0, 3),
    drift=st.integers(-3, 3),
    now=st.integers(1_500_000_000, 2_000_000_000),
    offset=st.integers(-5, 5),
    seen=st.integers(-5, 5),
)
@settings(deadline=None, derandomize=True, database=None)
def test_every_verdict_is_django_otps(
    *, key: bytes, period: int, origin: int, digits: int, tolerance: int, drift: int, now: int, offset: int, seen: int
):
    reference = TOTP(key, period, origin, digits, drift + offset)
    reference.time = now
    code, last = reference.token(), (now - origin) // period + drift + seen
    reference.drift = drift
    verdict = reference.verify(code, tolerance, last + 1)

    totp = Totp(key, period, origin, digits, tolerance, drift)
    found = totp.match(f"{code:0{digits}}", now=at(now), after=last)

    assert found == (Match(step=reference.t(), drift=reference.drift) if verdict else None)


@pytest.mark.parametrize("code", ["94287082", "9428 7082", "9428-7082", " 94287082\n"])
def test_a_code_is_taken_as_people_type_it(code: str):
    assert Totp(KEY, digits=8).match(code, now=at(59)) is not None


@pytest.mark.parametrize(
    "code", ["", "9428708", "942870820", "-94287082x", "\uff194287082", "9428708\u0662", "0x5a2e4a", "\0", "\ud800"]
)
def test_what_is_no_code_of_that_length_is_none(code: str):
    assert Totp(KEY, digits=8).match(code, now=at(59)) is None


def test_no_step_is_before_the_first():
    early = Totp(KEY, origin=int(NOON.timestamp()), tolerance=2)

    assert early.match("000000", now=NOON - timedelta(days=1)) is None


def test_secrets_of_eighty_bits_still_work():
    """Google Authenticator's first secrets, which sites have migrated from app to app."""
    secret = base64.b32encode(b"1234567890").decode().lower()

    totp = Totp.of_base32(secret, period=30, digits=6, tolerance=0)

    reference = TOTP(b"1234567890")
    reference.time = NOON.timestamp()
    assert totp.match(f"{reference.token():06}", now=NOON) is not None


@pytest.mark.parametrize(
    "more", [{"key": b""}, {"period": 0}, {"tolerance": -1}, {"digits": 5}, {"digits": 9}], ids=str
)
def test_what_generates_no_codes_is_refused(more: dict[str, Any]):
    with pytest.raises(ValueError, match="no TOTP generator"):
        Totp(**({"key": KEY} | more))


@pytest.mark.parametrize("secret", ["", "no base32!", "ABC", "é"])
def test_what_is_no_base32_secret_is_refused(secret: str):
    with pytest.raises(ValueError, match=r"."):
        Totp.of_base32(secret, period=30, digits=6, tolerance=0)


def test_a_generator_does_not_show_its_key():
    assert "1234" not in repr(Totp(KEY))
