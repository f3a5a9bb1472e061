"""Says in the OpenAPI document how an endpoint refuses, which FastAPI cannot know of dependencies."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from fastapi import FastAPI

from bridge.web.authentication import SESSION_SCHEME, Entrance, account_user, bearer_claims, unlimited_bearer
from bridge.web.composition import Bridge
from bridge.web.dependencies import Requirement, staff_user, super_user
from bridge.web.routes import BoundedRoute, OAuthRoute, SiteRoute
from bridge.web.routing.asking import calls_of, effective_routes

__all__ = ["DocumentedApp"]

_SESSION: Final[dict[str, list[str]]] = {SESSION_SCHEME: []}
_UNAUTHENTICATED: Final = "No valid access token"
_UNREADABLE: Final = "The body cannot be read"
_TOO_LARGE: Final = "Body too large"
_UNAVAILABLE: Final = "No database"
_FIRST_REFUSAL: Final = 400


def _object(title: str, description: str, /, **properties: Any) -> dict[str, Any]:
    return {
        "title": title,
        "description": description,
        "type": "object",
        "required": list(properties),
        "properties": properties,
    }


_TEXT: Final = {"type": "string"}
_SCHEMAS: Final[dict[str, dict[str, Any]]] = {
    "Problem": _object(
        "Problem",
        "A refusal (RFC 9457). `code` is stable; what is wrong with a form stands in `errors`.",
        type=_TEXT,
        title=_TEXT,
        status={"type": "integer"},
        detail=_TEXT,
        code=_TEXT,
    ),
    "OAuthError": _object(
        "OAuthError",
        "A refusal (RFC 6749 section 5.2), with `detail` for those who expect FastAPI's.",
        error=_TEXT,
        error_description=_TEXT,
        detail=_TEXT,
    ),
}
_FASTAPIS_FORM: Final = ("HTTPValidationError", "ValidationError")


def _content(media_type: str, schema: str) -> dict[str, Any]:
    return {media_type: {"schema": {"$ref": f"#/components/schemas/{schema}"}}}


_PROBLEM: Final = _content("application/problem+json", "Problem")
_OAUTH_ERROR: Final = _content("application/json", "OAuthError")
_FASTAPIS_ERROR: Final = _content("application/json", _FASTAPIS_FORM[0])


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
        _describe_refusals(document["components"].setdefault("schemas", {}), document["paths"])
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
    original = getattr(route, "original_route", route)
    if "requestBody" in operation:
        responses.setdefault("400", {"description": _UNREADABLE})
        if isinstance(original, BoundedRoute):
            responses.setdefault("413", {"description": _TOO_LARGE})
    if isinstance(original, BoundedRoute) or any(each is not bearer_claims for each in entrances):
        responses.setdefault("503", {"description": _UNAVAILABLE})
    _complete_contents(responses, _OAUTH_ERROR if isinstance(original, OAuthRoute) else _PROBLEM)


def _complete_contents(responses: dict[str, Any], refused: Mapping[str, Any]) -> None:
    """Say what a refusal looks like. FastAPI says of its own 422 what it would be without our handler."""
    for status, answer in responses.items():
        is_unsaid = "content" not in answer or answer["content"] == _FASTAPIS_ERROR
        if status.isdigit() and int(status) >= _FIRST_REFUSAL and is_unsaid:
            answer["content"] = dict(refused)


def _describe_refusals(schemas: dict[str, Any], paths: Mapping[str, Any]) -> None:
    schemas.update(_SCHEMAS)
    if f'/{_FASTAPIS_FORM[0]}"' not in json.dumps(paths):
        for name in _FASTAPIS_FORM:
            schemas.pop(name, None)


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
