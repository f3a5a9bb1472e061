"""Access tokens that were taken back before their time (table ``bridge_revoked_token``)."""

from datetime import datetime

from bridge.store.database import Database, Executor

__all__ = ["Revocations"]


class Revocations:
    """The block list. An entry is needed only until its token would have expired."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, *, token_id: str, user_id: str, expires_at: datetime, now: datetime, executor: Executor | None = None
    ) -> None:
        """Revoke a token; a second time changes nothing."""
        await (executor or self._database).execute(
            "INSERT INTO bridge_revoked_token (token_id, user_id, expires_at, revoked_at)"
            " VALUES (:token_id, :user_id, :expires_at, :now) ON CONFLICT (token_id) DO NOTHING",
            {"token_id": token_id, "user_id": user_id, "expires_at": expires_at, "now": now},
        )

    async def prune(self, *, now: datetime) -> int:
        """Drop the entries whose tokens have expired; give their number."""
        return await self._database.execute("DELETE FROM bridge_revoked_token WHERE expires_at < :now", {"now": now})
