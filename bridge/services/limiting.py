"""How often something may be tried, decided before it costs anything."""

import hmac
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from bridge.services.client import Client
from bridge.services.devices import KnownDevices
from bridge.store.rate_limits import Rates, Windows, times

__all__ = ["Admitted", "LimitRules", "Limited", "Limits", "network_of"]

_KEY: Final = b"bridge.services.limiting"
_IPV6_NETWORK: Final = 64
_EVERYBODY: Final = "everybody"
_DEVICES: Final = 3
"""So many devices' limits are what all of a user's may use up together: fewer failures than hashes may wait."""


@dataclass(frozen=True, slots=True)
class LimitRules:
    """How many failures each may have (BRIDGE_LIMIT_…); a success is not counted.

    Attributes:
        account: logins and codes of one username, and password changes, whoever tries.
        device: logins from one of the user's known devices, in place of all others.
        network: logins and codes of one client network.
        everybody: logins of all clients together.
        tokens: refreshes and introspections of one network.
        registration: registrations of one network, successful ones as well.
    """

    account: Rates = ()
    device: Rates = ()
    network: Rates = ()
    everybody: Rates = ()
    tokens: Rates = ()
    registration: Rates = ()


@dataclass(frozen=True, slots=True)
class Limited:
    """Too often; it was not looked at.

    Attributes:
        by: which limit: ``account``, ``device``, ``network`` …
    """

    retry_after: timedelta
    by: str


@dataclass(frozen=True, slots=True)
class Admitted:
    """It may be tried, and counts as a failure until ``Limits.forgive``.

    Attributes:
        is_known: whether it comes from a device that the user has logged in on.
    """

    counted: tuple[tuple[Rates, str], ...] = ()
    is_known: bool = False


class Limits:
    """Counts tries, each before it is looked at, so that no number of them at once gets past a limit.

    Args:
        secrets: the site's; under a key of them accounts are named in Redis.
    """

    def __init__(self, *, windows: Windows, rules: LimitRules, devices: KnownDevices, secrets: Sequence[str]) -> None:
        self._windows = windows
        self._rules = rules
        self.devices = devices
        self._key = hmac.digest(secrets[0].encode(), _KEY, "sha256")

    async def login(self, username: str, client: Client) -> Admitted | Limited:
        """Admit a password for a username, which need not exist; a known device has a limit of its own instead."""
        device = self.devices.name(username, client.device)
        if device is not None:
            # Every login makes another device of one that says nothing: together they have a limit, too.
            found = await self._admit(
                ("device", self._rules.device, device),
                ("device", times(self._rules.device, _DEVICES), f"all/{self.name(username)}"),
            )
            return Admitted(found.counted, is_known=True) if isinstance(found, Admitted) else found
        return await self._admit(
            ("network", self._rules.network, network_of(client.address)),
            ("everybody", self._rules.everybody, _EVERYBODY),
            ("account", self._rules.account, self.name(username)),
        )

    async def code(self, client: Client) -> Admitted | Limited:
        """Admit a code of a second factor, which each user has a limit of as well (``services.second_factors``)."""
        return await self._admit(("network", self._rules.network, network_of(client.address)))

    async def own_password(self, user_id: str) -> Admitted | Limited:
        """Admit the current password of a user who wants another."""
        return await self._admit(("account", self._rules.account, self.name(f"id {user_id}")))

    async def token(self, client: Client) -> Admitted | Limited:
        """Admit a refresh token, or the secret of a client that introspects."""
        return await self._admit(("tokens", self._rules.tokens, network_of(client.address)))

    async def registration(self, client: Client) -> Admitted | Limited:
        """Admit a registration."""
        return await self._admit(("registration", self._rules.registration, network_of(client.address)))

    async def forgive(self, admitted: Admitted) -> None:
        """Take back what a try counts: it was none, or no failure."""
        for rates, key in admitted.counted:
            await self._windows.forgive(rates, key)

    async def close(self) -> None:
        """Ask no storage any more."""
        await self._windows.close()

    def name(self, username: str) -> str:
        """Name an account without saying its name, the same on all replicas."""
        return hmac.digest(self._key, username.encode("utf-8", "surrogatepass"), "sha256").hex()[:32]

    async def _admit(self, *limits: tuple[str, Rates, str | None]) -> Admitted | Limited:
        """Count in each, up to the first that has had enough."""
        counted: list[tuple[Rates, str]] = []
        for by, rates, subject in limits:
            if not rates or subject is None:
                continue
            key = f"{by}/{subject}"
            wait = await self._windows.hit(rates, key)
            if wait is not None:
                return Limited(retry_after=wait, by=by)
            counted.append((rates, key))
        return Admitted(tuple(counted))


def network_of(address: str | None) -> str | None:
    """Give what one client can be told from others by: an IPv4 address, or the 64 bits that an IPv6 site has at least.

    A household or a server gets a /64 of IPv6 (RFC 6177, RIPE-690), in which a new address costs nothing. None where
    there is no address, as on a Unix socket without BRIDGE_TRUSTED_PROXIES.
    """
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return None
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else found
    if mapped is not None:
        return str(mapped)
    return str(ipaddress.ip_network((found, _IPV6_NETWORK), strict=False))
