"""The key that signs, and the one that verifies what it signed."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)

from bridge.errors import ConfigurationError

__all__ = ["ALGORITHMS", "SigningKey", "verifying_fingerprint"]

ALGORITHMS: Final = ("HS256", "RS256", "ES256", "EdDSA")
"""What BRIDGE_SIGNING_ALGORITHM may be. A token's own header never chooses."""

_MINIMUM_SECRET_BYTES: Final = 32
_MINIMUM_RSA_BITS: Final = 2048
_FINGERPRINT: Final = b"bridge.tokens.fingerprint"


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One algorithm and its key pair; for HS256 both halves are the shared secret.

    Attributes:
        algorithm: one of ``ALGORITHMS``.
        private: what PyJWT signs with.
        public: what PyJWT verifies with.
    """

    algorithm: str
    private: Any = field(repr=False)
    public: Any = field(repr=False)

    @classmethod
    def load(cls, material: str, *, algorithm: str) -> Self:
        """Take an HS256 secret or a PEM private key.

        Raises:
            ConfigurationError: the algorithm is unknown, or the key does not fit it or is too weak for it
                (RFC 7518 sections 3.2 and 3.3).
        """
        if algorithm not in ALGORITHMS:
            raise ConfigurationError(
                f"BRIDGE_SIGNING_ALGORITHM is {algorithm!r}", cure=f"Use one of {', '.join(ALGORITHMS)}."
            )
        if algorithm == "HS256":
            return cls._shared(material)
        return cls._pair(material, algorithm)

    @property
    def fingerprint(self) -> str:
        """Name what verifies, for two apps to compare: a shared secret under itself, a public key by its digest."""
        if isinstance(self.public, str):
            return hmac.new(self.public.encode(), _FINGERPRINT, hashlib.sha256).hexdigest()[:16]
        return public_fingerprint(self.public)

    @classmethod
    def _shared(cls, secret: str) -> Self:
        if "PRIVATE KEY" in secret or "PUBLIC KEY" in secret:
            raise ConfigurationError(
                "BRIDGE_SIGNING_KEY is a PEM key but the algorithm is HS256",
                cure="Set BRIDGE_SIGNING_ALGORITHM to the key's algorithm, or give the site's SIMPLE_JWT SIGNING_KEY.",
            )
        if not secret.isprintable():
            raise ConfigurationError(
                "BRIDGE_SIGNING_KEY holds characters that cannot be printed", cure="Give it as plain text in UTF-8."
            )
        if len(secret.encode()) < _MINIMUM_SECRET_BYTES:
            raise ConfigurationError(
                f"BRIDGE_SIGNING_KEY is shorter than {_MINIMUM_SECRET_BYTES} bytes",
                cure="Give both apps the same longer one, such as `openssl rand -base64 48` prints.",
            )
        return cls(algorithm="HS256", private=secret, public=secret)

    @classmethod
    def _pair(cls, pem: str, algorithm: str) -> Self:
        try:
            key = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise ConfigurationError(
                f"BRIDGE_SIGNING_KEY is not an unencrypted PEM private key, which {algorithm} needs",
                cure="Give the key's text, with its BEGIN and END lines.",
            ) from exc
        if not _fits(key, algorithm):
            raise ConfigurationError(
                f"BRIDGE_SIGNING_KEY does not fit {algorithm}",
                cure="RS256 wants RSA of 2048 bits or more, ES256 the curve P-256, EdDSA an Ed25519 key.",
            )
        return cls(algorithm=algorithm, private=key, public=key.public_key())


def verifying_fingerprint(material: str, *, algorithm: str) -> str | None:
    """Fingerprint what a site verifies with: its HMAC secret, or its public key in PEM. None if it is neither."""
    if algorithm.startswith("HS"):
        return hmac.new(material.encode(), _FINGERPRINT, hashlib.sha256).hexdigest()[:16]
    try:
        return public_fingerprint(load_pem_public_key(material.encode()))
    except (ValueError, UnsupportedAlgorithm):
        return None


def public_fingerprint(key: Any) -> str:
    """Fingerprint a public key by its SubjectPublicKeyInfo (RFC 5280 section 4.1)."""
    return hashlib.sha256(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()[:16]


def _fits(key: object, algorithm: str) -> bool:
    if algorithm == "RS256":
        return isinstance(key, rsa.RSAPrivateKey) and key.key_size >= _MINIMUM_RSA_BITS
    if algorithm == "ES256":
        return isinstance(key, ec.EllipticCurvePrivateKey) and isinstance(key.curve, ec.SECP256R1)
    return isinstance(key, ed25519.Ed25519PrivateKey)
