"""Where the answers of both apps differ (table ``bridge_endpoint_difference``)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from bridge.cutover.parity import Difference
from bridge.store.database import Database, Row
from bridge.store.moments import stored_moment
from bridge.store.text import storable

__all__ = ["Differences", "StoredDifference", "stored_values"]

_LENGTHS: Final = {
    "place": 255,
    "kind": 32,
    "legacy": 64,
    "candidate": 64,
    "legacy_digest": 64,
    "candidate_digest": 64,
}
_KEY: Final = ("place", "kind", "legacy", "candidate")


@dataclass(frozen=True, slots=True)
class StoredDifference:
    """All differences of a kind at a place.

    Attributes:
        difference: the last of them.
        count: how often it was found.
        first_seen: the first time.
        last_seen: the last time.
    """

    difference: Difference
    count: int
    first_seen: datetime
    last_seen: datetime


class Differences:
    """Added up by all replicas, and forgotten some time after they were last seen."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def add(
        self, operation: str, differences: Sequence[Difference], *, now: datetime, expires_at: datetime
    ) -> None:
        """Count what was found in one comparison, in one statement; the last one's digests and values are kept."""
        rows = {tuple(row[name] for name in _KEY): row for row in map(_as_row, differences)}
        if not rows:
            return
        parameters: dict[str, Any] = {"operation": operation, "now": now, "expires_at": expires_at}
        slots = []
        # In one order everywhere: two replicas that lock the same rows crosswise would wait for each other.
        for number, (_, row) in enumerate(sorted(rows.items())):
            parameters |= {f"{name}_{number}": value for name, value in row.items()}
            named = ", ".join(f":{name}_{number}" for name in row)
            slots.append(f"(:operation, 1, :now, :now, :expires_at, {named})")
        columns = ", ".join((*_LENGTHS, "sample"))
        await self._database.execute(
            "INSERT INTO bridge_endpoint_difference"
            f" (operation, count, first_seen, last_seen, expires_at, {columns}) VALUES {', '.join(slots)}"
            " ON CONFLICT (operation, place, kind, legacy, candidate) DO UPDATE SET"
            " count = bridge_endpoint_difference.count + 1, last_seen = excluded.last_seen,"
            " legacy_digest = excluded.legacy_digest, candidate_digest = excluded.candidate_digest,"
            " sample = excluded.sample, expires_at = excluded.expires_at",
            parameters,
        )

    async def top(self, operation: str, *, limit: int) -> tuple[StoredDifference, ...]:
        """Give those that were found most often."""
        rows = await self._database.fetch_all(
            "SELECT * FROM bridge_endpoint_difference WHERE operation = :operation"
            " ORDER BY count DESC, last_seen DESC, id LIMIT :limit",
            {"operation": operation, "limit": limit},
        )
        return tuple(_stored(row) for row in rows)

    async def prune(self, *, now: datetime) -> int:
        """Drop what was not seen for as long as it was to be kept; give the number of rows."""
        return await self._database.execute(
            "DELETE FROM bridge_endpoint_difference WHERE expires_at < :now", {"now": now}
        )


def stored_values(sample: str) -> tuple[str, str] | None:
    """Read what both apps had there; None where the plan kept no values."""
    if not sample:
        return None
    legacy, candidate = json.loads(sample)
    return legacy, candidate


def _as_row(difference: Difference) -> dict[str, str]:
    # A place names keys of a body, and so whatever somebody put there.
    texts = {name: storable(getattr(difference, name), longest=length) for name, length in _LENGTHS.items()}
    return {**texts, "sample": "" if difference.values is None else json.dumps(difference.values)}


def _stored(row: Row) -> StoredDifference:
    return StoredDifference(
        difference=Difference(**{name: row[name] for name in _LENGTHS}, values=stored_values(row["sample"])),
        count=int(row["count"]),
        first_seen=stored_moment(row["first_seen"]),
        last_seen=stored_moment(row["last_seen"]),
    )
