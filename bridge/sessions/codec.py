"""What Django wrote into a session, read without Django's settings.

Django 3.1 and newer write rows and cookies with ``django.core.signing`` (``[.]base64(json):timestamp:signature``).
Before, a row was base64 of ``hmac:json`` (``SessionBase.encode`` of Django 2.2), and cookies were signed with SHA-1.
Only JSON is read: a pickle runs code, so that none is ever opened. Nothing is parsed or inflated before its signature
has held.
"""

import base64
import hmac
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from django.core.signing import BASE62_ALPHABET
from django.utils.crypto import salted_hmac

from bridge.sessions.naming import NAME_KEY, is_name

__all__ = ["MAX_COOKIE_LENGTH", "MAX_ROW_LENGTH", "SessionData", "decode_cookie", "decode_row"]

MAX_COOKIE_LENGTH: Final = 8 * 1024
"""Characters; browsers keep 4 KiB a cookie."""
MAX_ROW_LENGTH: Final = 1024 * 1024
"""Characters of a stored session that is worth reading."""
_MAX_INFLATED_BYTES: Final = 1024 * 1024
_MAX_TIMESTAMP_LENGTH: Final = 12

_ROW_SALT: Final = "django.contrib.sessions.SessionStore"
_LEGACY_ROW_SALT: Final = "django.contrib.sessionsSessionStore"  # sic
_COOKIE_SALT: Final = "django.contrib.sessions.backends.signed_cookies"


@dataclass(frozen=True, slots=True)
class SessionData:
    """Of what a session holds, what decides over who is asking; None for what is not there or no text.

    Attributes:
        user_id: the primary key as text (``_auth_user_id``).
        backend: dotted path of the authentication backend that let the user in.
        auth_hash: of the password at that time, see ``bridge.sessions.auth_hash``.
        csrf_secret: where the site has CSRF_USE_SESSIONS.
        otp_device: ``persistent_id`` of django-otp's device by which the second factor was given.
        name: what the app calls a session that is its own cookie.
    """

    user_id: str | None
    backend: str | None
    auth_hash: str | None = field(default=None, repr=False)
    csrf_secret: str | None = field(default=None, repr=False)
    otp_device: str | None = None
    name: str | None = None


def decode_row(stored: str, *, secrets: Sequence[str]) -> SessionData | None:
    """Read ``django_session.session_data``; None if Django, with these keys, did not write it."""
    if len(stored) > MAX_ROW_LENGTH or not stored.isascii():
        return None
    if ":" not in stored:  # which base64 never has
        return _legacy_row(stored, secrets=secrets)
    signed = _unsigned(stored, salt=_ROW_SALT, secrets=secrets, algorithms=("sha256",))
    return None if signed is None else _content(signed.rpartition(":")[0])


def decode_cookie(value: str, *, secrets: Sequence[str], max_age: timedelta, now: datetime) -> SessionData | None:
    """Read a session of the engine ``signed_cookies``; None if it is too old or Django did not write it."""
    if len(value) > MAX_COOKIE_LENGTH or not value.isascii():
        return None
    signed = _unsigned(value, salt=_COOKIE_SALT, secrets=secrets, algorithms=("sha256", "sha1"))
    if signed is None:
        return None
    content, _, timestamp = signed.rpartition(":")
    written_at = _seconds(timestamp)
    if written_at is None or now.timestamp() - written_at > max_age.total_seconds():
        return None
    return _content(content)


def _unsigned(signed: str, *, salt: str, secrets: Sequence[str], algorithms: Sequence[str]) -> str | None:
    """Give what was signed (``django.core.signing.Signer.unsign``)."""
    value, _, signature = signed.rpartition(":")
    for secret in secrets:
        for algorithm in algorithms:
            digest = salted_hmac(salt + "signer", value, secret=secret, algorithm=algorithm).digest()
            if hmac.compare_digest(signature, base64.urlsafe_b64encode(digest).decode().rstrip("=")):
                return value
    return None


def _content(encoded: str) -> SessionData | None:
    """Read ``[.]base64(json)``, whose signature has held (``Signer.unsign_object``)."""
    is_compressed = encoded.startswith(".")
    encoded = encoded.removeprefix(".")
    try:
        data = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    except ValueError:
        return None
    inflated = _inflated(data) if is_compressed else data
    return None if inflated is None else _session_data(inflated)


def _legacy_row(stored: str, *, secrets: Sequence[str]) -> SessionData | None:
    try:
        digest, _, serialized = base64.b64decode(stored).partition(b":")
    except ValueError:
        return None
    for secret in secrets:
        expected = salted_hmac(_LEGACY_ROW_SALT, serialized, secret=secret, algorithm="sha1").hexdigest()
        if hmac.compare_digest(digest, expected.encode()):
            return _session_data(serialized)
    return None


def _inflated(compressed: bytes) -> bytes | None:
    inflater = zlib.decompressobj()
    try:
        data = inflater.decompress(compressed, _MAX_INFLATED_BYTES)
    except zlib.error:
        return None
    return data if inflater.eof else None  # else it is cut off, or there would be more than one wants


def _seconds(timestamp: str) -> int | None:
    """Read a time since 1970 in base 62 (``django.core.signing.b62_decode``)."""
    if not 0 < len(timestamp) <= _MAX_TIMESTAMP_LENGTH:
        return None
    seconds = 0
    for digit in timestamp:
        value = BASE62_ALPHABET.find(digit)
        if value < 0:
            return None
        seconds = seconds * len(BASE62_ALPHABET) + value
    return seconds


def _session_data(serialized: bytes) -> SessionData | None:
    try:
        content = json.loads(serialized.decode("latin-1"))  # as JSONSerializer does
    except (ValueError, RecursionError):
        return None
    if not isinstance(content, dict):
        return None
    name = content.get(NAME_KEY)
    return SessionData(
        user_id=_text(content.get("_auth_user_id")),
        backend=_text(content.get("_auth_user_backend")),
        auth_hash=_text(content.get("_auth_user_hash")),
        csrf_secret=_text(content.get("_csrftoken")),
        otp_device=_text(content.get("otp_device_id")),
        name=name if is_name(name) else None,
    )


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
