"""The rights on tables that only some sites have: spent tokens, second factors and lockout."""

from collections.abc import Iterator
from typing import Final

from bridge.profile import AllauthMfaProfile, AxesProfile, DjangoOtpProfile, SiteProfile
from bridge.store.blacklist import BLACKLIST_TABLES
from bridge.store.privileges import Privilege

__all__ = ["INSERTED", "site_privileges"]

INSERTED: Final = (*BLACKLIST_TABLES, "axes_accessattempt", "axes_accessfailurelog", "axes_accesslog")
"""Those of the site's tables that rows are inserted into; their keys may come from a sequence."""

_THROTTLING: Final = ("throttling_failure_count", "throttling_failure_timestamp")
_GENERATOR: Final = ("key", "step", "t0", "digits", "tolerance")


def site_privileges(profile: SiteProfile | None) -> Iterator[Privilege]:
    """Give what the site's own apps make necessary."""
    if profile is None:
        return
    if profile.simple_jwt is not None and profile.simple_jwt.keeps_blacklist:
        yield from (Privilege(name, right) for name in BLACKLIST_TABLES for right in ("SELECT", "INSERT"))
    if profile.second_factors.otp is not None:
        yield from _otp(profile.second_factors.otp)
    if profile.second_factors.allauth is not None:
        yield from _allauth(profile.second_factors.allauth)
    if profile.axes is not None and profile.axes.is_honoured:
        yield from _axes(profile.axes)


def _otp(otp: DjangoOtpProfile) -> Iterator[Privilege]:
    used = ("last_used_at",) if otp.keeps_usage else ()
    owner = ("id", "user_id", "confirmed")
    if otp.totp:
        written = ("drift", "last_t", *_THROTTLING)
        yield Privilege("otp_totp_totpdevice", "SELECT", (*owner, *_GENERATOR, *written))
        yield Privilege("otp_totp_totpdevice", "UPDATE", (*written, *used))
    if otp.static:
        yield Privilege("otp_static_staticdevice", "SELECT", (*owner, *_THROTTLING))
        yield Privilege("otp_static_staticdevice", "UPDATE", (*_THROTTLING, *used))
        yield from (Privilege("otp_static_statictoken", right) for right in ("SELECT", "DELETE"))
    for each in otp.foreign:
        yield Privilege(each.table, "SELECT", (each.user, each.confirmed))


def _allauth(allauth: AllauthMfaProfile) -> Iterator[Privilege]:
    if not allauth.codes_can_be_verified:
        yield Privilege("mfa_authenticator", "SELECT", ("user_id", "type"))
        return
    used = ("last_used_at",) if allauth.keeps_usage else ()
    yield Privilege("mfa_authenticator", "SELECT", ("id", "user_id", "type", "data"))
    yield Privilege("mfa_authenticator", "UPDATE", ("data", *used))


def _axes(axes: AxesProfile) -> Iterator[Privilege]:
    rights = ("SELECT", "INSERT", "UPDATE", "DELETE")
    yield from (Privilege("axes_accessattempt", right) for right in rights)
    if axes.has_expirations:
        yield from (Privilege("axes_accessattemptexpiration", right) for right in rights)
    if axes.enable_access_failure_log:
        yield from (Privilege("axes_accessfailurelog", right) for right in ("SELECT", "INSERT", "DELETE"))
    if not axes.disable_access_log:
        yield Privilege("axes_accesslog", "INSERT")
