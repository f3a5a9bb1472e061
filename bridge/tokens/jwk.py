"""Public keys as JSON (RFC 7517, RFC 7518 section 6, RFC 8037 section 2)."""

import base64
import hashlib
import json
from dataclasses import dataclass
from typing import Any, Final

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key

from bridge.errors import ConfigurationError

__all__ = ["PublicKey", "fits", "public_jwk", "read_key_set", "read_public_key", "thumbprint"]

_MINIMUM_RSA_BITS: Final = 2048
_MAXIMUM_KEYS: Final = 32
_COORDINATE_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class PublicKey:
    """A key that verifies and the name that tokens call it by; None if it has none."""

    kid: str | None
    key: Any


def public_jwk(key: Any) -> dict[str, str]:
    """Give the members of a public key that make it this key, and no others, in the order of their names.

    Args:
        key: of RSA, of the curve P-256, or of Ed25519.
    """
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"e": _unsigned(numbers.e), "kty": "RSA", "n": _unsigned(numbers.n)}
    if isinstance(key, ec.EllipticCurvePublicKey):
        point = key.public_numbers()
        x, y = (_base64url(each.to_bytes(_COORDINATE_BYTES, "big")) for each in (point.x, point.y))
        return {"crv": "P-256", "kty": "EC", "x": x, "y": y}
    return {"crv": "Ed25519", "kty": "OKP", "x": _base64url(key.public_bytes(Encoding.Raw, PublicFormat.Raw))}


def thumbprint(key: Any) -> str:
    """Name a public key by itself (RFC 7638 section 3)."""
    canonical = json.dumps(public_jwk(key), sort_keys=True, separators=(",", ":"))
    return _base64url(hashlib.sha256(canonical.encode()).digest())


def fits(key: object, algorithm: str) -> bool:
    """Tell whether a public key is one of the algorithm's, and strong enough."""
    if algorithm == "RS256":
        return isinstance(key, rsa.RSAPublicKey) and key.key_size >= _MINIMUM_RSA_BITS
    if algorithm == "ES256":
        return isinstance(key, ec.EllipticCurvePublicKey) and isinstance(key.curve, ec.SECP256R1)
    return algorithm == "EdDSA" and isinstance(key, ed25519.Ed25519PublicKey)


def read_public_key(pem: str, *, algorithm: str) -> PublicKey:
    """Take a public key in PEM.

    Raises:
        ConfigurationError: it is none, or not one of the algorithm's.
    """
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise ConfigurationError(
            "VERIFYING_KEY is not a public key in PEM", cure="Give the key's text, with its BEGIN and END lines."
        ) from exc
    if not fits(key, algorithm):
        raise ConfigurationError(
            f"VERIFYING_KEY does not fit {algorithm}",
            cure="RS256 wants RSA of 2048 bits or more, ES256 the curve P-256, EdDSA an Ed25519 key.",
        )
    return PublicKey(kid=thumbprint(key), key=key)


def read_key_set(document: bytes, *, algorithm: str) -> tuple[PublicKey, ...]:
    """Take those keys of a JWK set that are for verifying this algorithm; leave the others alone (RFC 7517 section 5).

    Raises:
        ValueError: it is no JWK set, or holds more keys than anybody needs.
    """
    found = json.loads(document)
    keys = found.get("keys") if isinstance(found, dict) else None
    if not isinstance(keys, list):
        raise ValueError("not a JWK set")  # noqa: TRY004  # the document is at fault, not the caller
    if len(keys) > _MAXIMUM_KEYS:
        raise ValueError(f"more than {_MAXIMUM_KEYS} keys")
    taken = (_read(each, algorithm) for each in keys if isinstance(each, dict))
    return tuple(each for each in taken if each is not None)


def _read(jwk: dict[str, Any], algorithm: str) -> PublicKey | None:
    if jwk.get("use", "sig") != "sig" or jwk.get("alg", algorithm) != algorithm:
        return None
    try:
        key = jwt.PyJWK(jwk, algorithm=algorithm).key
    except (jwt.PyJWTError, ValueError, TypeError, UnsupportedAlgorithm):
        return None
    kid = jwk.get("kid")
    return PublicKey(kid=kid if isinstance(kid, str) else None, key=key) if fits(key, algorithm) else None


def _unsigned(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
