"""Wraps what is left of an old algorithm in argon2, without the passwords."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Literal

from bridge.passwords.pool import HashingPool
from bridge.passwords.wrapping import Unwrappable, Wrapper, Wrapping
from bridge.services.recording import Event, tell
from bridge.services.upgrading import Upgrading
from bridge.store.database import Database
from bridge.store.holders import Holders
from bridge.store.users import StoredUser

__all__ = ["BulkWrapping", "Progress", "Refused", "hashing_pool"]

_UNDER_WAY_PER_WORKER: Final = 4  # one hashes, others write or wait for it to end
_NAMED: Final = 100

Outcome = Literal["wrapped", "changed_since"]


@dataclass(frozen=True, slots=True)
class Refused:
    """A user whose value stays as it is, and why (``Unwrappable.reason``)."""

    user_id: str
    reason: str


@dataclass(slots=True)
class Progress:
    """How a wrap stands; one that was interrupted goes on where it ended, since what is wrapped is no candidate.

    Attributes:
        users: candidates at the start.
        wrapped: values wrapped, or of a rehearsal, that would be.
        changed_since: users who have another value by now, which stands.
        refused: values that cannot be wrapped.
        named: the first of these.
    """

    users: int
    wrapped: int = 0
    changed_since: int = 0
    refused: int = 0
    named: list[Refused] = field(default_factory=list)

    @property
    def done(self) -> int:
        """Count the users looked at."""
        return self.wrapped + self.changed_since + self.refused

    def count(self, outcome: Outcome | Refused) -> None:
        """Take in what became of one user."""
        if isinstance(outcome, Refused):
            self.refused += 1
            self.named.extend([outcome] if len(self.named) < _NAMED else ())
        elif outcome == "wrapped":
            self.wrapped += 1
        else:
            self.changed_since += 1


class BulkWrapping:
    """Wraps values.

    Args:
        pool: hashes; what else is done for other users goes on meanwhile.
        actor: who wraps, for the audit log.
        per_second: at most so many users; None for as many as the machine can.
    """

    def __init__(
        self,
        *,
        database: Database,
        holders: Holders,
        wrapper: Wrapper,
        pool: HashingPool,
        upgrading: Upgrading,
        actor: str,
        per_second: float | None = None,
    ) -> None:
        self._database = database
        self._holders = holders
        self._wrapper = wrapper
        self._pool = pool
        self._upgrading = upgrading
        self._actor = actor
        self._per_second = per_second

    async def run(self) -> AsyncIterator[Progress]:
        """Go through the users, and say after some of them how it stands.

        Raises:
            DatabaseError: what was wrapped until then stays so.
        """
        progress = Progress(users=await self._holders.count())
        yield progress
        under_way: set[asyncio.Task[Outcome | Refused]] = set()
        try:
            async for user in self._paced():
                under_way.add(asyncio.create_task(self._wrap(user)))
                if len(under_way) >= _UNDER_WAY_PER_WORKER * self._pool.workers:
                    under_way = await _some(under_way, progress)
                    yield progress
            while under_way:
                under_way = await _some(under_way, progress)
                yield progress
        finally:
            await _end(under_way)

    async def rehearse(self) -> AsyncIterator[Progress]:
        """Say the same of what would be, and neither hash nor write anything."""
        progress = Progress(users=await self._holders.count())
        yield progress
        async for batch in self._holders.batches():
            for user in batch:
                prepared = self._wrapper.prepare(user.encoded)
                progress.count("wrapped" if isinstance(prepared, Wrapping) else Refused(user.id, prepared.reason))
            yield progress

    async def _paced(self) -> AsyncIterator[StoredUser]:
        loop = asyncio.get_running_loop()
        due = loop.time()
        async for batch in self._holders.batches():
            for user in batch:
                if self._per_second is not None:
                    due = max(due + 1 / self._per_second, loop.time())
                    await asyncio.sleep(due - loop.time())
                yield user

    async def _wrap(self, user: StoredUser) -> Outcome | Refused:
        prepared = self._wrapper.prepare(user.encoded)
        if isinstance(prepared, Unwrappable):
            return Refused(user.id, prepared.reason)
        encoded = await self._pool.run(prepared.hash)
        async with self._database.transaction() as transaction:
            replaced = await self._upgrading.replace(user, encoded, executor=transaction)
        if replaced is None:
            return "changed_since"
        tell(Event.PASSWORD_WRAPPED, user_id=user.id, actor=self._actor)
        return "wrapped"


def hashing_pool(workers: int | None) -> HashingPool:
    """Build a pool for bulk work, in which nobody waits for an answer."""
    return HashingPool(workers=workers, queue_limit=10**6, deadline=timedelta(days=1))


async def _some(
    under_way: set[asyncio.Task[Outcome | Refused]], progress: Progress
) -> set[asyncio.Task[Outcome | Refused]]:
    """Wait for the next to be done, take them in, and give the others."""
    done, others = await asyncio.wait(under_way, return_when=asyncio.FIRST_COMPLETED)
    for each in done:
        progress.count(each.result())
    return others


async def _end(under_way: set[asyncio.Task[Outcome | Refused]]) -> None:
    """Let each roll back what it has begun; why the work ends is known, so that nothing more of it is heard."""
    for each in under_way:
        each.cancel()
    await asyncio.gather(*under_way, return_exceptions=True)
