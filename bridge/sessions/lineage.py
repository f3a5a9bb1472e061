"""Lineage: that one stored value and the next are the same password.

Django derives each session's auth hash from the stored value (``AbstractBaseUser.get_session_auth_hash``), so that any
re-hash would log the user's other sessions out. A link says that sessions of the old value may go on under the new
one. It names values by keyed HMACs alone: neither hash can be read from it, or checked against a password. There is a
link for each of the site's keys, and it is found by that key alone, so that a key which the site withdraws takes the
sessions that it made with it, as in plain Django.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils.crypto import salted_hmac

from bridge.sessions.auth_hash import session_auth_hash

__all__ = ["LineageLink", "lineage_digest", "links_between", "value_digest"]

_LINEAGE_KEY_SALT = "bridge.sessions.lineage"


@dataclass(frozen=True, slots=True)
class LineageLink:
    """One re-hash, under one of the site's keys.

    Attributes:
        user_id: whose, as text.
        old_auth_hash: what sessions of the old value carry.
        old_digest: names the old value; links that end there are carried forward to the new one.
        new_digest: names the new value. Once the column holds any other, the link is void.
        expires_at: when no session of the old value can be alive any more.
    """

    user_id: str
    old_auth_hash: str
    old_digest: str
    new_digest: str
    expires_at: datetime


def links_between(
    old: str, new: str, *, user_id: str, secrets: Sequence[str], expires_at: datetime
) -> Iterator[LineageLink]:
    """Link two stored values of one password; ``secrets`` are SECRET_KEY and its fallbacks."""
    for secret in secrets:
        yield LineageLink(
            user_id=user_id,
            old_auth_hash=session_auth_hash(old, secret=secret),
            old_digest=lineage_digest(old, secret=secret),
            new_digest=lineage_digest(new, secret=secret),
            expires_at=expires_at,
        )


def lineage_digest(encoded: str, *, secret: str) -> str:
    """Name a stored value in lineage, under one key (hex SHA-256)."""
    return salted_hmac(_LINEAGE_KEY_SALT, encoded, secret=secret, algorithm="sha256").hexdigest()


def value_digest(encoded: str) -> str:
    """Name a stored value whatever the keys (hex SHA-256); its random salt lets nobody guess their way back."""
    return hashlib.sha256(encoded.encode()).hexdigest()
