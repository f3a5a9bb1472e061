"""Straight to the route of a request that was routed before.

FastAPI tries its routes one after the other, those of included routers twice over: behind some thirty of the bridge's
own, finding an endpoint takes longer than running it.
"""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any, Final

from fastapi import FastAPI
from fastapi.routing import APIRoute
from starlette.routing import Match
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.web.routing.asking import routes_of
from bridge.web.routing.solving import solved_by_plan

__all__ = ["Shortcuts"]

_MOST: Final = 4096
_LONGEST_PATH: Final = 1024
_TELEMETRY: Final = "fastapi.telemetry"  # FastAPI's own router tells it where it went

_Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Shortcut:
    """Where a request goes, and what FastAPI's router would have noted in its scope; the router itself notes it.

    Attributes:
        planned: the same endpoint, its dependencies solved by a plan; None where there is none.
    """

    app: ASGIApp
    notes: dict[str, Any] | None = None
    planned: ASGIApp | None = None


class Shortcuts:
    """Stands before an app's router, and finds what it would find.

    Only endpoints that read no body are kept: what else routers set up for an endpoint is for its body. The routes of
    an app may become more while it runs, at the end; those that a request has found stay.

    Args:
        app: whose router.
    """

    def __init__(self, app: FastAPI) -> None:
        self._fastapi = app
        self._router: ASGIApp = app.router.middleware_stack
        self._known: OrderedDict[_Key, _Shortcut] = OrderedDict()
        self._plans: dict[int, tuple[Any, ASGIApp | None]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the route answer."""
        if scope["type"] != "http" or scope.get(_TELEMETRY) is not None:
            await self._router(scope, receive, send)
            return
        key = (scope["method"], scope["path"], scope.get("root_path", ""))
        known = self._known.get(key) or self._learn(key, scope)
        if known.notes is not None:
            scope.update(known.notes)
            scope["path_params"] = known.notes["path_params"].copy()  # a request's own to change
        is_overridden = bool(self._fastapi.dependency_overrides)
        app = known.app if known.planned is None or is_overridden else known.planned
        await app(scope, receive, send)

    def _learn(self, key: _Key, scope: Scope) -> _Shortcut:
        found = self._first(dict(scope)) if len(scope["path"]) <= _LONGEST_PATH else None
        if found is None:
            return _Shortcut(self._router)  # a route that is added later may be its
        self._known[key] = found
        if len(self._known) > _MOST:
            self._known.popitem(last=False)
        return found

    def _first(self, scope: Scope) -> _Shortcut | None:
        for route in routes_of(self._fastapi):
            match, notes = route.matches(scope)
            if match is Match.FULL:
                original = getattr(route, "original_route", route)
                if not isinstance(original, APIRoute) or route.body_field is not None:
                    return _Shortcut(self._router)
                notes = {**notes, "route": original, "router": self._fastapi.router}
                return _Shortcut(route.app, notes, self._planned(route))
        return None

    def _planned(self, route: Any) -> ASGIApp | None:
        # Its paths may be many; what it depends on is one thing. The route itself may be a new one in each look.
        key = id(route.dependant)
        if key not in self._plans:
            self._plans[key] = (route.dependant, solved_by_plan(route))
        return self._plans[key][1]
