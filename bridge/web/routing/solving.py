"""An endpoint's dependencies, solved by a plan that is made once.

FastAPI walks through the whole tree of an endpoint's dependencies with every request, and finds out each time anew what
every one of them is and takes. Where all of them are coroutines that take the request, one another's results, or, as
the bridge's own do, scopes, that never changes: what is left to do is to call them in order. What else an endpoint
takes, and its answer, are ``bridge.web.routing.direct``'s business where they are simple, and FastAPI's where they are
not.
"""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace
from functools import wraps
from typing import Any, Final

from fastapi import Request, Response, routing
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import ValidationException
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase
from starlette.types import ASGIApp

from bridge.web.authentication import Entrance
from bridge.web.routes import Handler, WrappingRoute
from bridge.web.routing.direct import answered_directly

__all__ = ["solved_by_plan"]

_SOLVED: Final = "bridge.solved"
_REQUEST: Final = "bridge_request"
_PARAMETERS: Final = ("path_params", "query_params", "header_params", "cookie_params", "body_params")
_OTHERS: Final = (
    *("http_connection_param_name", "websocket_param_name", "response_param_name", "background_tasks_param_name"),
    *("scope", "concurrency"),
)
_KNOWN: Final = frozenset(
    (
        *(*_PARAMETERS, *_OTHERS, "dependencies", "name", "call", "path", "use_cache", "request_param_name"),
        *("own_oauth_scopes", "parent_oauth_scopes", "security_scopes_param_name"),
    )
)
"""What this module knows dependencies to be made of; a FastAPI that makes them of something else solves them itself."""


class _NoPlan(Exception):  # no error: it is solved as ever
    """There is something that only FastAPI knows how to solve."""


@dataclass(frozen=True, slots=True)
class _Step:
    """A dependency, and what it takes: the request and scopes by these names, and the results of steps before it."""

    call: Callable[..., Awaitable[Any]]
    request: str | None
    scopes: tuple[str, SecurityScopes] | None
    results: tuple[tuple[str, int], ...]


class _Plan:
    """The steps that solve an endpoint's dependencies, each once for all that take it, as FastAPI does.

    Raises:
        _NoPlan: one of them is of a kind that FastAPI has to solve.
    """

    def __init__(self, dependant: Dependant) -> None:
        self._steps: list[_Step] = []
        self._known: dict[tuple[object, tuple[str, ...]], int] = {}
        self._results = self._solved(dependant)

    async def solve(self, request: Request) -> dict[str, Any]:
        """Give what the endpoint takes of its dependencies, by name."""
        found: list[Any] = []
        for step in self._steps:
            given = {name: found[number] for name, number in step.results}
            if step.request is not None:
                given[step.request] = request
            if step.scopes is not None:
                given[step.scopes[0]] = step.scopes[1]
            found.append(await step.call(**given))
        return {name: found[number] for name, number in self._results}

    def _solved(self, dependant: Dependant) -> tuple[tuple[str, int], ...]:
        numbers = [(each.name, self._number(each)) for each in dependant.dependencies]
        return tuple((name, number) for name, number in numbers if name is not None)

    def _number(self, dependant: Dependant) -> int:
        """Give which step solves a dependency, and plan it unless the same was planned before."""
        step = _step(dependant, self._solved(dependant))
        key = (dependant.call, tuple(sorted(set(_scopes(dependant)))) if _uses_scopes(dependant) else ())
        if key not in self._known:
            self._known[key] = len(self._steps)
            self._steps.append(step)
        return self._known[key]


def solved_by_plan(route: Any) -> ASGIApp | None:
    """Give what answers for a route, in its effective form, as ``route.app`` does; None where only that can.

    It does not look at ``dependency_overrides``: where there are any, ``route.app`` has to answer.
    """
    if {field.name for field in fields(Dependant)} != _KNOWN:
        return None
    try:
        plan = _planned(route)
    except _NoPlan:
        return None
    dependant: Dependant = route.dependant
    given = _handlers_parameters(route)
    around = _around(route)
    direct = answered_directly(dependant, given, plan.solve, around)
    return direct or routing.request_response(around(_handler(dependant, given, plan)))


