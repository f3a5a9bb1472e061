"""Counts what happens in this app, next to the bridge's own counters."""

import logging
from typing import Any

from django.contrib.auth.signals import user_logged_in
from django.db import DatabaseError, models, transaction
from django.utils import timezone

from bridge.contrib.django.models import Activity

__all__ = ["connect"]

_logger = logging.getLogger(__name__)


def connect() -> None:
    """Listen to the site's logins."""
    user_logged_in.connect(_count_login, dispatch_uid="bridge.count_login")


def _count_login(**_: Any) -> None:
    # A counter never stands in a login's way; the savepoint keeps the site's own transaction usable.
    try:
        with transaction.atomic():
            _add("login_succeeded")
    except DatabaseError:
        _logger.warning("login not counted", exc_info=True)


def _add(event: str) -> None:
    key = {"day": timezone.now().date(), "app": "django", "event": event}
    if not Activity.objects.filter(**key).update(count=models.F("count") + 1):
        row, created = Activity.objects.get_or_create(**key, defaults={"count": 1})
        if not created:
            Activity.objects.filter(pk=row.pk).update(count=models.F("count") + 1)
