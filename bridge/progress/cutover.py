"""The figures behind ``bridge endpoints report`` and ``GET /migration/endpoints/report``."""

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from bridge.cutover.stages import Stage, share_text
from bridge.progress.endpoints import DifferingPlace, EndpointFigures, ParityFigures, SideFigures
from bridge.progress.promotion import THRESHOLDS, lacks, next_stage

__all__ = ["SCHEMA_VERSION", "CutoverReport", "EndpointReport"]

SCHEMA_VERSION: Final = 1
"""Raised when a field of the JSON changes its meaning or goes away."""

_MOVED: Final = frozenset({Stage.MIGRATED, Stage.RETIRED})


@dataclass(frozen=True, slots=True)
class EndpointReport:
    """One operation, and what it needs.

    Attributes:
        figures: what is known of it.
        next_stage: where it would move to; None for nowhere.
        lacks: what is missing before it should, in words.
    """

    figures: EndpointFigures
    next_stage: Stage | None
    lacks: tuple[str, ...]

    @classmethod
    def of(cls, figures: EndpointFigures, *, allowed: Collection[Stage], now: datetime) -> "EndpointReport":
        """Judge the figures of an operation that the plan allows some stages."""
        return cls(figures, next_stage(figures, allowed=allowed), lacks(figures, allowed=allowed, now=now))

    def to_document(self, *, with_values: bool = False) -> dict[str, Any]:
        """Give the stable JSON form; see ``CutoverReport.to_document``."""
        figures, standing = self.figures, self.figures.standing
        return {
            "operation": figures.operation,
            "stage": standing.stage.value,
            "share": share_text(standing.share),
            "is_tripped": standing.is_tripped,
            "changed_at": figures.changed_at.isoformat() if figures.changed_at else None,
            "has_handler": figures.has_handler,
            "is_at_site": figures.is_at_site,
            "legacy": _side(figures.legacy),
            "bridge": _side(figures.bridge),
            "parity": _parity(figures.parity),
            "differences": [_place(each, with_values=with_values) for each in figures.differences],
            "auth_differences": list(figures.auth_differences),
            "next_stage": self.next_stage.value if self.next_stage else None,
            "lacks": list(self.lacks),
        }


@dataclass(frozen=True, slots=True)
class CutoverReport:
    """How far the endpoints have moved.

    Attributes:
        generated_at: when the figures were read.
        since: from when on they count.
        endpoints: those that have a handler or are at the site, by name.
        other_requests: what went to Django and is none of them, or was not counted by name.
        never_seen: operations of the site that nobody has asked for as long as traffic is kept; None where that cannot
            be told, since not all were counted by name.
    """

    generated_at: datetime
    since: datetime
    endpoints: tuple[EndpointReport, ...]
    other_requests: int = 0
    never_seen: tuple[str, ...] | None = ()

    @property
    def moved(self) -> int:
        """Count the endpoints that the new handler answers everybody."""
        return sum(each.figures.standing.stage in _MOVED for each in self.endpoints)

    @property
    def requests(self) -> int:
        """Count all requests."""
        return sum(each.figures.requests for each in self.endpoints) + self.other_requests

    @property
    def requests_to_bridge(self) -> int:
        """Count those that the bridge answered."""
        return sum(each.figures.bridge.requests for each in self.endpoints)

    @property
    def moved_share(self) -> float:
        """Give the share of the endpoints that has moved, 0 to 1."""
        return self.moved / len(self.endpoints) if self.endpoints else 0.0

    @property
    def traffic_share(self) -> float:
        """Give the share of the requests that the bridge answered, 0 to 1."""
        return self.requests_to_bridge / self.requests if self.requests else 0.0

    def to_document(self, *, with_values: bool = False) -> dict[str, Any]:
        """Give the stable JSON form.

        Args:
            with_values: whether with those that the plan kept of users' answers; for whoever may read the database.
        """
        return {
            "schema_version": SCHEMA_VERSION,
            "generated_at": self.generated_at.isoformat(),
            "since": self.since.isoformat(),
            "endpoints": {"known": len(self.endpoints), "moved": self.moved, "share": round(self.moved_share, 6)},
            "traffic": {
                "requests": self.requests,
                "bridge": self.requests_to_bridge,
                "other": self.other_requests,
                "share": round(self.traffic_share, 6),
            },
            "never_seen": None if self.never_seen is None else list(self.never_seen),
            "thresholds": asdict(THRESHOLDS),
            "operations": [each.to_document(with_values=with_values) for each in self.endpoints],
        }


def _side(side: SideFigures) -> dict[str, Any]:
    return {
        "requests": side.requests,
        "by_status": _classes(side.by_class),
        "by_role": dict(sorted(side.by_role.items())),
        "p50_ms": _rounded(side.latency(0.5)),
        "p95_ms": _rounded(side.latency(0.95)),
    }


def _parity(parity: ParityFigures) -> dict[str, Any]:
    return {
        "compared": parity.compared,
        "matches": parity.matches,
        "lower_bound": round(parity.lower_bound, 6) if parity.compared else None,
        "by_verdict": {verdict.value: count for verdict, count in sorted(parity.by_verdict.items())},
        "by_status": _classes(parity.by_class),
        "by_role": dict(sorted(parity.by_role.items())),
    }


def _place(place: DifferingPlace, *, with_values: bool) -> dict[str, Any]:
    document = asdict(place) | {"last_seen": place.last_seen.isoformat()}
    values = document.pop("values")
    if with_values:
        document["values"] = dict(zip(("legacy", "candidate"), values, strict=True)) if values else None
    return document


def _classes(counts: Mapping[int, int]) -> dict[str, int]:
    return {f"{status_class}xx": count for status_class, count in sorted(counts.items())}


def _rounded(milliseconds: float | None) -> float | None:
    return None if milliseconds is None else round(milliseconds, 1)
