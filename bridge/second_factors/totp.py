"""Time-based one-time codes, as django-otp and allauth verify them."""

import hmac
from base64 import b32decode
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Self

from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.hotp import HOTP

from bridge.second_factors.codes import normalised_code

__all__ = ["DIGITS", "Match", "Totp"]

DIGITS: Final = range(6, 9)
"""How long a code may be (RFC 4226 section 5.3)."""


@dataclass(frozen=True, slots=True)
class Match:
    """A code that is right.

    Attributes:
        step: the time step that it is of; nothing up to it is taken again (RFC 6238 section 5.2).
        drift: by how many steps the user's clock is ahead, negative if behind.
    """

    step: int
    drift: int


@dataclass(frozen=True, slots=True)
class Totp:
    """One generator of codes (RFC 6238 section 4, HMAC-SHA-1).

    Attributes:
        key: the shared secret, of any length: older apps made 80 bits.
        period: seconds of a time step.
        origin: Unix time of step 0.
        tolerance: how many steps a code may be off, either way.
        drift: of the user's clock, in steps, as far as known.
    """

    key: bytes = field(repr=False)
    period: int = 30
    origin: int = 0
    digits: int = 6
    tolerance: int = 0
    drift: int = 0

    def __post_init__(self) -> None:
        if not self.key or self.period < 1 or self.tolerance < 0 or self.digits not in DIGITS:
            raise ValueError("no TOTP generator")

    @classmethod
    def of_base32(cls, secret: str, *, period: int, digits: int, tolerance: int) -> Self:
        """Take a secret as allauth stores it, in either case (``allauth.mfa.totp``).

        Raises:
            ValueError: it is none.
        """
        return cls(b32decode(secret, casefold=True), period=period, digits=digits, tolerance=tolerance)

    def match(self, code: str, *, now: datetime, after: int = -1) -> Match | None:
        """Find the time step that a code is of, among the tolerated ones later than ``after``."""
        given = normalised_code(code)
        if not (given.isascii() and given.isdigit() and len(given) == self.digits):
            return None
        generator = HOTP(self.key, self.digits, SHA1(), enforce_key_length=False)  # noqa: S303  # RFC 6238; HMAC-SHA-1 stands
        current = (int(now.timestamp()) - self.origin) // self.period + self.drift
        for offset in range(-self.tolerance, self.tolerance + 1):
            step = current + offset
            if step > after and step >= 0 and hmac.compare_digest(generator.generate(step), given.encode()):
                return Match(step=step, drift=self.drift + offset)
        return None
