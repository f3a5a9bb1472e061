"""How the Django site's users stand in their table, wherever its profile says that is."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from bridge.profile import UserTable
from bridge.store.database import Database, Row, quoted
from bridge.store.text import is_storable

__all__ = ["StoredUser", "UserRows"]

_COLUMNS: Final = (
    *("email", "first_name", "last_name"),
    *("is_active", "is_staff", "is_superuser"),
    *("date_joined", "last_login"),
)
_LARGEST_KEY: Final = 2**63 - 1


@dataclass(frozen=True, slots=True)
class StoredUser:
    """One row of the user table.

    Attributes:
        id: the primary key as text, which is what tokens carry.
        key: the primary key as JSON has it: a number where Django's is one.
        encoded: the stored password; empty where it was not asked for, and never shown by ``repr``.
    """

    id: str
    key: int | str
    username: str
    email: str
    first_name: str
    last_name: str
    is_active: bool
    is_staff: bool
    is_superuser: bool
    date_joined: datetime | None
    last_login: datetime | None
    encoded: str = field(default="", repr=False)

    @property
    def role(self) -> str:
        """What kind of user they are: ``superuser``, ``staff`` or ``user``."""
        return "superuser" if self.is_superuser else "staff" if self.is_staff else "user"


class UserRows:
    """What every statement about users is written with: names, keys, times, and what a row says.

    Args:
        database: where.
        table: what it is called there, and its columns.
        time_zone: of columns without one (the site has USE_TZ off); None where they are aware.
    """

    def __init__(self, database: Database, table: UserTable, *, time_zone: str | None = None) -> None:
        self._database = database
        self._table = table
        self._zone = ZoneInfo(time_zone) if time_zone else None
        self._name = quoted(table.name)
        self._key = quoted(table.key)
        self._username = quoted(table.username)
        self._columns = self._every_column()
        self._is_active_without_column = table.always_active and not self.has("is_active")

    def limit(self, column: str) -> int | None:
        """Give a text column's maximal length in characters; None where it has none."""
        return self._table.columns.get(column)

    def has(self, column: str) -> bool:
        """Tell whether the site's table has one of Django's columns."""
        return column in self._table.columns

    def native_key(self, user_id: str) -> int | UUID | str | None:
        """Read a key's text form; None where it cannot be a key of this table."""
        if self._table.key_type == "integer":
            is_number = user_id.isascii() and user_id.isdigit() and len(user_id) < len(str(_LARGEST_KEY))
            return int(user_id) if is_number else None
        if self._table.key_type == "uuid":
            try:
                return UUID(user_id)
            except ValueError:
                return None
        return user_id if is_storable(user_id) else None

    def text_key(self, key: Any) -> str:
        """Give a key as tokens carry it."""
        # SQLite holds a UUID as 32 hex digits; Django writes the dashes into its tokens.
        return str(UUID(key)) if self._table.key_type == "uuid" and isinstance(key, str) else str(key)

    def moment(self, value: Any) -> datetime | None:
        """Read what the site's column holds; aware, in UTC."""
        if value is None:
            return None
        moment = datetime.fromisoformat(value) if isinstance(value, str) else value
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self._zone or UTC)
        return moment.astimezone(UTC)

    def site_time(self, moment: datetime) -> datetime:
        """Give what the column takes. On PostgreSQL Django's columns are aware even where the site is not."""
        if self._zone is None or self._database.dialect == "postgresql":
            return moment
        return moment.astimezone(self._zone).replace(tzinfo=None)

    def utc_time(self, moment: datetime) -> datetime:
        """Give what the column takes of who writes UTC where the site is in local time, as SimpleJWT does.

        On PostgreSQL the site's Django has taken it for local (``rest_framework_simplejwt.utils.datetime_from_epoch``).
        """
        if self._zone is None:
            return moment
        written = moment.astimezone(UTC).replace(tzinfo=None)
        return written.replace(tzinfo=self._zone) if self._database.dialect == "postgresql" else written

    def _every_column(self) -> str:
        # Qualified: SQLite takes an unknown name in double quotes for a text.
        every = ", ".join(
            f"{self._name}.{quoted(name)} AS {name}" if self.has(name) else f"NULL AS {name}" for name in _COLUMNS
        )
        return f"{self._name}.{self._key} AS key, {self._name}.{self._username} AS username, {every}"

    def _user(self, row: Row, *, encoded: str = "") -> StoredUser:
        key = self.text_key(row["key"])
        is_active = row["is_active"]
        return StoredUser(
            id=key,
            key=int(key) if self._table.key_type == "integer" else key,
            username=row["username"],
            email=row["email"] or "",
            first_name=row["first_name"] or "",
            last_name=row["last_name"] or "",
            is_active=self._is_active_without_column if is_active is None else bool(is_active),
            is_staff=bool(row["is_staff"]),
            is_superuser=bool(row["is_superuser"]),
            date_joined=self.moment(row["date_joined"]),
            last_login=self.moment(row["last_login"]),
            encoded=encoded,
        )
