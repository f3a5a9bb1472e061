"""Headers that tell browsers to be careful with what the bridge answers; what Django answers passes as it came."""

from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.web.varying import add_vary

__all__ = ["HardeningMiddleware"]

_ALWAYS: Final = ((b"x-content-type-options", b"nosniff"), (b"referrer-policy", b"same-origin"))
"""As Django's ``SecurityMiddleware`` sets them."""


class HardeningMiddleware:
    """Adds them, where an endpoint has not said otherwise.

    A content security policy is for each page to say: the dashboard's and ``/docs`` have theirs, and what a migrated
    page loads is its team's affair.

    Args:
        app: what answers.
        hsts_seconds: ``max-age`` of Strict-Transport-Security over https; 0: none.
    """

    def __init__(self, app: ASGIApp, *, hsts_seconds: int = 0) -> None:
        self._app = app
        over_https = ((b"strict-transport-security", b"max-age=%d" % hsts_seconds),) if hsts_seconds else ()
        self._over_https = (*_ALWAYS, *over_https)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and add to the answer's head."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        wanted = self._over_https if scope["scheme"] == "https" else _ALWAYS

        async def hardened(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name.lower() for name, _ in message["headers"]}
                add_vary(scope, message)
                message["headers"] = [*message["headers"], *(each for each in wanted if each[0] not in given)]
            await send(message)

        await self._app(scope, receive, hardened)
