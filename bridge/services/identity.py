"""From a token, or a session of the site, to the user it names."""

from dataclasses import dataclass

from bridge.errors import InvalidToken
from bridge.services.lineage import Continuity
from bridge.services.sessions import SiteSession, SiteSessions
from bridge.store.identities import Identified, Identities
from bridge.store.rights import NOTHING, Rights
from bridge.store.users import StoredUser
from bridge.tokens import AccessClaims, TokenVerifier

__all__ = ["Authenticated", "AuthenticatedByToken", "Identity"]


@dataclass(frozen=True, slots=True)
class Authenticated:
    """Who is asking, and how they came in.

    Attributes:
        claims: of their access token; None for a session.
        session: of the site; None for a token.
        asked: what was looked up about the user.
        held: what of that they hold.
    """

    user: StoredUser
    claims: AccessClaims | None = None
    session: SiteSession | None = None
    asked: Rights = NOTHING
    held: Rights = NOTHING


@dataclass(frozen=True, slots=True)
class AuthenticatedByToken(Authenticated):
    """Who is asking, and by what token."""

    claims: AccessClaims


class Identity:
    """Verifies tokens and sessions, and reads their users live."""

    def __init__(
        self, *, verifier: TokenVerifier, identities: Identities, continuity: Continuity, sessions: SiteSessions
    ) -> None:
        self._verifier = verifier
        self._identities = identities
        self._continuity = continuity
        self._sessions = sessions

    def claims_of(self, token: str) -> AccessClaims:
        """Verify an access token, and look nothing up about it.

        Raises:
            InvalidToken: the token is not to be believed.
        """
        return self._verifier.verify(token)

    async def of_token(self, token: str, *, asked: Rights = NOTHING) -> AuthenticatedByToken:
        """Find the active user of an access token that was not revoked, and what they hold, in one statement.

        A second one follows only for a token of before a re-hash, until its grant is next refreshed.

        Raises:
            InvalidToken: the token is not to be believed, or its user is gone or inactive.
            DatabaseUnavailable: the user table cannot be read.
        """
        claims = self._verifier.verify(token)
        identified = await self._identities.of_token(
            user_id=claims.user_id, token_id=claims.token_id, grant_id=claims.session_id, asked=asked
        )
        if identified is None or not identified.user.is_active:
            raise InvalidToken("no active user")
        if identified.revoked:
            raise InvalidToken("revoked")
        await self._check_grant(claims, identified)
        return AuthenticatedByToken(user=identified.user, claims=claims, asked=asked, held=identified.held)

    async def of_session(self, cookie: str, *, asked: Rights = NOTHING) -> Authenticated | None:
        """Find the active user of a live session of the site; None if the cookie's value opens nothing.

        A browser sends what it has, stale or not: unlike a token that is refused, that is nothing to report.

        Raises:
            DatabaseUnavailable: sessions or users cannot be read.
        """
        found = await self._sessions.find(cookie, asked=asked)
        if found is None:
            return None
        return Authenticated(user=found.user, session=found, asked=asked, held=found.held)

    async def _check_grant(self, claims: AccessClaims, identified: Identified) -> None:
        """End what hangs on a password that was changed since; a re-hash changed none."""
        if claims.session_id is None:
            return
        if identified.grant_hash is not None:
            if not await self._continuity.holds(
                identified.user.id, encoded=identified.encoded, auth_hash=identified.grant_hash
            ):
                raise InvalidToken("password changed")
        elif claims.is_own:  # other issuers have a `sid` of their own
            raise InvalidToken("no grant")
