"""Says that somebody knew a user's password a moment ago, and that a code is still to come."""

import hashlib
import hmac
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import jwt

from bridge.errors import InvalidToken

__all__ = ["MfaClaims", "MfaTokens"]

_ALGORITHM: Final = "HS256"
_TYPE: Final = "mfa"
_KEY: Final = b"bridge.tokens.mfa.key"
_LIFETIME: Final = timedelta(minutes=5)
_MAXIMUM_LENGTH: Final = 4096


@dataclass(frozen=True, slots=True)
class MfaClaims:
    """What such a token says.

    Attributes:
        user_id: whose password it was; the primary key as text.
        scope: what was asked for with it.
        auth_hash: of the stored value that was verified, as a Django session of the same moment would carry it.
    """

    user_id: str
    scope: tuple[str, ...]
    auth_hash: str = field(repr=False)


class MfaTokens:
    """Issues and verifies them: for five minutes, for one purpose, for one user and one password.

    They are signed with a key of their own, which follows from the site's SECRET_KEY and verifies nothing else. So no
    verifier of access tokens takes one, however it is set up (SimpleJWT with TOKEN_TYPE_CLAIM None, say, or a stranger
    to whom any signature of a published key is good). Their holder can read them, and the auth hash in them, as in
    Django's signed cookies: it follows from the stored value by the site's key, and opens nothing by itself.

    Args:
        secrets: SECRET_KEY, which signs, and its fallbacks.
        issuer: ``iss``.
    """

    def __init__(self, *, secrets: Sequence[str], issuer: str) -> None:
        self._secrets = tuple(secret.encode() for secret in secrets)
        self._issuer = issuer

    def issue(self, *, user_id: str, auth_hash: str, now: datetime, scope: Collection[str] = ()) -> str:
        """Sign a token for a user whose stored value has just been verified."""
        secret = self._secrets[0]
        payload = {
            "iss": self._issuer,
            "token_type": _TYPE,
            "exp": int((now + _LIFETIME).timestamp()),
            "user": user_id,
            "restricted_to": list(scope),
            "password": auth_hash,
        }
        return jwt.encode(payload, _key(secret), _ALGORITHM, {"typ": "mfa+jwt"})

    def verify(self, token: str, *, now: datetime) -> MfaClaims:
        """Read a token.

        Raises:
            InvalidToken: it is none of ours, or its time is over.
        """
        if len(token) > _MAXIMUM_LENGTH:
            raise InvalidToken("too long")
        for secret in self._secrets:
            payload = _decoded(token, secret)
            if payload is not None:
                return self._claims(payload, now)
        raise InvalidToken("not an mfa token")

    def _claims(self, payload: dict[str, Any], now: datetime) -> MfaClaims:
        if payload.get("token_type") != _TYPE or payload.get("iss") != self._issuer:
            raise InvalidToken("not an mfa token")
        if payload["exp"] <= now.timestamp():
            raise InvalidToken("expired")
        return MfaClaims(
            user_id=payload["user"],
            scope=tuple(payload["restricted_to"]),
            auth_hash=payload["password"],
        )


def _decoded(token: str, secret: bytes) -> dict[str, Any] | None:
    try:
        # The time is the caller's.
        return jwt.decode(token, _key(secret), algorithms=[_ALGORITHM], options={"verify_exp": False})
    except (jwt.PyJWTError, ValueError):
        return None


def _key(secret: bytes) -> bytes:
    return hmac.digest(secret, _KEY, hashlib.sha256)
