"""What the site says of its second factors and its lockout: each time in a Django process with those settings."""

import json
from typing import Any

import pytest

from bridge.profile import AxesProfile, ForeignDevices, SiteProfile
from tests.conftest import manage
from tests.guarded import GUARDED, variant


def described(**settings: object) -> SiteProfile:
    given = variant(**settings) if settings else GUARDED
    return SiteProfile.from_document(json.loads(manage("sqlite:///:memory:", "bridge_profile", "--dry-run", **given)))


def shortcomings(profile: SiteProfile) -> list[str]:
    axes = profile.axes.shortcomings() if profile.axes else ()
    return [*profile.second_factors.shortcomings(), *axes]


ADAPTERS = "tests.site.guarded_adapters"
MAIL = "users of otp_email.emaildevice must log in at the site"


def test_a_site_without_such_apps_asks_for_a_password_alone():
    profile = SiteProfile.from_document(json.loads(manage("sqlite:///:memory:", "bridge_profile", "--dry-run")))

    assert (profile.second_factors.otp, profile.second_factors.allauth, profile.axes) == (None, None, None)
    assert profile.findings() == ()


def test_what_is_installed_is_described():
    profile = described()

    otp, allauth = profile.second_factors.otp, profile.second_factors.allauth
    assert otp is not None
    assert (otp.totp, otp.static, otp.synchronises, otp.keeps_usage) == (True, True, True, True)
    assert otp.foreign == (ForeignDevices("otp_email.emaildevice", "otp_email_emaildevice"),)
    assert allauth is not None
    assert (allauth.totp_tolerance, allauth.failures, allauth.failure_seconds) == (1, 4, 600)
    assert profile.axes == AxesProfile(
        cool_off_seconds=3600.0,
        lockout_parameters=(("username",),),
        reset_on_success=True,
        enable_access_failure_log=True,
    )
    assert shortcomings(profile) == [MAIL]


def test_settings_are_taken_over():
    profile = described(
        OTP_TOTP_SYNC=False,
        OTP_TOTP_THROTTLE_FACTOR=0.5,
        OTP_STATIC_THROTTLE_FACTOR=0,
        MFA_TOTP_PERIOD=60,
        MFA_TOTP_DIGITS=8,
        MFA_RECOVERY_CODE_COUNT=3,
        ACCOUNT_RATE_LIMITS={"login_failed": "10/m/ip,7/2h/key"},
        AXES_COOLOFF_TIME=0.5,
        AXES_LOCKOUT_PARAMETERS=["user_agent", ["username", "ip_address"]],
        AXES_IP_BLACKLIST=["192.0.2.1"],
        AXES_ENABLED=False,
    )

    otp, allauth, axes = profile.second_factors.otp, profile.second_factors.allauth, profile.axes
    assert otp is not None
    assert (otp.synchronises, otp.totp_throttle_factor, otp.static_throttle_factor) == (False, 0.5, 0)
    assert allauth is not None
    assert (allauth.totp_period, allauth.totp_digits, allauth.recovery_code_count) == (60, 8, 3)
    assert (allauth.failures, allauth.failure_seconds) == (7, 7200)
    assert axes is not None
    assert axes.cool_off_seconds == 1800
    assert axes.lockout_parameters == (("user_agent",), ("username", "ip_address"))
    assert (axes.ip_blacklist, axes.enabled, axes.is_honoured) == (("192.0.2.1",), False, False)


@pytest.mark.parametrize(
    ("settings", "shortcoming"),
    [
        ({"MFA_ADAPTER": f"{ADAPTERS}.EncryptingAdapter"}, "secrets cannot be read"),
        ({"MFA_ADAPTER": f"{ADAPTERS}.DecidingAdapter"}, "MFA_ADAPTER decides"),
        ({"MFA_TOTP_DIGITS": 10}, "secrets cannot be read"),
        ({"AXES_HANDLER": "axes.handlers.cache.AxesCacheHandler"}, "AXES_HANDLER is not the database handler"),
        ({"AXES_HANDLER": f"{ADAPTERS}.OwnHandler"}, "AXES_HANDLER is not the database handler"),
        ({"AXES_FAILURE_LIMIT": f"{ADAPTERS}.failure_limit"}, "AXES_FAILURE_LIMIT is code"),
        ({"AXES_COOLOFF_TIME": f"{ADAPTERS}.cool_off"}, "AXES_COOLOFF_TIME is code"),
        ({"AXES_LOCKOUT_PARAMETERS": f"{ADAPTERS}.parameters"}, "AXES_LOCKOUT_PARAMETERS are code"),
        ({"AXES_WHITELIST_CALLABLE": f"{ADAPTERS}.whitelist"}, "AXES_WHITELIST_CALLABLE is code"),
    ],
    ids=lambda value: str(*value.values()) if isinstance(value, dict) else "",
)
def test_what_the_bridge_cannot_honour_is_found(settings: dict[str, Any], shortcoming: str):
    found = shortcomings(described(**settings))

    assert len(found) == 2
    assert shortcoming in found[1]


def test_the_site_says_so_in_its_own_checks():
    printed = manage("sqlite:///:memory:", "bridge_profile", "--dry-run", **GUARDED)

    (finding,) = SiteProfile.from_document(json.loads(printed)).findings()
    assert (finding.code, finding.blocking) == ("second-factor", False)
    assert MAIL in finding.message
