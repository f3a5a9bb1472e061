"""The Django site's sessions (table ``django_session``), where its engine is ``db`` or ``cached_db``."""

from typing import Final

from bridge.store.database import Database, Executor

__all__ = ["SESSION_TABLE", "Sessions"]

SESSION_TABLE: Final = "django_session"


class Sessions:
    """Looks for sessions and ends them; only Django writes them, and ``Identities`` reads what it wrote."""

    def __init__(self, database: Database) -> None:
        self._database = database

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
