"""Forms are UTF-8: a multipart form has no charset to choose (RFC 7578 section 4.6 and 5.1.2)."""

from typing import Final

from python_multipart.multipart import parse_options_header
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["FormCharsetMiddleware"]

_NAME: Final = b"content-type"
_MULTIPART: Final = b"multipart/"
_CHARSET: Final = b"charset"
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
        if scope["type"] == "http" and any(_says_charset(*header) for header in scope["headers"]):
            headers = [(name, _without(value) if name == _NAME else value) for name, value in scope["headers"]]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)


def _says_charset(name: bytes, value: bytes) -> bool:
    return name == _NAME and value[: len(_MULTIPART)].lower() == _MULTIPART and _CHARSET in value.lower()


def _without(content_type: bytes) -> bytes:
    media_type, options = parse_options_header(content_type)
    boundary = options.get(b"boundary", b"")
    if not boundary or any(each in boundary for each in _UNSAFE):
        return media_type
    return media_type + b'; boundary="' + boundary + b'"'
