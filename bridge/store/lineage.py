"""Which superseded values a session may still carry (table ``bridge_password_lineage``, which Django reads)."""

from collections.abc import Sequence
from datetime import datetime

from bridge.sessions.lineage import LineageLink
from bridge.store.database import Database, Executor

__all__ = ["Lineage"]


class Lineage:
    """Writes links, and follows them."""

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

    async def leads(
        self,
        user_id: str,
        *,
        old_auth_hash: str,
        new_digests: Sequence[str],
        now: datetime,
        executor: Executor | None = None,
    ) -> bool:
        """Tell whether what hung on an old value may go on under the present one, named under each of the keys."""
        names = {f"digest_{number}": digest for number, digest in enumerate(new_digests)}
        row = await (executor or self._database).fetch_one(
            "SELECT 1 AS one FROM bridge_password_lineage WHERE user_id = :user_id AND old_auth_hash = :old_auth_hash"
            f" AND expires_at > :now AND new_digest IN ({', '.join(f':{name}' for name in names)})",
            {"user_id": user_id, "old_auth_hash": old_auth_hash, "now": now, **names},
        )
        return row is not None

    async def prune(self, *, now: datetime) -> int:
        """Drop the links that no live session can need; give their number."""
        return await self._database.execute("DELETE FROM bridge_password_lineage WHERE expires_at < :now", {"now": now})
