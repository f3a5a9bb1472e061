"""The bridge with nothing but what it passes on: what stands behind its dispatch where nothing has moved."""

import asyncio
import json
import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.web.proxy import Upstream, open_upstream, prepare_upstream

__all__ = ["PID_FILE", "TIMEOUT", "TRUSTED", "UPSTREAM", "Passing", "app"]

UPSTREAM: Final = "PASSING_UPSTREAM"
TRUSTED: Final = "PASSING_TRUSTED"
TIMEOUT: Final = "PASSING_TIMEOUT"
PID_FILE: Final = "PASSING_PID_FILE"


def app() -> ASGIApp:
    """Build it from the environment, in uvicorn's own process."""
    if PID_FILE in os.environ:
        Path(os.environ[PID_FILE]).write_text(str(os.getpid()))
    return Passing(
        os.environ[UPSTREAM],
        trusted_proxies=json.loads(os.environ.get(TRUSTED, "[]")),
        timeout=timedelta(seconds=float(os.environ.get(TIMEOUT, "60"))),
    )


class Passing:
    """An ASGI app that opens its upstream when the server starts, and closes it when it stops."""

    def __init__(
        self, url: str, *, trusted_proxies: Sequence[str] = (), timeout: timedelta = timedelta(seconds=60)
    ) -> None:
        self._url = url
        self._trusted = trusted_proxies
        prepare_upstream(url)
        self._timeout = timeout
        self._upstream: Upstream | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        assert self._upstream is not None
        await self._upstream(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._upstream = await open_upstream(self._url, trusted_proxies=self._trusted, timeout=self._timeout)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await asyncio.wait_for(self._upstream.close(), timeout=10)
        await send({"type": "lifespan.shutdown.complete"})
