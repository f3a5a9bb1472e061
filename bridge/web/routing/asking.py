"""What the dependencies of a route ask about its user, so that one statement can answer all of it.

FastAPI solves dependencies one after the other. The one that reads the user comes first, and has to know by then what
the others will ask: it looks at the route's whole tree of dependencies, once a route.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from fastapi import APIRouter, FastAPI, Request, routing
from fastapi.dependencies.models import Dependant

from bridge.store.rights import NOTHING, Rights

__all__ = ["Asking", "asked_by", "calls_of", "effective_routes", "routes_of"]

# Newer FastAPIs include routers by reference, so that a route by itself does not know the dependencies of the routers
# above it. Before, including made copies that did.
_contexts: Final[Callable[[Any], Iterator[Any]]] = getattr(routing, "iter_route_contexts", iter)


@dataclass(frozen=True, slots=True)
class Asking:
    """A dependency that asks something about the user.

    Attributes:
        asked: what.
    """

    asked: Rights


def asked_by(request: Request) -> Rights:
    """Give what the dependencies of the request's route ask, those of all routers above it included.

    A route that is included in several places asks for what it needs in any of them. A dependency that is overlooked
    here (of a route that was added since) has to look up for itself what it asks.
    """
    state = request.app.state
    route = request.scope.get("route")
    known: dict[int, Rights] = getattr(state, "asked", {})
    asked = known.get(id(route))
    if asked is None:
        state.asked = {**known, id(route): NOTHING, **_asked_in(request.app)}
        asked = state.asked[id(route)]
    return asked


def effective_routes(app: FastAPI | APIRouter) -> Iterator[Any]:
    """Give the routes of an app or router as they are in effect: with path and dependencies of the routers above."""
    return (route for route in routes_of(app) if isinstance(getattr(route, "dependant", None), Dependant))


def routes_of(app: FastAPI | APIRouter) -> Iterator[Any]:
    """Give all of them, also those that are not FastAPI's and know no dependencies."""
    return _contexts(app.routes)


def calls_of(dependant: Dependant) -> Iterator[object]:
    """Give what FastAPI calls for a route: its endpoint, and every dependency down to the last."""
    yield dependant.call
    for each in dependant.dependencies:
        yield from calls_of(each)


def _asked_in(app: FastAPI) -> dict[int, Rights]:
    found: dict[int, Rights] = {}
    for route in effective_routes(app):
        asked = [call.asked for call in calls_of(route.dependant) if isinstance(call, Asking)]
        key = id(getattr(route, "original_route", route))
        found[key] = Rights.all_of([found.get(key, NOTHING), *asked])
    return found
