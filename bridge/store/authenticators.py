"""allauth's authenticators (table ``mfa_authenticator``)."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.profile import AllauthMfaProfile
from bridge.store.database import Executor
from bridge.store.users import Users

__all__ = ["Authenticator", "Authenticators"]


@dataclass(frozen=True, slots=True)
class Authenticator:
    """One of a user's authenticators.

    Attributes:
        kind: ``totp``, ``recovery_codes`` or ``webauthn``.
        data: what allauth keeps there; the secrets among it.
    """

    id: int
    kind: str
    data: Any = field(repr=False)


class Authenticators:
    """Reads authenticators, held against everybody else, and writes what came of a code.

    allauth takes the same row locks where it uses recovery codes up.
    """

    def __init__(self, users: Users, profile: AllauthMfaProfile) -> None:
        self._users = users
        self._used = ", last_used_at = :now" if profile.keeps_usage else ""

    async def of_user(self, user_id: str, *, executor: Executor) -> Sequence[Authenticator]:
        """Hold and give a user's authenticators until the transaction ends."""
        rows = await executor.fetch_all(
            "UPDATE mfa_authenticator SET data = data WHERE user_id = :user_id"
            " RETURNING id, type, CAST(data AS text) AS data",
            {"user_id": self._users.native_key(user_id)},
        )
        found = [Authenticator(id=row["id"], kind=row["type"], data=json.loads(row["data"])) for row in rows]
        return sorted(found, key=lambda each: each.id)

    async def record_use(
        self, authenticator: Authenticator, *, data: Mapping[str, Any], now: datetime, executor: Executor
    ) -> None:
        """Write an authenticator's data after a code was taken."""
        await executor.execute(
            f"UPDATE mfa_authenticator SET data = :data{self._used} WHERE id = :id",
            {"id": authenticator.id, "data": json.dumps(data), "now": self._users.site_time(now)},
        )
