"""Exchanges refresh tokens for the next pair."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from bridge.errors import InvalidToken, MalformedRequest
from bridge.services.clock import Clock
from bridge.services.ending import Ending
from bridge.services.lineage import Continuity
from bridge.services.recording import Event, Recorder
from bridge.services.second_factors import SecondFactors
from bridge.services.token_pairs import Granted, TokenPairs
from bridge.store.blacklist import Blacklist, Outstanding
from bridge.store.database import Database, Executor
from bridge.store.grants import Grants, StoredGrant
from bridge.store.text import is_storable
from bridge.store.users import StoredUser, Users
from bridge.tokens import LONGEST_SCOPE, Chain, EndedBy, RefreshClaims, TokenVerifier, Turn, turn_of

__all__ = ["RefreshRefused", "Refreshing"]


@dataclass(frozen=True, slots=True)
class RefreshRefused:
    """Spent, ended, expired, of a changed password, for a password alone or of nobody: nobody outside learns which."""


class Refreshing:
    """Lets refresh tokens take turns.

    Args:
        blacklist: the site's own record of refresh tokens; None where it keeps none.
        second_factors: asked before a token of the site begins a grant.
        grace: how long after a refresh its lost answer may be asked for again.
        knows_site: whether the site has published its profile, and with it where it notes which tokens are spent.
    """

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        grants: Grants,
        blacklist: Blacklist | None,
        continuity: Continuity,
        second_factors: SecondFactors,
        ending: Ending,
        verifier: TokenVerifier,
        pairs: TokenPairs,
        recorder: Recorder,
        grace: timedelta,
        clock: Clock,
        knows_site: bool,
    ) -> None:
        self._database = database
        self._users = users
        self._grants = grants
        self._blacklist = blacklist
        self._continuity = continuity
        self._second_factors = second_factors
        self._ending = ending
        self._verifier = verifier
        self._pairs = pairs
        self._recorder = recorder
        self._grace = grace
        self._clock = clock
        self._knows_site = knows_site

    async def refresh(
        self, token: str, *, scope: Collection[str] | None = None, device: str = ""
    ) -> Granted | RefreshRefused:
        """Exchange a refresh token of either app (RFC 6749 section 6), once.

        Of several requests at a time one rotates the token; the others, and a client whose answer got lost, are given
        the same successor again. A token that comes back later ends its whole grant (RFC 9700 section 4.14.2).

        Args:
            token: the refresh token.
            scope: a narrower one for the access token; None for the grant's.
            device: what the client calls itself, for a grant that begins with a token of the site.

        Raises:
            MalformedRequest: ``invalid_scope``, more is asked for than was granted; the token is not spent.
            DatabaseError: whether it was rotated is not known; it may be tried again.
        """
        self._pairs.refuse_if_hindered()
        try:
            claims = self._verifier.verify_refresh(token)
        except InvalidToken:
            return self._refused(Event.REFRESH_REFUSED)
        if claims.is_scoped and not _can_be_kept(claims.scope):
            return self._refused(Event.REFRESH_REFUSED, claims.user_id)  # limited to what cannot be read
        _refuse_to_widen(claims.scope, scope)
        async with self._database.transaction() as transaction:
            outcome = await self._exchange(claims, device, transaction)
            if isinstance(outcome, StoredGrant):
                narrowed = None if scope is None else tuple(scope)
                granted = await self._pairs.of(outcome, scope=narrowed, batch=transaction)
        if isinstance(outcome, StoredGrant):
            self._recorder.record(Event.REFRESH_ROTATED, user_id=outcome.user_id)
            return granted
        return self._refused(outcome, claims.user_id)

    async def _exchange(self, claims: RefreshClaims, device: str, executor: Executor) -> StoredGrant | Event:
        """Give the grant with its newest refresh token; else as what the refusal counts."""
        if not is_storable(claims.token_id):
            return Event.REFRESH_REFUSED
        grant = await self._locked(claims, executor)
        # After the lock: whoever held it may have followed a re-hash, which an earlier look at the user would not show.
        user = await self._users.with_password(claims.user_id, executor=executor)
        if user is None or not user.is_active:
            return Event.REFRESH_REFUSED
        if grant is None:
            return await self._begin_with(claims, user, device, executor)
        if grant.user_id != user.id or not grant.is_alive(self._clock()):
            return Event.REFRESH_REFUSED
        if not await self._continuity.holds(
            user.id, encoded=user.encoded, auth_hash=grant.auth_hash, executor=executor
        ):
            await self._ending.end(grant.id, user_id=user.id, by=EndedBy.PASSWORD, executor=executor)
            return Event.REFRESH_REFUSED
        return await self._take_turn(grant, claims, user, executor)

    async def _locked(self, claims: RefreshClaims, executor: Executor) -> StoredGrant | None:
        if claims.session_id is None:
            return await self._grants.locked_of_opener(claims.token_id, executor=executor)
        if not is_storable(claims.session_id):
            return None
        return await self._grants.locked(claims.session_id, executor=executor)

    async def _take_turn(
        self, grant: StoredGrant, claims: RefreshClaims, user: StoredUser, executor: Executor
    ) -> StoredGrant | Event:
        now = self._clock()
        chain = Chain(
            current=grant.current_token_id,
            previous=grant.previous_token_id,
            rotated_at=grant.rotated_at,
            spent=await self._spent({claims.token_id, grant.current_token_id}, executor),
        )
        turn = turn_of(claims.token_id, issued_at=claims.issued_at, chain=chain, now=now, grace=self._grace)
        if turn is Turn.REPEAT:
            return grant
        if turn is Turn.REUSED:
            await self._ending.end(grant.id, user_id=user.id, by=EndedBy.REUSE, executor=executor)
            return Event.REFRESH_REUSED
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
    ) -> StoredGrant | Event:
        """Open a grant with a refresh token of the site, which knows of none."""
        if claims.is_own or claims.session_id is not None:
            return Event.REFRESH_REFUSED  # its grant is gone
        if not self._knows_site:
            return Event.REFRESH_REFUSED  # it may have been spent there
        if claims.token_id in (await self._spent({claims.token_id}, executor) or ()):
            return await self._continue_begun(claims, user, executor)
        if await self._second_factors.of(user, executor=executor):
            return Event.REFRESH_WITHOUT_SECOND_FACTOR  # nothing in the token says that one was given
        auth_hash = self._continuity.auth_hash(user.encoded)
        begun = replace(
            self._pairs.new_grant(user.id, auth_hash=auth_hash, device=device, scope=claims.scope),
            previous_token_id=claims.token_id,
            opened_by=claims.token_id,
        )
        # It is known for as long as the token could come back.
        begun = replace(begun, expires_at=max(begun.expires_at, claims.expires_at))
        if await self._grants.open_once(begun, executor=executor):
            await self._spend(claims, executor)
            return begun
        return await self._continue_begun(claims, user, executor)

    async def _continue_begun(self, claims: RefreshClaims, user: StoredUser, executor: Executor) -> StoredGrant | Event:
        """Go on with the grant that another request has begun since this one looked; else the site spent the token."""
        grant = await self._grants.locked_of_opener(claims.token_id, executor=executor)
        if grant is None or grant.user_id != user.id or not grant.is_alive(self._clock()):
            return Event.REFRESH_REFUSED
        return await self._take_turn(grant, claims, user, executor)

    async def _spent(self, token_ids: set[str], executor: Executor) -> frozenset[str] | None:
        return None if self._blacklist is None else await self._blacklist.among(token_ids, executor=executor)

    async def _spend(self, claims: RefreshClaims, executor: Executor) -> None:
        """Let the site take the token no more, whoever issued it."""
        if self._blacklist is None:
            return
        now = self._clock()
        listed = Outstanding(claims.token_id, claims.user_id, "", claims.issued_at or now, claims.expires_at)
        await self._blacklist.list(listed, batch=executor)
        await self._blacklist.spend({claims.token_id}, now=now, executor=executor)

    def _refused(self, event: Event, user_id: str | None = None) -> RefreshRefused:
        self._recorder.record(event, user_id=user_id)
        return RefreshRefused()


def _can_be_kept(scope: Collection[str]) -> bool:
    text = " ".join(scope)
    return 0 < len(text) <= LONGEST_SCOPE and is_storable(text)


def _refuse_to_widen(granted: Collection[str], asked: Collection[str] | None) -> None:
    """Let a scope only be narrowed (RFC 6749 section 6); a login without any is unrestricted."""
    if granted and asked is not None and not set(asked) <= set(granted):
        raise MalformedRequest("The scope is more than was granted", code="invalid_scope")
