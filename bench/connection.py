"""A client's connection, for measurements in which each answer counts: one request at a time, none tried again."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

__all__ = ["Connection", "connected"]

_PATIENCE: Final = 60.0

Answer = tuple[int, bytes]
"""Status and body."""


class Connection:
    """A connection that is kept; see ``connected``."""

    def __init__(self, host: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = host
        self._reader = reader
        self._writer = writer

    async def log_in(self, username: str, password: str) -> Answer:
        """Log a user in.

        Raises:
            TimeoutError: nothing came for a minute.
        """
        body = json.dumps({"username": username, "password": password}).encode()
        head = f"POST /auth/login HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        return await self._ask(head, body)

    async def get(self, path: str, token: str) -> Answer:
        """Ask as the bearer of a token.

        Raises:
            TimeoutError: nothing came for a minute.
        """
        return await self._ask(f"GET {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\n")

    async def _ask(self, head: str, body: bytes = b"") -> Answer:
        self._writer.write(f"{head}Host: {self._host}\r\n\r\n".encode() + body)
        async with asyncio.timeout(_PATIENCE):
            answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
            length = int(answer.partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return int(answer.split(b" ", 2)[1]), await self._reader.readexactly(length)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Connection]:
    """Open one to ``http://host:port``."""
    parts = urlsplit(address)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    try:
        yield Connection(parts.netloc, reader, writer)
    finally:
        writer.close()
