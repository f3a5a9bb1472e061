"""Says in the OpenAPI document how an endpoint refuses, which FastAPI cannot know of dependencies."""

from collections.abc import Iterator
from typing import Any, Final

from fastapi import FastAPI

from bridge.web.asking import calls_of, effective_routes
from bridge.web.authentication import SESSION_SCHEME, Entrance, account_user, unlimited_bearer
from bridge.web.composition import Bridge
from bridge.web.dependencies import Requirement, staff_user, super_user
from bridge.web.routes import SiteRoute

__all__ = ["DocumentedApp"]

_SESSION: Final[dict[str, list[str]]] = {SESSION_SCHEME: []}
_UNAUTHENTICATED: Final = "No valid access token"


class DocumentedApp(FastAPI):
    """Adds to each operation the refusals that its dependencies decide on; what an endpoint says itself stays.

    The session cookie has the name that the site's profile gives it.
    """

    def openapi(self) -> dict[str, Any]:
        """Give the document."""
        document = super().openapi()
        for route in effective_routes(self):
            operations = document.get("paths", {}).get(route.path_format, {})
            for method in getattr(route, "methods", None) or ():  # a WebSocket's has none
                if method.lower() in operations:
                    _complete(operations[method.lower()], route)
        self._describe_session_cookie(document)
        return document

    def _describe_session_cookie(self, document: dict[str, Any]) -> None:
        running: Bridge | None = getattr(self.state, "bridge", None)
        document["components"]["securitySchemes"][SESSION_SCHEME] = {
            "type": "apiKey",
            "description": "The Django site's session; see CSRF for unsafe methods.",
            "in": "cookie",
            "name": "sessionid" if running is None else running.session_cookie,
        }


def _complete(operation: dict[str, Any], route: Any) -> None:
    responses: dict[str, Any] = operation.setdefault("responses", {})
    calls = list(calls_of(route.dependant))
    entrances = [call for call in calls if isinstance(call, Entrance)]
    is_demanding = any(each.is_demanding for each in entrances)
    if entrances:
        responses.setdefault("401", {"description": _UNAUTHENTICATED})
    if any(each.takes_session for each in entrances) and _SESSION not in operation["security"]:
        operation["security"].append(_SESSION)
    if is_demanding and isinstance(getattr(route, "original_route", route), SiteRoute):
        responses.setdefault("302", {"description": "To the site's login page, without a login"})
    if entrances and not is_demanding and {} not in operation["security"]:
        operation["security"].append({})  # OpenAPI's word for: or none at all
    codes = sorted(set(_refusals(operation, calls)))
    if codes:
        responses.setdefault("403", {"description": f"Not allowed: {', '.join(codes)}"})


def _refusals(operation: dict[str, Any], calls: list[object]) -> Iterator[str]:
    if any(scopes for scheme in operation.get("security", ()) for scopes in scheme.values()):
        yield "insufficient_scope"
    if account_user in calls or unlimited_bearer in calls:
        yield "insufficient_scope"
    if staff_user in calls:
        yield "staff_only"
    if super_user in calls:
        yield "superuser_only"
    yield from (call.code for call in calls if isinstance(call, Requirement))
