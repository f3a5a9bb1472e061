"""Requests without a body, on connections that are used again: most of what passes through, by the shortest way.

aiohttp's ``ClientSession`` prepares each request for cookies, redirects, credentials and bodies, of which there are
none here: a fifth of the CPU that passing on took. All that is needed is aiohttp's connections, writer and parser.
"""

import asyncio
from collections.abc import Mapping
from http import HTTPStatus

import aiohttp
from aiohttp import ClientRequest, ClientTimeout, StreamReader
from aiohttp.connector import Connection
from aiohttp.http import HttpProcessingError, RawResponseMessage, StreamWriter
from aiohttp.streams import EMPTY_PAYLOAD
from multidict import CIMultiDict
from yarl import URL

__all__ = ["Disconnected", "KeptAnswer", "KeptConnections", "Switched"]


class Disconnected(aiohttp.ClientError):
    """The upstream closed the connection instead of answering."""


class Switched(aiohttp.ClientError):
    """The upstream ended HTTP."""


class KeptAnswer:
    """An answer of which the headers are there. Its connection is free again once all of it is.

    Not after one that announces a body and has none, as to HEAD: that connection is closed.

    Attributes:
        status: the HTTP status.
        headers: by name.
        raw_headers: as they came.
        content: what follows.
    """

    def __init__(self, message: RawResponseMessage, content: StreamReader, connection: Connection) -> None:
        self.status = message.code
        self.headers = message.headers
        self.raw_headers = message.raw_headers
        self.content = content
        self._connection = connection
        # A server that sends a body all the same would have it taken for the answer to somebody else.
        is_doubtful = content is EMPTY_PAYLOAD and _announces_body(message.headers)
        content.on_eof(connection.close if is_doubtful else connection.release)

    def close(self) -> None:
        """Close the connection, unless all was read."""
        self._connection.close()


def _announces_body(headers: Mapping[str, str]) -> bool:
    return headers.get("Content-Length", "0") != "0" or "Transfer-Encoding" in headers


class KeptConnections:
    """Connections to the upstream that are used again, while they cannot be stale.

    Args:
        base: scheme and authority of the upstream.
        connector: opens and keeps them.
        timeout: for opening one.
        longest_line: of an answer's head, in bytes.
    """

    def __init__(
        self, base: URL, *, connector: aiohttp.BaseConnector, timeout: ClientTimeout, longest_line: int
    ) -> None:
        self._connector = connector
        self._timeout = timeout
        self._longest_line = longest_line
        self._whereto = ClientRequest("GET", base)  # never sent: a connector asks a request where it goes

    async def ask(self, method: str, target: str, headers: list[tuple[str, str]]) -> KeptAnswer:
        """Send a request once, and give the answer as soon as its headers are there.

        Args:
            method: one that needs no body.
            target: path and query, as they are to be sent.
            headers: likewise.

        Raises:
            Disconnected: the upstream closed the connection instead of answering, or spoke before it was asked.
            aiohttp.ClientError: it cannot be reached, or answers no HTTP.
            TimeoutError: no connection could be opened in time.
            ValueError: a header cannot be sent.
        """
        connection = await self._connector.connect(self._whereto, [], self._timeout)
        try:
            message, content = await self._exchange(connection, method, f"{method} {target} HTTP/1.1", headers)
        except (aiohttp.ClientOSError, aiohttp.ClientConnectionResetError, aiohttp.ServerDisconnectedError) as exc:
            connection.close()
            raise Disconnected("closed without an answer") from exc
        except HttpProcessingError as exc:
            connection.close()
            raise aiohttp.ClientPayloadError("no HTTP") from exc
        except BaseException:
            connection.close()
            raise
        return KeptAnswer(message, content, connection)

    async def _exchange(
        self, connection: Connection, method: str, line: str, headers: list[tuple[str, str]]
    ) -> tuple[RawResponseMessage, StreamReader]:
        protocol = connection.protocol
        if protocol is None or protocol.should_close:  # closed, or something came that was no answer to anybody
            raise Disconnected("not to be used again")
        protocol.set_response_params(
            skip_payload=method == "HEAD",
            read_until_eof=True,
            auto_decompress=False,
            max_line_size=self._longest_line,
            max_field_size=self._longest_line,
        )
        writer = StreamWriter(protocol, asyncio.get_running_loop())
        await writer.write_headers(line, CIMultiDict(headers))
        writer.set_eof()
        message, content = await protocol.read()
        while HTTPStatus.CONTINUE <= message.code < HTTPStatus.OK:  # RFC 9110 section 15.2: the answer is still to come
            if message.code == HTTPStatus.SWITCHING_PROTOCOLS:
                raise Switched("switched to a protocol that nobody asked for")
            message, content = await protocol.read()
        return message, content

    async def close(self) -> None:
        """Close them all."""
        await self._connector.close()
