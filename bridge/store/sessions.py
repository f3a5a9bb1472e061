"""The Django site's sessions (table ``django_session``), where its engine is ``db`` or ``cached_db``."""

from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from bridge.sessions.codec import MAX_ROW_LENGTH
from bridge.store.database import Database, Executor

__all__ = ["SESSION_TABLE", "Sessions"]

SESSION_TABLE: Final = "django_session"


class Sessions:
    """Reads and ends sessions; only Django writes them.

    Args:
        database: where.
        time_zone: of columns without one (the site has USE_TZ off); None where they are aware.
    """

    def __init__(self, database: Database, *, time_zone: str | None = None) -> None:
        self._database = database
        self._zone = ZoneInfo(time_zone) if time_zone else None

    async def live(self, key: str, *, now: datetime) -> str | None:
        """Read what Django stored under a key, as it stored it; None if it has expired, or is absurdly large."""
        row = await self._database.fetch_one(
            f"SELECT session_data FROM {SESSION_TABLE}"
            " WHERE session_key = :key AND expire_date > :now AND length(session_data) <= :longest",
            {"key": key, "now": self._site_time(now), "longest": MAX_ROW_LENGTH},
        )
        return None if row is None else row["session_data"]

    async def exists(self, key: str) -> bool:
        """Tell whether a session is still there."""
        row = await self._database.fetch_one(
            f"SELECT 1 AS one FROM {SESSION_TABLE} WHERE session_key = :key", {"key": key}
        )
        return row is not None

    async def delete(self, key: str, *, executor: Executor | None = None) -> None:
        """End a session, as ``django.contrib.sessions.backends.db`` does; copies in a cache are the app's business."""
        await (executor or self._database).execute(
            f"DELETE FROM {SESSION_TABLE} WHERE session_key = :key", {"key": key}
        )

    def _site_time(self, moment: datetime) -> datetime:
        # On PostgreSQL Django's columns are aware even where the site is not.
        if self._zone is None or self._database.dialect == "postgresql":
            return moment
        return moment.astimezone(self._zone).replace(tzinfo=None)
