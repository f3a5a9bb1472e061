"""From a token to the user it names."""

from dataclasses import dataclass

from bridge.errors import InvalidToken
from bridge.store.users import StoredUser, Users
from bridge.tokens import AccessClaims, TokenVerifier

__all__ = ["Authenticated", "Identity"]


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who is asking, and by what token."""

    user: StoredUser
    claims: AccessClaims


class Identity:
    """Verifies tokens and reads their users live."""

    def __init__(self, *, verifier: TokenVerifier, users: Users) -> None:
        self._verifier = verifier
        self._users = users

    async def of_token(self, token: str) -> Authenticated:
        """Find the active user of an access token that was not revoked, in one statement.

        Raises:
            InvalidToken: the token is not to be believed, or its user is gone or inactive.
            DatabaseUnavailable: the user table cannot be read.
        """
        claims = self._verifier.verify(token)
        identified = await self._users.of_token(user_id=claims.user_id, token_id=claims.token_id)
        if identified is None or not identified.user.is_active:
            raise InvalidToken("no active user")
        if identified.revoked:
            raise InvalidToken("revoked")
        return Authenticated(user=identified.user, claims=claims)
