"""Questions to the database about itself, for the preconditions of re-hashing."""

import unicodedata
from collections import Counter
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from bridge.errors import SchemaMissing, WriteRefused
from bridge.passwords.encoded import WRAPPED
from bridge.profile import SessionProfile, UserTable
from bridge.store.database import Database, quoted
from bridge.store.privileges import OWN_TABLES, Privilege, needed_privileges

__all__ = ["Inspection"]

_SAMPLE = 5
_GUARDS = ("otp_totp_totpdevice", "otp_static_staticdevice", "mfa_authenticator", "axes_accessattempt")


class Inspection:
    """Looks, and changes nothing.

    Args:
        also: rights that are needed beyond those that every site makes necessary.
    """

    def __init__(
        self,
        database: Database,
        table: UserTable,
        sessions: SessionProfile | None = None,
        *,
        also: Collection[Privilege] = (),
    ) -> None:
        self._database = database
        self._table = table
        self._sessions = sessions or SessionProfile()
        self._also = tuple(also)
        self._username = quoted(table.username)
        self._name = quoted(table.name)

    async def has_table(self) -> bool:
        """Tell whether the user table has all the columns of the profile, readable or not."""
        names = (self._table.key, self._table.username, *self._table.columns)
        # Qualified: SQLite takes an unknown name in double quotes for a text.
        columns = ", ".join(f"t.{quoted(name)}" for name in names)
        try:
            await self._database.fetch_one(f"SELECT {columns} FROM {self._name} t WHERE 1 = 0")
        except SchemaMissing:
            return False
        except WriteRefused:
            return True
        return True

    async def guards(self) -> frozenset[str]:
        """Give those tables of second factors and lockouts that are there, readable or not."""
        present = {
            "postgresql": "to_regclass(:name) IS NOT NULL",
            "sqlite": "EXISTS (SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = :name)",
        }[self._database.dialect]
        rows = {name: await self._database.fetch_one(f"SELECT {present} AS there", {"name": name}) for name in _GUARDS}
        return frozenset(name for name, row in rows.items() if row and row["there"])

    async def missing_tables(self) -> list[str]:
        """Give those of the bridge's own tables that are not there, readable or not."""
        present = {
            "postgresql": "SELECT relname AS name FROM pg_class WHERE pg_table_is_visible(oid)",
            "sqlite": "SELECT name FROM sqlite_master",
        }[self._database.dialect]
        rows = await self._database.fetch_all(f"SELECT name FROM ({present}) AS present WHERE name LIKE 'bridge%'")
        return sorted(OWN_TABLES.keys() - {row["name"] for row in rows})

    async def missing_privileges(self) -> list[Privilege]:
        """Give the needed rights that this role lacks; on SQLite, where there are no roles, none."""
        if self._database.dialect == "sqlite":
            return []
        needed = (*needed_privileges(self._table, self._sessions), *self._also)
        on_tables = await self._has_on_tables([each for each in needed if not each.columns])
        return [each for each in needed if not (await self._has_on_columns(each) if each.columns else on_tables[each])]

    async def is_read_only(self) -> bool:
        """Tell whether nothing may be written at all; not of SQLite, which tells only who waits to write."""
        if self._database.dialect == "sqlite":
            return False
        row = await self._database.fetch_one("SELECT current_setting('transaction_read_only') = 'on' AS holds")
        return bool(row and row["holds"])

    async def now(self) -> datetime:
        """Give the database server's time."""
        row = await self._database.fetch_one("SELECT CURRENT_TIMESTAMP AS now")
        moment = row["now"] if row else None
        if isinstance(moment, str):
            return datetime.fromisoformat(moment).replace(tzinfo=UTC)
        assert isinstance(moment, datetime)  # noqa: S101  # PostgreSQL's is always aware
        return moment

    async def usernames_differing_by_case(self) -> Sequence[str]:
        """Give some lower-cased usernames that more than one user has. One pass over the table.

        SQLite, and PostgreSQL in the C locale, lower ASCII letters only, so that names beyond are compared here.
        """
        rows = await self._database.unhurried().fetch_all(
            f"SELECT lower({self._username}) AS name FROM {self._name} GROUP BY 1 HAVING count(*) > 1 LIMIT {_SAMPLE}"
        )
        folded = Counter(name.casefold() for name in await self._usernames_beyond_ascii())
        found = dict.fromkeys(row["name"] for row in rows)
        return list(found | dict.fromkeys(name for name, count in folded.items() if count > 1))[:_SAMPLE]

    async def usernames_not_normalised(self) -> Sequence[str]:
        """Give some usernames that no login form can produce."""
        names = await self._usernames_beyond_ascii()
        return [name for name in names if unicodedata.normalize("NFKC", name) != name][:_SAMPLE]

    async def wrapped_algorithms(self) -> list[str]:
        """Give the algorithms of wrapped values that are stored. One pass over the table."""
        stored = ", ".join(
            f"max(CASE WHEN substr(password, 1, {len(name) + 1}) = '{name}$' THEN 1 ELSE 0 END) AS {name}"
            for name in WRAPPED
        )
        row = await self._database.unhurried().fetch_one(
            f"SELECT {stored} FROM {self._name} WHERE substr(password, 1, 7) = 'argon2_'"
        )
        return [name for name in WRAPPED if row and row[name]]

    async def _usernames_beyond_ascii(self) -> Sequence[str]:
        beyond_ascii = {
            "postgresql": f"octet_length({self._username}) <> char_length({self._username})",
            "sqlite": f"length(CAST({self._username} AS BLOB)) <> length({self._username})",
        }[self._database.dialect]
        rows = await self._database.unhurried().fetch_all(
            f"SELECT {self._username} AS name FROM {self._name} WHERE {beyond_ascii}"
        )
        return [row["name"] for row in rows]

    async def _has_on_tables(self, privileges: Sequence[Privilege]) -> dict[Privilege, bool]:
        """Tell for each; all in one statement, for there are dozens, and every process asks every few seconds."""
        rows = await self._database.fetch_all(
            # Of a table that is not there: no right, and no error.
            "SELECT has_table_privilege(to_regclass(name), asked) AS has"
            " FROM unnest(:tables::text[], :rights::text[]) WITH ORDINALITY AS needed (name, asked, place)"
            " ORDER BY place",
            {"tables": [quoted(each.table) for each in privileges], "rights": [each.right for each in privileges]},
        )
        return {each: bool(row["has"]) for each, row in zip(privileges, rows, strict=True)}

    async def _has_on_columns(self, privilege: Privilege) -> bool:
        row = await self._database.fetch_one(
            "SELECT bool_and(has_column_privilege(:table, name, :right)) AS has FROM unnest(:columns::text[]) AS name",
            {"table": quoted(privilege.table), "right": privilege.right, "columns": list(privilege.columns)},
        )
        return bool(row and row["has"])
