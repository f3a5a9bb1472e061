"""What moves endpoints, lists them and reports on them; commands use it as well."""

from collections.abc import Iterable
from functools import lru_cache

from bridge.cutover.inventory import Handler, LegacyEndpoint, Pair, by_shape, side_by_side
from bridge.cutover.plan import Plan
from bridge.profile import SiteProfile
from bridge.services.clock import Clock
from bridge.services.cutover_report import CutoverReporting
from bridge.services.endpoints import Rules
from bridge.services.listing import Listing
from bridge.store.database import Database
from bridge.store.endpoints import Endpoints
from bridge.store.traffic import EndpointCounts
from bridge.web.settings import CutoverSettings

__all__ = ["cutover_reporting_of", "listing_of", "rules_of"]

_NOT_TOLD = "the site has not published its profile"


def rules_of(settings: CutoverSettings, handlers: Iterable[Handler]) -> Rules:
    """Read by what rules endpoints move.

    Raises:
        ConfigurationError: the plan cannot be read.
    """
    file = None if settings.cutover_file is None else str(settings.cutover_file)
    return Rules(plan=settings.plan(), file=file, served=by_shape(handlers))


def listing_of(
    database: Database,
    profile: SiteProfile | None,
    handlers: Iterable[Handler],
    clock: Clock,
    *,
    plan: Plan | None,
) -> Listing:
    """Build what puts both apps side by side; without a plan that could be read, no stage is judged by it."""
    return Listing(
        endpoints=Endpoints(database),
        counts=EndpointCounts(database),
        known=_known(profile.urls.endpoints if profile else (), tuple(handlers)),
        shortcoming=profile.urls.shortcoming if profile else _NOT_TOLD,
        plan=plan,
        clock=clock,
    )


def cutover_reporting_of(
    database: Database, profile: SiteProfile | None, rules: Rules, clock: Clock
) -> CutoverReporting:
    """Build what draws up how far the endpoints have moved."""
    return CutoverReporting(
        endpoints=Endpoints(database),
        counts=EndpointCounts(database),
        known=_known(profile.urls.endpoints if profile else (), tuple(rules.served.values())),
        plan=rules.plan,
        clock=clock,
    )


@lru_cache(maxsize=1)
def _known(endpoints: tuple[LegacyEndpoint, ...], handlers: tuple[Handler, ...]) -> tuple[Pair, ...]:
    """Put both apps side by side, which takes a while for thousands of paths; most new profiles leave them alone."""
    return side_by_side(endpoints, handlers)
