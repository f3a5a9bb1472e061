"""Who stands in the way of each algorithm's end, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Gate", "listed", "would_be"]

_NAMES: Final = {
    "pbkdf2_sha256": "PBKDF2",
    "pbkdf2_sha1": "PBKDF2 with SHA-1",
    "bcrypt_sha256": "bcrypt (SHA-256)",
    "unsalted_md5": "unsalted MD5",
    "unsalted_sha1": "unsalted SHA-1",
    "md5": "MD5",
    "sha1": "SHA-1",
}


@dataclass(frozen=True, slots=True)
class Gate:
    """Who would be locked out if an algorithm left PASSWORD_HASHERS.

    Attributes:
        name: as people say it.
    """

    algorithm: str
    name: str
    listed: bool | None
    locked_out: int
    active: int
    staff: int
    by_cohort: Mapping[str, int]

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> "Gate":
        """Take it from a report's document."""
        return cls(
            algorithm=row["algorithm"],
            name=_NAMES.get(row["algorithm"], row["algorithm"]),
            listed=row["listed"],
            locked_out=row["locked_out"],
            active=row["active"],
            staff=row["staff"],
            by_cohort=row["by_cohort"],
        )


def would_be(gate: Gate) -> str:
    """Say how many accounts would be, up to what they would be."""
    accounts = "1 account" if gate.locked_out == 1 else f"{gate.locked_out:,} accounts"
    staff = f", {gate.staff:,} of them staff," if gate.staff else ""
    return f"{accounts}{staff} would be"


def listed(names: Sequence[str]) -> str:
    """Write names one after the other."""
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
