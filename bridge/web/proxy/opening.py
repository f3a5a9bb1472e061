"""BRIDGE_UPSTREAM, understood and opened."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, Self
from urllib.parse import urlsplit

import aiohttp
from starlette.types import ASGIApp, Receive, Scope, Send
from yarl import URL

from bridge.web.proxy.forwarding import Forwarding
from bridge.web.proxy.http import Connections, HttpProxy
from bridge.web.proxy.inprocess import InProcess, load_application
from bridge.web.proxy.kept import KeptConnections
from bridge.web.proxy.websocket import WebSocketProxy, keep_answer

__all__ = ["CONNECT_SECONDS", "Upstream", "UpstreamAddress", "open_upstream", "prepare_upstream"]

_TIMEOUT: Final = timedelta(seconds=60)

# gunicorn closes a connection that it kept for two seconds, unless told otherwise. No request may meet that moment.
_KEEP_ALIVE_SECONDS: Final = 1.0
# A server of the own network answers in milliseconds; this leaves room for a lost packet or two, which come again
# after one and three seconds.
CONNECT_SECONDS: Final = 5.0
# Of each kind: with the clients' own connections half of the thousand files that a process may open by default.
_CONNECTIONS: Final = 256
# Cookies and content security policies outgrow aiohttp's 8190 bytes. uvicorn takes 64 KiB of headers from a client.
_LONGEST_LINE: Final = 65_536
_AUTOMATIC_HEADERS: Final = ("Accept", "Accept-Encoding", "User-Agent", "Content-Type")


@dataclass(frozen=True, slots=True)
class UpstreamAddress:
    """Where the Django site is.

    Attributes:
        kind: reached over the network, over a socket file, or in this process.
        place: its URL, without a path; the file; ``module:application``.
    """

    kind: Literal["http", "unix", "wsgi"]
    place: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``http(s)://host[:port]``, ``unix:/path`` or ``wsgi:module:application``.

        Raises:
            ValueError: it is none of these. The message repeats nothing: it may hold a password.
        """
        kind, _, rest = text.partition(":")
        if kind in ("http", "https"):
            return cls("http", _base_of(text))
        if kind == "unix" and rest.startswith("/"):
            return cls("unix", rest)
        if kind == "wsgi" and _names_application(rest):
            return cls("wsgi", rest)
        raise ValueError("it is neither http://host:port, unix:/path nor wsgi:module:application")


class Upstream:
    """The Django site, as an ASGI app for HTTP and WebSockets; see ``open_upstream``.

    Attributes:
        forwarding: what the site is told of clients.
    """

    def __init__(
        self, *, http: ASGIApp, websocket: ASGIApp, forwarding: Forwarding, close: Callable[[], Awaitable[None]]
    ) -> None:
        self.forwarding = forwarding
        self._http = http
        self._websocket = websocket
        self._close = close

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have the site answer."""
        answering = self._websocket if scope["type"] == "websocket" else self._http
        await answering(scope, receive, send)

    async def close(self) -> None:
        """Close its connections, or end its threads."""
        await self._close()


def prepare_upstream(url: str) -> None:
    """Import a site that is to run in this process, which starts it up; there is nothing to do for the others.

    Outside of any event loop, which Django's start-up may not run in, and before anything else asks for its settings.

    Raises:
        ValueError: the URL is none that ``open_upstream`` takes.
        ConfigurationError: there is no such application, or the site does not start.
    """
    address = UpstreamAddress.parse(url)
    if address.kind == "wsgi":
        load_application(address.place)


async def open_upstream(
    url: str,
    *,
    trusted_proxies: Sequence[str] = (),
    timeout: timedelta = _TIMEOUT,  # noqa: ASYNC109  # not of this call
) -> Upstream:
    """Open the Django site that BRIDGE_UPSTREAM names. Nothing is asked of it yet.

    Args:
        url: ``http(s)://host[:port]``, ``unix:/path`` or ``wsgi:module:application``.
        trusted_proxies: whose X-Forwarded-* is passed on; anybody else's is replaced.
        timeout: how long the site may say nothing, before an answer and within one.

    Raises:
        ValueError: the URL is none of these.
        ConfigurationError: there is no such application.
    """
    address = UpstreamAddress.parse(url)
    forwarding = Forwarding(trusted_proxies=trusted_proxies, scheme_header=None)  # the site's profile has it
    if address.kind == "wsgi":
        mounted = InProcess.load(address.place, forwarding=forwarding, timeout=timeout)
        return Upstream(http=mounted, websocket=mounted.refuse, forwarding=forwarding, close=mounted.close)
    base = URL(address.place if address.kind == "http" else "http://localhost")
    opening = _opening(timeout)
    kept = KeptConnections(base, connector=_connector(address, keeps=True), timeout=opening, longest_line=_LONGEST_LINE)
    connections = Connections(kept=kept, fresh=_session(address, opening))
    sockets = _session(address, opening, middlewares=(keep_answer,))

    async def close() -> None:
        await connections.close()
        await sockets.close()

    return Upstream(
        http=HttpProxy(base, connections=connections, forwarding=forwarding, timeout=timeout),
        websocket=WebSocketProxy(base, session=sockets, forwarding=forwarding, timeout=timeout),
        forwarding=forwarding,
        close=close,
    )


def _opening(timeout: timedelta) -> aiohttp.ClientTimeout:
    """Bound how long a connection may take to open.

    The proxies bound every other wait themselves: a timer of aiohttp's own, for each request, would do so twice.
    """
    return aiohttp.ClientTimeout(total=None, sock_connect=min(timeout.total_seconds(), CONNECT_SECONDS))


def _connector(address: UpstreamAddress, *, keeps: bool) -> aiohttp.BaseConnector:
    keep_alive = _KEEP_ALIVE_SECONDS if keeps else None
    if address.kind == "unix":
        return aiohttp.UnixConnector(
            address.place, limit=_CONNECTIONS, force_close=not keeps, keepalive_timeout=keep_alive
        )
    return aiohttp.TCPConnector(limit=_CONNECTIONS, force_close=not keeps, keepalive_timeout=keep_alive)


def _session(
    address: UpstreamAddress,
    opening: aiohttp.ClientTimeout,
    *,
    middlewares: Sequence[aiohttp.ClientMiddlewareType] = (),
) -> aiohttp.ClientSession:
    """Open a session that adds nothing, keeps no connection, remembers nothing and follows nothing."""
    return aiohttp.ClientSession(
        connector=_connector(address, keeps=False),
        timeout=opening,
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=_AUTOMATIC_HEADERS,
        auto_decompress=False,
        max_line_size=_LONGEST_LINE,
        max_field_size=_LONGEST_LINE,
        middlewares=middlewares,
    )


def _base_of(text: str) -> str:
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        raise ValueError("it has a port that is no number from 1 to 65535") from None
    if not parts.hostname or port == 0:
        raise ValueError("it names no host, or no port that there is")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it has a user or a password, which Django would never see")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ValueError("it has a path or a query; requests go on with their own")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}" + (f":{port}" if port else "")


def _names_application(rest: str) -> bool:
    module, colon, attribute = rest.partition(":")
    return bool(colon) and all(part.isidentifier() for part in (*module.split("."), *attribute.split(".")))
