"""The least rights that the service needs: printed by ``bridge privileges``, checked by ``bridge doctor``."""

from collections.abc import Iterator
from dataclasses import dataclass

from bridge.profile import UserTable
from bridge.store.database import quoted
from bridge.store.users import EDITABLE

__all__ = ["Privilege", "grant_statements", "needed_privileges"]

_OWN_TABLES = {
    "bridge_site_profile": ("SELECT",),
    "bridge_activity": ("SELECT", "INSERT", "UPDATE"),
    "bridge_revoked_token": ("SELECT", "INSERT", "DELETE"),
    "bridge_password_lineage": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "bridge_password_upgrade": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "bridge_rehash_journal": ("SELECT", "INSERT", "DELETE"),
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


def needed_privileges(table: UserTable) -> Iterator[Privilege]:
    """Give what login, re-hashing, tokens and the report need."""
    read = dict.fromkeys((table.key, table.username, "password", *table.columns))
    yield Privilege(table.name, "SELECT", tuple(read))
    yield Privilege(table.name, "UPDATE", tuple(name for name in ("password", "last_login") if name in table.columns))
    for name, rights in _OWN_TABLES.items():
        yield from (Privilege(name, right) for right in rights)


def grant_statements(role: str, table: UserTable, *, profile_updates: bool, registration: bool) -> Iterator[str]:
    """Give the statements for a role, on top of the right to connect and to use the schema.

    ``profile_updates`` adds what ``PATCH /users/me/`` needs, ``registration`` what ``POST /auth/register`` does.
    """
    for privilege in needed_privileges(table):
        yield privilege.grant(role)
    if profile_updates:
        yield Privilege(table.name, "UPDATE", tuple(name for name in EDITABLE if name in table.columns)).grant(role)
    if registration:
        yield Privilege(table.name, "INSERT").grant(role)
