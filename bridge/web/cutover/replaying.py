"""Keeps what an app answers, and asks an app once more what a client asked."""

import asyncio
import logging
from collections.abc import Iterator
from typing import Final

from starlette.types import ASGIApp, Message, Scope, Send

from bridge.cutover import Answer

__all__ = ["SHADOW", "Kept", "replay", "replayable"]

SHADOW: Final = "bridge.shadow"
"""In the scope of a request whose answer no client gets."""

_CONDITIONS: Final = frozenset(
    {b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since", b"if-range"}
)
_OF_BODIES: Final = frozenset({b"content-length", b"transfer-encoding", b"expect"})
_RANGE: Final = b"range"
_RANGE_STATUSES: Final = (206, 416)

_logger: Final = logging.getLogger(__name__)


class Kept:
    """Lets an answer pass as it is, and keeps its pieces up to a length; nothing is copied.

    Args:
        send: where it goes.
        longest: how many bytes of a body are kept; of one that is longer, nothing is.
    """

    def __init__(self, send: Send, *, longest: int) -> None:
        self._send = send
        self._room = longest
        self._status = 0
        self._headers: tuple[tuple[bytes, bytes], ...] = ()
        self._pieces: list[bytes] = []
        self._is_complete = False

    async def __call__(self, message: Message) -> None:
        """Send a message on, and keep it once it is sent."""
        await self._send(message)
        if message["type"] == "http.response.body":
            self._keep(message.get("body", b""))
            self._is_complete = not message.get("more_body", False)
        elif message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = tuple((name, value) for name, value in message.get("headers", ()))

    @property
    def is_too_long(self) -> bool:
        """Tell whether there was more of it than is kept."""
        return self._room < 0

    @property
    def has_begun(self) -> bool:
        """Tell whether any of it was sent."""
        return self._status != 0

    @property
    def is_complete(self) -> bool:
        """Tell whether all of it was sent."""
        return self._is_complete

    @property
    def answer(self) -> Answer:
        """Give what was kept."""
        return Answer(self._status, self._headers, b"".join(self._pieces), is_whole=not self.is_too_long)

    def _keep(self, piece: bytes) -> None:
        self._room -= len(piece)
        if self._room < 0:
            self._pieces.clear()
        elif piece:
            self._pieces.append(bytes(piece))  # the same object, unless a buffer that may be written to again


class _TooLong(Exception):
    """Ends an answer of which enough was seen."""


def replayable(scope: Scope) -> Scope:
    """Copy a request before an app sees it, and notes in the scope what it made of it."""
    return {**scope, "state": dict(scope.get("state", {})), SHADOW: True}


def unconditional(scope: Scope, *, status: int) -> Scope:
    """Ask for what was answered, without what only one of the apps can have meant.

    A client knows the ETag of one app; the other would give another answer to it. A range is asked for where one was
    given.
    """
    dropped = _CONDITIONS | _OF_BODIES | (frozenset() if status in _RANGE_STATUSES else {_RANGE})
    headers = [(name, value) for name, value in scope["headers"] if name not in dropped]
    # What a server offers to do by itself (sending a file by its path) would pass by who keeps the answer.
    return {**scope, "headers": headers, "state": dict(scope["state"]), "extensions": {}}


async def replay(app: ASGIApp, scope: Scope, *, longest: int, seconds: float) -> Answer | None:
    """Ask an app; None if it raised before its answer was complete, or did not answer in time."""
    kept = Kept(_nowhere, longest=longest)
    ended = asyncio.Event()
    requests: Iterator[Message] = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        request = next(requests, None)
        if request is not None:
            return request
        await ended.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        await kept(message)
        if kept.is_too_long:
            raise _TooLong
        if kept.is_complete:
            ended.set()

    try:
        async with asyncio.timeout(seconds):
            await app(scope, receive, send)
    except Exception as exc:  # whatever it is, no client is to notice
        if not kept.is_too_long:
            _logger.warning("a request that was run again failed: %s", type(exc).__name__, exc_info=exc)
    return kept.answer if kept.is_complete or kept.is_too_long else None


async def _nowhere(message: Message) -> None:
    pass
