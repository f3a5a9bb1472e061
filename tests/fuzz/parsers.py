"""Coverage-guided fuzzing of what strangers, or a damaged database, can put before the parsers. Not part of the suite.

    pip install atheris
    python tests/fuzz/parsers.py cookie -max_total_time=60
    python tests/fuzz/parsers.py password -max_total_time=60

It ends with a traceback and the input at the first exception, and at the first value that is read without a signature.
``cookie``: session rows and cookies, as they come and signed. ``password``: stored passwords.
"""

import base64
import sys
import zlib
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import atheris

with atheris.instrument_imports(include=["bridge"]):
    from bridge.passwords.encoded import ALGORITHMS, EncodedPassword
    from bridge.sessions.codec import decode_cookie, decode_row
from django.core.signing import TimestampSigner

SECRETS: Final = ("a key that the fuzzer does not know",)
SALTS: Final = {
    "row": "django.contrib.sessions.SessionStore",
    "cookie": "django.contrib.sessions.backends.signed_cookies",
}


def read(value: str) -> tuple[Any, Any]:
    """Have both parsers read it."""
    cookie = decode_cookie(value, secrets=SECRETS, max_age=timedelta(days=14), now=datetime.now(UTC))
    return decode_row(value, secrets=SECRETS), cookie


def signed(content: bytes, *, salt: str, compressed: bool = False) -> str:
    """Write it as Django does."""
    encoded = base64.urlsafe_b64encode(zlib.compress(content) if compressed else content).decode().rstrip("=")
    return TimestampSigner(key=SECRETS[0], salt=salt, fallback_keys=[]).sign("." * compressed + encoded)


def cookie(data: bytes) -> None:
    """Nothing that is unsigned is read; what is signed breaks nothing, whatever is in it."""
    assert read(data.decode("utf-8", "surrogateescape")) == (None, None)
    for salt in SALTS.values():
        read(signed(data, salt=salt))
        read(signed(data, salt=salt, compressed=True))


def password(data: bytes) -> None:
    """Every value is of a known algorithm or of none."""
    parsed = EncodedPassword.parse(data.decode("utf-8", "surrogateescape"))
    assert parsed.algorithm in (None, *ALGORITHMS)
    assert parsed.value.endswith(parsed.body)


if __name__ == "__main__":
    assert all(any(read(signed(b"{}", salt=salt))) for salt in SALTS.values()), "the signature never matches"
    wanted = {"cookie": cookie, "password": password}[sys.argv.pop(1)]
    atheris.Setup(sys.argv, wanted)
    atheris.Fuzz()
