"""Who may log in by a password, as far as code of the site's own decides it."""

from collections.abc import Iterator
from typing import Any, Final

from django.conf import settings
from django.contrib.auth.backends import AllowAllUsersModelBackend, ModelBackend
from django.contrib.auth.base_user import BaseUserManager
from django.db import models
from django.utils.module_loading import import_string

__all__ = ["login_rules"]

_STOCK_CONSENT: Final = (ModelBackend.user_can_authenticate, AllowAllUsersModelBackend.user_can_authenticate)


def login_rules(model: type[models.Model]) -> Iterator[str]:
    """Name the code that the bridge would have to run to know: the user model's manager, the authentication backends.

    A manager may hide users, or find them by other than their exact names. The backends count where none of them does
    what ``ModelBackend`` does.
    """
    manager = type(model._default_manager)  # noqa: SLF001  # the one that Django's own backends ask
    if not _is_stock_manager(manager):
        yield f"{manager.__module__}.{manager.__qualname__}"
    backends = settings.AUTHENTICATION_BACKENDS
    if not any(_is_stock_backend(import_string(path)) for path in backends):
        yield from backends


def _is_stock_manager(manager: type[Any]) -> bool:
    stock: Any = BaseUserManager
    return manager.get_queryset is stock.get_queryset and (
        getattr(manager, "get_by_natural_key", stock.get_by_natural_key) is stock.get_by_natural_key
    )


def _is_stock_backend(backend: Any) -> bool:
    return (
        isinstance(backend, type)
        and issubclass(backend, ModelBackend)
        and backend.authenticate is ModelBackend.authenticate
        and backend.get_user is ModelBackend.get_user
        and backend.user_can_authenticate in _STOCK_CONSENT
    )
