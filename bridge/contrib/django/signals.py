"""What follows a login at the site."""

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import transaction

from bridge.contrib.django.counting import count
from bridge.contrib.django.publishing import renew_profile

__all__ = ["connect"]

_logger = logging.getLogger(__name__)


def connect() -> None:
    """Listen to the site's logins."""
    user_logged_in.connect(_on_login, dispatch_uid="bridge.on_login")


def _on_login(**_: Any) -> None:
    count("login_succeeded")
    try:
        with transaction.atomic():
            renew_profile()
    except Exception:  # it reads the site's own classes; whatever they do, a login goes on
        _logger.warning("site profile not renewed", exc_info=True)
