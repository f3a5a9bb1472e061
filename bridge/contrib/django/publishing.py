"""Describes this site to the bridge."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import django
from django.apps import apps
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.hashers import Argon2PasswordHasher
from django.contrib.auth.middleware import AuthenticationMiddleware as DjangoAuthenticationMiddleware
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils import timezone
from django.utils.encoding import force_str
from django.utils.module_loading import import_string

from bridge.contrib.django.conf import secret_keys, simple_jwt_profile
from bridge.contrib.django.models import SiteProfile as SiteProfileRow
from bridge.contrib.django.upgrades import has_stock_password_check
from bridge.passwords.parameters import Argon2Parameters
from bridge.profile import (
    HasherProfile,
    KeyType,
    SessionProfile,
    SimpleJwtProfile,
    SiteProfile,
    UserTable,
    fingerprint,
)
from bridge.tokens.keys import verifying_fingerprint

__all__ = ["as_json", "describe_site", "publish_profile", "renew_profile"]

_RENEWAL: Final = timedelta(days=1)
_SECOND_FACTOR_APPS: Final = ("allauth.mfa", "axes", "django_otp")
_HASHER_MODULES: Final = ("django.contrib.auth.hashers", "bridge.contrib.django.hashers")
_ARGON2ID: Final = 2
_ARGON2_VERSION: Final = 19
_ARGON2_HASH_LENGTH: Final = 32


def publish_profile(*, using: str = "default") -> SiteProfile:
    """Write the site profile's one row and give what was written."""
    profile = describe_site()
    published_at = profile.published_at if settings.USE_TZ else timezone.make_naive(profile.published_at)
    SiteProfileRow.objects.using(using).update_or_create(
        id=1, defaults={"document": as_json(profile), "published_at": published_at}
    )
    return profile


def as_json(profile: SiteProfile) -> str:
    """Give the stored form; options of validators that JSON does not know, such as paths, as text."""
    return json.dumps(profile.to_document(), default=str)


def renew_profile() -> None:
    """Publish again what is more than a day old: what runs may be other than what last migrated.

    By age alone, so that two processes of different settings do not take turns at every login.
    """
    if not SiteProfileRow.objects.filter(published_at__gt=timezone.now() - _RENEWAL).exists():
        publish_profile()


def describe_site() -> SiteProfile:
    """Read everything that the bridge must know from settings and the user model."""
    return SiteProfile(
        published_at=timezone.now() if settings.USE_TZ else timezone.make_aware(timezone.now()),
        django_version=django.get_version(),
        user_table=_user_table(),
        hashers=tuple(_hasher(path) for path in settings.PASSWORD_HASHERS),
        validators=tuple(dict(each) for each in settings.AUTH_PASSWORD_VALIDATORS),
        secret_key_fingerprint=fingerprint(secret_keys()[0]),
        secret_key_fallback_fingerprints=tuple(fingerprint(key) for key in secret_keys()[1:]),
        second_factor_apps=tuple(name for name in _SECOND_FACTOR_APPS if apps.is_installed(name)),
        sessions=_sessions(get_user_model()),
        time_zone=None if settings.USE_TZ else settings.TIME_ZONE,
        simple_jwt=_simple_jwt(),
    )


def _user_table() -> UserTable:
    model = get_user_model()
    meta: Any = model._meta  # noqa: SLF001  # Django documents the Model._meta API
    return UserTable(
        name=meta.db_table,
        key=meta.pk.column,
        key_type=_key_type(meta.pk),
        username=meta.get_field(model.USERNAME_FIELD).column,
        columns=_known_columns(model),
        always_active=getattr(model, "is_active", None) is True,
    )


def _known_columns(model: type[models.Model]) -> dict[str, int | None]:
    """Give those of Django's own columns that this model has under their own names."""
    found = {}
    for name in UserTable().columns:
        try:
            field = model._meta.get_field(name)  # noqa: SLF001  # documented API
        except FieldDoesNotExist:
            continue
        if getattr(field, "column", None) == name:
            found[name] = getattr(field, "max_length", None)
    return found


def _key_type(key: "models.Field[Any, Any]") -> KeyType:
    if isinstance(key, models.UUIDField):
        return "uuid"
    return "integer" if isinstance(key, models.IntegerField) else "text"


