"""Moments as the ``bridge_*`` columns hold them, which the bridge reads and writes whatever this site's USE_TZ says."""

from datetime import UTC, datetime, tzinfo

from django.conf import settings
from django.db import connections
from django.utils import timezone

__all__ = ["column_time", "moment_of"]


def column_time(moment: datetime, *, using: str) -> datetime:
    """Give what to write for an aware moment."""
    return moment if settings.USE_TZ else timezone.make_naive(moment, _zone(using))


def moment_of(value: datetime, *, using: str) -> datetime:
    """Give the aware moment of what was read."""
    return value if timezone.is_aware(value) else timezone.make_aware(value, _zone(using))


def _zone(using: str) -> tzinfo:
    # PostgreSQL's columns know their zone, and take naive values for the site's own; SQLite keeps what it is given.
    return UTC if connections[using].vendor == "sqlite" else timezone.get_default_timezone()
