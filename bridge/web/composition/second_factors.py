"""Puts second factors and lockout together from the site profile."""

from collections.abc import Iterator

from bridge.profile import SecondFactorProfile, SiteProfile
from bridge.services.clock import Clock
from bridge.services.codes import AllauthCodes, Codes, OtpCodes
from bridge.services.lineage import Continuity
from bridge.services.lockout import Lockout
from bridge.services.recording import Recorder
from bridge.services.second_factors import FailureLimit, SecondFactors
from bridge.store.authenticators import Authenticators
from bridge.store.axes import AxesAttempts
from bridge.store.database import Database
from bridge.store.otp_devices import OtpDevices
from bridge.store.second_factors import CodeMemory, Factor, SecondFactorOwners
from bridge.store.users import Users
from bridge.tokens import MfaTokens
from bridge.web.settings import Settings

__all__ = ["lockout_of", "second_factors_of"]


def lockout_of(database: Database, users: Users, profile: SiteProfile | None, clock: Clock) -> Lockout:
    """Build what stands before a login: axes, where the site has it and it can be honoured."""
    axes = profile.axes if profile else None
    if axes is None or not axes.is_honoured:
        return Lockout.none(clock)
    return Lockout(profile=axes, attempts=AxesAttempts(database, users, axes), clock=clock)


def second_factors_of(
    settings: Settings,
    *,
    database: Database,
    users: Users,
    profile: SiteProfile | None,
    continuity: Continuity,
    lockout: Lockout,
    recorder: Recorder,
    clock: Clock,
) -> SecondFactors:
    """Build what stands behind a right password."""
    site = profile.second_factors if profile else SecondFactorProfile()
    return SecondFactors(
        database=database,
        users=users,
        owners=SecondFactorOwners(database, users, site),
        memory=CodeMemory(users),
        codes=tuple(_codes(users, site)),
        verifiable=frozenset(_verifiable(site)),
        limit=FailureLimit.of(site.allauth),
        tokens=MfaTokens(secrets=settings.django_secrets, issuer=settings.issuer),
        continuity=continuity,
        lockout=lockout,
        recorder=recorder,
        clock=clock,
    )


def _codes(users: Users, site: SecondFactorProfile) -> Iterator[Codes]:
    if site.otp is not None:
        yield OtpCodes(OtpDevices(users, site.otp), site.otp)
    if site.allauth is not None:
        yield AllauthCodes(Authenticators(users, site.allauth), site.allauth)


def _verifiable(site: SecondFactorProfile) -> Iterator[Factor]:
    if site.otp is not None:
        yield from (Factor.OTP_TOTP, Factor.OTP_STATIC)
    if site.allauth is not None and site.allauth.codes_can_be_verified:
        yield from (Factor.ALLAUTH_TOTP, Factor.ALLAUTH_RECOVERY)
