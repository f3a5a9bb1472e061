"""Counts what happens in this app, next to the bridge's own counters."""

import logging
from datetime import UTC, datetime

from django.db import DatabaseError, models, transaction

from bridge.contrib.django.models import Activity

__all__ = ["count"]

_logger = logging.getLogger(__name__)


def count(event: str) -> None:
    """Count one more. Never stands in a login's way; the savepoint keeps the site's own transaction usable."""
    try:
        with transaction.atomic():
            _add(event)
    except DatabaseError:
        _logger.warning("%s not counted", event, exc_info=True)


def _add(event: str) -> None:
    key = {"day": datetime.now(UTC).date(), "app": "django", "event": event}
    if not Activity.objects.filter(**key).update(count=models.F("count") + 1):
        row, created = Activity.objects.get_or_create(**key, defaults={"count": 1})
        if not created:
            Activity.objects.filter(pk=row.pk).update(count=models.F("count") + 1)
