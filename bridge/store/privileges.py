"""The least rights that the service needs: printed by ``bridge privileges``, checked by ``bridge doctor``."""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from bridge.profile import SessionProfile, UserTable
from bridge.store.database import Database, quoted
from bridge.store.rights import auth_tables
from bridge.store.sessions import SESSION_TABLE
from bridge.store.users import EDITABLE

__all__ = ["OWN_TABLES", "Privilege", "grant_statements", "key_sequence", "key_sequences", "needed_privileges"]

_STOCK_SESSIONS = SessionProfile()
OWN_TABLES = {
    "bridge_site_profile": ("SELECT",),
    "bridge_activity": ("SELECT", "INSERT", "UPDATE"),
    "bridge_revoked_token": ("SELECT", "INSERT", "DELETE"),
    "bridge_grant": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "bridge_password_lineage": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "bridge_password_upgrade": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "bridge_rehash_journal": ("SELECT", "INSERT", "DELETE"),
    "bridge_second_factor": ("SELECT", "INSERT", "UPDATE"),
    "bridge_census_snapshot": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "bridge_endpoint_stage": ("SELECT", "INSERT", "UPDATE"),
    "bridge_endpoint_change": ("SELECT", "INSERT"),
    "bridge_endpoint_traffic": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "bridge_endpoint_parity": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "bridge_endpoint_difference": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}


@dataclass(frozen=True, slots=True)
class Privilege:
    """One right on one table.

    Attributes:
        table: its name, unquoted.
        right: SELECT, INSERT, UPDATE or DELETE.
        columns: the only ones it is needed on; empty for the whole table.
    """

    table: str
    right: str
    columns: tuple[str, ...] = ()

    def grant(self, role: str) -> str:
        """Give the GRANT statement."""
        columns = f" ({', '.join(quoted(name) for name in self.columns)})" if self.columns else ""
        return f"GRANT {self.right}{columns} ON {quoted(self.table)} TO {quoted(role)};"


def needed_privileges(table: UserTable, sessions: SessionProfile = _STOCK_SESSIONS) -> Iterator[Privilege]:
    """Give what login, re-hashing, tokens, the site's sessions, permissions and the report need."""
    read = dict.fromkeys((table.key, table.username, *table.columns))
    yield Privilege(table.name, "SELECT", tuple(read))
    yield from _update(table, ("password", "last_login"))
    if sessions.in_table:
        yield from (Privilege(SESSION_TABLE, right) for right in ("SELECT", "DELETE"))
    yield from (Privilege(name, "SELECT") for name in auth_tables(table))
    for name, rights in OWN_TABLES.items():
        yield from (Privilege(name, right) for right in rights)


def grant_statements(
    role: str,
    table: UserTable,
    *,
    profile_updates: bool,
    registration: bool,
    sessions: SessionProfile = _STOCK_SESSIONS,
    key_sequence: str | None = None,
    also: Collection[Privilege] = (),
    sequences: Collection[str] = (),
) -> Iterator[str]:
    """Give the statements for a role, on top of the right to connect and to use the schema.

    ``also`` and ``sequences`` (quoted) are what the site's own apps make necessary.
    ``profile_updates`` adds what ``PATCH /users/me/`` needs, ``registration`` what ``POST /auth/register`` does:
    ``key_sequence``, too, where the user table draws its keys from one (Django before 4.1).
    """
    for privilege in (*needed_privileges(table, sessions), *also):
        yield privilege.grant(role)
    yield from (f"GRANT USAGE ON SEQUENCE {name} TO {quoted(role)};" for name in sequences)
    if profile_updates:
        yield from (privilege.grant(role) for privilege in _update(table, _own_texts(table)))
    if registration:
        yield Privilege(table.name, "INSERT").grant(role)
        if key_sequence is not None:
            yield f"GRANT USAGE ON SEQUENCE {key_sequence} TO {quoted(role)};"


async def key_sequence(database: Database, table: UserTable) -> str | None:
    """Give the sequence, quoted, that an integer key is drawn from; None without one."""
    if database.dialect != "postgresql" or table.key_type != "integer":
        return None
    return await _sequence(database, table.name, table.key)


async def key_sequences(database: Database, tables: Collection[str]) -> list[str]:
    """Give the sequences, quoted, that the keys ``id`` of some tables are drawn from."""
    if database.dialect != "postgresql":
        return []
    found = [await _sequence(database, name, "id") for name in tables]
    return [name for name in found if name is not None]


async def _sequence(database: Database, table: str, column: str) -> str | None:
    row = await database.fetch_one(
        "SELECT pg_get_serial_sequence(:table, :column) AS name", {"table": quoted(table), "column": column}
    )
    return None if row is None else row["name"]


def _own_texts(table: UserTable) -> tuple[str, ...]:
    return tuple(name for name in EDITABLE if name != table.username)


def _update(table: UserTable, names: Sequence[str]) -> Iterator[Privilege]:
    # Without a column the right would be to all of them.
    present = tuple(name for name in names if name in table.columns)
    if present:
        yield Privilege(table.name, "UPDATE", present)
