"""How an endpoint moves from Django to the bridge, and back. Pure."""

from bridge.cutover.buckets import bucket_of
from bridge.cutover.confidence import lower_bound
from bridge.cutover.latency import BOUNDS, bound_of, quantile
from bridge.cutover.operations import METHODS, Operation
from bridge.cutover.parity import Answer, Difference, Verdict, compare, is_comparable, without_noise
from bridge.cutover.plan import AllowList, CanaryGroup, Comparison, OperationPlan, Plan, Trip
from bridge.cutover.stages import WHOLE, Side, Stage, Standing, basis_points, share_text
from bridge.cutover.tripping import Observed, SideSample, trips

__all__ = [
    "BOUNDS",
    "METHODS",
    "WHOLE",
    "AllowList",
    "Answer",
    "CanaryGroup",
    "Comparison",
    "Difference",
    "Observed",
    "Operation",
    "OperationPlan",
    "Plan",
    "Side",
    "SideSample",
    "Stage",
    "Standing",
    "Trip",
    "Verdict",
    "basis_points",
    "bound_of",
    "bucket_of",
    "compare",
    "is_comparable",
    "lower_bound",
    "quantile",
    "share_text",
    "trips",
    "without_noise",
]
