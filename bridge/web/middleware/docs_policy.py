"""What ``/docs`` may do in a browser: run its own script, and talk to this service. It is shown where people log in."""

import base64
import hashlib
import re
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["DocsPolicyMiddleware"]

_INLINE: Final = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class DocsPolicyMiddleware:
    """Adds a policy to ``/docs`` that names what FastAPI wrote into it by its hash: nothing else inline runs."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and hold the answer's head back until its body is known."""
        if scope["type"] != "http" or scope["path"] != "/docs":
            await self._app(scope, receive, send)
            return
        started: list[Message] = []
        body = b""

        async def holding(message: Message) -> None:
            nonlocal body
            if message["type"] == "http.response.start":
                started.append(message)
                return
            body += message.get("body", b"")
            if not message.get("more_body", False):
                headers = MutableHeaders(scope=started[0])
                headers["Content-Security-Policy"] = _policy(body)
                headers["X-Content-Type-Options"] = "nosniff"
                await send(started[0])
                await send({"type": "http.response.body", "body": body})

        await self._app(scope, receive, holding)


def _policy(page: bytes) -> str:
    hashes = [base64.b64encode(hashlib.sha256(script).digest()).decode() for script in _INLINE.findall(page)]
    scripts = " ".join(["'self'", *(f"'sha256-{each}'" for each in hashes)])
    # Swagger UI writes styles into its elements, and pictures into its styles.
    return (
        f"default-src 'none'; script-src {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    )
