"""Which second factors a user has, and what the bridge remembers of their codes (table ``bridge_second_factor``)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from bridge.profile import SecondFactorProfile
from bridge.store.database import Database, Executor, Row, quoted
from bridge.store.users import Users

__all__ = ["CodeMemory", "Factor", "Remembered", "SecondFactorOwners"]

_LONGEST_NUMBER: Final = 18
_CONFIRMED: Final = " WHERE user_id = :user_id AND confirmed"


class Factor(StrEnum):
    """A kind of second factor."""

    OTP_TOTP = "otp_totp"
    OTP_STATIC = "otp_static"
    ALLAUTH_TOTP = "totp"
    ALLAUTH_RECOVERY = "recovery_codes"
    FOREIGN = "foreign"
    """Of a kind that only the site can verify."""


class SecondFactorOwners:
    """Looks which kinds of second factor users have, wherever the site keeps them.

    Args:
        profile: which tables there are.
        users: for the form of their keys.
    """

    def __init__(self, database: Database, users: Users, profile: SecondFactorProfile) -> None:
        self._database = database
        self._users = users
        self._query = " UNION ".join(_selects(profile))
        self._devices = dict(_devices(profile))
        self._of_otp = " UNION ".join(_selects(replace(profile, allauth=None)))

    async def factors(self, user_id: str, *, executor: Executor | None = None) -> frozenset[Factor]:
        """Give the kinds of a user's confirmed second factors, in one statement."""
        rows = await self._ask(self._query, user_id, executor or self._database)
        known = {factor.value for factor in Factor}
        return frozenset(Factor(row["kind"]) if row["kind"] in known else Factor.FOREIGN for row in rows)

    async def has_otp(self, user_id: str) -> bool:
        """Tell whether a user has a confirmed device of django-otp, in one statement."""
        return bool(await self._ask(self._of_otp, user_id, self._database))

    async def has_device(self, user_id: str, persistent_id: str) -> bool:
        """Tell whether a device of django-otp is still a user's, and confirmed (``django_otp.models.Device``)."""
        model, _, number = persistent_id.rpartition("/")
        table = self._devices.get(model)
        if table is None or not (number.isascii() and number.isdigit()) or len(number) > _LONGEST_NUMBER:
            return False
        row = await self._database.fetch_one(
            f"SELECT 1 AS one FROM {table}{_CONFIRMED} AND id = :id",
            {"user_id": self._users.native_key(user_id), "id": int(number)},
        )
        return row is not None

    async def _ask(self, query: str, user_id: str, executor: Executor) -> Sequence[Row]:
        if not query:
            return ()
        return await executor.fetch_all(query, {"user_id": self._users.native_key(user_id)})


def _devices(profile: SecondFactorProfile) -> Iterator[tuple[str, str]]:
    """Give the models of django-otp that can be looked up, as a persistent id names them, and their tables."""
    if profile.otp is not None and profile.otp.totp:
        yield "otp_totp.totpdevice", "otp_totp_totpdevice"
    if profile.otp is not None and profile.otp.static:
        yield "otp_static.staticdevice", "otp_static_staticdevice"


def _selects(profile: SecondFactorProfile) -> Iterator[str]:
    otp = profile.otp
    if otp is not None and otp.totp:
        yield f"SELECT '{Factor.OTP_TOTP}' AS kind FROM otp_totp_totpdevice{_CONFIRMED}"
    if otp is not None and otp.static:
        yield f"SELECT '{Factor.OTP_STATIC}' AS kind FROM otp_static_staticdevice{_CONFIRMED}"
    for each in otp.foreign if otp else ():
        yield (
            f"SELECT '{Factor.FOREIGN}' AS kind FROM {quoted(each.table)}"
            f" WHERE {quoted(each.user)} = :user_id AND {quoted(each.confirmed)}"
        )
    if profile.allauth is not None:
        yield "SELECT type AS kind FROM mfa_authenticator WHERE user_id = :user_id"


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of a user's earlier codes.

    Attributes:
        last_step: the newest time step that a code of allauth's TOTP was taken for; -1 before the first.
        failures: wrong codes since ``failing_since``.
    """

    last_step: int
    failures: int
    failing_since: datetime | None


class CodeMemory:
    """Remembers, for all replicas and for the site's app, which codes were used and how many were wrong."""

    def __init__(self, users: Users) -> None:
        self._users = users

    async def hold(self, user_id: str, *, executor: Executor) -> Remembered:
        """Read a user's row and let nobody else have it until the transaction ends: their codes come one at a time."""
        row = await executor.fetch_one(
            "INSERT INTO bridge_second_factor (user_id, last_step, failures) VALUES (:user_id, -1, 0)"
            " ON CONFLICT (user_id) DO UPDATE SET user_id = excluded.user_id"
            " RETURNING last_step, failures, failing_since",
            {"user_id": user_id},
        )
        assert row is not None  # noqa: S101  # an upsert returns its row
        return Remembered(
            last_step=row["last_step"],
            failures=row["failures"],
            failing_since=self._users.moment(row["failing_since"]),
        )

    async def record_failure(self, user_id: str, *, failures: int, since: datetime, executor: Executor) -> None:
        """Note how many wrong codes there were since when."""
        await executor.execute(
            "UPDATE bridge_second_factor SET failures = :failures, failing_since = :since WHERE user_id = :user_id",
            {"user_id": user_id, "failures": failures, "since": self._users.site_time(since)},
        )

    async def record_success(self, user_id: str, *, last_step: int, executor: Executor) -> None:
        """Forget wrong codes, and take no step up to ``last_step`` again."""
        await executor.execute(
            "UPDATE bridge_second_factor SET failures = 0, failing_since = NULL, last_step = :last_step"
            " WHERE user_id = :user_id",
            {"user_id": user_id, "last_step": last_step},
        )
