"""The user model, as a table."""

from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group, Permission
from django.core.exceptions import FieldDoesNotExist
from django.db import models

from bridge.profile import KeyType, Membership, UserTable

__all__ = ["user_table"]


def user_table() -> UserTable:
    """Describe the user model's table."""
    model = get_user_model()
    meta: Any = model._meta  # noqa: SLF001  # Django documents the Model._meta API
    return UserTable(
        name=meta.db_table,
        key=meta.pk.column,
        key_type=_key_type(meta.pk),
        username=meta.get_field(model.USERNAME_FIELD).column,
        columns=_known_columns(model),
        always_active=getattr(model, "is_active", None) is True,
        groups=_membership(model, "groups", Group),
        permissions=_membership(model, "user_permissions", Permission),
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


def _membership(model: type[models.Model], name: str, other: type[models.Model]) -> Membership | None:
    """Describe a many-to-many field of ``PermissionsMixin``; None where the model has none to Django's own model."""
    try:
        field: Any = model._meta.get_field(name)  # noqa: SLF001  # documented API
    except FieldDoesNotExist:
        return None
    if not isinstance(field, models.ManyToManyField) or field.related_model is not other:
        return None
    through: Any = field.remote_field.through
    return Membership(
        table=through._meta.db_table,  # noqa: SLF001  # documented API
        user=through._meta.get_field(field.m2m_field_name()).column,  # noqa: SLF001  # likewise
        other=through._meta.get_field(field.m2m_reverse_field_name()).column,  # noqa: SLF001  # likewise
    )


def _key_type(key: "models.Field[Any, Any]") -> KeyType:
    if isinstance(key, models.UUIDField):
        return "uuid"
    return "integer" if isinstance(key, models.IntegerField) else "text"
