"""One hasher per algorithm: passlib for PBKDF2 and the old digests, pwdlib for bcrypt, hashlib for scrypt.

Argon2 has a module of its own, ``argon2``.

Each verdict equals that of the Django hasher of the same name. The digests are recomputed and compared as whole
values, as Django does, so that a value which Django would not have written (``rounds`` as ``+10``, say) never matches.

passlib's ready-made ``django_*`` handlers are not used: they raise on salts outside their alphabet, on passwords of
more than 4096 characters and on unusual rounds, where Django gives a verdict. Its digest layer below them does not.
"""

import base64
import hashlib
import hmac
import secrets
from dataclasses import replace
from typing import Any, Final, Protocol

from argon2 import DEFAULT_HASH_LENGTH, Parameters, Type, extract_parameters
from argon2.low_level import ARGON2_VERSION
from passlib.crypto.digest import lookup_hash, pbkdf2_hmac
from passlib.hash import des_crypt
from pwdlib.hashers.bcrypt import BcryptHasher as PwdlibBcryptHasher

from bridge.passwords import argon2
from bridge.passwords.encoded import EncodedPassword
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.wrapped import WrappedPassword

__all__ = ["Argon2Hasher", "Hasher", "hashers"]

_SCRYPT_KEY_LENGTH: Final = 64
_ARGON2_PREFIX: Final = "argon2"


class Hasher(Protocol):
    """Verifies the values of one algorithm.

    Attributes:
        algorithm: Django's name for it.
        reads: how many bytes of a password it looks at; None for all of them.
    """

    algorithm: str
    reads: int | None

    def verify(self, password: bytes, encoded: EncodedPassword) -> bool:
        """Tell whether ``password`` (UTF-8) is the one behind ``encoded``.

        Raises:
            ValueError: the value is malformed; Django would raise too, or say no.
            OverflowError, TypeError: likewise, with a cost beyond what the library can count.
        """
        ...


class Pbkdf2Hasher:
    """``pbkdf2_sha256$rounds$salt$base64`` and its SHA-1 sister (``PBKDF2PasswordHasher``)."""

    reads: int | None = None

    def __init__(self, digest: str) -> None:
        self.algorithm = f"pbkdf2_{digest}"
        self._digest = digest

    def verify(self, password: bytes, encoded: EncodedPassword) -> bool:
        """Derive the key again and compare the whole value."""
        rounds, salt, _ = encoded.body.split("$", 2)
        return _same(encoded.value, self.encode(password, rounds, salt))

    def encode(self, password: bytes, rounds: str, salt: str) -> str:
        """Give the value as Django would have stored it."""
        _require_salt(salt)
        key = pbkdf2_hmac(self._digest, password, salt.encode(), int(rounds))  # type: ignore[no-untyped-call]
        return f"{self.algorithm}${int(rounds)}${salt}${base64.b64encode(key).decode()}"


class SaltedDigestHasher:
    """``md5$salt$hex`` and ``sha1$salt$hex`` (``MD5PasswordHasher``, ``SHA1PasswordHasher``)."""

    reads: int | None = None

    def __init__(self, digest: str) -> None:
        self.algorithm = digest
        self._digest = lookup_hash(digest)

    def verify(self, password: bytes, encoded: EncodedPassword) -> bool:
        """Hash salt and password again and compare the whole value."""
        salt, _ = encoded.body.split("$", 1)
        return _same(encoded.value, self.encode(password, salt))

    def encode(self, password: bytes, salt: str) -> str:
        """Give the value as Django would have stored it."""
        _require_salt(salt)
        return f"{self.algorithm}${salt}${self._digest.const(salt.encode() + password).hexdigest()}"


class UnsaltedDigestHasher:
    """``sha1$$hex``; MD5 as ``md5$$hex`` or bare (``UnsaltedSHA1PasswordHasher``, ``UnsaltedMD5PasswordHasher``)."""

    reads: int | None = None

    def __init__(self, digest: str) -> None:
        self.algorithm = f"unsalted_{digest}"
        self._digest = lookup_hash(digest)
        self._prefix = f"{digest}$$"

    def verify(self, password: bytes, encoded: EncodedPassword) -> bool:
        """Hash the password again and compare."""
        return _same(encoded.value.removeprefix(self._prefix), self.encode(password))

    def encode(self, password: bytes) -> str:
        """Give the digest alone."""
        digest: str = self._digest.const(password).hexdigest()
        return digest


class DesCryptHasher:
    """``crypt$$`` and thirteen characters of traditional crypt(3) (``CryptPasswordHasher``, gone since Django 5.0)."""

    algorithm = "crypt"
    reads: int | None = 8

    def verify(self, password: bytes, encoded: EncodedPassword) -> bool:
        """Compare through passlib."""
        _, digest = encoded.body.split("$", 1)
        if b"\0" in password:
            raise ValueError("crypt(3) takes no NUL")
        return bool(des_crypt.verify(password[: self.reads], digest))


