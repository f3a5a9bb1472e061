"""What is known of one endpoint on its way: counts in, figures out."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bridge.cutover.confidence import lower_bound
from bridge.cutover.latency import quantile
from bridge.cutover.parity import Verdict
from bridge.cutover.stages import NEVER_MOVED, Standing
from bridge.cutover.window import RESULTS

__all__ = ["DifferingPlace", "EndpointFigures", "ParityFigures", "SideFigures"]


@dataclass(frozen=True, slots=True)
class SideFigures:
    """What one app answered.

    Attributes:
        by_role: requests by kind of user.
        by_class: requests by class of status, 1 to 5.
        by_latency: answers by upper bound in milliseconds (``bridge.cutover.latency.BOUNDS``); the runs that only
            served a comparison are among them, and not among the requests.
    """

    by_role: Mapping[str, int] = field(default_factory=dict)
    by_class: Mapping[int, int] = field(default_factory=dict)
    by_latency: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, requests: Iterable[tuple[str, int, int, int]], runs: Iterable[tuple[int, int]] = ()) -> "SideFigures":
        """Add up (role, class of status, bound, count) of requests and (bound, count) of runs for a comparison."""
        by_role: Counter[str] = Counter()
        by_class: Counter[int] = Counter()
        by_latency: Counter[int] = Counter()
        for role, status_class, bound, count in requests:
            by_role[role] += count
            by_class[status_class] += count
            by_latency[bound] += count
        for bound, count in runs:
            by_latency[bound] += count
        return cls(dict(by_role), dict(by_class), dict(by_latency))

    @property
    def requests(self) -> int:
        """Count the requests that it answered."""
        return sum(self.by_class.values())

    @property
    def error_rate(self) -> float:
        """Give the share of 5xx among them, 0 to 1."""
        return self.by_class.get(5, 0) / self.requests if self.requests else 0.0

    def latency(self, share: float) -> float | None:
        """Give the latency in milliseconds that a share of the answers kept below; None without any."""
        return quantile(self.by_latency, share)


@dataclass(frozen=True, slots=True)
class ParityFigures:
    """What came of comparing both apps' answers.

    Attributes:
        by_verdict: comparisons by what came of them.
        by_role: those that had a result, by kind of user.
        by_class: likewise by class of Django's status.
    """

    by_verdict: Mapping[Verdict, int] = field(default_factory=dict)
    by_role: Mapping[str, int] = field(default_factory=dict)
    by_class: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, comparisons: Iterable[tuple[str, int, Verdict, int]]) -> "ParityFigures":
        """Add up (role, status, verdict, count)."""
        by_verdict: Counter[Verdict] = Counter()
        by_role: Counter[str] = Counter()
        by_class: Counter[int] = Counter()
        for role, status, verdict, count in comparisons:
            by_verdict[verdict] += count
            if verdict in RESULTS:
                by_role[role] += count
                by_class[status // 100] += count
        return cls(dict(by_verdict), dict(by_role), dict(by_class))

    @property
    def compared(self) -> int:
        """Count the comparisons that had a result: noise, and what was skipped or dropped, had none."""
        return sum(count for verdict, count in self.by_verdict.items() if verdict in RESULTS)

    @property
    def matches(self) -> int:
        """Count those whose answers were the same."""
        return self.by_verdict.get(Verdict.MATCH, 0)

    @property
    def lower_bound(self) -> float:
        """Give the share of matches that is likely at the least (Wilson, 95 %); 0 without a comparison."""
        return lower_bound(self.matches, self.compared)


@dataclass(frozen=True, slots=True)
class DifferingPlace:
    """A place at which both apps' answers differ.

    Attributes:
        place: such as ``$.items[*].price`` or ``header:etag``.
        kind: such as ``type`` or ``missing``.
        legacy: what Django has there: a type, never a value.
        candidate: what the new handler has.
        count: how often.
        values: both, the last time; None where the plan keeps none. Values of users: not for everybody who may read how
            far the endpoints have moved.
    """

    place: str
    kind: str
    legacy: str
    candidate: str
    count: int
    last_seen: datetime
    values: tuple[str, str] | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class EndpointFigures:
    """One operation.

    Attributes:
        operation: its shape.
        standing: its stage in force.
        changed_at: since when; None if it was never moved.
        has_handler: whether the bridge could answer it.
        is_at_site: whether the site's own URLs have it.
        legacy: what Django answered.
        bridge: what the new handler answered.
        parity: what came of comparing them.
        differences: the places that differ most often, those first.
        auth_differences: where the handler demands other rights than Django's view, in words.
        auth_lacking: those of them that let somebody in who was kept out.
        users: the kinds of user that Django's view may let in.
    """

    operation: str
    standing: Standing = NEVER_MOVED
    changed_at: datetime | None = None
    has_handler: bool = True
    is_at_site: bool = True
    legacy: SideFigures = SideFigures()
    bridge: SideFigures = SideFigures()
    parity: ParityFigures = ParityFigures()
    differences: tuple[DifferingPlace, ...] = ()
    auth_differences: tuple[str, ...] = ()
    auth_lacking: tuple[str, ...] = ()
    users: tuple[str, ...] = ("user", "staff")

    @property
    def requests(self) -> int:
        """Count what both apps answered."""
        return self.legacy.requests + self.bridge.requests

    @property
    def is_compared(self) -> bool:
        """Tell whether its answers can be compared: only reading can be done twice."""
        return self.operation.startswith("GET ")
