"""The claims of a verified token, whoever issued it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

__all__ = ["TOLERATED_SKEW", "AccessClaims", "RefreshClaims", "TokenClaims"]

TOLERATED_SKEW: Final = timedelta(seconds=30)
"""By which the clocks of two machines may differ, so that what one of them has written seems to be of the future."""


@dataclass(frozen=True, slots=True)
class TokenClaims:
    """What a verified token says.

    Attributes:
        user_id: the user's primary key as text (SimpleJWT's ``user_id``).
        token_id: ``jti``, unique per token; what a revocation names.
        expires_at: ``exp``.
        issued_at: ``iat``; None where the issuer left it out.
        scope: granted scopes (RFC 6749 section 3.3); empty for the site's tokens, which have none.
        is_scoped: whether the token may do no more than its scope says. A token that names no scope is not: the site's
            never do, nor does that of a first-party login, and both act for the user as such. A scope claim that cannot
            be read limits the token to nothing.
        session_id: ``sid``, the grant that the token belongs to; None for tokens outside of any.
        is_own: whether it carries the bridge's issuer and claims; else the site's rules apply to it.
    """

    user_id: str
    token_id: str
    expires_at: datetime
    issued_at: datetime | None = None
    scope: tuple[str, ...] = ()
    is_scoped: bool = False
    session_id: str | None = None
    is_own: bool = False


@dataclass(frozen=True, slots=True)
class AccessClaims(TokenClaims):
    """Of a token that opens endpoints."""


@dataclass(frozen=True, slots=True)
class RefreshClaims(TokenClaims):
    """Of a token that is exchanged for the next pair, and opens nothing."""
