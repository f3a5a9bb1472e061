"""The site's lockout, honoured and fed: what django-axes decides, before a password is looked at."""

import ipaddress
import logging
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.utils.ipv6 import clean_ipv6_address

from bridge.errors import DatabaseError
from bridge.profile import AxesProfile
from bridge.services.client import Client
from bridge.services.clock import Clock
from bridge.store.axes import Attempt, AxesAttempts, Failures
from bridge.store.text import is_storable

__all__ = ["LockedOut", "Lockout"]

_logger: Final = logging.getLogger(__name__)
_UNKNOWN: Final = "<unknown>"
_FOR_GOOD: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LockedOut:
    """Too many failures, whether there is such a user or not.

    Attributes:
        retry_after: when it is worth trying again; a day where only the site's staff can end it.
    """

    retry_after: timedelta


class Lockout:
    """Asks and tells axes (``axes.handlers.base``, ``axes.handlers.database``).

    Args:
        profile: None where the site has no axes, or none that can be honoured.
    """

    def __init__(self, *, profile: AxesProfile | None, attempts: AxesAttempts | None, clock: Clock) -> None:
        self._profile = profile
        self._attempts = attempts
        self._clock = clock

    @classmethod
    def none(cls, clock: Clock) -> "Lockout":
        """Give the lockout of a site that has none."""
        return cls(profile=None, attempts=None, clock=clock)

    async def check(self, username: str, client: Client, *, is_known: bool = False) -> LockedOut | None:
        """Tell whether a login may be tried; one that may not counts as a failure where axes counts it.

        Args:
            username: as it is looked up.
            client: who asks.
            is_known: whether from a device that this user has logged in on. Failures, which may be anybody's, do not
                lock that out; there is a limit of its own for it. What axes says of addresses holds for it as well.

        Raises:
            DatabaseError: axes' tables cannot be read. Nobody is let in unasked.
        """
        profile, attempts = self._profile, self._attempts
        if profile is None or attempts is None or profile.only_admin_site:
            return None
        attempt = self._attempt(username, client)
        if _is_blacklisted(profile, attempt.ip_address):
            found: LockedOut | None = LockedOut(_FOR_GOOD)
        elif is_known or _is_whitelisted(profile, attempt.ip_address):
            return None
        else:
            found = self._verdict(profile, await attempts.failures(attempt), attempt.at)
        if found is None or not profile.reset_cool_off_on_failure_during_lockout:
            return found
        await self.failed(username, client)
        # It starts anew with this very failure.
        return LockedOut(timedelta(seconds=profile.cool_off_seconds)) if profile.cool_off_seconds else found

    async def failed(self, username: str, client: Client) -> None:
        """Count a failed login. A database that does not take it is logged; the login has failed all the same."""
        profile, attempts = self._profile, self._attempts
        attempt = self._attempt(username, client)
        if profile is None or attempts is None or _is_whitelisted(profile, attempt.ip_address):
            return
        try:
            await attempts.add_failure(attempt)
            if profile.enable_access_failure_log:
                verdict = self._verdict(profile, await attempts.failures(attempt), attempt.at)
                await attempts.log_failure(attempt, locked_out=verdict is not None)
        except DatabaseError as exc:
            _logger.warning("failed login not told to axes: %s", type(exc).__name__)

    async def succeeded(self, username: str, client: Client) -> None:
        """Tell axes of a login that is complete. A database that does not take it is logged."""
        profile, attempts = self._profile, self._attempts
        if profile is None or attempts is None:
            return
        attempt = self._attempt(username, client)
        try:
            if not profile.disable_access_log:
                await attempts.log_success(attempt)
            if profile.reset_on_success:
                await attempts.reset(attempt)
        except DatabaseError as exc:
            _logger.warning("login not told to axes: %s", type(exc).__name__)

    def _verdict(self, profile: AxesProfile, found: list[Failures], now: datetime) -> LockedOut | None:
        over = [each for each in found if each.count >= profile.failure_limit]
        if not profile.lock_out_at_failure or not over:
            return None
        if profile.cool_off_seconds is None:
            return LockedOut(_FOR_GOOD)
        ends = max(each.last_at or now for each in over) + timedelta(seconds=profile.cool_off_seconds)
        return LockedOut(timedelta(seconds=max(1, math.ceil((ends - now).total_seconds()))))

    def _attempt(self, username: str, client: Client) -> Attempt:
        # Texts that no column can hold stand for nobody, and must count all the same.
        name = username if is_storable(username) else username.encode("utf-8", "replace").decode().replace("\0", "0x00")
        return Attempt(
            username=name[:255],
            ip_address=_address(client.address),
            user_agent=_header(client.user_agent, 255),
            http_accept=_header(client.accept, 1025),
            path_info=client.path[:255],
            at=self._clock(),
        )


def _header(value: str | None, limit: int) -> str:
    return (_UNKNOWN if value is None else value)[:limit]


def _address(given: str | None) -> str | None:
    """Write an address as ``GenericIPAddressField`` does; None if it is none."""
    address = (given or "").partition("%")[0]
    try:
        ipaddress.ip_address(address)
    except ValueError:
        return None
    return clean_ipv6_address(address) if ":" in address else address


def _is_whitelisted(profile: AxesProfile, address: str | None) -> bool:
    return address in profile.ip_whitelist and (profile.never_lockout_whitelist or profile.only_whitelist)


def _is_blacklisted(profile: AxesProfile, address: str | None) -> bool:
    return address in profile.ip_blacklist or (profile.only_whitelist and address not in profile.ip_whitelist)
