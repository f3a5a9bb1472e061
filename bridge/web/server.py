"""How ``bridge serve`` speaks HTTP: uvicorn's own way, with bounds on heads and trailers, and answers in one piece."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final, cast

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

__all__ = ["BoundedHttp", "OnePiece"]

_MOST_KEPT: Final = 64 * 1024
_REFUSAL: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """Refuses a request of which 64 KiB have come since its head, a part of its body or its end was complete.

    httptools would keep a head, a chunk's extension or a trailer of any length in memory.
    """

    parser: HttpRequestParser
    _in_head: bool = True
    _kept: int = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take a client."""
        one_piece = OnePiece(cast("asyncio.Transport", transport), self.loop)
        super().connection_made(cast("asyncio.Transport", one_piece))

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        self._kept += len(data)
        super().data_received(data)
        if self._kept > _MOST_KEPT and not self.transport.is_closing():
            if not self._is_answering:
                self.transport.write(_REFUSAL)
            self.transport.close()

    @property
    def _is_answering(self) -> bool:
        """Tell whether an answer is under way, which a refusal would become a part of."""
        cycle: RequestResponseCycle | None = self.cycle  # none before the first request
        is_begun = cycle is not None and cycle.response_started and not cycle.response_complete
        return is_begun or bool(self.pipeline)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, and no trailer: what follows a body is no field of the head (RFC 9110 section 6.5.1)."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Go on to the body, which endpoints bound."""
        self._in_head, self._kept = False, 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Give the app a part of the body."""
        self._kept = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Expect the next request's head."""
        self._in_head, self._kept = True, 0
        super().on_message_complete()


class OnePiece:
    """A transport that sends on in one piece what is written within one turn of the event loop.

    uvicorn writes head and body apart. Each write is a system call that wakes the client, and costs more than all else
    that is done for a short answer.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._held = b""
        self.is_closing = transport.is_closing  # asked with every answer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Wait for what may follow; with that, write."""
        if self._held:
            head, self._held = self._held, b""
            self._transport.writelines((head, data))
        elif data:
            self._held = data
            self._loop.call_soon(self._flush)

    def writelines(self, pieces: Iterable[bytes]) -> None:
        """Write them after what waits."""
        self.write(b"".join(pieces))

    def write_eof(self) -> None:
        """Say that there is no more, once all is written; WebSockets end so."""
        self._flush()
        self._transport.write_eof()

    def close(self) -> None:
        """Close, once all is written."""
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        held, self._held = self._held, b""
        if held and not self.is_closing():
            self._transport.write(held)
