"""Whether what was opened under an earlier stored password may go on under the present one."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final

from bridge.services.clock import Clock
from bridge.sessions.auth_hash import is_auth_hash_of, session_auth_hash
from bridge.sessions.lineage import lineage_digest
from bridge.store.database import Executor
from bridge.store.lineage import Lineage
from bridge.tokens.memory import Memory

__all__ = ["Continuity"]

_MOST_REMEMBERED: Final = 10_000


class Continuity:
    """Tells a silent re-hash from a password change.

    Args:
        secrets: the site's SECRET_KEY and its fallbacks.
    """

    def __init__(self, *, lineage: Lineage, secrets: Sequence[str], clock: Clock) -> None:
        self._lineage = lineage
        self._secrets = tuple(secrets)
        self._clock = clock
        self._present: dict[str, bytes] = {}
        self._hashes: Memory[str] = Memory(most=_MOST_REMEMBERED)

    def auth_hash(self, encoded: str) -> str:
        """Give what a grant hangs on: what a Django session of the same moment would carry."""
        digest = hashlib.sha256(encoded.encode()).digest()
        known = self._hashes.recall(digest)
        if known is None:
            known = session_auth_hash(encoded, secret=self._secrets[0])
            self._hashes.keep(digest, known)
        return known

    async def holds(self, user_id: str, *, encoded: str, auth_hash: str, executor: Executor | None = None) -> bool:
        """Tell whether ``auth_hash`` is of a user's stored password, or of one that was only re-hashed since.

        A statement is spent only where it is not of the present one.
        """
        if self._is_of_present(encoded, auth_hash):
            return True
        digests = [lineage_digest(encoded, secret=secret) for secret in self._secrets]
        return await self._lineage.leads(
            user_id, old_auth_hash=auth_hash, new_digests=digests, now=self._clock(), executor=executor
        )

    def _is_of_present(self, encoded: str, auth_hash: str) -> bool:
        # Django derives a key for each hash; what came of it last time is known by a digest, and no password is kept.
        digest = hashlib.sha256(encoded.encode()).digest()
        known = self._present.get(auth_hash)
        if known is not None and hmac.compare_digest(known, digest):
            return True
        if not is_auth_hash_of(encoded, auth_hash, secrets=self._secrets):
            return False
        if len(self._present) >= _MOST_REMEMBERED:
            del self._present[next(iter(self._present))]
        self._present[auth_hash] = digest
        return True
