"""Hands out access tokens and takes them back."""

from dataclasses import dataclass, field
from datetime import timedelta

from bridge.errors import ConfigurationError
from bridge.services.clock import Clock
from bridge.store.revocations import Revocations
from bridge.store.users import StoredUser
from bridge.tokens import AccessClaims, TokenIssuer

__all__ = ["Access", "Granted"]


@dataclass(frozen=True, slots=True)
class Granted:
    """What a successful login gives."""

    access_token: str = field(repr=False)
    expires_in: timedelta
    scope: tuple[str, ...]


class Access:
    """Opens and ends access.

    Args:
        site_misreads: whether the site would take our tokens for another user's; then none is issued.
    """

    def __init__(
        self, *, issuer: TokenIssuer, revocations: Revocations, clock: Clock, site_misreads: bool = False
    ) -> None:
        self._site_misreads = site_misreads
        self._issuer = issuer
        self._revocations = revocations
        self._clock = clock

    def open(self, user: StoredUser) -> Granted:
        """Issue an access token for a user who has just proven who they are.

        Raises:
            ConfigurationError: the site would take it for another user's.
        """
        if self._site_misreads:
            raise ConfigurationError(
                "The site's SimpleJWT names users by another field than the primary key",
                cure="Set USER_ID_FIELD in SIMPLE_JWT to the primary key's name.",
            )
        token, claims = self._issuer.issue(user_id=user.id, now=self._clock())
        return Granted(access_token=token, expires_in=self._issuer.lifetime, scope=claims.scope)

    async def end(self, claims: AccessClaims) -> None:
        """Revoke an access token at once, on every replica."""
        await self._revocations.add(
            token_id=claims.token_id, user_id=claims.user_id, expires_at=claims.expires_at, now=self._clock()
        )
