"""What follows a login or a logout at the site."""

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.db import DatabaseError, transaction
from django.http import HttpRequest

from bridge.contrib.django.counting import count
from bridge.contrib.django.ending import end_of_session
from bridge.contrib.django.liveness import database
from bridge.contrib.django.publishing import renew_profile

__all__ = ["connect"]

_logger = logging.getLogger(__name__)


def connect() -> None:
    """Listen to the site's logins and logouts."""
    user_logged_in.connect(_on_login, dispatch_uid="bridge.on_login")
    user_logged_out.connect(_on_logout, dispatch_uid="bridge.on_logout")


def _on_login(**_: Any) -> None:
    count("login_succeeded")
    try:
        with transaction.atomic():
            renew_profile()
    except Exception:  # it reads the site's own classes; whatever they do, a login goes on
        _logger.warning("site profile not renewed", exc_info=True)


def _on_logout(*, request: HttpRequest, **_: Any) -> None:
    """End the grants that belong to the session; Django deletes it right after."""
    session = getattr(request, "session", None)
    try:
        with transaction.atomic(using=database()):
            end_of_session(getattr(session, "session_key", None) or "")
    except DatabaseError:
        # Not migrated yet, perhaps. The session ends all the same, and nobody is kept from logging out.
        _logger.warning("grants of a session not ended", exc_info=True)
