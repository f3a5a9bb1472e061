"""Lineage: that one stored value and the next are the same password.

Django derives each session's auth hash from the stored value (``AbstractBaseUser.get_session_auth_hash``), so that any
re-hash would log the user's other sessions out. A link says that sessions of the old value may go on under the new
one. It names values by keyed HMACs and digests alone: neither hash can be read from it, or checked against a password.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Self

from django.utils.crypto import salted_hmac

__all__ = ["LineageLink", "session_auth_hash", "value_digest"]

_DJANGO_KEY_SALT = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"


def session_auth_hash(encoded: str, *, secret: str) -> str:
    """Give the hash that Django's sessions of a stored value carry (since Django 3.1; hex SHA-256)."""
    return salted_hmac(_DJANGO_KEY_SALT, encoded, secret=secret, algorithm="sha256").hexdigest()


def value_digest(encoded: str) -> str:
    """Name a stored value (hex SHA-256); it holds a random salt, so nobody can guess their way back."""
    return hashlib.sha256(encoded.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class LineageLink:
    """One re-hash.

    Attributes:
        user_id: whose, as text.
        old_auth_hashes: what sessions of the old value carry, under each of the site's keys.
        old_digest: names the old value; links that end there are carried forward to the new one.
        new_digest: names the new value. Once the column holds any other, the link is void.
        expires_at: when no session of the old value can be alive any more.
    """

    user_id: str
    old_auth_hashes: tuple[str, ...]
    old_digest: str
    new_digest: str
    expires_at: datetime

    @classmethod
    def between(cls, old: str, new: str, *, user_id: str, secrets: Sequence[str], expires_at: datetime) -> Self:
        """Link two stored values of one password; ``secrets`` are SECRET_KEY and its fallbacks."""
        return cls(
            user_id=user_id,
            old_auth_hashes=tuple(session_auth_hash(old, secret=secret) for secret in secrets),
            old_digest=value_digest(old),
            new_digest=value_digest(new),
            expires_at=expires_at,
        )
