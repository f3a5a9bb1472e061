"""Headers that tell browsers to be careful with what the bridge answers; what Django answers passes as it came."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HardeningMiddleware"]

_ALWAYS: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"))
"""As Django's ``SecurityMiddleware`` sets them."""
_OWN_PAGES: Final = ("/docs", "/migration")
# Swagger's page starts itself by a script in the page.
_PAGE_POLICY: Final = (
    b"default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    b" font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_CONTENT_TYPE: Final = b"content-type"
_HTML: Final = b"text/html"


class HardeningMiddleware:
    """Adds them, where an endpoint has not said otherwise.

    Pages of migrated endpoints keep the policy that they had at Django, or none: what they load is their team's affair.

    Args:
        app: what answers.
        hsts_seconds: ``max-age`` of Strict-Transport-Security over https; 0: none.
    """

    def __init__(self, app: ASGIApp, *, hsts_seconds: int = 0) -> None:
        self._app = app
        self._over_https = ((b"strict-transport-security", b"max-age=%d" % hsts_seconds),) if hsts_seconds else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to the answer's head."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower(): value for name, value in message["headers"]}
                wanted = (*_ALWAYS, *(self._over_https if scope["scheme"] == "https" else ()))
                if given.get(_CONTENT_TYPE, b"").startswith(_HTML) and scope["path"].startswith(_OWN_PAGES):
                    wanted = (*wanted, (b"content-security-policy", _PAGE_POLICY))
                message["headers"] = [*message["headers"], *(each for each in wanted if each[0] not in given)]
            await send(message)

        await self._app(scope, receive, hardened)
