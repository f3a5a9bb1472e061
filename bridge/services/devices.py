"""Devices that a user has logged in on before: OWASP's device cookies.

Whoever guesses a user's passwords uses up what strangers may try, and the user goes on from where they are known. What
such a device carries says nothing and opens nothing: it only has a limit of its own.
"""

import hmac
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from bridge.services.clock import Clock

__all__ = ["KnownDevices"]

_KEY: Final = b"bridge.services.devices"
_LONGEST: Final = 128
_PARTS: Final = 3


class KnownDevices:
    """Issues and reads their marks: ``nonce.expiry.signature``, for one username.

    Args:
        secrets: SECRET_KEY, which signs, and its fallbacks.
        age: how long a device is known; zero: none ever is.
    """

    def __init__(self, *, secrets: Sequence[str], age: timedelta, clock: Clock) -> None:
        self._keys = tuple(hmac.digest(secret.encode(), _KEY, "sha256") for secret in secrets)
        self.age = age
        self._clock = clock

    def mark(self, username: str, presented: str | None) -> str | None:
        """Give what the device of a user who has just logged in is to carry; None where what it has will do."""
        if not self.age or self._expiry(presented, username) > self._clock() + self.age / 2:
            return None
        nonce = secrets.token_urlsafe(16)
        expiry = str(int((self._clock() + self.age).timestamp()))
        return ".".join((nonce, expiry, _signature(self._keys[0], username, nonce, expiry)))

    def name(self, username: str, presented: str | None) -> str | None:
        """Name the device that a request for a user comes from; None of a stranger's, or of another user's."""
        if not self.age or presented is None or self._expiry(presented, username) <= self._clock():
            return None
        return presented.partition(".")[0]

    def _expiry(self, presented: str | None, username: str) -> datetime:
        """Give until when a mark is good for a user."""
        never = datetime.fromtimestamp(0, self._clock().tzinfo)
        parts = (presented or "")[:_LONGEST].split(".")
        if len(parts) != _PARTS:
            return never
        nonce, expiry, signature = parts
        signatures = (_signature(key, username, nonce, expiry) for key in self._keys)
        is_signed = any(hmac.compare_digest(each.encode(), signature.encode()) for each in signatures)
        return datetime.fromtimestamp(int(expiry), self._clock().tzinfo) if is_signed else never


def _signature(key: bytes, username: str, nonce: str, expiry: str) -> str:
    # The lengths of the first two follow from the mark's form; the name, which may hold anything, comes last.
    signed = f"{nonce}.{expiry}.{username}".encode("utf-8", "surrogatepass")
    return hmac.digest(key, signed, "sha256").hex()
