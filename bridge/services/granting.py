"""Opens grants: what keeps a login going after the first access token has expired."""

import logging
from collections.abc import Collection
from dataclasses import replace
from typing import Final

from bridge.errors import DatabaseError
from bridge.services.lineage import Continuity
from bridge.services.sessions import SiteSession
from bridge.services.token_pairs import Granted, TokenPairs
from bridge.store.database import Database
from bridge.store.grants import Grants, StoredGrant
from bridge.store.sessions import Sessions
from bridge.store.users import StoredUser

__all__ = ["Granting"]

_logger: Final = logging.getLogger(__name__)


class Granting:
    """Keeps logins going."""

    def __init__(
        self, *, database: Database, grants: Grants, sessions: Sessions, continuity: Continuity, pairs: TokenPairs
    ) -> None:
        self._database = database
        self._grants = grants
        self._sessions = sessions
        self._continuity = continuity
        self._pairs = pairs

    async def open(self, user: StoredUser, *, scope: Collection[str] = (), device: str = "") -> Granted:
        """Open a grant for a user who has just proven who they are.

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
        grant = replace(self._pairs.new_grant(user.id, auth_hash=auth_hash, device=device), scope=tuple(scope))
        try:
            return await self._keep(grant)
        except DatabaseError as exc:
            _logger.warning("no grant kept for user %s: %s", user.id, type(exc).__name__)
            return self._pairs.access_only(user.id, scope=grant.scope)

    async def open_for(self, session: SiteSession, *, device: str = "") -> Granted | None:
        """Open a grant for whoever is logged in by a session of the site; the two end together.

        None if the session has ended meanwhile.

        Raises:
            ConfigurationError: as in ``open``.
            DatabaseError: the grant cannot be kept.
        """
        self._pairs.refuse_if_hindered()
        grant = self._pairs.new_grant(session.user.id, auth_hash=session.auth_hash, device=device)
        try:
            return await self._keep(replace(grant, session_key=session.key or ""))
        except _SessionEnded:
            return None

    async def _keep(self, grant: StoredGrant) -> Granted:
        async with self._database.transaction() as transaction:
            await self._grants.open(grant, executor=transaction)
            # Looked at once the grant is there: a logout before has taken the row, one after finds the grant.
            if grant.session_key and not await self._sessions.exists(grant.session_key, executor=transaction):
                raise _SessionEnded
            return await self._pairs.of(grant, executor=transaction)


class _SessionEnded(Exception):
    """Takes the grant back with its transaction."""
