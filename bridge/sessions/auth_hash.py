"""The hash of the stored password that every logged-in session carries (``AbstractBaseUser.get_session_auth_hash``)."""

import hmac
from collections.abc import Sequence
from typing import Final

from django.utils.crypto import salted_hmac

__all__ = ["is_auth_hash_of", "legacy_session_auth_hash", "session_auth_hash"]

_KEY_SALT: Final = "django.contrib.auth.models.AbstractBaseUser.get_session_auth_hash"


def session_auth_hash(encoded: str, *, secret: str) -> str:
    """Give the hash that Django's sessions of a stored value carry (since Django 3.1; hex SHA-256)."""
    return salted_hmac(_KEY_SALT, encoded, secret=secret, algorithm="sha256").hexdigest()


def legacy_session_auth_hash(encoded: str, *, secret: str) -> str:
    """Give the same as Django before 3.1 did, and 3.x with DEFAULT_HASHING_ALGORITHM (hex SHA-1)."""
    return salted_hmac(_KEY_SALT, encoded, secret=secret, algorithm="sha1").hexdigest()


def is_auth_hash_of(encoded: str, given: str, *, secrets: Sequence[str]) -> bool:
    """Tell whether a session's hash is that of a stored value, under SECRET_KEY or one of its fallbacks.

    As ``django.contrib.auth.get_user`` does, in constant time for each candidate.
    """
    if not given.isascii():
        return False
    candidates = (each(encoded, secret=secret) for secret in secrets for each in _FORMS)
    return any(hmac.compare_digest(given, candidate) for candidate in candidates)


_FORMS: Final = (session_auth_hash, legacy_session_auth_hash)
