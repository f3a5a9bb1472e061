"""Whose hashes are upgraded: nobody's, a sticky share of users', everyone's, or as the site profile allows."""

import hashlib
import re
from dataclasses import dataclass
from typing import Final, Literal, Self

__all__ = ["RehashRollout"]

_PERCENTAGE: Final = re.compile(r"(\d{1,3}(?:\.\d{1,2})?)%")
_BUCKETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class RehashRollout:
    """What BRIDGE_REHASH says.

    Attributes:
        mode: ``auto`` follows the site profile; ``on`` does not ask it; a ``share`` asks it, too.
        percentage: 0 to 100, of users; the same users stay in as it grows.
    """

    mode: Literal["auto", "on", "off", "share"]
    percentage: float = 100.0

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``auto``, ``on``, ``off`` or a percentage such as ``5%``.

        Raises:
            ValueError: it is none of these.
        """
        if text in ("auto", "on", "off"):
            return cls(mode=text)  # type: ignore[arg-type]  # mypy does not narrow str by membership
        match = _PERCENTAGE.fullmatch(text)
        if match is None or float(match[1]) > 100:  # noqa: PLR2004  # per cent
            raise ValueError("use auto, on, off or a percentage such as 5%")
        return cls(mode="share", percentage=float(match[1]))

    def includes(self, user_id: str, *, is_safe: bool) -> bool:
        """Tell whether this user's hash may be upgraded."""
        if self.mode == "off" or (self.mode != "on" and not is_safe):
            return False
        return self.mode != "share" or _bucket(user_id) < self.percentage * _BUCKETS / 100


def _bucket(user_id: str) -> int:
    digest = hashlib.sha256(f"bridge.rehash:{user_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % _BUCKETS
