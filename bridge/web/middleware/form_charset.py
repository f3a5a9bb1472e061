"""Forms are UTF-8: ``multipart/form-data`` has no charset to choose (RFC 7578 section 8 names ``boundary`` alone)."""

from typing import Final

from python_multipart.multipart import parse_options_header
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["FormCharsetMiddleware"]

_NAME: Final = b"content-type"
_MULTIPART: Final = b"multipart/form-data"
_UNSAFE: Final = b'"\\'


class FormCharsetMiddleware:
    """Takes away what Content-Type says of a multipart form's charset, by which Starlette would decode it.

    Python remembers each name that it knows no codec of, for as long as the process runs, and some codecs that it knows
    fail in ways of their own or give text that cannot be written.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            # Read by Starlette's own parser, and like there the first one counts.
            given = next((value for name, value in scope["headers"] if name == _NAME), b"")
            media_type, options = parse_options_header(given)
            if media_type == _MULTIPART and b"charset" in options:
                others = [header for header in scope["headers"] if header[0] != _NAME]
                scope = {**scope, "headers": [*others, (_NAME, _with(options.get(b"boundary", b"")))]}
        await self._app(scope, receive, send)


def _with(boundary: bytes) -> bytes:
    if not boundary or any(each in boundary for each in _UNSAFE):
        return _MULTIPART
    return _MULTIPART + b'; boundary="' + boundary + b'"'
