"""Hashers that Django 5.1 dropped, for sites whose table still holds their values, and those of wrapped values.

List them last in PASSWORD_HASHERS: their users can log in again, at either app, and leave with argon2. Those of wrapped
values must be listed before ``bridge hashes wrap`` writes the first, and for as long as one is left.
"""

import hashlib
import hmac
import secrets
from typing import Any

from django.contrib.auth.hashers import (
    Argon2PasswordHasher,
    BasePasswordHasher,
    MD5PasswordHasher,
    PBKDF2PasswordHasher,
    PBKDF2SHA1PasswordHasher,
    get_hasher,
    mask_hash,
)

from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.wrapped import WrappablePassword, WrappedPassword

__all__ = [
    "Argon2MD5PasswordHasher",
    "Argon2PBKDF2PasswordHasher",
    "Argon2PBKDF2SHA1PasswordHasher",
    "Argon2SHA1PasswordHasher",
    "Argon2UnsaltedMD5PasswordHasher",
    "Argon2UnsaltedSHA1PasswordHasher",
    "SHA1PasswordHasher",
    "UnsaltedMD5PasswordHasher",
    "UnsaltedSHA1PasswordHasher",
]


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


class _WrappedHasher(BasePasswordHasher):
    """Verifies argon2 over an old value. Django's own login replaces it by plain argon2, which is its preferred one.

    It computes the old value by Django's own hasher, whether or not that one is still in PASSWORD_HASHERS.
    """

    library = "argon2"
    old: type[BasePasswordHasher]

    def encode(self, password: str, salt: str, *costs: int) -> str:
        """Wrap what the old hasher writes, as ``bridge hashes wrap`` does with stored values."""
        old = WrappablePassword.parse(self.old().encode(password, salt, *costs))
        asked = _argon2_of_site().params()
        parameters = Argon2Parameters(asked.time_cost, asked.memory_cost, asked.parallelism)
        lengths = None if old is None else old.lengths(parameters)
        if old is None or lengths is None:
            raise ValueError("too long to be wrapped.")
        salt_length, hash_length = lengths
        phc = self._load_library().low_level.hash_secret(  # type: ignore[attr-defined]  # the module's type is unknown
            old.hashed.encode(),
            secrets.token_bytes(salt_length),
            time_cost=parameters.time_cost,
            memory_cost=parameters.memory_cost,
            parallelism=parameters.parallelism,
            hash_len=hash_length,
            type=asked.type,
        )
        return old.head + str(phc.decode()).removeprefix("$")

    def verify(self, password: str, encoded: str) -> bool:
        """Compute the old value again, and verify that."""
        try:
            wrapped = WrappedPassword.parse(encoded)
            salt, *costs = reversed(wrapped.settings or ("",))
            old = WrappablePassword.parse(self.old().encode(password, salt, *map(int, costs)))
            return old is not None and Argon2PasswordHasher().verify(old.hashed, wrapped.argon2)
        except (ValueError, OverflowError, TypeError):
            return False  # malformed, so that no password matches it: a failed login and not an error page

    def decode(self, encoded: str) -> dict[str, Any]:
        """Name the parts."""
        wrapped = WrappedPassword.parse(encoded)
        *costs, salt = wrapped.settings or ("",)
        inner = {"iterations": int(costs[0])} if costs else {}
        outer = Argon2PasswordHasher().decode(wrapped.argon2)
        own_salt = wrapped.argon2.split("$")[-2]  # its bytes are no text
        return {**outer, "algorithm": self.algorithm, "salt": own_salt, "inner_salt": salt, **inner}

    def safe_summary(self, encoded: str) -> dict[Any, Any]:
        """Show the costs of both halves, and no salt whole."""
        decoded = self.decode(encoded)
        shown = ("algorithm", "iterations", "variety", "version", "memory_cost", "time_cost", "parallelism")
        summary = {name.replace("_", " "): decoded[name] for name in shown if name in decoded}
        return summary | {name: mask_hash(decoded[name], show=2) for name in ("salt", "hash")}

    def must_update(self, encoded: str) -> bool:  # noqa: ARG002  # always
        return True

    def harden_runtime(self, password: str, encoded: str) -> None:
        """Do nothing, like Django's argon2 hasher."""


class Argon2PBKDF2PasswordHasher(_WrappedHasher):
    """``argon2_pbkdf2_sha256$rounds$salt$`` and argon2's own."""

    algorithm = "argon2_pbkdf2_sha256"
    old = PBKDF2PasswordHasher


class Argon2PBKDF2SHA1PasswordHasher(_WrappedHasher):
    """``argon2_pbkdf2_sha1$rounds$salt$`` and argon2's own."""

    algorithm = "argon2_pbkdf2_sha1"
    old = PBKDF2SHA1PasswordHasher


class Argon2MD5PasswordHasher(_WrappedHasher):
    """``argon2_md5$salt$`` and argon2's own."""

    algorithm = "argon2_md5"
    old = MD5PasswordHasher


class Argon2SHA1PasswordHasher(_WrappedHasher):
    """``argon2_sha1$salt$`` and argon2's own."""

    algorithm = "argon2_sha1"
    old = SHA1PasswordHasher


class Argon2UnsaltedMD5PasswordHasher(_WrappedHasher):
    """``argon2_unsalted_md5$`` and argon2's own."""

    algorithm = "argon2_unsalted_md5"
    old = UnsaltedMD5PasswordHasher


class Argon2UnsaltedSHA1PasswordHasher(_WrappedHasher):
    """``argon2_unsalted_sha1$`` and argon2's own."""

    algorithm = "argon2_unsalted_sha1"
    old = UnsaltedSHA1PasswordHasher


def _argon2_of_site() -> Any:
    try:
        return get_hasher("argon2")
    except ValueError:
        return Argon2PasswordHasher()
