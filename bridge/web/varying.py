"""``Vary: Cookie`` on what was answered by the site's session, as Django's ``SessionMiddleware`` sets it.

Shared caches keep no answer to a request with ``Authorization`` (RFC 9111 section 3.5); of cookies they know nothing
unless they are told.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["VaryMiddleware", "depends_on_cookie"]

_SEEN: Final = "bridge.headers_that_decided"


class VaryMiddleware:
    """Names the request headers that an answer depended on."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to the answer's head."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        decided: set[str] = set()

        async def naming(message: Message) -> None:
            if decided and message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name in sorted(decided):
                    headers.add_vary_header(name)
            await send(message)

        scope[_SEEN] = decided
        await self._app(scope, receive, naming)


def depends_on_cookie(request: HTTPConnection) -> None:
    """Note that this request's cookies were looked at."""
    request.scope.setdefault(_SEEN, set()).add("Cookie")
