"""SimpleJWT's ``token_blacklist``, where the site keeps it: what either app spent, neither takes again."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from bridge.store.database import Batch, Executor
from bridge.store.users import Users

__all__ = ["BLACKLIST_TABLES", "Blacklist", "Outstanding"]

_OUTSTANDING = "token_blacklist_outstandingtoken"
_BLACKLISTED = "token_blacklist_blacklistedtoken"
BLACKLIST_TABLES = (_OUTSTANDING, _BLACKLISTED)


@dataclass(frozen=True, slots=True)
class Outstanding:
    """A refresh token as the site lists it.

    Attributes:
        token: its text; of the bridge's, without the signature, so that nobody can use what they read there.
    """

    token_id: str
    user_id: str
    token: str = field(repr=False)
    issued_at: datetime
    expires_at: datetime


class Blacklist:
    """Reads and writes the site's own record of refresh tokens.

    Of its times Django writes the one of the blacklisting, and SimpleJWT the others.
    """

    def __init__(self, users: Users) -> None:
        self._users = users

    async def among(self, token_ids: Collection[str], *, executor: Executor) -> frozenset[str]:
        """Give those that are blacklisted."""
        names = {f"id_{number}": token_id for number, token_id in enumerate(token_ids)}
        rows = await executor.fetch_all(
            f"SELECT o.jti AS jti FROM {_OUTSTANDING} o JOIN {_BLACKLISTED} b ON b.token_id = o.id"
            f" WHERE o.jti IN ({', '.join(f':{name}' for name in names)})",
            names,
        )
        return frozenset(row["jti"] for row in rows)

    async def list(self, token: Outstanding, *, batch: Batch) -> None:
        """Note a token, as SimpleJWT does when it issues one; a second time changes nothing."""
        await batch.execute(
            f"INSERT INTO {_OUTSTANDING} (user_id, jti, token, created_at, expires_at)"
            " VALUES (:user_id, :jti, :token, :created_at, :expires_at) ON CONFLICT DO NOTHING",
            {
                "user_id": self._users.native_key(token.user_id),
                "jti": token.token_id,
                "token": token.token,
                "created_at": self._users.utc_time(token.issued_at),
                "expires_at": self._users.utc_time(token.expires_at),
            },
        )

    async def spend(self, token_ids: Collection[str], *, now: datetime, executor: Executor) -> int:
        """Blacklist tokens that are listed; give the number of those that were not blacklisted before."""
        names = {f"id_{number}": token_id for number, token_id in enumerate(token_ids)}
        if not names:
            return 0
        return await executor.execute(
            f"INSERT INTO {_BLACKLISTED} (token_id, blacklisted_at) SELECT id, :now FROM {_OUTSTANDING}"
            f" WHERE jti IN ({', '.join(f':{name}' for name in names)}) ON CONFLICT DO NOTHING",
            {**names, "now": self._users.site_time(now)},
        )

    async def spend_all(self, user_id: str, *, now: datetime, executor: Executor) -> int:
        """Blacklist all tokens of a user that are listed and have not expired; give their number."""
        return await executor.execute(
            f"INSERT INTO {_BLACKLISTED} (token_id, blacklisted_at) SELECT id, :now FROM {_OUTSTANDING}"
            " WHERE user_id = :user_id AND expires_at > :alive_at ON CONFLICT DO NOTHING",
            {
                "user_id": self._users.native_key(user_id),
                "now": self._users.site_time(now),
                "alive_at": self._users.utc_time(now),
            },
        )

    async def live(self, user_id: str, *, now: datetime, executor: Executor) -> Sequence[tuple[str, str]]:
        """Give ``jti`` and text of a user's tokens that are neither expired nor blacklisted, the newest first."""
        rows = await executor.fetch_all(
            f"SELECT o.jti AS jti, o.token AS token FROM {_OUTSTANDING} o"
            f" LEFT JOIN {_BLACKLISTED} b ON b.token_id = o.id"
            " WHERE o.user_id = :user_id AND o.expires_at > :alive_at AND b.id IS NULL ORDER BY o.id DESC",
            {"user_id": self._users.native_key(user_id), "alive_at": self._users.utc_time(now)},
        )
        return [(row["jti"], row["token"]) for row in rows]
