"""The way back: replaced values from the journal, wherever the bridge's own value still stands."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

from bridge.passwords.journal import JournalOpener, SealBroken
from bridge.services.recording import Event, tell
from bridge.services.upgrading import Upgrading
from bridge.sessions.lineage import value_digest
from bridge.store.database import Database
from bridge.store.journal import Journal, JournalEntry
from bridge.store.users import StoredUser, Users

__all__ = ["Progress", "Restoring"]

_BATCH: Final = 200


@dataclass(slots=True)
class Progress:
    """How a restore stands; one that was interrupted goes on where it ended, since what is back leaves the journal.

    Attributes:
        entries: in the journal at the start.
        restored: values put back, or with a dry run, that would be.
        changed_since: entries whose user has another value by now, which stands.
        unreadable: entries that this private key does not open.
    """

    entries: int
    restored: int = 0
    changed_since: int = 0
    unreadable: int = 0

    @property
    def done(self) -> int:
        """Count the entries looked at."""
        return self.restored + self.changed_since + self.unreadable


class Restoring:
    """Puts values back.

    Args:
        actor: who does, for the audit log.
    """

    def __init__(self, *, database: Database, users: Users, journal: Journal, upgrading: Upgrading, actor: str) -> None:
        self._database = database
        self._users = users
        self._journal = journal
        self._upgrading = upgrading
        self._actor = actor

    async def run(self, opener: JournalOpener, *, dry_run: bool) -> AsyncIterator[Progress]:
        """Go through the journal, newest first, and say after each batch how it stands.

        Raises:
            DatabaseError: what was put back until then stays so.
        """
        progress = Progress(entries=await self._journal.count())
        pending: dict[str, str] = {}  # what a dry run would have put back, by user
        before: int | None = None
        while batch := await self._journal.before(before, limit=_BATCH):
            for entry in batch:
                await self._restore(entry, opener, progress, pending if dry_run else None)
            before = batch[-1].id
            yield progress

    async def _restore(
        self, entry: JournalEntry, opener: JournalOpener, progress: Progress, pending: dict[str, str] | None
    ) -> None:
        try:
            old = opener.open(entry.sealed, user_id=entry.user_id)
        except SealBroken:
            progress.unreadable += 1
            return
        user = await self._users.with_password(entry.user_id)
        current = (pending or {}).get(entry.user_id, user.encoded if user else "")
        if user is None or value_digest(current) != entry.new_digest:
            progress.changed_since += 1
        elif pending is not None:
            pending[entry.user_id] = old
            progress.restored += 1
        elif await self._put_back(user, old, entry):
            progress.restored += 1
        else:
            progress.changed_since += 1

    async def _put_back(self, user: StoredUser, old: str, entry: JournalEntry) -> bool:
        async with self._database.transaction() as transaction:
            if not await self._upgrading.restore(user, old, executor=transaction):
                return False
            await self._journal.remove(entry.id, executor=transaction)
        tell(Event.PASSWORD_RESTORED, user_id=user.id, actor=self._actor)
        return True