def _hasher(path: str) -> HasherProfile:
    hasher = import_string(path)()
    available = _is_available(hasher)
    is_argon2 = hasher.algorithm == "argon2"
    return HasherProfile(
        algorithm=hasher.algorithm,
        path=path,
        available=available,
        parameters=_argon2_parameters(hasher) if is_argon2 else {},
        reproducible=not (is_argon2 and available) or (_is_stock(hasher) and _is_reproducible(hasher)),
        stock=_is_stock(hasher),
    )


def _is_stock(hasher: Any) -> bool:
    """Tell whether a hasher encodes and verifies as the Django hasher that it derives from; costs may differ."""
    own = type(hasher)
    known = next((each for each in own.__mro__ if each.__module__ in _HASHER_MODULES), None)
    names = ("encode", "decode", "verify", "digest")
    return known is not None and all(getattr(own, name, None) is getattr(known, name, None) for name in names)


def _is_available(hasher: Any) -> bool:
    try:
        hasher._load_library()  # noqa: SLF001  # the only way to ask Django whether a hasher can work
    except ValueError:
        return hasher.library is None
    return True


def _argon2_parameters(hasher: Any) -> dict[str, int]:
    return {
        "time_cost": hasher.time_cost,
        "memory_cost": hasher.memory_cost,
        "parallelism": hasher.parallelism,
        "salt_length": Argon2Parameters.salt_length_for(hasher.salt_entropy),
    }


def _is_reproducible(hasher: Any) -> bool:
    """Tell whether ``params()``, which a site may override, asks for what the bridge writes."""
    if type(hasher).must_update is not Argon2PasswordHasher.must_update:
        return False
    wanted = hasher.params()
    fixed = (wanted.type.value, wanted.version, wanted.hash_len)
    costs = (wanted.time_cost, wanted.memory_cost, wanted.parallelism)
    return fixed == (_ARGON2ID, _ARGON2_VERSION, _ARGON2_HASH_LENGTH) and costs == (
        hasher.time_cost,
        hasher.memory_cost,
        hasher.parallelism,
    )


def _sessions(model: type[Any]) -> SessionProfile:
    return SessionProfile(
        cookie_age=settings.SESSION_COOKIE_AGE,
        engine=settings.SESSION_ENGINE,
        auth_hash_is_stock=_has_stock_auth_hash(model),
        password_check_is_stock=has_stock_password_check(model),
        middleware_keeps_keys=not any(_is_stock_authentication(path) for path in settings.MIDDLEWARE),
    )


def _has_stock_auth_hash(model: type[Any]) -> bool:
    fallback = getattr(model, "get_session_auth_fallback_hash", None)
    return (
        model.get_session_auth_hash is AbstractBaseUser.get_session_auth_hash
        and getattr(fallback, "without_lineage", None) is AbstractBaseUser.get_session_auth_fallback_hash
    )


def _is_stock_authentication(path: str) -> bool:
    return import_string(path) is DjangoAuthenticationMiddleware


def _simple_jwt() -> SimpleJwtProfile | None:
    configured: dict[str, Any] | None = getattr(settings, "SIMPLE_JWT", None)
    if configured is None and not _authenticates_by_simple_jwt():
        return None
    profile = simple_jwt_profile(configured or {})
    return replace(profile, key_fingerprint=_key_fingerprint(configured or {}, profile.algorithm))


def _authenticates_by_simple_jwt() -> bool:
    configured: dict[str, Any] = getattr(settings, "REST_FRAMEWORK", {})
    return any("simplejwt" in str(path) for path in configured.get("DEFAULT_AUTHENTICATION_CLASSES", ()))


def _key_fingerprint(configured: dict[str, Any], algorithm: str) -> str | None:
    if algorithm.startswith("HS"):
        secret = configured.get("SIGNING_KEY") or secret_keys()[0]
        return verifying_fingerprint(force_str(secret), algorithm=algorithm)
    if configured.get("JWK_URL"):
        return None
    return verifying_fingerprint(force_str(configured.get("VERIFYING_KEY", "")), algorithm=algorithm)
