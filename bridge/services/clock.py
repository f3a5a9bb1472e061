"""Where the time comes from; tests bring their own."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

__all__ = ["Clock", "steady", "system_clock"]

Clock = Callable[[], datetime]


def system_clock() -> datetime:
    """Give the current time, aware, in UTC."""
    return datetime.now(UTC)


def steady(clock: Clock, *, monotonic: Callable[[], float] = time.monotonic) -> Clock:
    """Give a clock that follows another, and never says that more time has passed than has since now.

    What is dropped for good goes by it: a clock that is put forward by mistake, and back, has dropped nothing.
    """
    began_at, began = clock(), monotonic()

    def now() -> datetime:
        return min(clock(), began_at + timedelta(seconds=monotonic() - began))

    return now
