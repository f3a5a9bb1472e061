"""Which superseded values a session may still carry (table ``bridge_password_lineage``, which Django reads)."""

from datetime import datetime

from bridge.sessions.lineage import LineageLink
from bridge.store.database import Database, Executor

__all__ = ["Lineage"]


class Lineage:
    """Writes links; they are read where sessions are verified."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, link: LineageLink, *, executor: Executor) -> None:
        """Write a link in the re-hash's own transaction, and carry earlier links forward to the new value."""
        await executor.execute(
            "UPDATE bridge_password_lineage SET new_digest = :new_digest"
            " WHERE user_id = :user_id AND new_digest = :old_digest",
            {"user_id": link.user_id, "old_digest": link.old_digest, "new_digest": link.new_digest},
        )
        await executor.execute(
            "INSERT INTO bridge_password_lineage (user_id, old_auth_hash, new_digest, expires_at)"
            " VALUES (:user_id, :old_auth_hash, :new_digest, :expires_at)"
            " ON CONFLICT (user_id, old_auth_hash)"
            " DO UPDATE SET new_digest = excluded.new_digest, expires_at = excluded.expires_at",
            {
                "user_id": link.user_id,
                "old_auth_hash": link.old_auth_hash,
                "new_digest": link.new_digest,
                "expires_at": link.expires_at,
            },
        )

    async def prune(self, *, now: datetime) -> int:
        """Drop the links that no live session can need; give their number."""
        return await self._database.execute("DELETE FROM bridge_password_lineage WHERE expires_at < :now", {"now": now})
