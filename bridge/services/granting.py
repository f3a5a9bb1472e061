"""Opens grants, and exchanges refresh tokens for the next pair."""

import logging
import uuid
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Final

from bridge.errors import ConfigurationError, DatabaseError, InvalidToken, MalformedRequest
from bridge.services.clock import Clock
from bridge.services.ending import EndedBy, Ending
from bridge.services.lineage import Continuity
from bridge.services.recording import Event, Recorder
from bridge.services.sessions import SiteSession
from bridge.store.blacklist import Blacklist, Outstanding
from bridge.store.database import Database, Executor
from bridge.store.grants import Grants, StoredGrant
from bridge.store.users import StoredUser, Users, is_storable
from bridge.tokens import Chain, RefreshClaims, TokenIssuer, TokenVerifier, Turn, turn_of, without_signature

__all__ = ["GrantTimes", "Granted", "Granting", "RefreshRefused"]

_logger: Final = logging.getLogger(__name__)
_LONGEST_DEVICE: Final = 255


@dataclass(frozen=True, slots=True)
class GrantTimes:
    """How long grants live.

    Attributes:
        idle: without a refresh.
        absolute: with as many as one likes.
        grace: how long after a refresh its lost answer may be asked for again.
    """

    idle: timedelta
    absolute: timedelta
    grace: timedelta


@dataclass(frozen=True, slots=True)
class Granted:
    """What a login or a refresh gives.

    Attributes:
        refresh_token: None where the database could not keep a grant; the login holds until the access token expires.
    """

    access_token: str = field(repr=False)
    expires_in: timedelta
    scope: tuple[str, ...]
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class RefreshRefused:
    """Spent, ended, expired, of a changed password or of nobody: nobody outside learns which."""


