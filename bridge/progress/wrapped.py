"""Who is finished for a thief and not yet for the site: values that were wrapped in argon2 without their password."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from bridge.passwords.encoded import WRAPPED
from bridge.passwords.wrapped import DJANGO_HASHERS
from bridge.progress.census import Census

__all__ = ["WrappedUsers"]


@dataclass(frozen=True, slots=True)
class WrappedUsers:
    """Users of one kind of wrapped values. In a stolen table each costs argon2; a login leaves plain argon2.

    Attributes:
        algorithm: such as ``argon2_pbkdf2_sha256``.
        inside: what was wrapped. Its own hasher is not needed for them, and may leave PASSWORD_HASHERS.
        hasher: what must stay there until nobody is left, by its dotted path.
        is_listed: whether the site verifies it now; None where it has not said.
        users: how many.
        active: of these, those who may log in.
    """

    algorithm: str
    inside: str
    hasher: str
    is_listed: bool | None
    users: int
    active: int

    @classmethod
    def all_of(cls, census: Census, *, listed: Collection[str] | None) -> "tuple[WrappedUsers, ...]":
        """Give every kind that occurs, most users first; ``listed`` are the algorithms that the site verifies."""
        wrapped = census.only(lambda row: row.algorithm in WRAPPED)
        active = wrapped.only(lambda row: row.is_active).by(lambda row: row.algorithm)
        return tuple(
            cls(
                algorithm=name,
                inside=WRAPPED[name],
                hasher=DJANGO_HASHERS[name],
                is_listed=None if listed is None else name in listed,
                users=users,
                active=active.get(name, 0),
            )
            for name, users in wrapped.by(lambda row: row.algorithm).items()
        )

    def to_document(self) -> dict[str, Any]:
        """Give the stable JSON form."""
        return {
            "algorithm": self.algorithm,
            "inside": self.inside,
            "hasher": self.hasher,
            "listed": self.is_listed,
            "users": self.users,
            "active": self.active,
        }
