"""The claims of an access token, whoever issued it."""

from dataclasses import dataclass
from datetime import datetime

__all__ = ["AccessClaims"]


@dataclass(frozen=True, slots=True)
class AccessClaims:
    """What a verified access token says.

    Attributes:
        user_id: the user's primary key as text (SimpleJWT's ``user_id``).
        token_id: ``jti``, unique per token; what a revocation names.
        expires_at: ``exp``.
        issued_at: ``iat``; None where the issuer left it out.
        scope: granted scopes (RFC 6749 section 3.3); empty for the site's tokens, which have none.
        session_id: ``sid``, the grant that the token belongs to; None for the site's tokens.
    """

    user_id: str
    token_id: str
    expires_at: datetime
    issued_at: datetime | None = None
    scope: tuple[str, ...] = ()
    session_id: str | None = None
