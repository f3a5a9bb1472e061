"""One re-hash, whole: the new value, its lineage, that it happened, and what it replaced."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from bridge.passwords.encoded import WRAPPED, EncodedPassword
from bridge.passwords.journal import JournalSealer
from bridge.services.clock import Clock
from bridge.sessions.lineage import links_between, value_digest
from bridge.store.database import Executor
from bridge.store.journal import Journal
from bridge.store.lineage import Lineage
from bridge.store.upgrades import Upgrades
from bridge.store.users import StoredUser, Users

__all__ = ["JournalKeeping", "Replaced", "Upgrading"]


@dataclass(frozen=True, slots=True)
class JournalKeeping:
    """That replaced values are kept.

    Attributes:
        sealer: to what key.
        keep: for how long.
    """

    sealer: JournalSealer
    keep: timedelta


@dataclass(frozen=True, slots=True)
class Replaced:
    """The new value stands.

    Attributes:
        was_upgraded_before: somebody wrote an old value over an earlier upgrade.
    """

    was_upgraded_before: bool


class Upgrading:
    """Writes re-hashes.

    Args:
        secrets: the site's SECRET_KEY and its fallbacks.
        lineage_age: how long what hangs on the old value, sessions and grants, may live without a sign of life.
        keeping: None where replaced values are not kept.
    """

    def __init__(
        self,
        *,
        users: Users,
        lineage: Lineage,
        upgrades: Upgrades,
        journal: Journal,
        secrets: Sequence[str],
        lineage_age: timedelta,
        clock: Clock,
        keeping: JournalKeeping | None = None,
    ) -> None:
        self._users = users
        self._lineage = lineage
        self._upgrades = upgrades
        self._journal = journal
        self._secrets = tuple(secrets)
        self._lineage_age = lineage_age
        self._clock = clock
        self._keeping = keeping

    async def replace(self, user: StoredUser, encoded: str, *, executor: Executor) -> Replaced | None:
        """Replace the value in ``user``, inside the caller's transaction; None if another stands there by now.

        Raises:
            DatabaseError: nothing of it holds once the transaction is rolled back.
        """
        if not await self._users.replace_password(user, encoded=encoded, executor=executor):
            return None
        await self._link(user, encoded, executor)
        known = await self._upgrades.known(user.id, executor=executor)
        algorithm = EncodedPassword.parse(user.encoded).algorithm
        is_old = algorithm not in (EncodedPassword.parse(encoded).algorithm, *WRAPPED)
        await self._upgrades.record(
            user_id=user.id, old_algorithm=algorithm or "unknown", now=self._clock(), executor=executor
        )
        await self._keep(user, encoded, executor)
        return Replaced(was_upgraded_before=known and is_old)

    async def expire(self, user: StoredUser, encoded: str, *, executor: Executor) -> bool:
        """Replace the value in ``user`` by an unusable one, which ends what hangs on it: there is no lineage."""
        if not await self._users.replace_password(user, encoded=encoded, executor=executor):
            return False
        await self._keep(user, encoded, executor)
        return True

    async def restore(self, user: StoredUser, encoded: str, *, executor: Executor) -> bool:
        """Put an earlier value back over the one in ``user``; sessions of either live on."""
        if not await self._users.replace_password(user, encoded=encoded, executor=executor):
            return False
        await self._link(user, encoded, executor)
        await self._upgrades.forget(user.id, executor=executor)
        return True

    async def _link(self, user: StoredUser, encoded: str, executor: Executor) -> None:
        expires_at = self._clock() + self._lineage_age
        for link in links_between(user.encoded, encoded, user_id=user.id, secrets=self._secrets, expires_at=expires_at):
            await self._lineage.record(link, executor=executor)

    async def _keep(self, user: StoredUser, encoded: str, executor: Executor) -> None:
        if self._keeping is None:
            return
        await self._journal.add(
            user_id=user.id,
            sealed=self._keeping.sealer.seal(user.encoded, user_id=user.id),
            new_digest=value_digest(encoded),
            expires_at=self._clock() + self._keeping.keep,
            executor=executor,
        )
