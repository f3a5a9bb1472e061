"""How much of what can wait is begun."""

import math
from collections.abc import Callable

__all__ = ["Budget"]


class Budget:
    """A token bucket that keeps half of what it holds for what is rare.

    Otherwise what is asked for most would take all, and nothing would ever be seen of the rest.

    Args:
        per_second: how many tokens a second brings.
        burst: how many it holds; as many as a second brings where that is more.
        monotonic: in seconds.
    """

    def __init__(self, per_second: float, *, burst: float, monotonic: Callable[[], float]) -> None:
        self._per_second = per_second
        self._most = max(burst, per_second)
        self._monotonic = monotonic
        self._tokens = self._most
        self._at = monotonic()
        self._last: dict[str, float] = {}

    def spend(self, name: str) -> bool:
        """Take a token, if there is one for this."""
        now = self._monotonic()
        self._tokens = min(self._most, self._tokens + (now - self._at) * self._per_second)
        self._at = now
        is_rare = now - self._last.get(name, -math.inf) >= 1
        if self._tokens < 1 + (0 if is_rare else self._most / 2):
            return False
        self._tokens -= 1
        self._last[name] = now
        return True

    def charge(self, tokens: float) -> None:
        """Take more, for what turned out to be dear: until that is paid back, nothing is begun."""
        self._tokens -= tokens
