"""Who is asking: the user whom a token or a session names, as their row is now, and what they hold."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from bridge.profile import UserTable
from bridge.store.database import Database, Row
from bridge.store.gathering import Gathering
from bridge.store.identifying import NamedByToken, identifying, naming
from bridge.store.read_only import is_inside_run
from bridge.store.rights import NOTHING, Rights, RightsColumns
from bridge.store.text import is_storable
from bridge.store.user_rows import StoredUser, UserRows

__all__ = ["Identified", "Identities"]

_MOST_TOGETHER: Final = 100
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
        self._gatherings: dict[Rights, Gathering[NamedByToken, Identified | None]] = {}

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

    async def held(self, user: StoredUser, asked: Rights) -> Rights:
        """Read what a user holds of what is asked."""
        row = await self._database.fetch_one(
            f"SELECT 1 AS found{self._rights.of(asked)} FROM {self._name} WHERE {self._key} = :key",
            {"key": self.native_key(user.id), **self._rights.parameters(asked)},
        )
        return NOTHING if row is None else self._held(row, user, asked)

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

    def _held(self, row: Row, user: StoredUser, asked: Rights) -> Rights:
        if asked is NOTHING:
            return NOTHING
        return self._rights.held(row, asked, is_active=user.is_active, is_superuser=user.is_superuser)
