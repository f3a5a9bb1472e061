"""Counts what happens in this app, next to the bridge's own counters."""

import logging
from datetime import UTC, datetime
from functools import partial

from django.db import DatabaseError, models, transaction

from bridge.contrib.django.database_errors import kind_of
from bridge.contrib.django.models import Activity

__all__ = ["count"]

_logger = logging.getLogger(__name__)


def count(event: str) -> None:
    """Count one more, once the request's own transaction is through: the row is everybody's, not to stay locked."""
    try:
        transaction.on_commit(partial(_count, event), robust=True)
    except transaction.TransactionManagementError:
        _count(event)  # the site commits by hand, and Django cannot tell when


def _count(event: str) -> None:
    # Never in a login's way: the savepoint keeps whatever transaction is open usable.
    try:
        with transaction.atomic():
            _add(event)
    except DatabaseError as exc:
        _logger.warning("%s not counted: %s", event, kind_of(exc))


def _add(event: str) -> None:
    key = {"day": datetime.now(UTC).date(), "app": "django", "event": event}
    if not Activity.objects.filter(**key).update(count=models.F("count") + 1):
        row, created = Activity.objects.get_or_create(**key, defaults={"count": 1})
        if not created:
            Activity.objects.filter(pk=row.pk).update(count=models.F("count") + 1)
