"""What moves endpoints; commands use it as well."""

from collections.abc import Iterable, Iterator

from fastapi import APIRouter

from bridge.cutover.operations import METHODS, Operation
from bridge.services.endpoints import Rules, Served
from bridge.web.asking import effective_routes
from bridge.web.settings import CutoverSettings

__all__ = ["rules_of", "served_by"]


def rules_of(settings: CutoverSettings, routers: Iterable[APIRouter]) -> Rules:
    """Read by what rules endpoints move.

    Raises:
        ConfigurationError: the plan cannot be read.
    """
    file = None if settings.cutover_file is None else str(settings.cutover_file)
    return Rules(plan=settings.plan(), file=file, served=served_by(routers))


def served_by(routers: Iterable[APIRouter]) -> dict[str, Served]:
    """Give the operations of migrated routers by their shape; of several handlers the first, as in routing."""
    found: dict[str, Served] = {}
    for router in routers:
        for each in _served(router):
            found.setdefault(each.operation.shape, each)
    return found


def _served(router: APIRouter) -> Iterator[Served]:
    for route in effective_routes(router):
        for method in METHODS:
            if method in (getattr(route, "methods", None) or ()):  # a WebSocket's has none
                yield Served(Operation(method, route.path_format), f"{route.endpoint.__module__}:{route.name}")
