"""Counts stored passwords by algorithm, inside the database: no hash leaves it."""

from bridge.passwords.encoded import ALGORITHMS, UNUSABLE_PREFIX
from bridge.profile import UserTable
from bridge.progress.report import UNKNOWN, UNUSABLE
from bridge.store.database import Database, quoted

__all__ = ["Census"]

# The same rules, in the same order, as `EncodedPassword.parse`; a test holds the two together.
_UNSALTED = (
    " WHEN length(password) = 32 AND replace(password, '$', '') = password THEN 'unsalted_md5'"
    " WHEN length(password) = 37 AND substr(password, 1, 5) = 'md5$$' THEN 'unsalted_md5'"
    " WHEN length(password) = 46 AND substr(password, 1, 6) = 'sha1$$' THEN 'unsalted_sha1'"
)
_NAMED = "".join(f" WHEN substr(password || '$', 1, {len(name) + 1}) = '{name}$' THEN '{name}'" for name in ALGORITHMS)
_ALGORITHM = (
    f"CASE WHEN substr(password, 1, 1) = '{UNUSABLE_PREFIX}' THEN '{UNUSABLE}'{_UNSALTED}{_NAMED} ELSE '{UNKNOWN}' END"
)


class Census:
    """One pass over the user table."""

    def __init__(self, database: Database, table: UserTable) -> None:
        self._database = database
        self._table = table

    async def users_by_algorithm(self) -> dict[str, int]:
        """Count the users of each algorithm that occurs, ``unusable`` and ``unknown`` among them."""
        rows = await self._database.fetch_all(
            f"SELECT {_ALGORITHM} AS algorithm, count(*) AS users FROM {quoted(self._table.name)} GROUP BY 1"
        )
        return {row["algorithm"]: row["users"] for row in rows}
