"""A few things that were found out before, the longest unused of them forgotten first."""

from collections import OrderedDict
from typing import Generic, TypeVar

__all__ = ["Memory"]

Found = TypeVar("Found")


class Memory(Generic[Found]):
    """Remembers by digests, so that nothing of what was looked at can be read from it. For one thread.

    Args:
        most: how many.
    """

    def __init__(self, *, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[bytes, Found] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def recall(self, digest: bytes) -> Found | None:
        """Give what was kept; None if it never was, or is forgotten."""
        found = self._kept.get(digest)
        if found is not None:
            self._kept.move_to_end(digest)
        return found

    def keep(self, digest: bytes, found: Found) -> None:
        """Remember something, and forget something else if there is no room."""
        self._kept[digest] = found
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, digest: bytes) -> None:
        """Let go of something."""
        self._kept.pop(digest, None)
