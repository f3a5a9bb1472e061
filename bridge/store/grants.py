"""Logins that go on, with their refresh tokens (table ``bridge_grant``, which Django writes as well)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from bridge.store.database import Batch, Database, Executor, Row
from bridge.store.moments import stored_moment

__all__ = ["Grants", "StoredGrant"]


@dataclass(frozen=True, slots=True)
class StoredGrant:
    """One login.

    Attributes:
        id: ``sid`` of its tokens.
        auth_hash: of the stored password that it hangs on (``bridge.sessions.auth_hash.session_auth_hash``).
        current_token_id: ``jti`` of its newest refresh token.
        previous_token_id: of the one before.
        opened_by: ``jti`` of the site's refresh token that it began with; None where it began with a login.
        session_key: the name of the Django session that it belongs to: its key, or what the app wrote into one that is
            its own cookie (``bridge.sessions.naming``); empty without one.
        device: what the client called itself.
        rotated_at: when the newest refresh token was issued.
        expires_at: when it ends however often it is refreshed.
        ended_at: when it was ended before.
    """

    id: str
    user_id: str
    auth_hash: str = field(repr=False)
    current_token_id: str
    created_at: datetime
    rotated_at: datetime
    expires_at: datetime
    previous_token_id: str | None = None
    opened_by: str | None = None
    session_key: str = field(default="", repr=False)
    scope: tuple[str, ...] = ()
    device: str = ""
    ended_at: datetime | None = None

    def is_alive(self, now: datetime) -> bool:
        """Tell whether it has neither ended nor expired."""
        return self.ended_at is None and now < self.expires_at


class Grants:
    """Opens, rotates and ends grants.

    Args:
        database: where.
        longest_wait: for a row that somebody else holds, at the site perhaps.
    """

    def __init__(self, database: Database, *, longest_wait: timedelta = timedelta(seconds=5)) -> None:
        self._database = database
        self._longest_wait = longest_wait

    @staticmethod
    async def open(grant: StoredGrant, *, batch: Batch) -> None:
        """Insert a grant that begins with a login; one that was inserted before stays as it is."""
        statement, values = _insertion(grant)
        await batch.execute(f"{statement} ON CONFLICT (id) DO NOTHING", values)

    @staticmethod
    async def open_once(grant: StoredGrant, *, executor: Executor) -> bool:
        """Insert a grant that begins with a refresh token of the site; False if that has begun one before."""
        statement, values = _insertion(grant)
        return await executor.execute(f"{statement} ON CONFLICT (opened_by) DO NOTHING", values) == 1

    async def by_id(self, grant_id: str) -> StoredGrant | None:
        """Read a grant."""
        row = await self._database.fetch_one("SELECT * FROM bridge_grant WHERE id = :id", {"id": grant_id})
        return None if row is None else _grant(row)

    async def has_opener(self, token_id: str) -> bool:
        """Tell whether a refresh token of the site has begun a grant."""
        row = await self._database.fetch_one(
            "SELECT 1 AS one FROM bridge_grant WHERE opened_by = :token_id", {"token_id": token_id}
        )
        return row is not None

    async def locked(self, grant_id: str, *, executor: Executor) -> StoredGrant | None:
        """Read a grant and keep all others from rotating it until the transaction ends."""
        return await self._locked("id", grant_id, executor)

    async def locked_of_opener(self, token_id: str, *, executor: Executor) -> StoredGrant | None:
        """Do the same for the grant that began with a refresh token of the site."""
        return await self._locked("opened_by", token_id, executor)

    async def rotate(self, grant: StoredGrant, *, executor: Executor) -> None:
        """Write the refresh tokens and the auth hash of ``grant``, which is locked."""
        await executor.execute(
            "UPDATE bridge_grant SET current_token_id = :current, previous_token_id = :previous,"
            " rotated_at = :rotated_at, auth_hash = :auth_hash WHERE id = :id",
            {
                "id": grant.id,
                "current": grant.current_token_id,
                "previous": grant.previous_token_id,
                "rotated_at": grant.rotated_at,
                "auth_hash": grant.auth_hash,
            },
        )

    async def end(
        self, grant_id: str, *, user_id: str, reason: str, now: datetime, executor: Executor
    ) -> StoredGrant | None:
        """End a user's grant and give it; None if it is none of theirs, or has ended before."""
        row = await executor.fetch_one(
            "UPDATE bridge_grant SET ended_at = :now, ended_by = :reason"
            " WHERE id = :id AND user_id = :user_id AND ended_at IS NULL RETURNING *",
            {"id": grant_id, "user_id": user_id, "reason": reason, "now": now},
        )
        return None if row is None else _grant(row)

    async def end_joined(
        self, grant_id: str, *, user_id: str, reason: str, now: datetime, executor: Executor
    ) -> Sequence[StoredGrant]:
        """End a user's grant with all of theirs that are joined to the same session, and give them.

        In one statement: two that each ended one first would wait for each other. SQLite looks into a subquery when it
        first has to, so that nothing may be ended without it.
        """
        rows = await executor.fetch_all(
            "UPDATE bridge_grant SET ended_at = :now, ended_by = :reason"
            " WHERE ended_at IS NULL AND id IN (SELECT other.id FROM bridge_grant own JOIN bridge_grant other"
            " ON other.user_id = own.user_id"
            " AND (other.id = own.id OR (other.session_key = own.session_key AND own.session_key <> ''))"
            " WHERE own.id = :id AND own.user_id = :user_id AND own.ended_at IS NULL) RETURNING *",
            {"id": grant_id, "user_id": user_id, "reason": reason, "now": now},
        )
        return [_grant(row) for row in rows]

    async def end_all(self, user_id: str, *, reason: str, now: datetime, executor: Executor) -> Sequence[StoredGrant]:
        """End all grants of a user and give them."""
        rows = await executor.fetch_all(
            "UPDATE bridge_grant SET ended_at = :now, ended_by = :reason"
            " WHERE user_id = :user_id AND ended_at IS NULL RETURNING *",
            {"user_id": user_id, "reason": reason, "now": now},
        )
        return [_grant(row) for row in rows]

    async def alive(self, user_id: str, *, now: datetime, limit: int) -> Sequence[StoredGrant]:
        """Give a user's grants that have not ended, the last used first."""
        rows = await self._database.fetch_all(
            "SELECT * FROM bridge_grant WHERE user_id = :user_id AND ended_at IS NULL AND expires_at > :now"
            " ORDER BY rotated_at DESC, id LIMIT :limit",
            {"user_id": user_id, "now": now, "limit": limit},
        )
        return [_grant(row) for row in rows]

    async def prune(self, *, rotated_before: datetime) -> int:
        """Drop the grants whose last tokens have expired, ended or not; give their number.

        One that began with a token of the site stays for as long as that token could come back, and one that has ended
        for as long as the session could that ended with it.
        """
        return await self._database.execute(
            "DELETE FROM bridge_grant WHERE rotated_at < :before AND (opened_by IS NULL OR expires_at < :before)"
            " AND (ended_at IS NULL OR session_key = '' OR ended_at < :before)",
            {"before": rotated_before},
        )

    async def _locked(self, column: str, value: str, executor: Executor) -> StoredGrant | None:
        # SQLite's transactions hold the whole file from their beginning.
        lock = ""
        if self._database.dialect == "postgresql":
            # Whoever holds the row must not hold up all of the bridge's connections.
            milliseconds = self._longest_wait // timedelta(milliseconds=1)
            await executor.execute(f"SET LOCAL lock_timeout = {milliseconds}")
            lock = " FOR UPDATE"
        row = await executor.fetch_one(f"SELECT * FROM bridge_grant WHERE {column} = :value{lock}", {"value": value})
        return None if row is None else _grant(row)


