"""How long to wait after wrong codes."""

from datetime import datetime, timedelta
from typing import Final

__all__ = ["allowed_from"]

_LONGEST_SECONDS: Final = timedelta(days=365).total_seconds()
_LARGEST_EXPONENT: Final = 40


def allowed_from(*, failures: int, failed_at: datetime | None, factor: float) -> datetime | None:
    """Say when the next code may be tried: after 1, 2, 4, 8 … times ``factor`` seconds (``django_otp.models``).

    None: at once.
    """
    if failures < 1 or failed_at is None or factor <= 0:
        return None
    seconds = factor * 2 ** min(failures - 1, _LARGEST_EXPONENT)
    return failed_at + timedelta(seconds=min(seconds, _LONGEST_SECONDS))
