"""Every endpoint side by side: what serves it, and which app answers."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bridge.cutover.stages import Stage, Standing, share_text
from bridge.services.endpoints import Moved, Served
from bridge.store.endpoints import Endpoints, StoredChange, StoredStanding

__all__ = ["EndpointRow", "Listing", "change_document", "moved_document"]


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """One operation, all that is known of it.

    Attributes:
        operation: as its handler writes it; its shape without one.
        handler: what serves it here; None if nothing does.
        stage: in force, by its name; one that a newer version wrote counts as legacy here.
        moved: when, by whom and why it was moved last; None if it never was.
    """

    operation: str
    handler: str | None
    stage: str
    standing: Standing
    moved: StoredStanding | None

    def to_document(self) -> dict[str, Any]:
        """Give the row as JSON has it."""
        return {
            "operation": self.operation,
            "handler": self.handler,
            **_standing_document(self.stage, self.standing),
            "changed_at": self.moved.changed_at.isoformat() if self.moved else None,
            "actor": self.moved.actor if self.moved else None,
            "reason": self.moved.reason if self.moved else None,
        }


class Listing:
    """Lists every operation that is served here or was ever moved."""

    def __init__(self, *, endpoints: Endpoints, served: Mapping[str, Served]) -> None:
        self._endpoints = endpoints
        self._served = served

    async def rows(self) -> tuple[EndpointRow, ...]:
        """Join what is served with what is in force, by path."""
        moved = {each.operation: each for each in await self._endpoints.all()}
        rows = [_row(shape, self._served.get(shape), moved.get(shape)) for shape in {*self._served, *moved}]
        return tuple(sorted(rows, key=lambda row: row.operation.partition(" ")[::-1]))


def moved_document(moved: Moved) -> dict[str, Any]:
    """Give a move as JSON has it."""
    return {
        "operation": moved.operation,
        "old_stage": moved.old_stage,
        "old_share": share_text(moved.old_share),
        **_standing_document(moved.standing.stage, moved.standing),
    }


def change_document(change: StoredChange) -> dict[str, Any]:
    """Give a line of the log as JSON has it."""
    return {
        "version": change.version,
        "operation": change.operation,
        "old_stage": change.old_stage,
        "old_share": share_text(change.old_share),
        "stage": change.stage,
        "share": share_text(change.share),
        "is_tripped": change.is_tripped,
        "changed_at": change.changed_at.isoformat(),
        "actor": change.actor,
        "reason": change.reason,
    }


def _row(shape: str, served: Served | None, moved: StoredStanding | None) -> EndpointRow:
    return EndpointRow(
        operation=str(served.operation) if served else shape,
        handler=served.handler if served else None,
        stage=moved.stage if moved else Stage.LEGACY,
        standing=moved.standing if moved else Standing(),
        moved=moved,
    )


def _standing_document(stage: str, standing: Standing) -> dict[str, Any]:
    return {
        "stage": stage,
        "share": share_text(standing.share),
        "is_tripped": standing.is_tripped,
        "version": standing.version,
    }
