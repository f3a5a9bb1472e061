"""Whether the Django site can be reached, before any request is passed on to it."""

import asyncio
import socket
import ssl
from typing import Final

from yarl import URL

from bridge.web.proxy.opening import CONNECT_SECONDS, UpstreamAddress

__all__ = ["why_unreached"]

_REASONS: Final[tuple[tuple[type[Exception], str], ...]] = (
    (ssl.SSLCertVerificationError, "its certificate is not trusted here"),
    (ssl.SSLError, "no encrypted connection came about"),
    (socket.gaierror, "nobody knows its host"),
    (UnicodeError, "nobody knows its host"),
    (ConnectionRefusedError, "nobody listens there"),
    (FileNotFoundError, "there is no such file"),
    (PermissionError, "this user may not connect to it"),
    (TimeoutError, "nothing answers there in time"),
)


async def why_unreached(url: str) -> str | None:
    """Connect to the site, ask nothing, and give the reason where that fails; None where it does not.

    A site in this process is always reached: without it nothing starts.

    Args:
        url: as ``open_upstream`` takes it.

    Raises:
        ValueError: the URL is none of these.
    """
    address = UpstreamAddress.parse(url)
    if address.kind == "wsgi":
        return None
    try:
        # Sockets that block name the system's own error; the event loop sums up those of several addresses in a text.
        await asyncio.to_thread(_connect, address)
    except (OSError, UnicodeError) as exc:
        return next((reason for kind, reason in _REASONS if isinstance(exc, kind)), type(exc).__name__)
    return None


def _connect(address: UpstreamAddress) -> None:
    if address.kind == "unix":
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(CONNECT_SECONDS)
            connection.connect(address.place)
        return
    url = URL(address.place)
    with socket.create_connection((url.host or "", url.port or 0), timeout=CONNECT_SECONDS) as connection:
        if url.scheme == "https":
            ssl.create_default_context().wrap_socket(connection, server_hostname=url.host).close()
