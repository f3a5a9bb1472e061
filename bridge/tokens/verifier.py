"""Believes a token, or does not."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

import jwt

from bridge.errors import InvalidToken
from bridge.tokens.claims import TOLERATED_SKEW, AccessClaims, RefreshClaims
from bridge.tokens.keyset import VerifyingKeys
from bridge.tokens.memory import Memory

__all__ = ["TokenVerifier", "is_of_bridge", "unverified_session_id"]

_MAXIMUM_LENGTH: Final = 8192
_MAXIMUM_ID_LENGTH: Final = 255
_LONGEST_REMEMBERED: Final = 2048  # what is kept of a token is no longer than the token
_EXTENSIONS: Final = ("crit", "b64")  # RFC 7515 section 4.1.11, RFC 7797
_OPTIONS: Final[Any] = {
    "require": ["exp", "jti"],
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    # Against the clock that everything else goes by, below.
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}
_BRIDGE_CLAIMS: Final = ("aud", "sub", "iat", "jti", "client_id")


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Signed:
    """What was in a token, and the key that it was signed by."""

    payload: dict[str, Any]
    key: Any = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Remembered:
    """A token that was believed, and until when it is: neither it nor its key has ended by then."""

    claims: AccessClaims
    until: datetime


class TokenVerifier:
    """Verifies tokens of the bridge and of the site, which are signed with the same key.

    It may remember access tokens that it has believed, by their SHA-256, so that a signature is checked once and not
    with each request: until the token ends, or its key does.

    Args:
        keys: whose public halves verify, with their own algorithm. A token's header never chooses one; its ``kid`` only
            picks among these keys, and the keys that a header may bring along or point to are not looked at.
        issuer: the bridge's ``iss``.
        audience: the bridge's ``aud``.
        site_issuer: SIMPLE_JWT's ISSUER; None where the site's tokens carry none.
        site_audience: SIMPLE_JWT's AUDIENCE; likewise.
        site_tokens: whether the site's tokens are taken at all. They must not be where `user_id` is no primary key, or
            where the site ties them to something that only it can check.
        remembers: how many access tokens; a verifier that does must stay on one thread.
        clock: where the time comes from.
    """

    def __init__(
        self,
        *,
        keys: VerifyingKeys,
        issuer: str,
        audience: str,
        site_issuer: str | None = None,
        site_audience: str | None = None,
        site_tokens: bool = True,
        remembers: int = 0,
        clock: Callable[[], datetime] = _now,
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._site_issuer = site_issuer
        self._site_audience = site_audience
        self._site_tokens = site_tokens
        self._memory: Memory[_Remembered] = Memory(most=remembers)
        self._can_remember = remembers > 0
        self._clock = clock

    def verify(self, token: str) -> AccessClaims:
        """Check signature, expiry, kind, issuer and audience (RFC 8725, RFC 9068 section 4; SimpleJWT's rules).

        Raises:
            InvalidToken: whatever is wrong with it.
        """
        if not self._can_remember or len(token) > _LONGEST_REMEMBERED:
            return self._access_claims(self._signed(token))
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
        known = self._memory.recall(digest)
        if known is not None:
            if self._clock() < known.until:
                return known.claims
            self._memory.forget(digest)
        signed = self._signed(token)
        claims = self._access_claims(signed)
        key_ends = self._keys.verifies_until(signed.key)
        until = claims.expires_at if key_ends is None else min(claims.expires_at, key_ends)
        self._memory.keep(digest, _Remembered(claims, until))
        return claims

    def verify_refresh(self, token: str) -> RefreshClaims:
        """Check a refresh token likewise; whether it was spent, a database must say.

        Raises:
            InvalidToken: whatever is wrong with it.
        """
        return RefreshClaims(**self._claims(self._signed(token), kind="refresh"))

    def _access_claims(self, signed: _Signed) -> AccessClaims:
        return AccessClaims(**self._claims(signed, kind="access"))

    def _claims(self, signed: _Signed, *, kind: str) -> dict[str, Any]:
        payload = signed.payload
        _check_times(payload, self._clock())
        if payload.get("token_type") != kind:
            raise InvalidToken(f"no {kind} token")
        return _claims(payload) | {"is_own": self._check_origin(payload)}

    def _signed(self, token: str) -> _Signed:
        if len(token) > _MAXIMUM_LENGTH:
            raise InvalidToken("too long")
        try:
            header = jwt.get_unverified_header(token)
            if not header.keys().isdisjoint(_EXTENSIONS):
                raise InvalidToken("extensions that are not known here")
            return self._signed_by_any(token, header.get("kid"))
        except (jwt.PyJWTError, ValueError) as exc:
            raise InvalidToken(type(exc).__name__) from exc

    def _signed_by_any(self, token: str, kid: str | None) -> _Signed:
        for key in self._keys.verifying(kid, now=self._clock()):
            try:
                return _Signed(jwt.decode(token, key, algorithms=[self._keys.algorithm], options=_OPTIONS), key)
            except jwt.InvalidSignatureError:
                continue
        raise InvalidToken("signed by no key of ours")

    def _check_origin(self, payload: dict[str, Any]) -> bool:
        """Hold a token to the rules of whoever says to have issued it: ours to RFC 9068, the site's to its settings.

        Tell whether it is ours.
        """
        is_own = is_of_bridge(payload, issuer=self._issuer)
        if is_own:
            expected_audience: str | None = self._audience
        elif self._site_tokens and payload.get("iss") == self._site_issuer:
            expected_audience = self._site_audience
        else:
            raise InvalidToken("foreign issuer")
        if expected_audience is not None and expected_audience not in _audiences(payload):
            raise InvalidToken("foreign audience")
        if expected_audience is None and "aud" in payload:
            raise InvalidToken("foreign audience")
        return is_own


def _check_times(payload: dict[str, Any], now: datetime) -> None:
    """Hold ``exp``, ``nbf`` and ``iat`` against the clock (RFC 7519 section 4.1).

    A token may be as far from the future as the clocks of two machines may differ: a login at the one app is not to
    fail at the other. Nothing is added to its end.
    """
    if now >= _moment(payload["exp"]):
        raise InvalidToken("expired")
    if any(name in payload and _moment(payload[name]) > now + TOLERATED_SKEW for name in ("nbf", "iat")):
        raise InvalidToken("not valid yet")


def is_of_bridge(payload: Mapping[str, Any], *, issuer: str) -> bool:
    """Tell the bridge's own tokens from the site's, by the claims of a token that was verified."""
    return payload.get("iss") == issuer and all(name in payload for name in _BRIDGE_CLAIMS)


def unverified_session_id(token: str) -> str | None:
    """Read ``sid`` from a token on record, whose signature may be gone; None where it has none, or is no token."""
    try:
        session_id = jwt.decode(token, options={"verify_signature": False}).get("sid")
    except (jwt.PyJWTError, ValueError):
        return None
    return session_id if isinstance(session_id, str) else None


def _audiences(payload: dict[str, Any]) -> list[object]:
    audience = payload.get("aud")
    return audience if isinstance(audience, list) else [audience]


def _claims(payload: dict[str, Any]) -> dict[str, Any]:
    scope = payload.get("scope", "")
    return {
        "user_id": _user_id(payload),
        "token_id": _token_id(payload),
        "expires_at": _moment(payload["exp"]),
        "issued_at": _moment(payload["iat"]) if "iat" in payload else None,
        "scope": tuple(scope.split()) if isinstance(scope, str) else (),
        "is_scoped": scope != "",
        "session_id": _session_id(payload),
    }


def _session_id(payload: dict[str, Any]) -> str | None:
    """Read ``sid``; one that could be no grant's is refused rather than taken for none."""
    session_id = payload.get("sid")
    if session_id is not None and not (isinstance(session_id, str) and 0 < len(session_id) <= _MAXIMUM_ID_LENGTH):
        raise InvalidToken("sid out of bounds")
    return session_id


def _user_id(payload: dict[str, Any]) -> str:
    """Read ``user_id``, which SimpleJWT before 5.5.1 and ninja-jwt write as an integer."""
    user_id = payload.get("user_id")
    if isinstance(user_id, bool) or not isinstance(user_id, int | str):
        raise InvalidToken("no user_id")
    if not 0 < len(str(user_id)) <= _MAXIMUM_ID_LENGTH:
        raise InvalidToken("user_id out of bounds")
    return str(user_id)


def _token_id(payload: dict[str, Any]) -> str:
    token_id = payload["jti"]
    if not isinstance(token_id, str) or not 0 < len(token_id) <= _MAXIMUM_ID_LENGTH:
        raise InvalidToken("jti out of bounds")
    return token_id


def _moment(seconds: object) -> datetime:
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise InvalidToken("not a time")
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as exc:
        raise InvalidToken("not a time") from exc
