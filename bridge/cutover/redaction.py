"""Which differing values may be kept, and how much of them."""

from collections.abc import Iterable
from typing import Final

from bridge.cutover.rules import ALWAYS_REDACTED, Comparison

__all__ = ["REDACTED", "kept"]

REDACTED: Final = "(redacted)"
LONGEST_VALUE: Final = 200


def kept(legacy: str, candidate: str, *, names: Iterable[str], rules: Comparison) -> tuple[str, str] | None:
    """Give what is kept of two values: nothing unless the plan asks, and never those under a redacted name.

    Args:
        legacy: Django's value, as text.
        candidate: the new handler's.
        names: the header, or the keys on the way to the value.
        rules: say whether values are kept.
    """
    if not rules.keep_values:
        return None
    if any(secret in name.lower() for name in names for secret in (*ALWAYS_REDACTED, *rules.redact)):
        return REDACTED, REDACTED
    return legacy[:LONGEST_VALUE], candidate[:LONGEST_VALUE]
