"""Every endpoint side by side: what answers it in either app, whom these let in, and which of them is in force."""

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from bridge.cutover.demands import Demands
from bridge.cutover.inventory import Pair
from bridge.cutover.operations import Operation, path_first
from bridge.cutover.plan import Plan
from bridge.cutover.stages import Stage, Standing, share_text
from bridge.progress.endpoints import EndpointFigures
from bridge.services.clock import Clock
from bridge.services.endpoints import Moved
from bridge.services.figures import PERIOD, Figures, first_hour
from bridge.store.endpoints import Endpoints, StoredChange, StoredStanding
from bridge.store.traffic import EndpointCounts

__all__ = ["EndpointList", "EndpointRow", "Listing", "change_document", "moved_document"]


@dataclass(frozen=True, slots=True)
class EndpointRow:
    """One operation, all that is known of it.

    Attributes:
        pair: what answers it in each of the apps.
        moved: when, by whom and why it was moved last; None if it never was.
        figures: what was counted of it.
        is_beyond_plan: whether the plan does not allow the stage in force; None where there is no plan to ask.
    """

    pair: Pair
    moved: StoredStanding | None
    figures: EndpointFigures
    is_beyond_plan: bool | None

    @property
    def stage(self) -> str:
        """The stage in force, by its name; one that a newer version wrote counts as legacy here."""
        return self.moved.stage if self.moved else Stage.LEGACY

    @property
    def standing(self) -> Standing:
        """What is in force."""
        return self.figures.standing

    @property
    def is_on_its_way(self) -> bool:
        """Tell whether anything was done about it yet."""
        return self.pair.handler is not None or self.moved is not None

    def to_document(self) -> dict[str, Any]:
        """Give the row as JSON has it."""
        legacy, handler, parity = self.pair.legacy, self.pair.handler, self.figures.parity
        return {
            "operation": str(self.pair.operation),
            "view": legacy.view if legacy else None,
            "view_kind": legacy.kind if legacy else None,
            "url_name": legacy.name or None if legacy else None,
            "action": legacy.action(self.pair.operation.method) if legacy else None,
            "handler": handler.name if handler else None,
            **_standing_document(self.stage, self.standing),
            "is_beyond_plan": self.is_beyond_plan,
            "changed_at": self.moved.changed_at.isoformat() if self.moved else None,
            "actor": self.moved.actor if self.moved else None,
            "reason": self.moved.reason if self.moved else None,
            "requests": {"legacy": self.figures.legacy.requests, "bridge": self.figures.bridge.requests},
            "parity": {
                "compared": parity.compared,
                "lower_bound": round(parity.lower_bound, 6) if parity.compared else None,
            },
            "auth": {
                "legacy": _demands_document(legacy.demands) if legacy else None,
                "handler": _demands_document(handler.demands) if handler else None,
                "differences": list(self.pair.differences),
                "lacking": list(self.pair.lacking),
            },
        }


@dataclass(frozen=True, slots=True)
class EndpointList:
    """Endpoints by their path.

    Attributes:
        since: from when on requests and comparisons count.
        rows: those that were asked for.
        untouched: how many of Django's endpoints have no handler and were never moved; they may be among the rows.
        shortcoming: why some, or all, of Django's endpoints are not known; "" where nothing is missing.
    """

    since: datetime
    rows: tuple[EndpointRow, ...]
    untouched: int
    shortcoming: str

    def to_document(self) -> dict[str, Any]:
        """Give the list as JSON has it."""
        return {
            "since": self.since.isoformat(),
            "untouched": self.untouched,
            "shortcoming": self.shortcoming,
            "endpoints": [row.to_document() for row in self.rows],
        }


class Listing:
    """Lists the operations of both apps, and whatever was ever moved.

    Args:
        endpoints: the stages.
        counts: what was answered and compared.
        known: the operations of both apps side by side.
        shortcoming: why some, or all, of Django's are not among them.
        plan: what they may be moved to; None where it could not be read.
        clock: what time it is.
    """

    def __init__(
        self,
        *,
        endpoints: Endpoints,
        counts: EndpointCounts,
        known: Iterable[Pair],
        shortcoming: str,
        plan: Plan | None,
        clock: Clock,
    ) -> None:
        self._endpoints = endpoints
        self._counts = counts
        self._known = {pair.operation.shape: pair for pair in known}
        self._shortcoming = shortcoming
        self._plan = plan
        self._clock = clock

    async def listed(self, *, everything: bool = False) -> EndpointList:
        """List what has a handler or was ever moved; with ``everything`` also what nothing was done about."""
        since = first_hour(PERIOD, now=self._clock())
        moved = {each.operation: each for each in await self._endpoints.all()}
        figures = await Figures.read(self._counts, moved.values(), since=since)
        known = {shape: _gone(shape) for shape in moved} | self._known
        rows = [
            self._row(known[shape], moved.get(shape), figures.of(shape, self._known.get(shape)))
            for shape in sorted(known, key=path_first)
        ]
        on_their_way = [row for row in rows if row.is_on_its_way]
        return EndpointList(
            since=since,
            rows=tuple(rows if everything else on_their_way),
            untouched=len(rows) - len(on_their_way),
            shortcoming=self._shortcoming,
        )

    def _row(self, pair: Pair, moved: StoredStanding | None, figures: EndpointFigures) -> EndpointRow:
        plan, stage = self._plan, figures.standing.stage
        is_beyond_plan = None if plan is None else not plan.allows(figures.operation, stage)
        return EndpointRow(pair, moved, figures, is_beyond_plan)


def moved_document(moved: Moved) -> dict[str, Any]:
    """Give a move as JSON has it."""
    return {
        "operation": moved.operation,
        "old_stage": moved.old_stage,
        "old_share": share_text(moved.old_share),
        **_standing_document(moved.standing.stage, moved.standing),
    }


def moved_fields(moved: Moved) -> dict[str, str | None]:
    """Give a move as the audit log has it."""
    standing = moved.standing
    return {"operation": moved.operation, "stage": standing.stage.value, "share": share_text(standing.share)}


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


def _gone(shape: str) -> Pair:
    # Taken as it stands: whatever a newer version wrote, a stage that is in force is listed.
    method, _, template = shape.partition(" ")
    return Pair(Operation(method, template))


def _standing_document(stage: str, standing: Standing) -> dict[str, Any]:
    return {
        "stage": stage,
        "share": share_text(standing.share),
        "is_tripped": standing.is_tripped,
        "version": standing.version,
    }


def _demands_document(demands: Demands) -> dict[str, Any]:
    return {name: value if isinstance(value, bool | None) else sorted(value) for name, value in asdict(demands).items()}
