"""HEAD, answered by what answers GET (RFC 9110 section 9.3.2), as Django's views do and FastAPI's do not."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["HeadMiddleware"]


class HeadMiddleware:
    """Asks for GET, and keeps the body to itself."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer."""
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return

        async def without_body(message: Message) -> None:
            if message["type"] == "http.response.body":
                message = {**message, "body": b""}
            await send(message)

        asking = {**scope, "method": "GET"}  # the server looks at its own
        try:
            await self._app(asking, receive, without_body)
        finally:
            scope.update({**asking, "method": "HEAD"})  # what was noted on the way, who asked among it
