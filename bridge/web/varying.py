"""``Vary: Cookie`` on what was answered by the site's session, as Django's ``SessionMiddleware`` sets it.

Shared caches keep no answer to a request with ``Authorization`` (RFC 9111 section 3.5); of cookies they know nothing
unless they are told.
"""

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import Message, Scope

__all__ = ["add_vary", "depends_on_cookie"]

_SEEN: Final = "bridge.headers_that_decided"


def add_vary(scope: Scope, message: Message) -> None:
    """Name, in the head of an answer, the request headers that it depended on."""
    for name in sorted(scope.get(_SEEN, ())):
        MutableHeaders(scope=message).add_vary_header(name)


def depends_on_cookie(request: HTTPConnection) -> None:
    """Note that this request's cookies were looked at."""
    request.scope.setdefault(_SEEN, set()).add("Cookie")
