"""Which headers go on, either way, and what Django is told of the client that it does not see itself."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from http import HTTPStatus
from ipaddress import ip_address, ip_network
from typing import Final

from starlette.types import Scope

__all__ = ["Forwarding", "RawHeaders", "answer_headers"]

RawHeaders = Iterable[tuple[bytes, bytes]]

# RFC 9110 section 7.6.1, what announces the trailers that are not sent on, and what no header may be called (RFC 9112
# section 9.6).
_OF_THE_CONNECTION: Final = frozenset(
    (b"connection", b"close", b"keep-alive", b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade")
)
# What Connection must not take away: both servers would then read another request than was sent.
_NEVER_NAMED: Final = frozenset({b"host", b"content-length"})
# The server above has asked for the body itself by then, and Django's has no need to.
_ANSWERED_HERE: Final = frozenset({b"expect"})
# gunicorn believes several of the family from any proxy on its own machine, so that all of it is ours to say.
_FORWARDED_FAMILY: Final = b"x-forwarded-"
_FOR: Final = b"x-forwarded-for"
_ELEMENTS: Final = b"forwarded"
_FORWARDED: Final = frozenset({_ELEMENTS, b"x-real-ip"})
_HTTP_OF: Final[dict[str, str]] = {"ws": "http", "wss": "https"}
_DEFAULT_PORTS: Final = {"http": b"80", "https": b"443"}
_PEERS_REMEMBERED: Final = 4096


class Forwarding:
    """Makes the headers of a request that goes on.

    Args:
        trusted_proxies: addresses and networks whose word on the client is passed on; anybody else's is replaced.
        scheme_header: the site's SECURE_PROXY_SSL_HEADER, as in ``request.META``, and its secure value.
    """

    def __init__(self, *, trusted_proxies: Sequence[str], scheme_header: tuple[str, str] | None) -> None:
        self._trusted = tuple(ip_network(each) for each in trusted_proxies)
        self._is_trusted = lru_cache(_PEERS_REMEMBERED)(self._look_up)
        self.follow(scheme_header)

    def follow(self, scheme_header: tuple[str, str] | None) -> None:
        """Take up the site's SECURE_PROXY_SSL_HEADER as it is now."""
        self._scheme_name, self._secure_value = _as_sent(scheme_header) if scheme_header else (b"", b"")

    def request_headers(self, scope: Scope) -> list[tuple[bytes, bytes]]:
        """Give what goes on: what is between two ends, and who the client is."""
        headers: list[tuple[bytes, bytes]] = scope["headers"]
        left_out = _hop_by_hop(headers)
        passed_on: list[tuple[bytes, bytes]] = []
        said: list[tuple[bytes, bytes]] = []
        for name, value in headers:
            # WSGI cannot tell X_Forwarded_For from X-Forwarded-For; gunicorn and Django's server drop such names too.
            if b"_" in name:
                continue
            if self._tells_of_client(name):
                said.append((name, value))
            elif name not in left_out and name not in _ANSWERED_HERE:
                passed_on.append((name, value))
        return passed_on + self._about_client(scope, said)

    def is_secure(self, scope: Scope) -> bool:
        """Tell whether the client came by TLS, to this server or to a trusted proxy before it."""
        peer = _peer_of(scope)
        said = dict(scope["headers"]) if peer and self._is_trusted(peer) else {}
        scheme = said.get(b"x-forwarded-proto", scope["scheme"].encode())
        return scheme == b"https" or (bool(self._scheme_name) and said.get(self._scheme_name) == self._secure_value)

    def _tells_of_client(self, name: bytes) -> bool:
        return name.startswith(_FORWARDED_FAMILY) or name in _FORWARDED or name == self._scheme_name

    def _about_client(self, scope: Scope, said: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        peer = _peer_of(scope)
        if peer and self._is_trusted(peer):
            return _continued(said, peer)
        return self._made_anew(scope, peer)

    def _made_anew(self, scope: Scope, peer: str) -> list[tuple[bytes, bytes]]:
        seen: str = scope["scheme"]
        scheme = _HTTP_OF.get(seen, seen)
        host: bytes = next((value for name, value in scope["headers"] if name == b"host"), b"")
        made = {b"x-forwarded-proto": scheme.encode(), b"x-forwarded-port": _port(host, scheme)}
        if peer:
            made |= {b"x-forwarded-for": peer.encode(), b"x-real-ip": peer.encode()}
        if host:
            made[b"x-forwarded-host"] = host
        if self._scheme_name and self._scheme_name != b"x-forwarded-proto" and scheme == "https":
            made[self._scheme_name] = self._secure_value
        return list(made.items())

    def _look_up(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        return any(address in network for network in self._trusted)


def answer_headers(raw: RawHeaders, *, status: int) -> list[tuple[bytes, bytes]]:
    """Give the headers of an answer that go back: as they came, but for those of the connection, and Date.

    The server above says Date itself, and would wait for a body where a length is announced and none can follow.
    """
    headers = [(name.lower(), value) for name, value in raw]
    left_out = _hop_by_hop(headers)
    said_here: tuple[bytes, ...] = (b"date",)
    is_unchanged = status == HTTPStatus.NOT_MODIFIED
    if status == HTTPStatus.NO_CONTENT or (is_unchanged and (b"content-length", b"0") not in headers):
        said_here = (b"date", b"content-length")
    return [(name, value) for name, value in headers if name not in left_out and name not in said_here]


def _peer_of(scope: Scope) -> str:
    client: tuple[str, int] | None = scope.get("client")
    return client[0] if client else ""  # none over a socket file


def _hop_by_hop(headers: RawHeaders) -> frozenset[bytes]:
    """Name the headers that end with this connection: those that always do, and those that Connection names."""
    said = _values(headers, b"connection")
    if all(value.lower() in _OF_THE_CONNECTION for value in said):
        return _OF_THE_CONNECTION
    return _OF_THE_CONNECTION | ({part.strip().lower() for value in said for part in value.split(b",")} - _NEVER_NAMED)


def _continued(said: list[tuple[bytes, bytes]], peer: str) -> list[tuple[bytes, bytes]]:
    """Give a trusted proxy's word, with the proxy itself as the last that forwarded."""
    others = [(name, value) for name, value in said if name not in (_FOR, _ELEMENTS)]
    others.append((_FOR, b", ".join((*_values(said, _FOR), peer.encode()))))
    elements = _values(said, _ELEMENTS)
    if elements:
        others.append((_ELEMENTS, b", ".join((*elements, b"for=" + _node(peer)))))
    return others


def _values(headers: RawHeaders, wanted: bytes) -> list[bytes]:
    return [value for name, value in headers if name == wanted]


def _node(address: str) -> bytes:
    return (f'"[{address}]"' if ":" in address else address).encode()  # RFC 7239 section 6


def _port(host: bytes, scheme: str) -> bytes:
    _, colon, port = host.rpartition(b":")
    return port if colon and port.isdigit() else _DEFAULT_PORTS.get(scheme, b"80")


def _as_sent(scheme_header: tuple[str, str]) -> tuple[bytes, bytes]:
    name, value = scheme_header
    return name.removeprefix("HTTP_").replace("_", "-").lower().encode("ascii"), value.encode("latin-1")
