"""HTTP as it stands on the wire: for tests that compare bytes, and need to see what a client library hides."""

import re
import socket
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

__all__ = ["Answer", "ask", "connected", "parsed", "request"]

SECONDS: Final = 30.0
HOP_BY_HOP: Final = frozenset({b"connection", b"keep-alive", b"transfer-encoding", b"trailer", b"upgrade"})
OF_THE_SERVER: Final = frozenset({b"date", b"server"})


@dataclass(frozen=True)
class Answer:
    """One answer.

    Attributes:
        headers: as they came, names in lower case.
        body: without the marks of chunks.
        is_whole: whether it ended as its headers say.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    is_whole: bool

    def end_to_end(self) -> tuple[int, list[tuple[bytes, bytes]], bytes, bool]:
        """What has to be the same, whichever way it came."""
        kept = [
            (name, _timeless(name, value)) for name, value in self.headers if name not in HOP_BY_HOP | OF_THE_SERVER
        ]
        return self.status, kept, self.body, self.is_whole

    def all(self, name: bytes) -> list[bytes]:
        return [value for each, value in self.headers if each == name]


def _timeless(name: bytes, value: bytes) -> bytes:
    """A value without the second in which it was made."""
    return b"" if name == b"expires" else re.sub(rb"expires=[^;]+ GMT", b"expires=", value)


def request(
    target: str | bytes, *headers: str, method: str = "GET", body: bytes = b"", host: str = "127.0.0.1"
) -> bytes:
    """A request, exactly so."""
    path = target.encode() if isinstance(target, str) else target
    lines = [method.encode() + b" " + path + b" HTTP/1.1", b"Host: " + host.encode(), b"Connection: close"]
    return b"\r\n".join((*lines, *(each.encode("latin-1") for each in headers), b"", body))


def connected(address: str) -> socket.socket:
    parts = urlsplit(address)
    assert parts.hostname is not None
    assert parts.port is not None
    connection = socket.create_connection((parts.hostname, parts.port), SECONDS)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def ask(address: str, sent: bytes) -> Answer:
    """Send bytes, and read until the server closes."""
    with connected(address) as connection:
        connection.sendall(sent)
        received = bytearray()
        while part := connection.recv(1 << 20):
            received += part
    return parsed(bytes(received), is_head=sent.startswith(b"HEAD "))


def parsed(received: bytes, *, is_head: bool = False) -> Answer:
    """The final answer, past those of 1xx."""
    head, _, rest = received.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    status = int(first.split(b" ", 2)[1])
    if status < 200:
        return parsed(rest, is_head=is_head)
    pairs = [line.partition(b":") for line in lines]
    headers = tuple((name.lower(), value.strip(b" \t")) for name, _, value in pairs)
    body, is_whole = _body(dict(headers), rest, is_empty=is_head or status in (204, 304))
    return Answer(status, headers, body, is_whole)


def _body(headers: dict[bytes, bytes], rest: bytes, *, is_empty: bool) -> tuple[bytes, bool]:
    if is_empty:
        return rest, rest == b""
    if headers.get(b"transfer-encoding") == b"chunked":
        return _without_marks(rest)
    if b"content-length" in headers:
        return rest, len(rest) == int(headers[b"content-length"])
    return rest, True


def _without_marks(rest: bytes) -> tuple[bytes, bool]:
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        length = int(size, 16)
        if length == 0:
            return body, rest == b"\r\n"
        body, rest = body + rest[:length], rest[length + 2 :]
    return body, False
