"""Moments and days as a ``bridge_*`` column gives them."""

from datetime import UTC, date, datetime
from typing import Any

__all__ = ["stored_day", "stored_moment"]


def stored_day(value: Any) -> date:
    """Give what was read as a day: SQLite keeps text."""
    return date.fromisoformat(value) if isinstance(value, str) else value


def stored_moment(value: Any) -> datetime:
    """Give what was read as an aware moment: SQLite keeps UTC without saying so."""
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
