"""What both apps write into a grant's row, in the same words."""

from enum import StrEnum
from typing import Final

__all__ = ["LONGEST_DEVICE", "EndedBy"]

LONGEST_DEVICE: Final = 255
"""Characters of what a client calls itself."""


class EndedBy(StrEnum):
    """Why a grant ended before its time."""

    LOGOUT = "logout"
    REVOKED = "revoked"
    REUSE = "reuse"
    PASSWORD = "password"  # noqa: S105  # that it was changed
