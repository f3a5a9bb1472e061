"""Whether two texts name the same moment."""

import re
from datetime import datetime
from typing import Final

__all__ = ["is_same_moment"]

_FORM: Final = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.(\d{1,6}))?)?(?:Z|[+-]\d\d:?\d\d)?", re.IGNORECASE)
_MILLISECONDS: Final = 3


def is_same_moment(one: str, other: str) -> bool:
    """Tell whether two ISO 8601 texts do, in whatever form.

    ``DjangoJSONEncoder`` cuts microseconds to milliseconds, so that where either has three digits no more are
    compared. One with an offset from UTC is never the same as one without.
    """
    first, second = _read(one), _read(other)
    if first is None or second is None:
        return False
    (moment, digits), (other_moment, other_digits) = first, second
    if (moment.tzinfo is None) != (other_moment.tzinfo is None):
        return False
    if _MILLISECONDS in (digits, other_digits):
        moment, other_moment = _cut(moment), _cut(other_moment)
    return moment == other_moment


def _read(text: str) -> tuple[datetime, int] | None:
    match = _FORM.fullmatch(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(text.upper()), len(match[1] or "")
    except ValueError:
        return None


def _cut(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1_000 * 1_000)
