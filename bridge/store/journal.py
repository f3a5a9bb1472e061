"""Replaced values, sealed (table ``bridge_rehash_journal``)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge.store.database import Database, Executor

__all__ = ["Journal", "JournalEntry"]


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """One replaced value.

    Attributes:
        id: ascends in the order of writing.
        sealed: the value, see ``bridge.passwords.journal``.
        new_digest: names the value that replaced it.
    """

    id: int
    user_id: str
    sealed: str = field(repr=False)
    new_digest: str


class Journal:
    """Keeps what a re-hash replaced, for a time."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, *, user_id: str, sealed: str, new_digest: str, expires_at: datetime, executor: Executor
    ) -> None:
        """Write an entry in the re-hash's own transaction."""
        await executor.execute(
            "INSERT INTO bridge_rehash_journal (user_id, sealed, new_digest, expires_at)"
            " VALUES (:user_id, :sealed, :new_digest, :expires_at)",
            {"user_id": user_id, "sealed": sealed, "new_digest": new_digest, "expires_at": expires_at},
        )

    async def count(self) -> int:
        """Count the entries."""
        row = await self._database.fetch_one("SELECT count(*) AS count FROM bridge_rehash_journal")
        return int(row["count"]) if row else 0

    async def before(self, entry_id: int | None, *, limit: int) -> Sequence[JournalEntry]:
        """Give the newest entries older than one, newest first: a user's chain of re-hashes is undone from its end."""
        rows = await self._database.fetch_all(
            "SELECT id, user_id, sealed, new_digest FROM bridge_rehash_journal"
            " WHERE id < :before ORDER BY id DESC LIMIT :limit",
            {"before": 2**63 - 1 if entry_id is None else entry_id, "limit": limit},
        )
        return [JournalEntry(**row) for row in rows]

    async def remove(self, entry_id: int, *, executor: Executor) -> None:
        """Drop an entry whose value is back."""
        await executor.execute("DELETE FROM bridge_rehash_journal WHERE id = :id", {"id": entry_id})

    async def prune(self, *, now: datetime) -> int:
        """Drop the entries whose days are over; give their number."""
        return await self._database.execute("DELETE FROM bridge_rehash_journal WHERE expires_at < :now", {"now": now})
