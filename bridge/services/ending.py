"""Ends grants and takes tokens back, at once and on every replica."""

import uuid
from collections.abc import Sequence
from typing import Final

from bridge.errors import InvalidToken
from bridge.services.clock import Clock
from bridge.store.blacklist import Blacklist, Outstanding
from bridge.store.database import Database, Executor
from bridge.store.grants import Grants, StoredGrant
from bridge.store.revocations import Revocations
from bridge.store.sessions import Sessions
from bridge.store.text import is_storable
from bridge.store.users import Users
from bridge.tokens import AccessClaims, EndedBy, RefreshClaims, TokenVerifier, unverified_session_id

__all__ = ["Ending"]

_MOST_SHOWN: Final = 200


class Ending:
    """Logs users out.

    Args:
        blacklist: the site's own record of refresh tokens; None where it keeps none.
        sessions: of the site, which end with the grants that belong to them; None where it keeps them elsewhere.
    """

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        grants: Grants,
        revocations: Revocations,
        blacklist: Blacklist | None,
        sessions: Sessions | None,
        verifier: TokenVerifier,
        clock: Clock,
    ) -> None:
        self._database = database
        self._users = users
        self._grants = grants
        self._revocations = revocations
        self._blacklist = blacklist
        self._sessions = sessions
        self._verifier = verifier
        self._clock = clock

    async def log_out(self, claims: AccessClaims) -> None:
        """End an access token and the grant that it belongs to."""
        async with self._database.transaction() as transaction:
            await self._revoke(claims, transaction)
            if claims.session_id is not None and is_storable(claims.session_id):
                await self.end(claims.session_id, user_id=claims.user_id, by=EndedBy.LOGOUT, executor=transaction)

    async def log_out_everywhere(self, claims: AccessClaims) -> None:
        """End an access token, all grants of its user, and the site's refresh tokens where it keeps a blacklist."""
        now = self._clock()
        async with self._database.transaction() as transaction:
            await self._revoke(claims, transaction)
            for grant in await self._grants.end_all(
                claims.user_id, reason=EndedBy.LOGOUT, now=now, executor=transaction
            ):
                await self._end_session(grant, transaction)
            if self._blacklist is not None:
                await self._blacklist.spend_all(claims.user_id, now=now, executor=transaction)

    async def alive(self, user_id: str) -> Sequence[StoredGrant]:
        """Give a user's grants, the last used first; at most 200."""
        return await self._grants.alive(user_id, now=self._clock(), limit=_MOST_SHOWN)

    async def revoke_grant(self, grant_id: str, *, user_id: str) -> bool:
        """End one grant of a user; False if it is none of theirs, or has ended before."""
        if not is_storable(grant_id):
            return False
        async with self._database.transaction() as transaction:
            return await self.end(grant_id, user_id=user_id, by=EndedBy.REVOKED, executor=transaction)

    async def revoke(self, token: str) -> AccessClaims | RefreshClaims | None:
        """Take a token back that its holder shows (RFC 7009 section 2): a refresh token with its whole grant.

        Give what it was; None of one that nobody would believe, which is as good as revoked.
        """
        try:
            return await self._revoke_access(self._verifier.verify(token))
        except InvalidToken:
            return await self._revoke_refresh(token)

    async def end(self, grant_id: str, *, user_id: str, by: EndedBy, executor: Executor) -> bool:
        """End a grant inside the caller's transaction, and let the site take no refresh token of it any more.

        A logout ends the session, and with it all that the user has exchanged it for.
        """
        now = self._clock()
        if by is EndedBy.LOGOUT:
            ended = await self._grants.end_joined(grant_id, user_id=user_id, reason=by, now=now, executor=executor)
        else:
            found = await self._grants.end(grant_id, user_id=user_id, reason=by, now=now, executor=executor)
            ended = [] if found is None else [found]
        if ended:
            await self._end_session(ended[0], executor)
        if self._blacklist is not None:
            live = await self._blacklist.live(user_id, now=now, executor=executor)
            over = {grant_id, *(grant.id for grant in ended)}
            members = [token_id for token_id, token in live if unverified_session_id(token) in over]
            await self._blacklist.spend(members, now=now, executor=executor)
        return bool(ended)

    async def _end_session(self, grant: StoredGrant, executor: Executor) -> None:
        if grant.session_key and self._sessions is not None:
            await self._sessions.delete(grant.session_key, executor=executor)

    async def _revoke_access(self, claims: AccessClaims) -> AccessClaims | None:
        if not is_storable(claims.token_id):
            return None
        await self._revoke(claims, self._database)
        return claims

    async def _revoke_refresh(self, token: str) -> RefreshClaims | None:
        try:
            claims = self._verifier.verify_refresh(token)
        except InvalidToken:
            return None
        if not is_storable(claims.token_id) or not is_storable(claims.session_id or ""):
            return None
        async with self._database.transaction() as transaction:
            if claims.session_id is None and not claims.is_own:
                await self._begin_at_its_end(claims, transaction)
            grant = (
                await self._grants.locked_of_opener(claims.token_id, executor=transaction)
                if claims.session_id is None
                else await self._grants.locked(claims.session_id, executor=transaction)
            )
            if grant is not None:
                await self.end(grant.id, user_id=grant.user_id, by=EndedBy.REVOKED, executor=transaction)
            if self._blacklist is not None:
                await self._blacklist.spend([claims.token_id], now=self._clock(), executor=transaction)
        return claims

    async def _begin_at_its_end(self, claims: RefreshClaims, executor: Executor) -> None:
        """Give a refresh token of the site a grant to be ended, unless it has begun one: it never begins another."""
        user = await self._users.with_password(claims.user_id, executor=executor)
        if user is None:
            return
        now = self._clock()
        begun = StoredGrant(
            id=uuid.uuid4().hex,
            user_id=user.id,
            auth_hash="",
            current_token_id=claims.token_id,
            created_at=now,
            rotated_at=now,
            expires_at=claims.expires_at,
            opened_by=claims.token_id,
        )
        await self._grants.open_once(begun, executor=executor)
        if self._blacklist is not None:
            listed = Outstanding(claims.token_id, user.id, "", claims.issued_at or now, claims.expires_at)
            await self._blacklist.list(listed, batch=executor)

    async def _revoke(self, claims: AccessClaims, executor: Executor) -> None:
        await self._revocations.add(
            token_id=claims.token_id,
            user_id=claims.user_id,
            expires_at=claims.expires_at,
            now=self._clock(),
            executor=executor,
        )