class Granting:
    """Keeps logins going.

    Args:
        blacklist: the site's own record of refresh tokens; None where it keeps none.
        site_misreads: whether the site would take our tokens for another user's; then none is issued.
    """

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        grants: Grants,
        blacklist: Blacklist | None,
        continuity: Continuity,
        ending: Ending,
        issuer: TokenIssuer,
        verifier: TokenVerifier,
        recorder: Recorder,
        times: GrantTimes,
        clock: Clock,
        site_misreads: bool = False,
    ) -> None:
        self._database = database
        self._users = users
        self._grants = grants
        self._blacklist = blacklist
        self._continuity = continuity
        self._ending = ending
        self._issuer = issuer
        self._verifier = verifier
        self._recorder = recorder
        self._times = times
        self._clock = clock
        self._site_misreads = site_misreads

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
        self._refuse_to_be_misread()
        auth_hash = self._continuity.auth_hash(user.encoded)
        grant = replace(self._new_grant(user.id, auth_hash=auth_hash, device=device), scope=tuple(scope))
        try:
            return await self._keep(grant)
        except DatabaseError as exc:
            _logger.warning("no grant kept for user %s: %s", user.id, type(exc).__name__)
            return self._granted(user.id, grant.scope, grant_id=None, refresh_token=None)

    async def open_for(self, session: SiteSession, *, device: str = "") -> Granted:
        """Open a grant for whoever is logged in by a session of the site; the two end together.

        Raises:
            ConfigurationError: as in ``open``.
            DatabaseError: the grant cannot be kept.
        """
        self._refuse_to_be_misread()
        grant = self._new_grant(session.user.id, auth_hash=session.auth_hash, device=device)
        return await self._keep(replace(grant, session_key=session.key or ""))

    async def _keep(self, grant: StoredGrant) -> Granted:
        async with self._database.transaction() as transaction:
            await self._grants.open(grant, executor=transaction)
            refresh_token = await self._refresh_token(grant, transaction)
        return self._granted(grant.user_id, grant.scope, grant_id=grant.id, refresh_token=refresh_token)

    async def refresh(
        self, token: str, *, scope: Collection[str] | None = None, device: str = ""
    ) -> Granted | RefreshRefused:
        """Exchange a refresh token of either app (RFC 6749 section 6), once.

        Of several requests at a time one rotates the token; the others, and a client whose answer got lost, are given
        the same successor again. A token that comes back later ends its whole grant (RFC 9700 section 4.14.2).

        Args:
            token: the refresh token.
            scope: a narrower one for the access token; None for the grant's.
            device: as in ``open``, for a grant that begins with a token of the site.

        Raises:
            MalformedRequest: ``invalid_scope``, more is asked for than was granted; the token is not spent.
            DatabaseError: whether it was rotated is not known; it may be tried again.
        """
        self._refuse_to_be_misread()
        try:
            claims = self._verifier.verify_refresh(token)
        except InvalidToken:
            return await self._refused()
        if claims.is_scoped and not claims.scope:
            return await self._refused(claims.user_id)  # limited to something that cannot be read
        _refuse_to_widen(claims.scope, scope)
        async with self._database.transaction() as transaction:
            outcome = await self._exchange(claims, device, transaction)
            if isinstance(outcome, StoredGrant):
                refresh_token = await self._refresh_token(outcome, transaction)
        if not isinstance(outcome, StoredGrant):
            return await self._refused(claims.user_id, is_reused=outcome is Turn.REUSED)
        narrowed = outcome.scope if scope is None else tuple(scope)
        return self._granted(outcome.user_id, narrowed, grant_id=outcome.id, refresh_token=refresh_token)

    async def _exchange(self, claims: RefreshClaims, device: str, executor: Executor) -> StoredGrant | Turn | None:
        """Give the grant with its newest refresh token; else that the token was reused, or None if it is refused."""
        user = await self._users.with_password(claims.user_id, executor=executor)
        if user is None or not user.is_active or not is_storable(claims.token_id):
            return None
        grant = await self._locked(claims, executor)
        if grant is None:
            return await self._begin_with(claims, user, device, executor)
        if grant.user_id != user.id or not grant.is_alive(self._clock()):
            return None
        if not await self._continuity.holds(user, grant.auth_hash, executor=executor):
            await self._ending.end(grant.id, user_id=user.id, by=EndedBy.PASSWORD, executor=executor)
            return None
        return await self._take_turn(grant, claims, user, executor)

    async def _locked(self, claims: RefreshClaims, executor: Executor) -> StoredGrant | None:
        if claims.session_id is None:
            return await self._grants.locked_of_opener(claims.token_id, executor=executor)
        if not is_storable(claims.session_id):
            return None
        return await self._grants.locked(claims.session_id, executor=executor)

    async def _take_turn(
        self, grant: StoredGrant, claims: RefreshClaims, user: StoredUser, executor: Executor
    ) -> StoredGrant | Turn:
        now = self._clock()
        chain = Chain(
            current=grant.current_token_id,
            previous=grant.previous_token_id,
            rotated_at=grant.rotated_at,
            spent=await self._spent({claims.token_id, grant.current_token_id}, executor),
        )
        turn = turn_of(claims.token_id, issued_at=claims.issued_at, chain=chain, now=now, grace=self._times.grace)
        if turn is Turn.REPEAT:
            return grant
        if turn is Turn.REUSED:
            await self._ending.end(grant.id, user_id=user.id, by=EndedBy.REUSE, executor=executor)
            return turn
        rotated = replace(
            grant,
            current_token_id=uuid.uuid4().hex,
            previous_token_id=claims.token_id,
            rotated_at=now,
            auth_hash=self._continuity.auth_hash(user.encoded),
        )
        await self._spend(claims, executor)
        await self._grants.rotate(rotated, executor=executor)
        return rotated

    async def _begin_with(
        self, claims: RefreshClaims, user: StoredUser, device: str, executor: Executor
    ) -> StoredGrant | Turn | None:
        """Open a grant with a refresh token of the site, which knows of none."""
        if claims.is_own or claims.session_id is not None:
            return None  # its grant is gone
        if claims.token_id in (await self._spent({claims.token_id}, executor) or ()):
            return await self._continue_begun(claims, user, executor)
        auth_hash = self._continuity.auth_hash(user.encoded)
        begun = replace(
            self._new_grant(user.id, auth_hash=auth_hash, device=device),
            previous_token_id=claims.token_id,
            opened_by=claims.token_id,
        )
        if await self._grants.open(begun, executor=executor):
            await self._spend(claims, executor)
            return begun
        return await self._continue_begun(claims, user, executor)

    async def _continue_begun(
        self, claims: RefreshClaims, user: StoredUser, executor: Executor
    ) -> StoredGrant | Turn | None:
        """Go on with the grant that another request has begun since this one looked; else the site spent the token."""
        grant = await self._grants.locked_of_opener(claims.token_id, executor=executor)
        if grant is None or grant.user_id != user.id or not grant.is_alive(self._clock()):
            return None
        return await self._take_turn(grant, claims, user, executor)

    def _new_grant(self, user_id: str, *, auth_hash: str, device: str) -> StoredGrant:
        now = self._clock()
        return StoredGrant(
            id=uuid.uuid4().hex,
            user_id=user_id,
            auth_hash=auth_hash,
            current_token_id=uuid.uuid4().hex,
            device=device[:_LONGEST_DEVICE] if is_storable(device) else "",
            created_at=now,
            rotated_at=now,
            expires_at=now + self._times.absolute,
        )

    async def _refresh_token(self, grant: StoredGrant, executor: Executor) -> str:
        """Write a grant's newest refresh token, again if need be: it follows from the grant alone."""
        issued_at = grant.rotated_at.replace(microsecond=0)
        expires_at = min(issued_at + self._times.idle, grant.expires_at)
        token = self._issuer.issue_refresh(
            RefreshClaims(
                user_id=grant.user_id,
                token_id=grant.current_token_id,
                issued_at=issued_at,
                expires_at=expires_at,
                scope=grant.scope,
                session_id=grant.id,
            )
        )
        if self._blacklist is not None:
            listed = Outstanding(grant.current_token_id, grant.user_id, without_signature(token), issued_at, expires_at)
            await self._blacklist.list(listed, executor=executor)
        return token

    async def _spent(self, token_ids: set[str], executor: Executor) -> frozenset[str] | None:
        return None if self._blacklist is None else await self._blacklist.among(token_ids, executor=executor)

    async def _spend(self, claims: RefreshClaims, executor: Executor) -> None:
        """Let the site take the token no more, whoever issued it."""
        if self._blacklist is None:
            return
        now = self._clock()
        listed = Outstanding(claims.token_id, claims.user_id, "", claims.issued_at or now, claims.expires_at)
        await self._blacklist.list(listed, executor=executor)
        await self._blacklist.spend({claims.token_id}, now=now, executor=executor)

    def _granted(
        self, user_id: str, scope: tuple[str, ...], *, grant_id: str | None, refresh_token: str | None
    ) -> Granted:
        token, _ = self._issuer.issue(user_id=user_id, now=self._clock(), scope=scope, session_id=grant_id)
        return Granted(access_token=token, expires_in=self._issuer.lifetime, scope=scope, refresh_token=refresh_token)

    async def _refused(self, user_id: str | None = None, *, is_reused: bool = False) -> RefreshRefused:
        await self._recorder.record(Event.REFRESH_REUSED if is_reused else Event.REFRESH_REFUSED, user_id=user_id)
        return RefreshRefused()

    def _refuse_to_be_misread(self) -> None:
        if self._site_misreads:
            raise ConfigurationError(
                "The site's SimpleJWT names users by another field than the primary key",
                cure="Set USER_ID_FIELD in SIMPLE_JWT to the primary key's name.",
            )


def _refuse_to_widen(granted: Collection[str], asked: Collection[str] | None) -> None:
    """Let a scope only be narrowed (RFC 6749 section 6); a login without any is unrestricted."""
    if granted and asked is not None and not set(asked) <= set(granted):
        raise MalformedRequest("The scope is more than was granted", code="invalid_scope")
