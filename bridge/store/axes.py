"""The tables of django-axes, read and written as ``axes.handlers.database`` (7 and 8) does."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from bridge.profile import AxesProfile
from bridge.store.database import Database, Executor, Row
from bridge.store.users import Users

__all__ = ["Attempt", "AxesAttempts", "Failures"]

_ATTEMPTS: Final = "axes_accessattempt"
_EXPIRATIONS: Final = "axes_accessattemptexpiration"
_BATCH: Final = 500
_PARAMETERS: Final = ("username", "ip_address", "user_agent")


@dataclass(frozen=True, slots=True)
class Attempt:
    """A login as axes records it; every text fits its column.

    Attributes:
        ip_address: in the form that Django stores; None where it is unknown.
        at: when.
    """

    username: str
    ip_address: str | None
    user_agent: str
    http_accept: str
    path_info: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Failures:
    """How often a combination of lockout parameters failed, and when the last time was."""

    count: int
    last_at: datetime | None


class AxesAttempts:
    """Counts failures, and forgets them."""

    def __init__(self, database: Database, users: Users, profile: AxesProfile) -> None:
        self._database = database
        self._users = users
        self._profile = profile

    async def failures(self, attempt: Attempt) -> list[Failures]:
        """Give the failures of each combination of lockout parameters that still count, in one statement."""
        parameters = self._of(attempt)
        selects = " UNION ALL ".join(
            f"SELECT {number} AS number, sum(failures_since_start) AS count, max(attempt_time) AS last_at"
            f" FROM {_ATTEMPTS} WHERE {self._matching(names, attempt)}{self._recent}"
            for number, names in enumerate(self._profile.lockout_parameters)
        )
        rows = await self._database.fetch_all(f"{selects} ORDER BY number", parameters)
        return [Failures(int(row["count"] or 0), self._users.moment(row["last_at"])) for row in rows]

    async def add_failure(self, attempt: Attempt) -> None:
        """Count a failed login, whoever else counts at the same time."""
        await self._drop_expired(attempt.at)
        async with self._database.transaction() as transaction:
            row = await self._counted(attempt, transaction)
            await self._set_expiration(row["id"], attempt.at, executor=transaction)

    async def _counted(self, attempt: Attempt, executor: Executor) -> Row:
        counted = f"failures_since_start = {_ATTEMPTS}.failures_since_start + 1, attempt_time = :at"
        described = "http_accept = :http_accept, path_info = :path_info"
        if attempt.ip_address is None:  # to a unique constraint, no unknown address is the same as another
            known = await executor.fetch_one(
                f"UPDATE {_ATTEMPTS} SET {counted}, {described} WHERE id ="
                f" (SELECT min(id) FROM {_ATTEMPTS} WHERE {self._matching(_PARAMETERS, attempt)}) RETURNING id",
                self._of(attempt),
            )
            if known is not None:
                return known
        row = await executor.fetch_one(
            f"INSERT INTO {_ATTEMPTS} (username, ip_address, user_agent, http_accept, path_info, attempt_time,"
            " get_data, post_data, failures_since_start)"
            " VALUES (:username, :ip_address, :user_agent, :http_accept, :path_info, :at, '', '', 1)"
            f" ON CONFLICT (username, ip_address, user_agent) DO UPDATE SET {counted}, {described} RETURNING id",
            self._of(attempt),
        )
        assert row is not None  # noqa: S101  # an upsert returns its row
        return row

    async def log_failure(self, attempt: Attempt, *, locked_out: bool) -> None:
        """Keep a failure in the log, which has a limited number for each username."""
        await self._database.execute(
            "INSERT INTO axes_accessfailurelog"
            " (username, ip_address, user_agent, http_accept, path_info, attempt_time, locked_out)"
            " VALUES (:username, :ip_address, :user_agent, :http_accept, :path_info, :at, :locked_out)",
            {**self._of(attempt), "locked_out": locked_out},
        )
        limit = self._profile.access_failure_log_per_user_limit
        if limit is not None:
            await self._database.execute(
                "DELETE FROM axes_accessfailurelog WHERE username = :username AND id NOT IN"
                " (SELECT id FROM axes_accessfailurelog WHERE username = :username ORDER BY id DESC LIMIT :limit)",
                {"username": attempt.username, "limit": limit},
            )

    async def log_success(self, attempt: Attempt) -> None:
        """Keep a login in the log; it has no Django session."""
        await self._drop_expired(attempt.at)
        await self._database.execute(
            "INSERT INTO axes_accesslog"
            " (username, ip_address, user_agent, http_accept, path_info, attempt_time, session_hash)"
            " VALUES (:username, :ip_address, :user_agent, :http_accept, :path_info, :at, '')",
            self._of(attempt),
        )

    async def reset(self, attempt: Attempt) -> None:
        """Forget the failures that would count against this login."""
        conditions = (f"({self._matching(names, attempt)})" for names in self._profile.lockout_parameters)
        await self._delete(" OR ".join(conditions), self._of(attempt))

    @property
    def _recent(self) -> str:
        return "" if self._profile.cool_off_seconds is None else " AND attempt_time >= :threshold"

    def _matching(self, names: tuple[str, ...], attempt: Attempt) -> str:
        return " AND ".join(
            f"{name} IS NULL" if getattr(attempt, name) is None else f"{name} = :{name}" for name in names
        )

    def _of(self, attempt: Attempt) -> dict[str, Any]:
        texts = {name: getattr(attempt, name) for name in (*_PARAMETERS, "http_accept", "path_info")}
        threshold = attempt.at - timedelta(seconds=self._profile.cool_off_seconds or 0)
        return {**texts, "at": self._users.site_time(attempt.at), "threshold": self._users.site_time(threshold)}

    async def _set_expiration(self, attempt_id: int, at: datetime, *, executor: Executor) -> None:
        if not self._profile.use_attempt_expiration or self._profile.cool_off_seconds is None:
            return
        await executor.execute(
            f"INSERT INTO {_EXPIRATIONS} (access_attempt_id, expires_at) VALUES (:id, :expires_at)"
            " ON CONFLICT (access_attempt_id) DO UPDATE SET expires_at = excluded.expires_at"
            f" WHERE {_EXPIRATIONS}.expires_at < excluded.expires_at",
            {
                "id": attempt_id,
                "expires_at": self._users.site_time(at + timedelta(seconds=self._profile.cool_off_seconds)),
            },
        )

    async def _drop_expired(self, now: datetime) -> None:
        if self._profile.cool_off_seconds is None:
            return
        if self._profile.use_attempt_expiration:
            condition = f"id IN (SELECT access_attempt_id FROM {_EXPIRATIONS} WHERE expires_at <= :now)"
            await self._delete(condition, {"now": self._users.site_time(now)})
            return
        threshold = now - timedelta(seconds=self._profile.cool_off_seconds)
        await self._delete("attempt_time <= :threshold", {"threshold": self._users.site_time(threshold)})

    async def _delete(self, condition: str, parameters: Mapping[str, Any]) -> None:
        async with self._database.transaction() as transaction:
            # Django's foreign keys are checked at the end of the transaction only.
            rows = await transaction.fetch_all(f"DELETE FROM {_ATTEMPTS} WHERE {condition} RETURNING id", parameters)
            if not self._profile.has_expirations:
                return
            for start in range(0, len(rows), _BATCH):
                names = {f"id_{number}": row["id"] for number, row in enumerate(rows[start : start + _BATCH])}
                slots = ", ".join(f":{name}" for name in names)
                await transaction.execute(f"DELETE FROM {_EXPIRATIONS} WHERE access_attempt_id IN ({slots})", names)
