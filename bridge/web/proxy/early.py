"""Answers that come before an upload's end, from an upstream that then closes on whoever is still sending.

A 413 for one: gunicorn's sync worker refuses by the headers alone. What it has not read then resets the connection, and
the next write fails; asyncio and uvloop drop the connection there and then, with the answer that has arrived unread.
"""

import asyncio
import os
import select
from collections.abc import Iterator
from typing import Final

from aiohttp.abc import AbstractStreamWriter

__all__ = ["hear_out", "write"]

_AT_ONCE: Final = 65_536


def hear_out(writer: AbstractStreamWriter) -> None:
    """Have a connection that fails tell first what has arrived on it; TLS hides that, see `write`."""
    transport = writer.transport
    if transport is None or _is_encrypted(transport):
        return
    protocol = transport.get_protocol()
    if isinstance(protocol, asyncio.Protocol):
        transport.set_protocol(_HearsOut(protocol, transport))


async def write(writer: AbstractStreamWriter, chunk: bytes) -> None:
    """Send a part of an upload.

    Raises:
        OSError: the connection has failed; what came on it before has been told.
    """
    if not chunk:
        return
    transport = writer.transport
    if transport is not None and _is_encrypted(transport) and _has_something_to_read(transport):
        # The event loop has to have its turn to read that first, and asyncio's own runs who waits already before.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    try:
        await writer.write(chunk)
    except OSError:
        await asyncio.sleep(0)  # the connection's end is told by the event loop, in its next turn
        raise


class _HearsOut(asyncio.Protocol):
    """Stands before a connection's protocol, and reads to the end what a failed connection still holds."""

    def __init__(self, protocol: asyncio.Protocol, transport: asyncio.BaseTransport) -> None:
        self._protocol = protocol
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        return self._protocol.eof_received()

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        if isinstance(exc, OSError):
            for part in _left_on(self._transport):
                self._protocol.data_received(part)
        self._protocol.connection_lost(exc)


def _left_on(transport: asyncio.BaseTransport) -> Iterator[bytes]:
    """Give what has arrived on a connection; Linux keeps it when the connection is reset."""
    connection = transport.get_extra_info("socket")
    if connection is None:
        return
    try:
        while part := os.read(connection.fileno(), _AT_ONCE):
            yield part
    except OSError:
        return  # nothing more has


def _is_encrypted(transport: asyncio.BaseTransport) -> bool:
    return transport.get_extra_info("ssl_object") is not None


def _has_something_to_read(transport: asyncio.BaseTransport) -> bool:
    """Tell whether the upstream has answered already, or closed."""
    connection = transport.get_extra_info("socket")
    if connection is None or connection.fileno() < 0:  # TLS lets go of it before it says so
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return bool(poll.poll(0))
