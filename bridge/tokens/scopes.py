"""What a token is limited to, as both apps read and keep it."""

import re
from typing import Final

__all__ = ["LONGEST_SCOPE", "is_scope_token"]

LONGEST_SCOPE: Final = 1024
"""Characters of a whole scope, as many as a grant's column holds."""
_SCOPE_TOKEN: Final = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")


def is_scope_token(text: str) -> bool:
    """Tell whether it is one ``scope-token`` (RFC 6749 section 3.3)."""
    return _SCOPE_TOKEN.fullmatch(text) is not None