def _insertion(grant: StoredGrant) -> tuple[str, dict[str, Any]]:
    values = {
        "id": grant.id,
        "user_id": grant.user_id,
        "auth_hash": grant.auth_hash,
        "current_token_id": grant.current_token_id,
        "previous_token_id": grant.previous_token_id,
        "opened_by": grant.opened_by,
        "session_key": grant.session_key,
        "scope": " ".join(grant.scope),
        "device": grant.device,
        "created_at": grant.created_at,
        "rotated_at": grant.rotated_at,
        "expires_at": grant.expires_at,
        "ended_by": "",
    }
    names, slots = ", ".join(values), ", ".join(f":{name}" for name in values)
    return f"INSERT INTO bridge_grant ({names}) VALUES ({slots})", values


def _grant(row: Row) -> StoredGrant:
    return StoredGrant(
        id=row["id"],
        user_id=row["user_id"],
        auth_hash=row["auth_hash"],
        current_token_id=row["current_token_id"],
        previous_token_id=row["previous_token_id"],
        opened_by=row["opened_by"],
        session_key=row["session_key"],
        scope=tuple(row["scope"].split()),
        device=row["device"],
        created_at=stored_moment(row["created_at"]),
        rotated_at=stored_moment(row["rotated_at"]),
        expires_at=stored_moment(row["expires_at"]),
        ended_at=None if row["ended_at"] is None else stored_moment(row["ended_at"]),
    )
