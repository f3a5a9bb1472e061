"""Route classes: every body bounded, and the OAuth endpoints' own form of errors."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.types import Message

from bridge.errors import BridgeError
from bridge.web.errors import Problem, oauth_answer

__all__ = ["BoundedRoute", "OAuthRoute"]

_LIMIT_BYTES: Final = 64 * 1024
_LIMIT_DIGITS: Final = 9  # of a Content-Length that is worth reading as a number

Handler = Callable[[Request], Awaitable[Response]]


class BoundedRoute(APIRoute):
    """Refuses bodies of more than 64 KiB, before or while they are read."""

    def get_route_handler(self) -> Any:
        """Wrap FastAPI's handler."""
        handle = super().get_route_handler()

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

    def get_route_handler(self) -> Any:
        """Wrap the bounded handler."""
        handle: Handler = super().get_route_handler()

        async def speaking_oauth(request: Request) -> Response:
            try:
                return await handle(request)
            except (BridgeError, Problem) as exc:
                return oauth_answer(exc)
            except HTTPException as exc:
                return oauth_answer(Problem(exc.status_code, code="invalid_request", detail=str(exc.detail)))

        return speaking_oauth


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