def _planned(route: Any) -> _Plan:
    dependant: Dependant = route.dependant
    endpoint = dependant.call
    if not dependant.dependencies or route.body_field is not None or getattr(route, "max_body_size", None) is not None:
        raise _NoPlan
    wrapping = {each for each in _kind(route).__mro__ if "get_route_handler" in vars(each)}
    if not wrapping <= {routing.APIRoute, WrappingRoute}:
        raise _NoPlan  # a route class of its own wraps what FastAPI gives it
    if endpoint is None or not _is_coroutine(endpoint):
        raise _NoPlan
    return _Plan(dependant)


def _kind(route: Any) -> type[routing.APIRoute]:
    return type(getattr(route, "original_route", route))


def _around(route: Any) -> Callable[[Handler], Handler]:
    kind = _kind(route)
    return kind.around if issubclass(kind, WrappingRoute) else lambda handle: handle


def _handler(dependant: Dependant, given: dict[str, Any], plan: _Plan) -> Handler:
    endpoint: Any = dependant.call
    is_given = dependant.request_param_name is not None
    name = dependant.request_param_name or _REQUEST

    @wraps(endpoint)  # whose name and lines FastAPI tells of, where something is invalid
    async def call(**own: Any) -> Any:
        request: Request = own[name] if is_given else own.pop(name)
        return await endpoint(**own, **request.scope[_SOLVED])

    undemanding = replace(dependant, dependencies=[], call=call, request_param_name=name)
    answer = routing.get_request_handler(**{**given, "dependant": undemanding})

    async def handle(request: Request) -> Response:
        request.scope[_SOLVED] = await plan.solve(request)
        try:
            return await answer(request)
        except ValidationException as exc:
            if exc.endpoint_file is not None:
                exc.endpoint_file = inspect.getsourcefile(endpoint)
            raise

    return handle


def _handlers_parameters(route: Any) -> dict[str, Any]:
    """Give what FastAPI makes a route's handler of, which it names as the route does."""
    given = {}
    for name in inspect.signature(routing.get_request_handler).parameters:
        for each in (name, f"_{name}"):
            if hasattr(route, each):
                given[name] = getattr(route, each)
    return given


def _step(dependant: Dependant, results: tuple[tuple[str, int], ...]) -> _Step:
    call = dependant.call
    is_entrance = type(call) is Entrance
    if (
        call is None
        or not (is_entrance or _is_coroutine(call))
        or not dependant.use_cache
        or any(getattr(dependant, name) for name in (*_PARAMETERS, *_OTHERS))
        or (dependant.security_scopes_param_name is not None and not is_entrance)
    ):
        raise _NoPlan
    named = dependant.security_scopes_param_name
    return _Step(
        call=call,
        request=dependant.request_param_name,
        # An entrance leaves them as they are.
        scopes=None if named is None else (named, SecurityScopes(_scopes(dependant))),
        results=results,
    )


def _is_coroutine(call: Callable[..., Any]) -> bool:
    """Tell whether FastAPI awaits a call in place; what wraps something else it may look through."""
    target = call if inspect.isfunction(call) else type(call).__call__
    return inspect.iscoroutinefunction(target) and not hasattr(call, "__wrapped__")


def _scopes(dependant: Dependant) -> list[str]:
    scopes = list(dependant.parent_oauth_scopes or ())
    scopes += dict.fromkeys(scope for scope in dependant.own_oauth_scopes or () if scope not in scopes)
    return scopes


def _uses_scopes(dependant: Dependant) -> bool:
    """Tell whether a dependency is another one for other scopes."""
    call: Any = dependant.call
    return (
        bool(dependant.own_oauth_scopes)
        or dependant.security_scopes_param_name is not None
        or isinstance(call, SecurityBase)
        or any(_uses_scopes(each) for each in dependant.dependencies)
    )
