"""The site profile's row (table ``bridge_site_profile``), which only Django writes."""

import json
from functools import lru_cache

from bridge.profile import SiteProfile
from bridge.store.database import Database

__all__ = ["Profiles"]


class Profiles:
    """Reads what the Django site published."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def latest(self) -> SiteProfile | None:
        """Give the published profile, or None before the site's first.

        Raises:
            SchemaMissing: the bridge's tables are not there.
            ValueError: it was written for another version of the bridge.
        """
        row = await self._database.fetch_one("SELECT document FROM bridge_site_profile WHERE id = 1")
        return None if row is None else _read(row["document"])


@lru_cache(maxsize=1)
def _read(text: str) -> SiteProfile:
    """Read the JSON form; it is looked at every few seconds and a site's URLs make it long."""
    return SiteProfile.from_document(json.loads(text))
