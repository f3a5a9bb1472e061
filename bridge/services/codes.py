"""Tries a code on what the site keeps: the devices of django-otp, the authenticators of allauth."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from bridge.profile import AllauthMfaProfile, DjangoOtpProfile
from bridge.second_factors.codes import is_same
from bridge.second_factors.recovery import RecoveryCodes
from bridge.second_factors.throttling import allowed_from
from bridge.second_factors.totp import Match, Totp
from bridge.store.authenticators import Authenticator, Authenticators
from bridge.store.database import Executor
from bridge.store.otp_devices import OtpDevices, StaticDevice, TotpDevice

__all__ = ["Accepted", "AllauthCodes", "Codes", "OtpCodes", "Trial", "Tried"]

_logger: Final = logging.getLogger(__name__)
_TOTP: Final = "totp"
_RECOVERY_CODES: Final = "recovery_codes"


@dataclass(frozen=True, slots=True)
class Trial:
    """A code to try.

    Attributes:
        last_step: the newest time step that the bridge remembers a code for.
        executor: of the transaction that all of it happens in.
    """

    user_id: str
    code: str
    now: datetime
    last_step: int
    executor: Executor


@dataclass(frozen=True, slots=True)
class Accepted:
    """The code was right, and is used up.

    Attributes:
        last_step: what to remember from now on.
    """

    last_step: int


@dataclass(frozen=True, slots=True)
class Tried:
    """The code was not right.

    Attributes:
        count: how many devices it was tried on.
        allowed_from: when the first of those that do not take codes now will again; None without such.
    """

    count: int
    allowed_from: datetime | None = None


class Codes(Protocol):
    """One place where a site keeps second factors."""

    async def attempt(self, trial: Trial) -> Accepted | Tried:
        """Try a code, and use it up if it is right."""
        ...

    async def record_failure(self, trial: Trial) -> None:
        """Note, where this place keeps such notes, that a code was right nowhere."""
        ...


class OtpCodes:
    """django-otp: ``otp_totp`` and ``otp_static``, with the throttling that each device keeps.

    A wrong code counts against every device that it was tried on; a code that is right for one of them against none.
    """

    def __init__(self, devices: OtpDevices, profile: DjangoOtpProfile) -> None:
        self._devices = devices
        self._profile = profile

    async def attempt(self, trial: Trial) -> Accepted | Tried:
        """Try a code on each confirmed device that takes one now."""
        totp = await self._devices.totp(trial.user_id, executor=trial.executor)
        static = await self._devices.static(trial.user_id, executor=trial.executor)
        for device in totp:
            match = _match(device, trial) if self._allowed_from(device, trial.now) is None else None
            if match is not None:
                await self._devices.record_totp(
                    device, step=match.step, drift=match.drift, now=trial.now, executor=trial.executor
                )
                return Accepted(trial.last_step)
        for each in static:
            if self._allowed_from(each, trial.now) is None and await self._consume(each, trial):
                return Accepted(trial.last_step)
        return self._tried([*totp, *static], trial.now)

    async def record_failure(self, trial: Trial) -> None:
        """Throttle the devices that the code was tried on."""
        totp = await self._devices.totp(trial.user_id, executor=trial.executor)
        static = await self._devices.static(trial.user_id, executor=trial.executor)
        devices: list[TotpDevice | StaticDevice] = [*totp, *static]
        for device in devices:
            if self._allowed_from(device, trial.now) is None:
                await self._devices.record_failure(device, now=trial.now, executor=trial.executor)

    async def _consume(self, device: StaticDevice, trial: Trial) -> bool:
        tokens = await self._devices.tokens(device, executor=trial.executor)
        found = [each for each in tokens if is_same(trial.code.strip(), each.token)]
        return bool(found) and await self._devices.consume(found[0], device, now=trial.now, executor=trial.executor)

    def _tried(self, devices: Sequence[TotpDevice | StaticDevice], now: datetime) -> Tried:
        waits = [self._allowed_from(device, now) for device in devices]
        moments = [moment for moment in waits if moment is not None]
        return Tried(count=len(waits) - len(moments), allowed_from=min(moments, default=None))

    def _allowed_from(self, device: TotpDevice | StaticDevice, now: datetime) -> datetime | None:
        is_totp = isinstance(device, TotpDevice)
        factor = self._profile.totp_throttle_factor if is_totp else self._profile.static_throttle_factor
        moment = allowed_from(failures=device.failures, failed_at=device.failed_at, factor=factor)
        return moment if moment is not None and moment > now else None


class AllauthCodes:
    """``allauth.mfa``: one TOTP generator and recovery codes; used time steps are the bridge's to remember."""

    def __init__(self, authenticators: Authenticators, profile: AllauthMfaProfile) -> None:
        self._authenticators = authenticators
        self._profile = profile
        self._recovery = RecoveryCodes(profile.recovery_code_count, profile.recovery_code_digits)

    async def attempt(self, trial: Trial) -> Accepted | Tried:
        """Try a code on each authenticator that codes are for."""
        if not self._profile.codes_can_be_verified:
            return Tried(count=0)
        found = await self._authenticators.of_user(trial.user_id, executor=trial.executor)
        for each in found:
            taken = self._taken(each, trial)
            if taken is not None:
                data, last_step = taken
                await self._authenticators.record_use(each, data=data, now=trial.now, executor=trial.executor)
                return Accepted(last_step)
        return Tried(count=sum(each.kind in (_TOTP, _RECOVERY_CODES) for each in found))

    async def record_failure(self, trial: Trial) -> None:
        """Do nothing: allauth counts in the site's cache, the bridge in a table of its own."""

    def _taken(self, authenticator: Authenticator, trial: Trial) -> tuple[dict[str, Any], int] | None:
        """Give the data to write and the step to remember, if the code is right here."""
        try:
            if authenticator.kind == _TOTP:
                match = self._generator(authenticator.data).match(trial.code, now=trial.now, after=trial.last_step)
                return None if match is None else (authenticator.data, match.step)
            if authenticator.kind == _RECOVERY_CODES:
                data = self._recovery.consume(trial.code, authenticator.data)
                return None if data is None else (data, trial.last_step)
        except ValueError:
            _logger.warning("authenticator %s of user %s cannot be read", authenticator.id, trial.user_id)
        return None

    def _generator(self, data: Any) -> Totp:
        secret = data.get("secret") if isinstance(data, dict) else None
        return Totp.of_base32(
            secret if isinstance(secret, str) else "",
            period=self._profile.totp_period,
            digits=self._profile.totp_digits,
            tolerance=self._profile.totp_tolerance,
        )


def _match(device: TotpDevice, trial: Trial) -> Match | None:
    try:
        generator = Totp(
            device.key,
            period=device.period,
            origin=device.origin,
            digits=device.digits,
            tolerance=device.tolerance,
            drift=device.drift,
        )
    except ValueError:
        _logger.warning("TOTP device %s of user %s cannot be read", device.id, trial.user_id)
        return None
    return generator.match(trial.code, now=trial.now, after=device.last_step)
