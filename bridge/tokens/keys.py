"""The key that signs, and the one that verifies what it signed."""

import hashlib
import hmac
from dataclasses import dataclass, field
from typing import Any, Final, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from jwt.algorithms import HMACAlgorithm
from jwt.exceptions import InvalidKeyError

from bridge.errors import ConfigurationError
from bridge.tokens.jwk import fits, thumbprint

__all__ = ["ALGORITHMS", "KEY_PAIR_ALGORITHMS", "KeyNames", "SigningKey", "verifying_fingerprint"]

ALGORITHMS: Final = ("HS256", "RS256", "ES256", "EdDSA")
"""What BRIDGE_SIGNING_ALGORITHM may be. A token's own header never chooses."""

KEY_PAIR_ALGORITHMS: Final = ALGORITHMS[1:]
"""Those whose verifying half may be published."""

_MINIMUM_SECRET_BYTES: Final = 32
_RSA_BITS: Final = 2048
_FINGERPRINT: Final = b"bridge.tokens.fingerprint"


@dataclass(frozen=True, slots=True)
class KeyNames:
    """What a key and its algorithm are called where they were set, for an error to name what can be changed."""

    key: str
    algorithm: str


_OF_THE_BRIDGE: Final = KeyNames("BRIDGE_SIGNING_KEY", "BRIDGE_SIGNING_ALGORITHM")


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One algorithm and its key pair; for HS256 both halves are the shared secret.

    Attributes:
        algorithm: one of ``ALGORITHMS``.
        private: what PyJWT signs with.
        public: what PyJWT verifies with; two keys are equal if these are.
        kid: the public key's thumbprint (RFC 7638); None for a shared secret, which nobody is told about.
    """

    algorithm: str
    private: Any = field(repr=False, compare=False)
    public: Any = field(repr=False)
    kid: str | None = field(default=None, repr=False)

    @classmethod
    def load(cls, material: str, *, algorithm: str, named: KeyNames = _OF_THE_BRIDGE) -> Self:
        """Take an HS256 secret or a PEM private key.

        Args:
            material: either, as text.
            algorithm: of ``ALGORITHMS``.
            named: what both are called where they were set.

        Raises:
            ConfigurationError: the algorithm is unknown, or the key does not fit it or is too weak for it
                (RFC 7518 sections 3.2 and 3.3).
        """
        if algorithm not in ALGORITHMS:
            raise ConfigurationError(f"{named.algorithm} is {algorithm!r}", cure=f"Use one of {', '.join(ALGORITHMS)}.")
        if algorithm == "HS256":
            return cls._shared(material, named)
        return cls._pair(material, algorithm, named)

    @classmethod
    def generate(cls, algorithm: str) -> Self:
        """Make a new key pair.

        Raises:
            ConfigurationError: there is no such algorithm of key pairs.
        """
        if algorithm not in KEY_PAIR_ALGORITHMS:
            raise ConfigurationError(
                f"There are no key pairs for {algorithm!r}", cure=f"Use one of {', '.join(KEY_PAIR_ALGORITHMS)}."
            )
        private = _private_key(algorithm)
        public = private.public_key()
        return cls(algorithm=algorithm, private=private, public=public, kid=thumbprint(public))

    @property
    def fingerprint(self) -> str:
        """Name what verifies, for two apps to compare: a shared secret under itself, a public key by its digest."""
        if isinstance(self.public, str):
            return hmac.new(self.public.encode(), _FINGERPRINT, hashlib.sha256).hexdigest()[:16]
        return public_fingerprint(self.public)

    def to_pem(self) -> str:
        """Give the private half of a key pair as unencrypted PEM (PKCS #8)."""
        pem: bytes = self.private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return pem.decode()

    @classmethod
    def _shared(cls, secret: str, named: KeyNames) -> Self:
        if "PRIVATE KEY" in secret or "PUBLIC KEY" in secret:
            raise ConfigurationError(
                f"{named.key} is a PEM key but the algorithm is HS256",
                cure=f"Set {named.algorithm} to the key's algorithm, or give the secret that the other app has.",
            )
        if not secret.isprintable():
            raise ConfigurationError(
                f"{named.key} holds characters that cannot be printed", cure="Give it as plain text in UTF-8."
            )
        if len(secret.encode()) < _MINIMUM_SECRET_BYTES:
            raise ConfigurationError(
                f"{named.key} is shorter than {_MINIMUM_SECRET_BYTES} bytes",
                cure="Give both apps the same longer one, such as `openssl rand -base64 48` prints.",
            )
        try:
            HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(secret)
        except InvalidKeyError as exc:
            raise ConfigurationError(
                f"{named.key} is a JWK, or a public key, but the algorithm is HS256",
                cure="Give the secret itself, as the other app has it: a JWK's `k`, decoded.",
            ) from exc
        return cls(algorithm="HS256", private=secret, public=secret)

    @classmethod
    def _pair(cls, pem: str, algorithm: str, named: KeyNames) -> Self:
        try:
            key: Any = load_pem_private_key(pem.encode(), password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as exc:
            raise ConfigurationError(
                f"{named.key} is not an unencrypted PEM private key, which {algorithm} needs",
                cure="Give the key's text, with its BEGIN and END lines.",
            ) from exc
        public = key.public_key()
        if not fits(public, algorithm):
            raise ConfigurationError(
                f"{named.key} does not fit {algorithm}",
                cure="RS256 wants RSA of 2048 bits or more, ES256 the curve P-256, EdDSA an Ed25519 key.",
            )
        return cls(algorithm=algorithm, private=key, public=public, kid=thumbprint(public))


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


def _private_key(algorithm: str) -> Any:
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
    if algorithm == "ES256":
        return ec.generate_private_key(ec.SECP256R1())
    return ed25519.Ed25519PrivateKey.generate()
