"""django-otp's devices and static tokens."""

from binascii import unhexlify
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from bridge.profile import DjangoOtpProfile
from bridge.store.database import Executor, Row
from bridge.store.users import Users

__all__ = ["OtpDevices", "StaticDevice", "StaticToken", "TotpDevice"]

_TOTP: Final = "otp_totp_totpdevice"
_STATIC: Final = "otp_static_staticdevice"
_TOKENS: Final = "otp_static_statictoken"
_THROTTLING: Final = "throttling_failure_count AS failures, throttling_failure_timestamp AS failed_at"


@dataclass(frozen=True, slots=True)
class TotpDevice:
    """A confirmed device of ``otp_totp``.

    Attributes:
        key: empty where the column holds none.
        last_step: ``last_t``: the newest step that a code was taken for.
        failures: successive wrong codes, the last of them at ``failed_at``.
    """

    id: int
    key: bytes = field(repr=False)
    period: int
    origin: int
    digits: int
    tolerance: int
    drift: int
    last_step: int
    failures: int
    failed_at: datetime | None


@dataclass(frozen=True, slots=True)
class StaticDevice:
    """A confirmed device of ``otp_static``; see ``TotpDevice`` for its attributes."""

    id: int
    failures: int
    failed_at: datetime | None


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A recovery code."""

    id: int
    token: str = field(repr=False)


class OtpDevices:
    """Reads devices, held against everybody else, and writes what came of a code.

    django-otp's own ``verify_token`` takes the same row locks.
    """

    def __init__(self, users: Users, profile: DjangoOtpProfile) -> None:
        self._users = users
        self._profile = profile
        self._used = ", last_used_at = :now" if profile.keeps_usage else ""

    async def totp(self, user_id: str, *, executor: Executor) -> Sequence[TotpDevice]:
        """Hold and give a user's devices until the transaction ends."""
        if not self._profile.totp:
            return []
        columns = f"id, key, step, t0, digits, tolerance, drift, last_t, {_THROTTLING}"
        return [self._totp_device(row) for row in await self._held(_TOTP, columns, user_id, executor)]

    async def static(self, user_id: str, *, executor: Executor) -> Sequence[StaticDevice]:
        """Hold and give a user's devices until the transaction ends."""
        if not self._profile.static:
            return []
        rows = await self._held(_STATIC, f"id, {_THROTTLING}", user_id, executor)
        return [StaticDevice(row["id"], row["failures"], self._users.moment(row["failed_at"])) for row in rows]

    async def tokens(self, device: StaticDevice, *, executor: Executor) -> Sequence[StaticToken]:
        """Give what is left of a device's tokens."""
        rows = await executor.fetch_all(f"SELECT id, token FROM {_TOKENS} WHERE device_id = :id", {"id": device.id})
        return [StaticToken(**row) for row in rows]

    async def record_totp(
        self, device: TotpDevice, *, step: int, drift: int, now: datetime, executor: Executor
    ) -> None:
        """Note that a code was taken: none of its step, or an earlier one, is again."""
        await executor.execute(
            f"UPDATE {_TOTP} SET last_t = :step, drift = :drift, throttling_failure_count = 0,"
            f" throttling_failure_timestamp = NULL{self._used} WHERE id = :id",
            {
                "id": device.id,
                "step": step,
                "drift": drift if self._profile.synchronises else device.drift,
                "now": self._users.site_time(now),
            },
        )

    async def consume(self, token: StaticToken, device: StaticDevice, *, now: datetime, executor: Executor) -> bool:
        """Use a token up; False if somebody else just has."""
        if await executor.execute(f"DELETE FROM {_TOKENS} WHERE id = :id", {"id": token.id}) != 1:
            return False
        await executor.execute(
            f"UPDATE {_STATIC} SET throttling_failure_count = 0, throttling_failure_timestamp = NULL{self._used}"
            " WHERE id = :id",
            {"id": device.id, "now": self._users.site_time(now)},
        )
        return True

    async def record_failure(self, device: TotpDevice | StaticDevice, *, now: datetime, executor: Executor) -> None:
        """Note a wrong code."""
        table = _TOTP if isinstance(device, TotpDevice) else _STATIC
        await executor.execute(
            f"UPDATE {table} SET throttling_failure_count = throttling_failure_count + 1,"
            " throttling_failure_timestamp = :now WHERE id = :id",
            {"id": device.id, "now": self._users.site_time(now)},
        )

    async def _held(self, table: str, columns: str, user_id: str, executor: Executor) -> list[Row]:
        # An update that changes nothing locks the rows on PostgreSQL, as SELECT … FOR UPDATE does; SQLite's
        # transactions are alone anyway.
        rows = await executor.fetch_all(
            f"UPDATE {table} SET throttling_failure_count = throttling_failure_count"
            f" WHERE user_id = :user_id AND confirmed RETURNING {columns}",
            {"user_id": self._users.native_key(user_id)},
        )
        return sorted(rows, key=lambda row: row["id"])

    def _totp_device(self, row: Row) -> TotpDevice:
        return TotpDevice(
            id=row["id"],
            key=_bytes(row["key"]),
            period=row["step"],
            origin=row["t0"],
            digits=row["digits"],
            tolerance=row["tolerance"],
            drift=row["drift"],
            last_step=row["last_t"],
            failures=row["failures"],
            failed_at=self._users.moment(row["failed_at"]),
        )


def _bytes(key: Any) -> bytes:
    try:
        return unhexlify(key)
    except (ValueError, TypeError):
        return b""
