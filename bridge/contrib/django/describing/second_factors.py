"""django-otp and ``allauth.mfa``, as far as the bridge must know them; imported only where they are installed."""

import re
from collections.abc import Iterator
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from bridge.profile import AllauthMfaProfile, DjangoOtpProfile, ForeignDevices, SecondFactorProfile
from bridge.second_factors.totp import DIGITS

__all__ = ["second_factors"]

# Apps that keep second factors or lockouts in tables and stores of their own.
_UNKNOWN_APPS: Final = ("defender", "deux", "mfa", "multifactor", "trench")
_KNOWN_DEVICES: Final = (("otp_totp", "TOTPDevice"), ("otp_static", "StaticDevice"))
_NUMBERS: Final = {
    "totp_period": 30,
    "totp_digits": 6,
    "totp_tolerance": 0,
    "recovery_code_count": 10,
    "recovery_code_digits": 8,
}
_RATE: Final = re.compile(r"(\d+)/(\d*)([smhd])/key")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def second_factors() -> SecondFactorProfile:
    """Describe what the site asks for beyond a password."""
    return SecondFactorProfile(
        otp=_otp() if apps.is_installed("django_otp") else None,
        allauth=_allauth() if apps.is_installed("allauth.mfa") else None,
        unknown_apps=tuple(name for name in _UNKNOWN_APPS if apps.is_installed(name)),
    )


def _otp() -> DjangoOtpProfile:
    from django_otp import device_classes  # noqa: PLC0415  # only where it is installed

    known = {
        name: apps.get_app_config(app).get_model(name)
        for app, name in _KNOWN_DEVICES
        if apps.is_installed(f"django_otp.plugins.{app}")
    }
    foreign = [model for model in device_classes() if model not in known.values()]
    return DjangoOtpProfile(
        totp="TOTPDevice" in known,
        static="StaticDevice" in known,
        synchronises=bool(getattr(settings, "OTP_TOTP_SYNC", True)),
        totp_throttle_factor=float(getattr(settings, "OTP_TOTP_THROTTLE_FACTOR", 1)),
        static_throttle_factor=float(getattr(settings, "OTP_STATIC_THROTTLE_FACTOR", 1)),
        keeps_usage=all(_has_field(model, "last_used_at") for model in known.values()),
        foreign=tuple(_foreign(model) for model in foreign),
    )


def _foreign(model: type[Any]) -> ForeignDevices:
    # A device model that derives from another has its `user` in that one's table.
    user, confirmed = (model._meta.get_field(name) for name in ("user", "confirmed"))  # noqa: SLF001  # documented API
    return ForeignDevices(
        model=model._meta.label_lower,  # noqa: SLF001  # likewise
        table=user.model._meta.db_table,  # noqa: SLF001  # likewise
        user=user.column,
        confirmed=confirmed.column,
    )


def _has_field(model: type[Any], name: str) -> bool:
    return any(field.name == name for field in model._meta.get_fields())  # noqa: SLF001  # documented API


def _allauth() -> AllauthMfaProfile:
    from allauth.mfa import app_settings  # noqa: PLC0415  # only where it is installed
    from allauth.mfa.adapter import DefaultMFAAdapter  # noqa: PLC0415  # likewise

    adapter = import_string(app_settings.ADAPTER)
    stock = {name: _is_inherited(adapter, DefaultMFAAdapter, name) for name in ("encrypt", "decrypt", "is_mfa_enabled")}
    # Older versions have fewer settings, and what is their default now built in.
    numbers = {name: getattr(app_settings, name.upper(), default) for name, default in _NUMBERS.items()}
    return AllauthMfaProfile(
        **numbers,
        codes_can_be_verified=stock["encrypt"] and stock["decrypt"] and numbers["totp_digits"] in DIGITS,
        enabling_is_stock=stock["is_mfa_enabled"],
        keeps_usage=_has_field(apps.get_app_config("mfa").get_model("Authenticator"), "last_used_at"),
        **dict(_failures()),
    )


def _is_inherited(adapter: type[Any], stock: type[Any], name: str) -> bool:
    return getattr(adapter, name, None) is getattr(stock, name, None)


def _failures() -> Iterator[tuple[str, int]]:
    """Read how many wrong codes of a user are let through (``login_failed`` of ACCOUNT_RATE_LIMITS, by key)."""
    from allauth.account import app_settings  # noqa: PLC0415  # only where it is installed

    limits = getattr(app_settings, "RATE_LIMITS", None) or {}
    found = _RATE.search(str(limits.get("login_failed") or ""))
    if found and int(found[1]) > 0:
        yield "failures", int(found[1])
        yield "failure_seconds", int(found[2] or 1) * _SECONDS[found[3]]
