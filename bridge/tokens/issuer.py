"""Writes tokens that the bridge, SimpleJWT and ninja-jwt take alike."""

import json
import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from jwt import PyJWS
from jwt.algorithms import HMACAlgorithm

from bridge.tokens.claims import AccessClaims, RefreshClaims, TokenClaims
from bridge.tokens.keyset import KeySet

__all__ = ["TokenIssuer", "without_signature"]


class _CheckedSecret(HMACAlgorithm):
    """Takes a secret that ``SigningKey.load`` has checked; PyJWT would look at each token whether it is another key."""

    def prepare_key(self, key: str | bytes) -> bytes:
        return key.encode() if isinstance(key, str) else key


_JWS: Final = PyJWS()
_JWS.unregister_algorithm("HS256")
_JWS.register_algorithm("HS256", _CheckedSecret(HMACAlgorithm.SHA256))


class TokenIssuer:
    """Signs access and refresh tokens.

    Args:
        keys: what to sign with, each at its time.
        issuer: ``iss``.
        audience: ``aud``.
        lifetime: of access tokens, until ``exp``.
    """

    def __init__(self, *, keys: KeySet, issuer: str, audience: str, lifetime: timedelta) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self.lifetime = lifetime

    def issue(
        self, *, user_id: str, now: datetime, scope: Sequence[str] = (), session_id: str | None = None
    ) -> tuple[str, AccessClaims]:
        """Sign a new access token (RFC 9068 section 2.2) with SimpleJWT's ``token_type`` and ``user_id``.

        ``sub``, ``jti`` and ``user_id`` are strings: SimpleJWT refuses integers in the first two, and Django casts the
        third. ``iat`` is rounded down, because SimpleJWT allows no leeway for one in the future. An empty scope does
        not limit the token: whoever narrows a client's scope to nothing has to refuse (RFC 6749 section 5.2).
        """
        issued_at = now.replace(microsecond=0)
        claims = AccessClaims(
            user_id=user_id,
            token_id=uuid.uuid4().hex,
            expires_at=issued_at + self.lifetime,
            issued_at=issued_at,
            scope=tuple(scope),
            is_scoped=bool(scope),
            session_id=session_id,
            is_own=True,
        )
        return self._signed(claims, kind="access", header_type="at+jwt"), claims

    def issue_refresh(self, claims: RefreshClaims) -> str:
        """Sign a refresh token; the same claims give the same token again (but for ES256's random signature).

        It has the claims of an access token, and of SimpleJWT's refresh tokens, so that either app can rotate it.
        """
        return self._signed(claims, kind="refresh", header_type="refresh+jwt")

    def _signed(self, claims: TokenClaims, *, kind: str, header_type: str) -> str:
        if claims.issued_at is None:
            raise ValueError("a token of ours says when it was issued")
        # What SimpleJWT and ninja-jwt look at, and what allauth does.
        payload = self._payload(claims, claims.issued_at) | {"token_type": kind, "token_use": kind}
        key = self._keys.signing(now=claims.issued_at)
        named = {} if key.kid is None else {"kid": key.kid}
        written = json.dumps(payload, separators=(",", ":")).encode()
        return _JWS.encode(written, key.private, key.algorithm, {"typ": header_type, **named})

    def _payload(self, claims: TokenClaims, issued_at: datetime) -> dict[str, object]:
        payload: dict[str, object] = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": claims.user_id,
            "client_id": "first-party",
            "iat": int(issued_at.timestamp()),
            "exp": int(claims.expires_at.timestamp()),
            "jti": claims.token_id,
            "user_id": claims.user_id,
            "scope": " ".join(claims.scope),
        }
        if claims.session_id is not None:
            payload["sid"] = claims.session_id
        return payload


def without_signature(token: str) -> str:
    """Give a token for the record: it can be read, and opens nothing."""
    return token[: token.rindex(".") + 1]
