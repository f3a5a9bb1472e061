"""The pair of tokens that a grant gives, each time it is opened or refreshed."""

import uuid
from dataclasses import dataclass, field
from datetime import timedelta

from bridge.errors import ConfigurationError
from bridge.services.clock import Clock
from bridge.store.blacklist import Blacklist, Outstanding
from bridge.store.database import Batch
from bridge.store.grants import StoredGrant
from bridge.store.text import is_storable
from bridge.tokens import LONGEST_DEVICE, RefreshClaims, TokenIssuer, without_signature

__all__ = ["GrantTimes", "Granted", "TokenPairs"]


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


class TokenPairs:
    """Writes tokens.

    Args:
        blacklist: the site's own record of refresh tokens; None where it keeps none.
        obstacle: why no tokens may be issued here; None where they may.
    """

    def __init__(
        self,
        *,
        issuer: TokenIssuer,
        blacklist: Blacklist | None,
        times: GrantTimes,
        clock: Clock,
        obstacle: ConfigurationError | None = None,
    ) -> None:
        self._issuer = issuer
        self._blacklist = blacklist
        self._times = times
        self._clock = clock
        self._obstacle = obstacle

    def refuse_if_hindered(self) -> None:
        """Issue nothing where it would open what it must not.

        Raises:
            ConfigurationError: the obstacle.
        """
        if self._obstacle is not None:
            raise ConfigurationError(str(self._obstacle.args[0]), cure=self._obstacle.cure)

    def new_grant(
        self,
        user_id: str,
        *,
        auth_hash: str,
        device: str,
        scope: tuple[str, ...] = (),
        session_key: str = "",
    ) -> StoredGrant:
        """Describe a grant that begins now; ``device`` is cut to 255 characters."""
        now = self._clock()
        return StoredGrant(
            id=uuid.uuid4().hex,
            user_id=user_id,
            auth_hash=auth_hash,
            current_token_id=uuid.uuid4().hex,
            device=device[:LONGEST_DEVICE] if is_storable(device[:LONGEST_DEVICE]) else "",
            created_at=now,
            rotated_at=now,
            expires_at=now + self._times.absolute,
            scope=scope,
            session_key=session_key,
        )

    async def of(self, grant: StoredGrant, *, scope: tuple[str, ...] | None = None, batch: Batch) -> Granted:
        """Write a grant's pair.

        The refresh token is written again if need be: it follows from the grant alone.

        Args:
            grant: as it is stored by the end of the batch, or of the transaction.
            scope: a narrower one for the access token; None for the grant's.
            batch: in which the site's record is kept.
        """
        refresh_token = await self._refresh_token(grant, batch)
        narrowed = grant.scope if scope is None else scope
        return self._granted(grant.user_id, narrowed, grant_id=grant.id, refresh_token=refresh_token)

    def access_only(self, user_id: str, *, scope: tuple[str, ...]) -> Granted:
        """Write an access token of no grant, which nothing can prolong."""
        return self._granted(user_id, scope, grant_id=None, refresh_token=None)

    async def _refresh_token(self, grant: StoredGrant, batch: Batch) -> str:
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
            await self._blacklist.list(listed, batch=batch)
        return token

    def _granted(
        self, user_id: str, scope: tuple[str, ...], *, grant_id: str | None, refresh_token: str | None
    ) -> Granted:
        token, _ = self._issuer.issue(user_id=user_id, now=self._clock(), scope=scope, session_id=grant_id)
        return Granted(access_token=token, expires_in=self._issuer.lifetime, scope=scope, refresh_token=refresh_token)
