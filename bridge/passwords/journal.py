"""Seals replaced values to a public key, so that only the offline private key can bring them back (RFC 9180, HPKE)."""

import base64
import binascii
from typing import Final, Self

from cryptography.exceptions import InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from bridge.errors import BridgeError, ConfigurationError

__all__ = ["JournalOpener", "JournalSealer", "SealBroken"]

_SUITE: Final = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
_MAKE_ONE: Final = (
    "Make a pair with `openssl genpkey -algorithm X25519 -out journal.pem` and `openssl pkey -in journal.pem -pubout`."
)


class SealBroken(BridgeError):
    """A sealed value that this key does not open, or that belongs to another user."""


class JournalSealer:
    """Seals values. What it writes, it cannot read."""

    def __init__(self, key: X25519PublicKey) -> None:
        self._key = key

    @classmethod
    def load(cls, pem: str) -> Self:
        """Take an X25519 public key in PEM.

        Raises:
            ConfigurationError: it is something else; a private key above all.
        """
        try:
            key = load_pem_public_key(pem.encode())
        except (ValueError, UnsupportedAlgorithm) as exc:
            raise ConfigurationError("BRIDGE_REHASH_JOURNAL_KEY is not a public key in PEM", cure=_MAKE_ONE) from exc
        if not isinstance(key, X25519PublicKey):
            raise ConfigurationError("BRIDGE_REHASH_JOURNAL_KEY is not an X25519 key", cure=_MAKE_ONE)
        return cls(key)

    def seal(self, encoded: str, *, user_id: str) -> str:
        """Seal a stored value for one user; text for a column."""
        return base64.b64encode(_SUITE.encrypt(encoded.encode(), self._key, _purpose(user_id))).decode()


class JournalOpener:
    """Opens what was sealed."""

    def __init__(self, key: X25519PrivateKey) -> None:
        self._key = key

    @classmethod
    def load(cls, pem: bytes) -> Self:
        """Take an unencrypted X25519 private key in PEM.

        Raises:
            ConfigurationError: it is something else.
        """
        try:
            key = load_pem_private_key(pem, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise ConfigurationError("The file is not an unencrypted private key in PEM", cure=_MAKE_ONE) from exc
        if not isinstance(key, X25519PrivateKey):
            raise ConfigurationError("The private key is not an X25519 key", cure=_MAKE_ONE)
        return cls(key)

    def open(self, sealed: str, *, user_id: str) -> str:
        """Give the stored value back.

        Raises:
            SealBroken: it was sealed to another key, or for another user, or altered.
        """
        try:
            return _SUITE.decrypt(base64.b64decode(sealed, validate=True), self._key, _purpose(user_id)).decode()
        except (InvalidTag, ValueError, binascii.Error) as exc:
            raise SealBroken("not sealed to this key") from exc


def _purpose(user_id: str) -> bytes:
    return f"bridge.rehash_journal:{user_id}".encode()
