"""Whether what was opened under an earlier stored password may go on under the present one."""

from collections.abc import Sequence

from bridge.services.clock import Clock
from bridge.sessions.auth_hash import is_auth_hash_of, session_auth_hash
from bridge.sessions.lineage import lineage_digest
from bridge.store.database import Executor
from bridge.store.lineage import Lineage
from bridge.store.users import StoredUser

__all__ = ["Continuity"]


class Continuity:
    """Tells a silent re-hash from a password change.

    Args:
        secrets: the site's SECRET_KEY and its fallbacks.
    """

    def __init__(self, *, lineage: Lineage, secrets: Sequence[str], clock: Clock) -> None:
        self._lineage = lineage
        self._secrets = tuple(secrets)
        self._clock = clock

    def auth_hash(self, encoded: str) -> str:
        """Give what a grant hangs on: what a Django session of the same moment would carry."""
        return session_auth_hash(encoded, secret=self._secrets[0])

    async def holds(self, user: StoredUser, auth_hash: str, *, executor: Executor | None = None) -> bool:
        """Tell whether ``auth_hash`` is of the user's stored password, or of one that was only re-hashed since.

        A statement is spent only where it is not of the present one.
        """
        if is_auth_hash_of(user.encoded, auth_hash, secrets=self._secrets):
            return True
        digests = [lineage_digest(user.encoded, secret=secret) for secret in self._secrets]
        return await self._lineage.leads(
            user.id, old_auth_hash=auth_hash, new_digests=digests, now=self._clock(), executor=executor
        )
