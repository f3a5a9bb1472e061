"""Stored values, made and checked without either app: the soak's own eyes."""

import base64
import hashlib
import hmac
from typing import Final

import argon2

from bench.soak.hashers import ROUNDS

__all__ = ["argon2_value", "is_old", "matches", "old_value"]

# As the site's preferred hasher writes: a salt of 22 bytes keeps Django from re-hashing it.
_ARGON2: Final = argon2.PasswordHasher(time_cost=1, memory_cost=64, parallelism=1, salt_len=22)
_OLD: Final = "pbkdf2_sha256$"


def old_value(password: str, *, salt: str) -> str:
    """Encode as Django's PBKDF2 hasher does."""
    return f"{_OLD}{ROUNDS}${salt}${_digest(password, salt, ROUNDS)}"


def argon2_value(password: str) -> str:
    """Encode as Django's argon2 hasher does."""
    return f"argon2{_ARGON2.hash(password)}"


def is_old(encoded: str) -> bool:
    """Tell whether a value is still to be upgraded."""
    return not encoded.startswith("argon2$")


def matches(password: str, encoded: str) -> bool:
    """Tell whether a value is this password's."""
    if encoded.startswith(_OLD):
        _, rounds, salt, digest = encoded.split("$")
        return hmac.compare_digest(_digest(password, salt, int(rounds)), digest)
    try:
        return _ARGON2.verify(encoded.removeprefix("argon2"), password)
    except argon2.exceptions.Argon2Error:
        return False


def _digest(password: str, salt: str, rounds: int) -> str:
    return base64.b64encode(hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), rounds)).decode()
