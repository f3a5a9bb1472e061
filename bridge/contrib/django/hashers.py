"""Hashers that Django 5.1 dropped, for sites whose table still holds their values.

List them last in PASSWORD_HASHERS: their users can log in again, at either app, and leave with argon2.
"""

import hashlib
import hmac
from typing import Any

from django.contrib.auth.hashers import BasePasswordHasher

__all__ = ["SHA1PasswordHasher", "UnsaltedMD5PasswordHasher", "UnsaltedSHA1PasswordHasher"]


class _DigestHasher(BasePasswordHasher):
    """Verifies and summarises; Django never encodes with it, since it is not the preferred one."""

    def verify(self, password: str, encoded: str) -> bool:
        return hmac.compare_digest(encoded.encode(), self.encode(password, self._salt_of(encoded)).encode())

    def safe_summary(self, encoded: str) -> dict[Any, Any]:  # noqa: ARG002  # nothing of it is safe to show
        return {"algorithm": self.algorithm}

    def must_update(self, encoded: str) -> bool:  # noqa: ARG002  # always
        return True

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Do nothing: one digest costs nothing worth levelling."""

    def _salt_of(self, encoded: str) -> str:  # noqa: ARG002  # the unsalted ones have none
        return ""


class SHA1PasswordHasher(_DigestHasher):
    """``sha1$salt$hex``."""

    algorithm = "sha1"

    def encode(self, password: str, salt: str) -> str:
        """Encode as Django before 5.1 did."""
        if not salt or "$" in salt:
            raise ValueError("salt must be provided and cannot contain $.")
        return f"sha1${salt}${hashlib.sha1((salt + password).encode()).hexdigest()}"  # noqa: S324  # it is what was stored

    def verify(self, password: str, encoded: str) -> bool:
        """Compare with the digest; a value without a salt is none of this hasher's."""
        _, salt, _ = f"{encoded}$$".split("$", 2)
        return bool(salt) and super().verify(password, encoded)

    def _salt_of(self, encoded: str) -> str:
        return encoded.split("$", 2)[1]


class UnsaltedSHA1PasswordHasher(_DigestHasher):
    """``sha1$$hex``."""

    algorithm = "unsalted_sha1"

    def encode(self, password: str, salt: str) -> str:  # noqa: ARG002  # there is none
        """Encode as Django before 5.1 did."""
        return f"sha1$${hashlib.sha1(password.encode()).hexdigest()}"  # noqa: S324  # it is what was stored


class UnsaltedMD5PasswordHasher(_DigestHasher):
    """Bare hex MD5, also as ``md5$$hex``."""

    algorithm = "unsalted_md5"

    def encode(self, password: str, salt: str) -> str:  # noqa: ARG002  # there is none
        """Encode as Django before 5.1 did."""
        return hashlib.md5(password.encode()).hexdigest()  # noqa: S324  # it is what was stored

    def verify(self, password: str, encoded: str) -> bool:
        """Compare with the digest, whichever way it was stored."""
        return super().verify(password, encoded.removeprefix("md5$$"))
