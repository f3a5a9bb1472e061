"""System checks: what `bridge doctor` finds unsafe about the site, ``manage.py check`` says as well."""

from collections.abc import Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.conf import settings
from django.core import checks

from bridge.contrib.django import blacklist
from bridge.contrib.django.conf import token_verifier
from bridge.contrib.django.describing import describe_site
from bridge.errors import ConfigurationError
from bridge.profile import SimpleJwtProfile

__all__ = ["check_site"]

# Warnings: the site works as it is, and the bridge leaves the hashes alone until they are gone.
_WARNINGS: Final = {
    "argon2-missing": "bridge.W001",
    "argon2-not-first": "bridge.W002",
    "argon2-not-installed": "bridge.W003",
    "argon2-other-parameters": "bridge.W004",
    "password-column": "bridge.W005",
    "session-hash-custom": "bridge.W006",
    "password-check-custom": "bridge.W007",
    "session-middleware": "bridge.W008",
    "check-revoke-token": "bridge.W009",
    "active-flag": "bridge.W010",
    "second-factor": "bridge.W011",
    "sessions-unreadable": "bridge.W012",
    "simple-jwt-second-factor": "bridge.W014",
    "sessions-outlive-logout": "bridge.W015",
    "urls-unlisted": "bridge.W016",
    "login-rules-custom": "bridge.W017",
}
_SIGNING_KEY: Final = "bridge.E001"
_USER_ID: Final = "bridge.E002"
_REFRESHING: Final = "bridge.W013"
_STOCK_REFRESHING: Final = "rest_framework_simplejwt.serializers.TokenRefreshSerializer"


def check_site(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:
    """Say what would lock upgraded users out of this site, log them out, or undo the upgrade."""
    if app_configs is not None and all(config.label != "bridge" for config in app_configs):
        return []
    profile = describe_site()
    warnings = (
        checks.Warning(found.message, hint=found.cure, id=_WARNINGS[found.code]) for found in profile.findings()
    )
    return [*_check_signing_key(), *_check_user_id(profile.simple_jwt), *_check_refreshing(), *warnings]


def _check_user_id(simple_jwt: SimpleJwtProfile | None) -> list[checks.CheckMessage]:
    if simple_jwt is None or simple_jwt.user_id_field_is_key:
        return []
    message = (
        "SIMPLE_JWT names users by another field than the primary key: a token would be another user's at the bridge"
    )
    return [checks.Error(message, hint="Set USER_ID_FIELD to the primary key's name.", id=_USER_ID)]


def _check_refreshing() -> list[checks.CheckMessage]:
    """Say what SimpleJWT's own rotation leaves open; hashes are upgraded all the same."""
    configured: dict[str, Any] = getattr(settings, "SIMPLE_JWT", {})
    is_stock = configured.get("TOKEN_REFRESH_SERIALIZER", _STOCK_REFRESHING) == _STOCK_REFRESHING
    if not (blacklist.is_kept() and configured.get("ROTATE_REFRESH_TOKENS") and is_stock):
        return []
    message = (
        "SimpleJWT's own TokenRefreshSerializer rotates: 16 parallel refreshes of one token leave several that live, "
        "and a spent one that comes back goes unnoticed"
    )
    hint = "Set TOKEN_REFRESH_SERIALIZER to bridge.contrib.rest_framework.TokenRefreshSerializer."
    return [checks.Warning(message, hint=hint, id=_REFRESHING)]


def _check_signing_key() -> list[checks.CheckMessage]:
    try:
        token_verifier()
    except ConfigurationError as exc:
        return [checks.Error(str(exc.args[0]), hint=exc.cure, id=_SIGNING_KEY)]
    return []
