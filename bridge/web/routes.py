"""Route classes: every body bounded, the OAuth endpoints' own form of errors, and pages that ask for a login."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message

from bridge.errors import BridgeError, InvalidToken
from bridge.profile import CsrfProfile, SessionProfile
from bridge.web.composition import bridge_of
from bridge.web.errors import Problem, oauth_answer
from bridge.web.redirection import login_location

__all__ = ["BoundedRoute", "Handler", "OAuthRoute", "SiteRoute", "WrappingRoute"]

_LIMIT_BYTES: Final = 64 * 1024
_LIMIT_DIGITS: Final = 9  # of a Content-Length that is worth reading as a number

Handler = Callable[[Request], Awaitable[Response]]


class WrappingRoute(APIRoute):
    """A route that puts something around its handler: FastAPI's, or ``bridge.web.routing.direct``'s."""

    def get_route_handler(self) -> Any:
        """Wrap FastAPI's handler."""
        return self.around(super().get_route_handler())

    @classmethod
    def around(cls, handle: Handler) -> Handler:
        """Give a handler with what belongs around it, outside of what the next class puts there."""
        return handle


class BoundedRoute(WrappingRoute):
    """Refuses bodies of more than 64 KiB, before or while they are read."""

    @classmethod
    def around(cls, handle: Handler) -> Handler:
        """Bound the body of the request that a handler is given."""
        handle = super().around(handle)

        async def bounded(request: Request) -> Response:
            try:
                return await handle(_bounded(request))
            except HTTPException as exc:
                # FastAPI turns whatever goes wrong while it reads a body into a 400.
                if isinstance(exc.__cause__, Problem):
                    raise exc.__cause__ from None
                raise

        return bounded


class OAuthRoute(BoundedRoute):
    """Answers errors as RFC 6749 section 5.2 has them."""

    @classmethod
    def around(cls, handle: Handler) -> Handler:
        """Bound the body, and answer what a handler raises."""
        handle = super().around(handle)

        async def speaking_oauth(request: Request) -> Response:
            try:
                return await handle(request)
            except (BridgeError, Problem) as exc:
                return oauth_answer(exc)
            except HTTPException as exc:
                return oauth_answer(Problem(exc.status_code, code="invalid_request", detail=str(exc.detail)))

        return speaking_oauth


class SiteRoute(WrappingRoute):
    """Answers as Django's pages do: a visitor who is not logged in is sent to LOGIN_URL and comes back from there.

    For endpoints that people open in a browser: ``APIRouter(route_class=SiteRoute)``. Whoever is logged in and lacks a
    permission gets the 403 that an API would give (``django.contrib.auth.mixins.PermissionRequiredMixin``). And whoever
    sends a bearer token that is refused gets its 401: no program fills in a login form.
    """

    @classmethod
    def around(cls, handle: Handler) -> Handler:
        """Send those to log in whom a handler refuses for want of it."""
        handle = super().around(handle)

        async def asking_for_login(request: Request) -> Response:
            try:
                return await handle(request)
            except (InvalidToken, Problem) as exc:
                if not _is_missing_login(request, exc):
                    raise
                return _to_login(request)

        return asking_for_login


def _is_missing_login(request: Request, error: InvalidToken | Problem) -> bool:
    if request.headers.get("authorization", "").partition(" ")[0].lower() == "bearer":
        return False
    return isinstance(error, InvalidToken) or error.code == "not_authenticated"


def _to_login(request: Request) -> Response:
    bridge = bridge_of(request.app)
    sessions = bridge.profile.sessions if bridge.profile else SessionProfile()
    csrf = bridge.profile.csrf if bridge.profile else CsrfProfile()
    location = login_location(request, login_url=sessions.login_url, csrf=csrf)
    return Response(status_code=302, headers={"Location": location, "Cache-Control": "no-store"})


def _bounded(request: Request) -> Request:
    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and (len(declared) > _LIMIT_DIGITS or int(declared) > _LIMIT_BYTES):
        raise _too_large()
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > _LIMIT_BYTES:
            raise _too_large()
        return message

    return Request(request.scope, receive)


def _too_large() -> Problem:
    return Problem(413, code="invalid_request", detail=f"The body is larger than {_LIMIT_BYTES} bytes")
