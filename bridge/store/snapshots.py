"""Reports that were kept (table ``bridge_census_snapshot``): the last one of each day, for two years."""

import json
from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final

from bridge.progress.report import TrendPoint
from bridge.store.database import Database
from bridge.store.moments import stored_day, stored_moment

__all__ = ["KEPT", "Snapshots"]

KEPT: Final = timedelta(days=2 * 366)
_ABANDONED: Final = timedelta(minutes=15)
"""A count that began so long ago has died with its process."""


class Snapshots:
    """One row a day; whoever writes to it first is the only one who counts."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, now: datetime, *, again: bool) -> bool:
        """Claim today's snapshot; False if another replica is taking it, or has and it is not wanted ``again``."""
        claimed = await self._database.execute(
            "INSERT INTO bridge_census_snapshot (day, document, figures, begun_at) VALUES (:day, '', '', :now)"
            " ON CONFLICT (day) DO UPDATE SET begun_at = excluded.begun_at WHERE"
            " (bridge_census_snapshot.begun_at IS NULL OR bridge_census_snapshot.begun_at < :abandoned)"
            + ("" if again else " AND bridge_census_snapshot.document = ''"),
            {"day": now.date(), "now": now, "abandoned": now - _ABANDONED},
        )
        return claimed == 1

    async def finish(
        self, begun_at: datetime, *, taken_at: datetime, document: Mapping[str, Any], figures: Mapping[str, Any]
    ) -> None:
        """Keep what was counted, unless the claim of that moment was taken over as abandoned."""
        await self._database.execute(
            "UPDATE bridge_census_snapshot SET document = :document, figures = :figures, taken_at = :taken_at,"
            " begun_at = NULL WHERE day = :day AND begun_at = :begun_at",
            {
                "document": json.dumps(document),
                "figures": json.dumps(figures),
                "taken_at": taken_at,
                "day": begun_at.date(),
                "begun_at": begun_at,
            },
        )

    async def give_up(self, begun_at: datetime) -> None:
        """Let go of a claim: the next one who comes counts."""
        await self._database.execute(
            "UPDATE bridge_census_snapshot SET begun_at = NULL WHERE day = :day AND begun_at = :begun_at",
            {"day": begun_at.date(), "begun_at": begun_at},
        )

    async def latest(self) -> tuple[datetime, dict[str, Any]] | None:
        """Give the last report that was kept, and when it was; None before the first."""
        row = await self._database.fetch_one(
            "SELECT taken_at, document FROM bridge_census_snapshot WHERE document <> '' ORDER BY day DESC LIMIT 1"
        )
        return None if row is None else (stored_moment(row["taken_at"]), json.loads(row["document"]))

    async def trend(self, since: date) -> tuple[TrendPoint, ...]:
        """Give the figures of each day from one on, as far as there are any."""
        rows = await self._database.fetch_all(
            "SELECT day, figures FROM bridge_census_snapshot WHERE day >= :since AND figures <> '' ORDER BY day",
            {"since": since},
        )
        return tuple(TrendPoint(stored_day(row["day"]), json.loads(row["figures"])) for row in rows)

    async def prune(self, *, now: datetime) -> int:
        """Drop what is more than two years old; give the number of rows."""
        return await self._database.execute(
            "DELETE FROM bridge_census_snapshot WHERE day < :day", {"day": (now - KEPT).date()}
        )
