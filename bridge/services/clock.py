"""Where the time comes from; tests bring their own."""

from collections.abc import Callable
from datetime import UTC, datetime

__all__ = ["Clock", "system_clock"]

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Give the current time, aware, in UTC."""
    return datetime.now(UTC)
