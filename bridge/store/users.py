"""The Django site's user table, wherever its profile says it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

from bridge.profile import UserTable
from bridge.store.database import Database, Executor, Parameters, Row, quoted
from bridge.store.gathering import Gathering
from bridge.store.identifying import NamedByToken, identifying, naming
from bridge.store.read_only import is_inside_run
from bridge.store.rights import NOTHING, Rights, RightsColumns
from bridge.store.text import is_storable

__all__ = ["EDITABLE", "Identified", "StoredUser", "Users", "is_storable"]

EDITABLE: Final = ("email", "first_name", "last_name")
_FLAGS: Final = ("is_active", "is_staff", "is_superuser")
_TEXTS: Final = EDITABLE
_MOMENTS: Final = ("date_joined", "last_login")
_MOST_TOGETHER: Final = 100
_LARGEST_KEY: Final = 2**63 - 1
# Of a changed password the session's own hash tells; the one that changed it goes on, at Django by design.
_SESSION_ENDED: Final = (
    ", EXISTS (SELECT 1 FROM bridge_grant g WHERE g.session_key = :session_name"
    " AND g.ended_at IS NOT NULL AND g.ended_by <> 'password') AS revoked"
)


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


@dataclass(frozen=True, slots=True)
class Identified:
    """The user that a token, or a session, names.

    Attributes:
        user: without their stored password, for which no endpoint has a use.
        encoded: the stored password.
        revoked: whether the token was, or a grant of the token or the session has ended.
        grant_hash: what its grant hangs on; None where there is no such grant of this user.
        held: what the user holds of what was asked.
    """

    user: StoredUser
    encoded: str = field(repr=False)
    revoked: bool
    grant_hash: str | None = field(default=None, repr=False)
    held: Rights = NOTHING


class Users:
    """Reads and writes users.

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
        self._rights = RightsColumns(table)
        self._columns = self._every_column()
        self._is_active_without_column = table.always_active and not self.has("is_active")
        # One for whatever routes and plans ask, which are the code's and no client's.
        self._gatherings: dict[Rights, Gathering[NamedByToken, Identified | None]] = {}

    async def by_username(self, username: str) -> StoredUser | None:
        """Read a user and their stored password by exact username; a name that no row can hold is nobody's."""
        if not is_storable(username):
            return None
        row = await self._database.fetch_one(
            f"SELECT {self._columns}, password AS encoded FROM {self._name} WHERE {self._username} = :username",
            {"username": username},
        )
        return None if row is None else self._user(row, encoded=row["encoded"])

    async def with_password(self, user_id: str, *, executor: Executor | None = None) -> StoredUser | None:
        """Read a user and their stored password by primary key."""
        key = self.native_key(user_id)
        if key is None:
            return None
        row = await (executor or self._database).fetch_one(
            f"SELECT {self._columns}, password AS encoded FROM {self._name} WHERE {self._key} = :key",
            {"key": key},
        )
        return None if row is None else self._user(row, encoded=row["encoded"])

    async def matching(
        self, condition: str, parameters: Parameters, *, after: StoredUser | None, limit: int
    ) -> Sequence[StoredUser]:
        """Read users and their stored passwords by a condition in SQL, in the order of their keys from one on."""
        given = {**parameters, "limit": limit}
        if after is not None:
            condition = f"({condition}) AND {self._key} > :after"
            given["after"] = after.key if isinstance(after.key, int) else self.native_key(after.id)
        rows = await self._database.fetch_all(
            f"SELECT {self._columns}, password AS encoded FROM {self._name} WHERE {condition}"
            f" ORDER BY {self._key} LIMIT :limit",
            given,
        )
        return [self._user(row, encoded=row["encoded"]) for row in rows]

    async def newest(self, limit: int) -> Sequence[StoredUser]:
        """Read the users whose keys are the highest, and their stored passwords."""
        rows = await self._database.fetch_all(
            f"SELECT {self._columns}, password AS encoded FROM {self._name} ORDER BY {self._key} DESC LIMIT :limit",
            {"limit": limit},
        )
        return [self._user(row, encoded=row["encoded"]) for row in rows]

    async def count(self, condition: str, parameters: Parameters) -> int:
        """Count the users who meet a condition in SQL."""
        row = await self._database.fetch_one(
            f"SELECT count(*) AS count FROM {self._name} WHERE {condition}", parameters
        )
        return 0 if row is None else int(row["count"])

    async def with_rights(self, user_id: str, *, asked: Rights, session_name: str | None = None) -> Identified | None:
        """Read a user, their stored password, and what they hold of what is asked, in one statement.

        ``session_name`` is of a session that has no row to end by: whether a grant of it has ended is read as well.
        """
        key = self.native_key(user_id)
        if key is None:
            return None
        named = {} if session_name is None else {"session_name": session_name}
        row = await self._database.fetch_one(
            f"SELECT {self._columns}, password AS encoded{'' if session_name is None else _SESSION_ENDED}"
            f"{self._rights.of(asked)} FROM {self._name} WHERE {self._key} = :key",
            {"key": key, **named, **self._rights.parameters(asked)},
        )
        if row is None:
            return None
        user = self._user(row)
        return Identified(
            user=user, encoded=row["encoded"], revoked=bool(row.get("revoked")), held=self._held(row, user, asked)
        )

    async def of_token(
        self, *, user_id: str, token_id: str, grant_id: str | None = None, asked: Rights = NOTHING
    ) -> Identified | None:
        """Read the user that a token names, if it was revoked, its grant, and what they hold.

        Tokens that are asked about in the same turn of the event loop share one statement, which starts after it.
        """
        key = self.native_key(user_id)
        if key is None or not is_storable(token_id) or not is_storable(grant_id or ""):
            return None
        named = NamedByToken(key, str(key), token_id, grant_id)
        if is_inside_run():  # which nothing from outside may join
            return (await self._identified([named], asked=asked, statement=self._identifying(asked)))[0]
        return await self._gathering(asked).find(named)

    def _gathering(self, asked: Rights) -> "Gathering[NamedByToken, Identified | None]":
        gathering = self._gatherings.get(asked)
        if gathering is None:
            read = partial(self._identified, asked=asked, statement=self._identifying(asked))
            gathering = self._gatherings[asked] = Gathering(read, most=_MOST_TOGETHER)
        return gathering

    def _identifying(self, asked: Rights) -> str:
        return identifying(
            self._database.dialect,
            table=self._name,
            key=self._key,
            key_type=self._table.key_type,
            columns=f"{self._columns}, password AS encoded{self._rights.of(asked)}",
        )

    async def _identified(
        self, named: Sequence[NamedByToken], *, asked: Rights, statement: str
    ) -> list[Identified | None]:
        given = {**naming(self._database.dialect, named), **self._rights.parameters(asked)}
        rows = await self._database.fetch_all(statement, given)
        found: list[Identified | None] = [None] * len(named)
        for row in rows:
            found[row["number"] - 1] = self._identity(row, asked)
        return found

    def _identity(self, row: Row, asked: Rights) -> Identified:
        user = self._user(row)
        return Identified(
            user=user,
            encoded=row["encoded"],
            revoked=bool(row["revoked"]) or row["grant_ended"] is not None,
            grant_hash=row["grant_hash"],
            held=self._held(row, user, asked),
        )

    async def held(self, user: StoredUser, asked: Rights) -> Rights:
        """Read what a user holds of what is asked."""
        row = await self._database.fetch_one(
            f"SELECT 1 AS found{self._rights.of(asked)} FROM {self._name} WHERE {self._key} = :key",
            {"key": self.native_key(user.id), **self._rights.parameters(asked)},
        )
        return NOTHING if row is None else self._held(row, user, asked)

    async def replace_password(self, user: StoredUser, *, encoded: str, executor: Executor | None = None) -> bool:
        """Write a new stored password, provided that the one in ``user`` is still there (compare-and-swap)."""
        changed = await (executor or self._database).execute(
            f"UPDATE {self._name} SET password = :new WHERE {self._key} = :key AND password = :old",
            {"new": encoded, "key": self.native_key(user.id), "old": user.encoded},
        )
        return changed == 1

    async def record_login(self, user: StoredUser, *, now: datetime, executor: Executor | None = None) -> None:
        """Set ``last_login``, where the table has it, as Django's ``user_logged_in`` receiver does."""
        if not self.has("last_login"):
            return
        await (executor or self._database).execute(
            f"UPDATE {self._name} SET last_login = :now WHERE {self._key} = :key",
            {"now": self.site_time(now), "key": self.native_key(user.id)},
        )

    async def update(self, user_id: str, changes: Mapping[str, str]) -> StoredUser | None:
        """Write the given ones of ``EDITABLE``; give the row as it is then, None where there is none any more."""
        names = [name for name in EDITABLE if name in changes]
        row = await self._database.fetch_one(
            f"UPDATE {self._name} SET {', '.join(f'{quoted(name)} = :{name}' for name in names)}"
            f" WHERE {self._key} = :key RETURNING {self._columns}",
            {"key": self.native_key(user_id), **{name: changes[name] for name in names}},
        )
        return None if row is None else self._user(row)

    async def create(
        self, *, username: str, encoded: str, texts: Mapping[str, str], now: datetime
    ) -> StoredUser | None:
        """Insert an ordinary, active user; None if the username is taken, also in other case (``UserCreationForm``)."""
        values = self._new_row(username=username, encoded=encoded, texts=texts, now=now)
        names = ", ".join(quoted(name) for name in values)
        slots = ", ".join(f":{name}" for name in values)
        row = await self._database.fetch_one(
            f"INSERT INTO {self._name} ({names}) SELECT {slots} WHERE NOT EXISTS"
            f" (SELECT 1 FROM {self._name} t WHERE lower(t.{self._username}) = lower(:wanted))"
            f" ON CONFLICT DO NOTHING RETURNING {self._columns}",
            {**values, "wanted": username},
        )
        return None if row is None else self._user(row)

    def limit(self, column: str) -> int | None:
        """Give a text column's maximal length in characters; None where it has none."""
        return self._table.columns.get(column)

    def has(self, column: str) -> bool:
        """Tell whether the site's table has one of Django's columns."""
        return column in self._table.columns

    @property
    def editable(self) -> tuple[str, ...]:
        """The texts that users may change about themselves; what they log in with is none of them."""
        return tuple(name for name in EDITABLE if self.has(name) and name != self._table.username)

    @property
    def logs_in_by_email(self) -> bool:
        """Whether USERNAME_FIELD is the e-mail address."""
        return self._table.username == "email"

    def _every_column(self) -> str:
        # Qualified: SQLite takes an unknown name in double quotes for a text.
        every = ", ".join(
            f"{self._name}.{quoted(name)} AS {name}" if self.has(name) else f"NULL AS {name}"
            for name in (*_TEXTS, *_FLAGS, *_MOMENTS)
        )
        return f"{self._name}.{self._key} AS key, {self._name}.{self._username} AS username, {every}"

    def _new_row(self, *, username: str, encoded: str, texts: Mapping[str, str], now: datetime) -> dict[str, Any]:
        flags = {"is_active": True, "is_staff": False, "is_superuser": False}
        known: dict[str, Any] = {name: value for name, value in flags.items() if self.has(name)}
        known |= {name: texts.get(name, "") for name in _TEXTS if self.has(name)}
        if self.has("date_joined"):
            known["date_joined"] = self.site_time(now)
        if self._table.key_type == "uuid":
            known[self._table.key] = uuid4()
        return known | {self._table.username: username, "password": encoded}

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

    def _held(self, row: Row, user: StoredUser, asked: Rights) -> Rights:
        if asked is NOTHING:
            return NOTHING
        return self._rights.held(row, asked, is_active=user.is_active, is_superuser=user.is_superuser)

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
