"""BRIDGE and SIMPLE_JWT, without their keys."""

from dataclasses import replace
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.utils.encoding import force_str
from django.utils.module_loading import import_string

from bridge.contrib.django.conf import (
    bridge_audience,
    bridge_issuer,
    secret_keys,
    simple_jwt_profile,
    verifying_keys,
)
from bridge.errors import ConfigurationError
from bridge.profile import BearerProfile, SimpleJwtProfile
from bridge.tokens.keys import verifying_fingerprint

__all__ = ["bearer", "simple_jwt"]

_BLACKLIST: Final = "rest_framework_simplejwt.token_blacklist"
_ASKING: Final = "bridge.contrib.rest_framework.TokenObtainPairSerializer"


def bearer() -> BearerProfile:
    """Describe what verifies the bridge's tokens."""
    try:
        keys = verifying_keys()
    except ConfigurationError:  # a system check says so
        return BearerProfile("", (), issuer=bridge_issuer(), audience=bridge_audience())
    fingerprints = None if keys.fingerprints is None else tuple(sorted(keys.fingerprints))
    return BearerProfile(keys.algorithm, fingerprints, issuer=bridge_issuer(), audience=bridge_audience())


def simple_jwt() -> SimpleJwtProfile | None:
    """Describe SIMPLE_JWT; None where SimpleJWT is not in use."""
    configured: dict[str, Any] | None = getattr(settings, "SIMPLE_JWT", None)
    if configured is None and not _is_installed() and not _authenticates_by_simple_jwt():
        return None
    profile = simple_jwt_profile(configured or {})
    return replace(
        profile,
        key_fingerprint=_key_fingerprint(configured or {}, profile.algorithm),
        keeps_blacklist=apps.is_installed(_BLACKLIST),
        asks_second_factor=_asks_second_factor(configured or {}),
    )


def _is_installed() -> bool:
    """Tell whether SimpleJWT is among the site's apps: views may name its classes one by one, and nothing is set."""
    return apps.is_installed("rest_framework_simplejwt") or apps.is_installed(_BLACKLIST)


def _asks_second_factor(configured: dict[str, Any]) -> bool:
    path = configured.get("TOKEN_OBTAIN_SERIALIZER")
    if path in (None, _ASKING):
        return path == _ASKING
    try:
        serializer, asking = import_string(path), import_string(_ASKING)
    except ImportError:
        return False
    return isinstance(serializer, type) and issubclass(serializer, asking)


def _authenticates_by_simple_jwt() -> bool:
    configured: dict[str, Any] = getattr(settings, "REST_FRAMEWORK", {})
    classes = [str(path) for path in configured.get("DEFAULT_AUTHENTICATION_CLASSES", ())]
    return any("simplejwt" in path or path.startswith("bridge.contrib.rest_framework.") for path in classes)


def _key_fingerprint(configured: dict[str, Any], algorithm: str) -> str | None:
    if algorithm.startswith("HS"):
        secret = configured.get("SIGNING_KEY") or secret_keys()[0]
        return verifying_fingerprint(force_str(secret), algorithm=algorithm)
    if configured.get("JWK_URL"):
        return None
    return verifying_fingerprint(force_str(configured.get("VERIFYING_KEY", "")), algorithm=algorithm) or ""
