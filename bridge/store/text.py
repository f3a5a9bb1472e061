"""What a text column can hold."""

import re
from typing import Final

__all__ = ["is_storable"]

_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Tell whether a text column can hold it: PostgreSQL takes no NUL, and UTF-8 no lone surrogates."""
    return "\0" not in text and _SURROGATE.search(text) is None
