"""How ``bridge serve`` reads requests: uvicorn's own way, with a bound on what it keeps of their heads."""

from typing import Final

from httptools import HttpRequestParser
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

__all__ = ["BoundedHttp"]

_LONGEST_HEAD: Final = 64 * 1024
_REFUSAL: Final = b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class BoundedHttp(HttpToolsProtocol):
    """Refuses a request whose head has not ended after 64 KiB; httptools would keep one of any length in memory."""

    parser: HttpRequestParser
    _in_head: bool = True
    _head: int = 0

    def data_received(self, data: bytes) -> None:
        """Take what has come."""
        was_in_head = self._in_head
        super().data_received(data)
        if was_in_head and self._in_head and not self.transport.is_closing():
            self._head += len(data)
            if self._head > _LONGEST_HEAD:
                self.transport.write(_REFUSAL)
                self.transport.close()

    def on_headers_complete(self) -> None:
        """Go on to the body, which endpoints bound."""
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        """Expect the next request's head."""
        self._in_head, self._head = True, 0
        super().on_message_complete()
