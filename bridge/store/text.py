"""What a text column can hold."""

import re
from typing import Final

__all__ = ["is_storable", "storable"]

_NOT_STORABLE: Final = re.compile("[\0\ud800-\udfff]")


def is_storable(text: str) -> bool:
    """Tell whether a text column can hold it: PostgreSQL takes no NUL, and UTF-8 no lone surrogates."""
    return _NOT_STORABLE.search(text) is None


def storable(text: str, *, longest: int) -> str:
    """Put U+FFFD in the place of what a text column cannot hold, and cut off what is too long for it."""
    held = _NOT_STORABLE.sub("\ufffd", text[: longest + 1])
    return held if len(held) <= longest else f"{held[: longest - 1]}…"
