"""Issuers and verifiers that fit each other, and tokens as another issuer, or an attacker, would write them."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt

from bridge.tokens import KeySet, SigningKey, TokenIssuer, TokenVerifier

__all__ = [
    "AUDIENCE",
    "ISSUER",
    "KEY",
    "SECRET",
    "as_json",
    "bridge_claims",
    "forge",
    "issuer",
    "signed_by_hand",
    "site_claims",
    "unpadded",
    "verifier",
]

SECRET: Final = "a signing key of these tests alone, long enough for any HMAC, that opens nothing anywhere"
KEY: Final = SigningKey.load(SECRET, algorithm="HS256")
ISSUER: Final = "https://bridge.example"
AUDIENCE: Final = "shop"


def issuer(*, key: SigningKey = KEY, lifetime: timedelta = timedelta(minutes=15)) -> TokenIssuer:
    return TokenIssuer(keys=KeySet.of_one(key), issuer=ISSUER, audience=AUDIENCE, lifetime=lifetime)


def verifier(*, key: SigningKey = KEY, **site: Any) -> TokenVerifier:
    return TokenVerifier(keys=KeySet.of_one(key), issuer=ISSUER, audience=AUDIENCE, **site)


def site_claims(**changed: Any) -> dict[str, Any]:
    """What SimpleJWT puts into an access token, with some claims changed; None takes one out."""
    now = int(datetime.now(UTC).timestamp())  # PyJWT compares with the machine's clock
    claims = {"token_type": "access", "exp": now + 300, "iat": now, "jti": "a1b2c3", "user_id": "7"}
    return {name: value for name, value in (claims | changed).items() if value is not None}


def bridge_claims(**changed: Any) -> dict[str, Any]:
    """What the bridge puts into an access token, with some claims changed; None takes one out."""
    own = {"iss": ISSUER, "aud": AUDIENCE, "sub": "7", "client_id": "first-party", "scope": ""}
    return site_claims(**(own | changed))


def forge(
    claims: dict[str, Any], *, key: Any = SECRET, algorithm: str = "HS256", headers: dict[str, Any] | None = None
) -> str:
    return jwt.encode(claims, key, algorithm, headers)


def signed_by_hand(header: bytes, payload: bytes, *, secret: bytes = SECRET.encode()) -> str:
    """Sign with HMAC-SHA256 whatever the two parts say, as no library would."""
    signed = f"{unpadded(header)}.{unpadded(payload)}"
    return f"{signed}.{unpadded(hmac.digest(secret, signed.encode(), hashlib.sha256))}"


def unpadded(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()
