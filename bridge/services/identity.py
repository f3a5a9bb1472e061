"""From a token to the user it names."""

from dataclasses import dataclass, replace

from bridge.errors import InvalidToken
from bridge.services.lineage import Continuity
from bridge.store.rights import NOTHING, Rights
from bridge.store.users import Identified, StoredUser, Users
from bridge.tokens import AccessClaims, TokenVerifier

__all__ = ["Authenticated", "Identity"]


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who is asking, and by what token.

    Attributes:
        asked: what was looked up about the user.
        held: what of that they hold.
    """

    user: StoredUser
    claims: AccessClaims
    asked: Rights = NOTHING
    held: Rights = NOTHING


class Identity:
    """Verifies tokens and reads their users live."""

    def __init__(self, *, verifier: TokenVerifier, users: Users, continuity: Continuity) -> None:
        self._verifier = verifier
        self._users = users
        self._continuity = continuity

    async def of_token(self, token: str, *, asked: Rights = NOTHING) -> Authenticated:
        """Find the active user of an access token that was not revoked, and what they hold, in one statement.

        A second one follows only for a token of before a re-hash, until its grant is next refreshed.

        Raises:
            InvalidToken: the token is not to be believed, or its user is gone or inactive.
            DatabaseUnavailable: the user table cannot be read.
        """
        claims = self._verifier.verify(token)
        identified = await self._users.of_token(
            user_id=claims.user_id, token_id=claims.token_id, grant_id=claims.session_id, asked=asked
        )
        if identified is None or not identified.user.is_active:
            raise InvalidToken("no active user")
        if identified.revoked:
            raise InvalidToken("revoked")
        await self._check_grant(claims, identified)
        # No endpoint has a use for the stored password.
        user = replace(identified.user, encoded="")
        return Authenticated(user=user, claims=claims, asked=asked, held=identified.held)

    async def _check_grant(self, claims: AccessClaims, identified: Identified) -> None:
        """End what hangs on a password that was changed since; a re-hash changed none."""
        if claims.session_id is None:
            return
        if identified.grant_hash is not None:
            if not await self._continuity.holds(identified.user, identified.grant_hash):
                raise InvalidToken("password changed")
        elif claims.is_own:  # other issuers have a `sid` of their own
            raise InvalidToken("no grant")
