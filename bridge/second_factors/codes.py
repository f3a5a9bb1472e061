"""How codes are compared."""

import hmac
import string
from typing import Final

__all__ = ["MAXIMUM_LENGTH", "is_same", "normalised_code"]

MAXIMUM_LENGTH: Final = 64
"""Of anything that is worth comparing."""

_READABILITY: Final = str.maketrans("", "", string.punctuation + string.whitespace)


def normalised_code(code: str) -> str:
    """Drop what makes a code readable, and case (RFC 8628 section 6.1; ``allauth.core.internal.cryptokit``)."""
    return code.translate(_READABILITY).lower()


def is_same(given: str, expected: str) -> bool:
    """Compare in constant time, whatever the characters."""
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass"))
