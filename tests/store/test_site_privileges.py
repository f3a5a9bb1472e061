"""Rights on tables that only some sites have: none without them, and no more than what is honoured needs."""

from datetime import UTC, datetime
from typing import Any

import pytest

from bridge.profile import (
    AllauthMfaProfile,
    AxesProfile,
    DjangoOtpProfile,
    ForeignDevices,
    SecondFactorProfile,
    SiteProfile,
)
from bridge.store.site_privileges import site_privileges


def rights(**more: Any) -> set[str]:
    profile = SiteProfile(published_at=datetime(2026, 11, 20, tzinfo=UTC), django_version="5.2.19", **more)
    return {f"{each.right} {each.table}" for each in site_privileges(profile)}


def test_a_site_without_such_apps_grants_nothing():
    assert rights() == set()
    assert list(site_privileges(None)) == []


@pytest.mark.parametrize(
    ("otp", "granted"),
    [
        (DjangoOtpProfile(), set()),
        (DjangoOtpProfile(totp=True), {"SELECT otp_totp_totpdevice", "UPDATE otp_totp_totpdevice"}),
        (
            DjangoOtpProfile(static=True),
            {
                "SELECT otp_static_staticdevice",
                "UPDATE otp_static_staticdevice",
                "SELECT otp_static_statictoken",
                "DELETE otp_static_statictoken",
            },
        ),
        (DjangoOtpProfile(foreign=(ForeignDevices("sms.device", "sms"),)), {"SELECT sms"}),
    ],
    ids=["nothing", "totp", "static", "foreign"],
)
def test_devices_are_read_and_what_codes_change_is_written(otp: DjangoOtpProfile, granted: set[str]):
    assert rights(second_factors=SecondFactorProfile(otp=otp)) == granted


def test_of_secrets_that_cannot_be_read_no_right_is_asked_for():
    allauth = AllauthMfaProfile(codes_can_be_verified=False)
    profile = SiteProfile(
        published_at=datetime(2026, 11, 20, tzinfo=UTC),
        django_version="5.2.19",
        second_factors=SecondFactorProfile(allauth=allauth),
    )

    (only,) = site_privileges(profile)

    assert (only.right, only.table, only.columns) == ("SELECT", "mfa_authenticator", ("user_id", "type"))


@pytest.mark.parametrize(
    ("axes", "tables"),
    [
        (AxesProfile(), {"axes_accessattempt", "axes_accessattemptexpiration", "axes_accesslog"}),
        (AxesProfile(has_expirations=False, disable_access_log=True), {"axes_accessattempt"}),
        (
            AxesProfile(has_expirations=False, disable_access_log=True, enable_access_failure_log=True),
            {"axes_accessattempt", "axes_accessfailurelog"},
        ),
        (AxesProfile(enabled=False), set()),
        (AxesProfile(not_honoured=("its handler",)), set()),
    ],
    ids=["stock", "least", "logging", "off", "not-honoured"],
)
def test_only_the_tables_of_axes_that_are_written_are_granted(axes: AxesProfile, tables: set[str]):
    assert {right.partition(" ")[2] for right in rights(axes=axes)} == tables
