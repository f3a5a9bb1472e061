"""The migrated endpoints as operations: what they answer, and what their dependencies demand."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import reduce
from operator import and_
from typing import Any, Final

from fastapi import APIRouter, FastAPI
from fastapi.dependencies.models import Dependant

from bridge import findings
from bridge.cutover.demands import Demands
from bridge.cutover.inventory import Handler, LegacyEndpoint, side_by_side
from bridge.cutover.matching import OperationTable
from bridge.cutover.operations import LONGEST_OPERATION, METHODS, Operation, path_first
from bridge.cutover.plan import Plan
from bridge.errors import ConfigurationError
from bridge.findings import Finding, holding
from bridge.web.authentication import Entrance
from bridge.web.dependencies import Requirement, staff_user, super_user
from bridge.web.routing.asking import calls_of, effective_routes, routes_of

__all__ = ["Handler", "OperationTable", "endpoint_findings", "handlers_of", "own_paths"]

_LOGIN: Final = Demands(login=True)
_DEMANDS: Final = (
    (staff_user, Demands(login=True, staff=True)),
    (super_user, Demands(login=True, superuser=True)),
)
_MOST_NAMED: Final = 5
_ANY_TEXT: Final = "[^/]+"  # what Starlette's paths match where a parameter has no type
_OURS: Final = ("bridge.web.", "fastapi.")


def handlers_of(app: FastAPI, routers: Sequence[APIRouter]) -> tuple[Handler, ...]:
    """Give the handlers of an app's migrated routers, in the order in which it looks through them.

    One that the app's own routes hide is none: no request comes to it.

    Args:
        app: what they were included into.
        routers: the migrated ones.

    Raises:
        ConfigurationError: the path of one is longer than an operation may be, or one is none of FastAPI's.
    """
    _refuse_plain_routes(routers)
    migrated, own = _endpoints(routers), own_paths(app, routers)
    routes = [route for route in effective_routes(app) if id(getattr(route, "endpoint", None)) in migrated]
    found = [handler for route in routes for handler in _handlers(route)]
    return tuple(each for each in found if not _is_under(each.operation.template, own))


def own_paths(app: FastAPI, routers: Sequence[APIRouter]) -> tuple[re.Pattern[str], ...]:
    """Give the paths that the bridge answers itself whatever has moved, such as ``/auth/token``."""
    migrated = _endpoints(routers)
    own = (route for route in routes_of(app) if id(getattr(route, "endpoint", None)) not in migrated)
    return tuple(dict.fromkeys(route.path_regex for route in own if getattr(route, "path_regex", None) is not None))


def endpoint_findings(
    app: FastAPI, routers: Sequence[APIRouter], inventory: Sequence[LegacyEndpoint], plan: Plan | None = None
) -> tuple[Finding, ...]:
    """Name handlers that let in more people, or answer for more views; what is hidden; and mistakes in the plan.

    Args:
        app: what the routers were included into.
        routers: the migrated ones.
        inventory: what the site answers.
        plan: whose operations are looked for in both apps; None: they are not.

    Raises:
        ConfigurationError: a migrated endpoint cannot be an operation.
    """
    handlers, own = handlers_of(app, routers), own_paths(app, routers)
    pairs = side_by_side(inventory, handlers)
    unreached, several = list(_unreached(handlers)), list(_for_several_views(handlers, inventory))
    unknown = _unknown(plan, inventory, handlers) if plan else []
    lacking = [f"{pair.operation}: {', '.join(pair.lacking)}" for pair in pairs if pair.lacking]
    hidden = list(dict.fromkeys(each.template for each in inventory if _is_under(each.template, own)))
    return holding(
        (bool(lacking), findings.HANDLER_DEMANDS_LESS.about(_listed(lacking))),
        (bool(hidden), findings.SITE_PATHS_HIDDEN.about(_listed(hidden))),
        (bool(unreached), findings.HANDLER_HIDDEN.about(_listed(unreached))),
        (bool(several), findings.HANDLER_FOR_SEVERAL_VIEWS.about(_listed(several))),
        (bool(unknown), findings.PLAN_NAMES_UNKNOWN.about(_listed(unknown))),
    )


def _unreached(handlers: Sequence[Handler]) -> Iterator[str]:
    table = OperationTable(handlers)
    for handler in handlers:
        method, template = handler.operation.method, handler.operation.template
        taker = table.find(method, template)  # a template is a path of its own, as below
        if taker is not None and taker is not handler:
            yield f"{handler.operation}, behind {taker.operation}"


def _for_several_views(handlers: Iterable[Handler], inventory: Iterable[LegacyEndpoint]) -> Iterator[str]:
    """Name the handlers of any text in a parameter, where Django has views of one shape for some texts each."""
    views: dict[str, dict[str, str]] = defaultdict(dict)
    for endpoint in inventory:
        for operation in endpoint.operations():
            views[operation.shape].setdefault(endpoint.regex, endpoint.view)
    for handler in handlers:
        names = list(dict.fromkeys(views[handler.operation.shape].values()))
        if len(names) > 1 and _ANY_TEXT in handler.regex.pattern:
            yield f"{handler.operation}: {', '.join(names)}"


def _unknown(plan: Plan, inventory: Iterable[LegacyEndpoint], handlers: Iterable[Handler]) -> list[str]:
    """Give the plan's operations that neither app has, by their shape; a view of any method has all."""
    at_site = {operation.shape for endpoint in inventory for operation in endpoint.operations()}
    here = {handler.operation.shape for handler in handlers}
    return sorted(plan.operations.keys() - at_site - here, key=path_first)


