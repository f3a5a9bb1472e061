"""What a token is worth right now, for resource servers that cannot tell by themselves (RFC 7662)."""

from bridge.errors import InvalidToken
from bridge.services.clock import Clock
from bridge.services.identity import Identity
from bridge.services.lineage import Continuity
from bridge.store.blacklist import Blacklist
from bridge.store.database import Database
from bridge.store.grants import Grants
from bridge.store.text import is_storable
from bridge.store.users import StoredUser, Users
from bridge.tokens import RefreshClaims, TokenClaims, TokenVerifier

__all__ = ["Introspection"]


class Introspection:
    """Looks at tokens and spends none."""

    def __init__(
        self,
        *,
        database: Database,
        identity: Identity,
        users: Users,
        grants: Grants,
        blacklist: Blacklist | None,
        continuity: Continuity,
        verifier: TokenVerifier,
        clock: Clock,
    ) -> None:
        self._database = database
        self._identity = identity
        self._users = users
        self._grants = grants
        self._blacklist = blacklist
        self._continuity = continuity
        self._verifier = verifier
        self._clock = clock

    async def of(self, token: str) -> tuple[TokenClaims, str] | None:
        """Give the claims and the username of a token that would be taken now; None of any other."""
        try:
            authenticated = await self._identity.of_token(token)
        except InvalidToken:
            return await self._of_refresh(token)
        return authenticated.claims, authenticated.user.username

    async def _of_refresh(self, token: str) -> tuple[TokenClaims, str] | None:
        try:
            claims = self._verifier.verify_refresh(token)
        except InvalidToken:
            return None
        user = await self._users.with_password(claims.user_id)
        if user is None or not user.is_active or not await self._is_next(claims, user):
            return None
        return claims, user.username

    async def _is_next(self, claims: RefreshClaims, user: StoredUser) -> bool:
        """Tell whether a refresh token would be rotated now."""
        if not is_storable(claims.token_id) or not is_storable(claims.session_id or ""):
            return False
        if self._blacklist is not None and await self._blacklist.among([claims.token_id], executor=self._database):
            return False
        if claims.session_id is None:
            return not claims.is_own and not await self._grants.has_opener(claims.token_id)
        grant = await self._grants.by_id(claims.session_id)
        if grant is None or grant.user_id != user.id or not grant.is_alive(self._clock()):
            return False
        is_newest = grant.current_token_id == claims.token_id
        return is_newest and await self._continuity.holds(user.id, encoded=user.encoded, auth_hash=grant.auth_hash)
