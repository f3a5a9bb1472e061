"""What follows a login or a logout at the site."""

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.db import transaction
from django.http import HttpRequest

from bridge.contrib.django.counting import count
from bridge.contrib.django.ending import follow_session
from bridge.contrib.django.joining import begin_name, session_name
from bridge.contrib.django.publishing import renew_profile

__all__ = ["connect"]

_logger = logging.getLogger(__name__)


def connect() -> None:
    """Listen to the site's logins and logouts."""
    user_logged_in.connect(_on_login, dispatch_uid="bridge.on_login")
    user_logged_out.connect(_on_logout, dispatch_uid="bridge.on_logout")


def _on_login(*, request: HttpRequest | None = None, **_: Any) -> None:
    session = getattr(request, "session", None)
    if isinstance(session, SessionBase):
        begin_name(session)
    count("login_succeeded")
    try:
        with transaction.atomic():
            renew_profile()
    except Exception:  # it reads the site's own classes; whatever they do, a login goes on
        _logger.warning("site profile not renewed", exc_info=True)


def _on_logout(*, request: HttpRequest, **_: Any) -> None:
    """End the grants that belong to the session; Django deletes it right after."""
    session = getattr(request, "session", None)
    if isinstance(session, SessionBase):
        follow_session(session_name(session))
