"""The client of one request: what it uploads, and whether it is still there."""

import asyncio
import contextlib
from types import TracebackType
from typing import Final, Self

from aiohttp import Payload
from aiohttp.abc import AbstractStreamWriter
from starlette.types import Receive, Scope

from bridge.web.proxy import early

__all__ = ["Caller", "CallerLeft", "Upload", "UploadStalled", "announces_body", "closes"]

_AT_ONCE: Final = 65_536
_LINGER_SECONDS: Final = 5.0  # nginx's lingering_timeout
# Nearly all answers are there before, of a busy site as well: they need no task that waits for the client to leave.
_UNWATCHED_SECONDS: Final = 0.25


def announces_body(scope: Scope) -> bool:
    """Tell whether a request has a body, as far as its headers tell."""
    if scope["http_version"] not in ("1.0", "1.1"):
        return bool(scope["method"] not in ("GET", "HEAD", "OPTIONS"))  # later versions need no header for it
    return any(
        name == b"transfer-encoding" or (name == b"content-length" and value != b"0")
        for name, value in scope["headers"]
    )


def closes(scope: Scope) -> bool:
    """Tell whether the server above hangs up after the answer."""
    asked = b",".join(value for name, value in scope["headers"] if name == b"connection").lower()
    return scope["http_version"] == "1.0" or b"close" in asked


class CallerLeft(Exception):
    """The client hung up."""


class UploadStalled(Exception):
    """The client sends nothing more of what it announced."""


class Caller:
    """Reads what the client sends, and stops everything when it hangs up.

    Entered around all that is done for it; where the client leaves, the block ends there, and quietly.

    Args:
        receive: the server's.
        patience: seconds without a byte, from the client or to the upstream, after which an upload is given up.

    Attributes:
        has_stalled: whether it was given up because of the client.
        limit: for the upstream's answer, while that is awaited; every part of an upload puts it off.
    """

    def __init__(self, receive: Receive, *, patience: float) -> None:
        self._receive = receive
        self.patience = patience
        self.has_stalled = False
        self.limit: asyncio.Timeout | None = None
        self._has_left = False
        self._uploaded = asyncio.Event()
        self._served: asyncio.Task[object] | None = None
        self._watch: asyncio.TimerHandle | asyncio.Task[None] | None = None
        self._is_over = False

    def __enter__(self) -> Self:
        self._served = asyncio.current_task()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool:
        self._is_over = True
        if self._watch is not None:
            self._watch.cancel()
        if not self._has_left:
            return False
        if self._served is not None:
            self._served.uncancel()
        return kind is not None and issubclass(kind, asyncio.CancelledError | CallerLeft)

    async def upload(self, *, has_body: bool) -> "bytes | Upload | None":
        """Give what is to be sent on: at once where it has come as a whole already."""
        if not has_body:
            self._uploaded.set()
            self.watch()
            return None
        chunk, more = await self.next_chunk()
        if more or len(chunk) > _AT_ONCE:
            return Upload(self, first=chunk, more=more)
        self.watch()
        return chunk

    async def next_chunk(self) -> tuple[bytes, bool]:
        """Give the next part of the body, and whether there is more.

        Raises:
            CallerLeft: there will be no more.
            UploadStalled: none came in time.
        """
        self._put_off(None)
        try:
            async with asyncio.timeout(self.patience):
                message = await self._receive()
        except TimeoutError:
            self.has_stalled = True
            raise UploadStalled from None
        if message["type"] == "http.disconnect":
            self._leave()
            raise CallerLeft
        self._put_off(self.patience)
        more: bool = message.get("more_body", False)
        if not more:
            self._uploaded.set()
        return message.get("body", b""), more

    def _put_off(self, seconds: float | None) -> None:
        if self.limit is not None and not self.limit.expired():
            self.limit.reschedule(None if seconds is None else asyncio.get_running_loop().time() + seconds)

    @property
    def is_uploading(self) -> bool:
        """Tell whether there is more to come."""
        return not self._uploaded.is_set()

    async def linger(self) -> None:
        """Wait a moment for the rest of an upload that nobody needs: a client cut off loses the answer."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LINGER_SECONDS):
                await self._uploaded.wait()

    def watch(self) -> None:
        """Notice from here on, after a moment, that the client hangs up; nobody else reads what it sends any more."""
        if self._watch is None and not self._is_over:  # an upload may end after its answer
            self._watch = asyncio.get_running_loop().call_later(_UNWATCHED_SECONDS, self._begin_to_watch)

    def _begin_to_watch(self) -> None:
        self._watch = asyncio.create_task(self._until_left())

    async def _until_left(self) -> None:
        while (message := await self._receive())["type"] != "http.disconnect":
            if not message.get("more_body", False):
                self._uploaded.set()
        self._leave()

    def _leave(self) -> None:
        self._has_left = True
        if self._served is not None and self._served is not asyncio.current_task():
            self._served.cancel()


class Upload(Payload):
    """A body that is sent on as it comes, a part at a time, and only once."""

    def __init__(self, caller: Caller, *, first: bytes, more: bool) -> None:
        super().__init__(caller, content_type="application/octet-stream")
        self._caller = caller
        self._first = first
        self._more = more

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        await self.write_with_length(writer, None)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002  # aiohttp's signature
        """Send all of it; the server above sees to it that it is as long as it was announced."""
        self._consumed = True
        early.hear_out(writer)
        try:
            await early.write(writer, self._first)
            while self._more:
                chunk, self._more = await self._caller.next_chunk()
                await early.write(writer, chunk)
        finally:
            self._caller.watch()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:  # noqa: ARG002  # likewise
        """Refuse: nothing of it is kept."""
        raise TypeError("an upload passes through, and is not kept")
