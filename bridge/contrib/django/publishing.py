"""Describes this site to the bridge."""

import json
from typing import Any

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.hashers import BasePasswordHasher
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.utils import timezone
from django.utils.module_loading import import_string

from bridge.contrib.django.models import SiteProfile as SiteProfileRow
from bridge.passwords.parameters import Argon2Parameters
from bridge.profile import HasherProfile, KeyType, SimpleJwtProfile, SiteProfile, UserTable, fingerprint

__all__ = ["describe_site", "publish_profile"]


def publish_profile(*, using: str = "default") -> SiteProfile:
    """Write the site profile's one row and give what was written."""
    profile = describe_site()
    SiteProfileRow.objects.using(using).update_or_create(
        id=1, defaults={"document": json.dumps(profile.to_document()), "published_at": profile.published_at}
    )
    return profile


def describe_site() -> SiteProfile:
    """Read everything that the bridge must know from settings and the user model."""
    return SiteProfile(
        published_at=timezone.now() if settings.USE_TZ else timezone.make_aware(timezone.now()),
        django_version=django.get_version(),
        user_table=_user_table(),
        hashers=tuple(_hasher(path) for path in settings.PASSWORD_HASHERS),
        validators=tuple(dict(each) for each in settings.AUTH_PASSWORD_VALIDATORS),
        secret_key_fingerprint=fingerprint(settings.SECRET_KEY),
        time_zone=None if settings.USE_TZ else settings.TIME_ZONE,
        simple_jwt=_simple_jwt(),
    )


def _user_table() -> UserTable:
    model = get_user_model()
    meta = model._meta  # noqa: SLF001  # Django documents the Model._meta API
    return UserTable(
        name=meta.db_table,
        key=meta.pk.column,
        key_type=_key_type(meta.pk),
        username=meta.get_field(model.USERNAME_FIELD).column,
        columns=_known_columns(model),
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
    return HasherProfile(
        algorithm=hasher.algorithm,
        path=path,
        available=_is_available(hasher),
        parameters=_argon2_parameters(hasher) if hasher.algorithm == "argon2" else {},
    )


def _is_available(hasher: BasePasswordHasher) -> bool:
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


def _simple_jwt() -> SimpleJwtProfile | None:
    configured = getattr(settings, "SIMPLE_JWT", None)
    if configured is None:
        return None
    return SimpleJwtProfile(
        algorithm=configured.get("ALGORITHM", "HS256"),
        issuer=configured.get("ISSUER"),
        audience=configured.get("AUDIENCE"),
        user_id_claim=configured.get("USER_ID_CLAIM", "user_id"),
    )
