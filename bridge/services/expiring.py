"""Takes the password from those who have been away too long; they get a new one by mail."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from bridge.passwords.encoded import unusable_value
from bridge.services.recording import Event, tell
from bridge.services.upgrading import Upgrading
from bridge.store.database import Database
from bridge.store.holders import Holders
from bridge.store.users import StoredUser

__all__ = ["Enlist", "Expiring", "Progress"]

Enlist = Callable[[Sequence[StoredUser]], None]


@dataclass(slots=True)
class Progress:
    """How an expiry stands; one that was interrupted goes on where it ended, since who is expired is no candidate.

    Attributes:
        users: candidates at the start.
        expired: passwords made unusable, or with a dry run, that would be.
        changed_since: users who have another password by now, which stands.
        without_email: those of the expired whom no mail can reach.
    """

    users: int
    expired: int = 0
    changed_since: int = 0
    without_email: int = 0

    @property
    def done(self) -> int:
        """Count the users looked at."""
        return self.expired + self.changed_since


class Expiring:
    """Makes passwords unusable.

    Args:
        actor: who does, for the audit log.
    """

    def __init__(self, *, database: Database, holders: Holders, upgrading: Upgrading, actor: str) -> None:
        self._database = database
        self._holders = holders
        self._upgrading = upgrading
        self._actor = actor

    async def run(self, enlist: Enlist, *, dry_run: bool) -> AsyncIterator[Progress]:
        """Go through the users, and say after each batch how it stands.

        Args:
            enlist: keeps users for the mailing. What it was given is on disk before any of them is expired.
            dry_run: change nothing.

        Raises:
            DatabaseError: who was expired until then stays so.
        """
        progress = Progress(users=await self._holders.count())
        yield progress
        async for batch in self._holders.batches():
            enlist(batch)
            for user in batch:
                if dry_run or await self._expire(user):
                    progress.expired += 1
                    progress.without_email += not user.email
                else:
                    progress.changed_since += 1
            yield progress

    async def _expire(self, user: StoredUser) -> bool:
        async with self._database.transaction() as transaction:
            is_expired = await self._upgrading.expire(user, unusable_value(), executor=transaction)
        if is_expired:
            tell(Event.PASSWORD_EXPIRED, user_id=user.id, actor=self._actor)
        return is_expired
