"""Who is asking: the user whom a token or a session names, as their row is now, and what they hold."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from typing import Final, TypeVar

from bridge.profile import UserTable
from bridge.store.database import Database, Row
from bridge.store.gathering import Gathering
from bridge.store.identifying import (
    NamedBySession,
    NamedByToken,
    identifying,
    naming,
    opening,
    sessions_named,
)
from bridge.store.read_only import is_inside_run
from bridge.store.rights import NOTHING, Rights, RightsColumns
from bridge.store.text import is_storable
from bridge.store.user_rows import StoredUser, UserRows

__all__ = ["Identified", "Identities", "OpenSession"]

_MOST_TOGETHER: Final = 100
Named = TypeVar("Named")
Found = TypeVar("Found")
# Of a changed password the session's own hash tells; the one that changed it goes on, at Django by design.
_SESSION_ENDED: Final = (
    ", EXISTS (SELECT 1 FROM bridge_grant g WHERE g.session_key = :session_name"
    " AND g.ended_at IS NOT NULL AND g.ended_by <> 'password') AS revoked"
)


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


@dataclass(frozen=True, slots=True)
class OpenSession:
    """A session's row.

    Attributes:
        stored: what Django stored, as it stored it.
        identified: the user who was read along.
    """

    stored: str = field(repr=False)
    identified: Identified | None


class Identities(UserRows):
    """Reads whom tokens and sessions name; several that are asked about at once, in one statement.

    Args:
        database: where.
        table: what the user table is called there, and its columns.
        time_zone: of columns without one (the site has USE_TZ off); None where they are aware.
    """

    def __init__(self, database: Database, table: UserTable, *, time_zone: str | None = None) -> None:
        super().__init__(database, table, time_zone=time_zone)
        self._rights = RightsColumns(table)
        # One for whatever routes and plans ask, which are the code's and no client's.
        self._of_tokens: dict[Rights, Gathering[NamedByToken, Identified | None]] = {}
        self._of_sessions: dict[Rights, Gathering[NamedBySession, OpenSession | None]] = {}
        self._identifying = cache(partial(self._statement, identifying))
        self._opening = cache(partial(self._statement, opening))

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
        return await _together(self._of_tokens, self._identified, named, asked=asked)

    async def of_session(
        self, session_key: str, *, now: datetime, user_id: str | None = None, asked: Rights = NOTHING
    ) -> OpenSession | None:
        """Read a session's row, None if it has expired or is absurdly large, and the user whom it probably names.

        Whom it does name stands in what Django stored. Sessions share statements as tokens do.
        """
        key = None if user_id is None else self.native_key(user_id)
        named = NamedBySession(session_key, key, self.site_time(now))
        return await _together(self._of_sessions, self._opened, named, asked=asked)

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
        return None if row is None else self._identity(row, asked)

    async def held(self, user: StoredUser, asked: Rights) -> Rights:
        """Read what a user holds of what is asked."""
        row = await self._database.fetch_one(
            f"SELECT 1 AS found{self._rights.of(asked)} FROM {self._name} WHERE {self._key} = :key",
            {"key": self.native_key(user.id), **self._rights.parameters(asked)},
        )
        return NOTHING if row is None else self._held(row, user, asked)

    def _statement(self, kind: Callable[..., str], asked: Rights) -> str:
        return kind(
            self._database.dialect,
            table=self._name,
            key=self._key,
            key_type=self._table.key_type,
            columns=f"{self._columns}, password AS encoded{self._rights.of(asked)}",
        )

    async def _identified(self, named: Sequence[NamedByToken], asked: Rights) -> list[Identified | None]:
        given = {**naming(self._database.dialect, named), **self._rights.parameters(asked)}
        found: list[Identified | None] = [None] * len(named)
        for row in await self._database.fetch_all(self._identifying(asked), given):
            found[row["number"] - 1] = self._identity(row, asked)
        return found

    async def _opened(self, named: Sequence[NamedBySession], asked: Rights) -> list[OpenSession | None]:
        given = {**sessions_named(self._database.dialect, named), **self._rights.parameters(asked)}
        found: list[OpenSession | None] = [None] * len(named)
        for row in await self._database.fetch_all(self._opening(asked), given):
            identified = None if row["key"] is None else self._identity(row, asked)
            found[row["number"] - 1] = OpenSession(row["session_data"], identified)
        return found

    def _identity(self, row: Row, asked: Rights) -> Identified:
        user = self._user(row)
        return Identified(
            user=user,
            encoded=row["encoded"],
            revoked=bool(row.get("revoked")) or row.get("grant_ended") is not None,
            grant_hash=row.get("grant_hash"),
            held=self._held(row, user, asked),
        )

    def _held(self, row: Row, user: StoredUser, asked: Rights) -> Rights:
        if not asked:
            return NOTHING
        return self._rights.held(row, asked, is_active=user.is_active, is_superuser=user.is_superuser)


async def _together(
    gatherings: dict[Rights, Gathering[Named, Found]],
    read: Callable[[Sequence[Named], Rights], Awaitable[Sequence[Found]]],
    named: Named,
    *,
    asked: Rights,
) -> Found:
    if is_inside_run():  # which nothing from outside may join
        return (await read([named], asked))[0]
    gathering = gatherings.get(asked)
    if gathering is None:
        gathering = gatherings[asked] = Gathering(lambda several: read(several, asked), most=_MOST_TOGETHER)
    return await gathering.find(named)