def _listed(found: Sequence[str]) -> str:
    more = len(found) - _MOST_NAMED
    return "; ".join((*found[:_MOST_NAMED], *([f"and {more} more"] if more > 0 else [])))


def _is_under(template: str, paths: Sequence[re.Pattern[str]]) -> bool:
    # A template is a path of its own: what is in its braces counts as any other text does.
    return any(path.match(template) for path in paths)


def _refuse_plain_routes(routers: Sequence[APIRouter]) -> None:
    for router in routers:
        for route in routes_of(router):
            if not isinstance(getattr(route, "dependant", None), Dependant):
                raise ConfigurationError(
                    f"{getattr(route, 'path', route)!r} is a plain route or a mount, which no stage could hold back",
                    cure="Write it as an endpoint of the router: @router.get, @router.api_route …",
                )


def _endpoints(routers: Sequence[APIRouter]) -> frozenset[int]:
    return frozenset(id(route.endpoint) for router in routers for route in effective_routes(router))


def _handlers(route: Any) -> Iterator[Handler]:
    endpoint, demands = route.endpoint, _demands(route.dependant)
    for method in METHODS:
        if method in (getattr(route, "methods", None) or ()):  # a WebSocket's has none
            operation = Operation(method, route.path_format)
            if len(str(operation)) > LONGEST_OPERATION:
                raise ConfigurationError(
                    f"The path of {endpoint.__qualname__} is too long to be an operation's",
                    cure=f"Let a method and its path have at most {LONGEST_OPERATION} characters.",
                )
            yield Handler(operation, demands, route.path_regex, f"{endpoint.__module__}.{endpoint.__qualname__}")


# Demands --------------------------------------------------------------------------------------------------------------


def _demands(dependant: Dependant) -> Demands:
    return reduce(and_, _each_demand(dependant, is_endpoint=True), Demands())


def _each_demand(dependant: Dependant, *, is_endpoint: bool = False) -> Iterator[Demands]:
    call: Any = dependant.call
    if isinstance(call, Requirement):
        yield Demands(login=True, permissions=call.asked.permissions, groups=call.asked.groups)
    elif isinstance(call, Entrance):
        yield _LOGIN if call.is_demanding else Demands()
    else:
        yield from (demands for ours, demands in _DEMANDS if call is ours)
        if not is_endpoint and _looks_at_user(dependant):
            yield Demands(unknown=(_name(call),))
    yield Demands(scopes=frozenset(_scopes(dependant)))
    for each in dependant.dependencies:
        yield from _each_demand(each)


def _looks_at_user(dependant: Dependant) -> bool:
    """Tell whether a dependency of somebody else's takes the user: it may let only some of them pass."""
    is_theirs = not str(getattr(dependant.call, "__module__", "")).startswith(_OURS)
    return is_theirs and any(isinstance(call, Entrance) for call in calls_of(dependant))


def _name(call: Any) -> str:
    named = call if hasattr(call, "__qualname__") else type(call)
    return f"{named.__module__}.{named.__qualname__}"


def _scopes(dependant: Dependant) -> Iterable[str]:
    # The name of what ``Security(…, scopes=…)`` gives has changed with FastAPI's versions.
    return getattr(dependant, "own_oauth_scopes", None) or getattr(dependant, "security_scopes", None) or ()
