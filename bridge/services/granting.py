"""Opens grants: what a login ends in, and what keeps it going after the first access token has expired."""

import logging
from collections.abc import Collection
from datetime import datetime
from typing import Final

from bridge.errors import DatabaseError, DatabaseUnavailable
from bridge.services.ending import Ending
from bridge.services.lineage import Continuity
from bridge.services.sessions import SiteSession, SiteSessions
from bridge.services.token_pairs import Granted, TokenPairs
from bridge.store.database import Database
from bridge.store.grants import Grants, StoredGrant
from bridge.store.users import StoredUser, Users
from bridge.tokens import EndedBy

__all__ = ["Granting"]

_logger: Final = logging.getLogger(__name__)


class Granting:
    """Keeps logins going."""

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        grants: Grants,
        sessions: SiteSessions,
        continuity: Continuity,
        pairs: TokenPairs,
        ending: Ending,
    ) -> None:
        self._database = database
        self._users = users
        self._grants = grants
        self._sessions = sessions
        self._continuity = continuity
        self._pairs = pairs
        self._ending = ending

    async def open(self, user: StoredUser, *, scope: Collection[str] = (), device: str = "") -> Granted:
        """Note the login of a user who has just proven who they are, and open a grant for them.

        A database that does not take it lets the user in all the same, without a refresh token.

        Args:
            user: with the stored password that was proven, or its re-hash.
            scope: what the tokens are restricted to; empty for no restriction.
            device: what the client calls itself; cut to 255 characters.

        Raises:
            ConfigurationError: the site would take the tokens for another user's.
        """
        self._pairs.refuse_if_hindered()
        auth_hash = self._continuity.auth_hash(user.encoded)
        grant = self._pairs.new_grant(user.id, auth_hash=auth_hash, device=device, scope=tuple(scope))
        try:
            return await self._keep(grant, login_of=user)
        except DatabaseUnavailable as exc:
            # Somebody else may hold the user's row, and no grant's: nobody waits for that row a second time.
            _logger.warning("login of user %s not written: %s", user.id, type(exc).__name__)
        except DatabaseError:
            await self._note(user, grant.created_at)
        return await self._keep_if_possible(grant)

    async def open_for(self, session: SiteSession, *, device: str = "") -> Granted | None:
        """Open a grant for whoever is logged in by a session of the site; the two end together.

        None if the session has ended meanwhile, or has no name.

        Raises:
            ConfigurationError: as in ``open``.
            DatabaseError: the grant cannot be kept.
        """
        self._pairs.refuse_if_hindered()
        if session.name is None:
            return None
        grant = self._pairs.new_grant(
            session.user.id, auth_hash=session.auth_hash, device=device, session_key=session.name
        )
        granted = await self._keep(grant)
        # Looked at once everybody can see the grant: a logout before has ended the session, one after ends the grant.
        if await self._sessions.goes_on(session):
            return granted
        async with self._database.transaction() as transaction:
            await self._ending.end(grant.id, user_id=grant.user_id, by=EndedBy.LOGOUT, executor=transaction)
        return None

    async def _keep(self, grant: StoredGrant, *, login_of: StoredUser | None = None) -> Granted:
        async with self._database.batch() as batch:
            if login_of is not None:
                await self._users.record_login(login_of, now=grant.created_at, batch=batch)
            await self._grants.open(grant, batch=batch)
            return await self._pairs.of(grant, batch=batch)

    async def _note(self, user: StoredUser, now: datetime) -> None:
        try:
            await self._users.record_login(user, now=now)
        except DatabaseError as exc:
            _logger.warning("login of user %s not written: %s", user.id, type(exc).__name__)

    async def _keep_if_possible(self, grant: StoredGrant) -> Granted:
        try:
            return await self._keep(grant)
        except DatabaseError as exc:
            _logger.warning("no grant kept for user %s: %s", grant.user_id, type(exc).__name__)
            return self._pairs.access_only(grant.user_id, scope=grant.scope)