class BcryptHasher:
    """``bcrypt$$2b$…`` (``BCryptPasswordHasher``). bcrypt reads 72 bytes and ignores the rest."""

    algorithm = "bcrypt"
    reads: int | None = 72

    def __init__(self) -> None:
        self._bcrypt = PwdlibBcryptHasher()

    def verify(self, password: bytes, encoded: EncodedPassword) -> bool:
        """Compare through pwdlib, on the bytes that bcrypt reads: bcrypt 5 raises on more instead of ignoring them."""
        return self._bcrypt.verify(self._prepare(password), encoded.body)

    def _prepare(self, password: bytes) -> bytes:
        return password[: self.reads]


class BcryptSha256Hasher(BcryptHasher):
    """``bcrypt_sha256$$2b$…`` over the hex SHA-256 of the password (``BCryptSHA256PasswordHasher``)."""

    algorithm = "bcrypt_sha256"
    reads: int | None = None

    def _prepare(self, password: bytes) -> bytes:
        return hashlib.sha256(password).hexdigest().encode()


class ScryptHasher:
    """``scrypt$n$salt$r$p$base64`` (``ScryptPasswordHasher``)."""

    algorithm = "scrypt"
    reads: int | None = None

    def verify(self, password: bytes, encoded: EncodedPassword) -> bool:
        """Derive the key again, under OpenSSL's own memory limit as Django does, and compare the whole value."""
        n, salt, r, p, _ = encoded.body.split("$", 4)
        _require_salt(salt)
        key = hashlib.scrypt(password, salt=salt.encode(), n=int(n), r=int(r), p=int(p), dklen=_SCRYPT_KEY_LENGTH)
        again = f"scrypt${int(n)}${salt}${int(r)}${int(p)}${base64.b64encode(key).decode()}"
        return _same(encoded.value, again)


class Argon2Hasher:
    """``argon2`` and the PHC string: ``argon2$argon2id$v=19$m=…,t=…,p=…$salt$hash`` (``Argon2PasswordHasher``)."""

    algorithm = "argon2"
    reads: int | None = None

    def __init__(self, parameters: Argon2Parameters) -> None:
        self._written = Parameters(
            type=Type.ID,
            version=ARGON2_VERSION,
            salt_len=parameters.salt_length,
            hash_len=DEFAULT_HASH_LENGTH,
            time_cost=parameters.time_cost,
            memory_cost=parameters.memory_cost,
            parallelism=parameters.parallelism,
        )

    def verify(self, password: bytes, encoded: EncodedPassword) -> bool:
        """Verify at the cost that the value names, whatever this hasher would write."""
        return argon2.verify(password, "$" + encoded.body)

    def hash(self, password: bytes) -> str:
        """Encode in the form that Django itself would have stored, with a fresh salt."""
        salt = secrets.token_bytes(self._written.salt_len)
        return _ARGON2_PREFIX + argon2.encode(password, salt, self._written)

    def must_update(self, encoded: EncodedPassword) -> bool:
        """Tell whether Django, preferring these parameters, would replace the value on the next login."""
        found = extract_parameters("$" + encoded.body)
        # Django asks only whether the salt is too short; pwdlib would replace a longer one as well.
        is_current = found == replace(self._written, salt_len=found.salt_len)
        return not is_current or found.salt_len < self._written.salt_len


class WrappedHasher:
    """``argon2_…``: argon2 over the value that an old hasher would write (``bridge.passwords.wrapped``).

    Args:
        old: the old hasher; its ``encode`` takes the password, and what the wrapped value still shows.
    """

    reads: int | None = None

    def __init__(self, old: Any, argon2: Argon2Hasher) -> None:
        self.algorithm = f"{_ARGON2_PREFIX}_{old.algorithm}"
        self._old = old
        self._argon2 = argon2

    def verify(self, password: bytes, encoded: EncodedPassword) -> bool:
        """Compute the old value again and verify that, at the costs that both halves name."""
        wrapped = WrappedPassword.parse(encoded.value)
        old: str = self._old.encode(password, *wrapped.settings)
        return self._argon2.verify(old.encode(), EncodedPassword.parse(wrapped.argon2))


def hashers(preferred: Argon2Hasher) -> dict[str, Hasher]:
    """Map each algorithm's name to its hasher."""
    wrappable = (
        Pbkdf2Hasher("sha256"),
        Pbkdf2Hasher("sha1"),
        SaltedDigestHasher("md5"),
        SaltedDigestHasher("sha1"),
        UnsaltedDigestHasher("md5"),
        UnsaltedDigestHasher("sha1"),
    )
    every: tuple[Hasher, ...] = (
        preferred,
        *wrappable,
        BcryptSha256Hasher(),
        BcryptHasher(),
        ScryptHasher(),
        DesCryptHasher(),
        *(WrappedHasher(old, preferred) for old in wrappable),
    )
    return {hasher.algorithm: hasher for hasher in every}


def _require_salt(salt: str) -> None:
    # Django's hashers refuse to encode with an empty salt, so they never verify one either.
    if not salt:
        raise ValueError("empty salt")


def _same(stored: str, computed: str) -> bool:
    return hmac.compare_digest(stored.encode(), computed.encode())
