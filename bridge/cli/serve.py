"""``bridge serve``: the service."""

import asyncio
import errno
import json
import os
import socket
from ipaddress import ip_address
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import typer
import uvicorn

from bridge.cli.doctor import examine
from bridge.cli.own_code import see_own_code
from bridge.errors import ConfigurationError, DatabaseUnreachable
from bridge.findings import Finding
from bridge.services.logs import Format, logging_config
from bridge.web.app import load_router
from bridge.web.settings import Settings

__all__ = ["serve"]

_UNBINDABLE: Final = {
    errno.EADDRINUSE: "End what does so already, or give another --port.",
    errno.EADDRNOTAVAIL: "Give as --host an address of this machine, or 0.0.0.0 for all that it has.",
    errno.EACCES: "Give a --port from 1024 on, or let this user listen on that one.",
}
_EVERYWHERE: Final = frozenset({"0.0.0.0", "::"})  # noqa: S104  # only compared


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for any.")] = 8001,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    endpoints: Annotated[
        list[str] | None,
        typer.Option(metavar="MODULE:ROUTER", help="A router of migrated endpoints; may be repeated."),
    ] = None,
    *,
    log_format: Annotated[Format, typer.Option(help="Log lines for people, or one JSON object each.")] = "text",
    access_log: Annotated[
        bool,
        typer.Option(
            "--access-log",
            help="Log every request. With BRIDGE_UPSTREAM, /metrics counts all but those of the bridge's own paths.",
        ),
    ] = False,
) -> None:
    """Serve the bridge. Settings come from BRIDGE_* in the environment or .env."""
    see_own_code()
    if endpoints:
        # Workers are fresh processes that know the environment alone.
        os.environ["BRIDGE_ENDPOINTS"] = json.dumps(endpoints)
    settings = Settings.load()
    for name in settings.endpoints:
        load_router(name)
    if settings.upstream is not None:
        _require_another(settings.upstream, host, port)
    _require_free(host, port)
    # The database is tried before anything listens.
    try:
        _say_how_rehashing_stands(settings, asyncio.run(examine(settings)))
    except DatabaseUnreachable as exc:
        if settings.upstream is None:
            raise
        typer.echo(f"bridge: {exc} Until it answers, all requests go to the site.", err=True)
    uvicorn.run(
        "bridge.web.app:app_from_environment",
        factory=True,
        http="bridge.web.server:BoundedHttp",
        host=host,
        port=port,
        workers=workers,
        proxy_headers=False,
        server_header=False,
        access_log=access_log,
        log_config=logging_config(log_format, access_log=access_log),
    )


def _require_free(host: str, port: int) -> None:
    """Refuse what cannot be listened on; uvicorn would find out when the service has begun."""
    try:
        places = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as exc:
        raise ConfigurationError(f"Nobody knows the host {host!r}", cure=_UNBINDABLE[errno.EADDRNOTAVAIL]) from exc
    for family, kind, protocol, _, address in places:
        try:
            with socket.socket(family, kind, protocol) as probe:
                _bind(probe, address)
        except OSError as exc:
            if exc.errno == errno.EAFNOSUPPORT:
                continue  # a kernel without IPv6; the event loop passes it over as well
            raise ConfigurationError(
                f"Nothing can listen on {host} port {port} ({exc.strerror})",
                cure=_UNBINDABLE.get(exc.errno or 0, "Give another --port or --host."),
            ) from exc


def _require_another(upstream: str, host: str, port: int) -> None:
    """Refuse a bridge that would pass each request on to itself, until no file descriptor is left."""
    theirs = _addresses(urlsplit(upstream).hostname, port) if upstream.startswith("http") else set()
    ours = _addresses(host or None, port)
    is_ours = theirs & ours or (ours & _EVERYWHERE and any(ip_address(each).is_loopback for each in theirs))
    if is_ours and urlsplit(upstream).port == port:
        raise ConfigurationError(
            "BRIDGE_UPSTREAM is the address that the bridge is to listen on",
            cure="Name the Django site's own there, or give another --port.",
        )


def _addresses(host: str | None, port: int) -> set[str]:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError):
        return set()  # what nobody can look up is told elsewhere
    return {str(address[0]).partition("%")[0] for *_, address in found}


def _bind(probe: socket.socket, address: Any) -> None:
    """Bind as the event loop does: what a bridge before this one has left may still wait for its end."""
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if probe.family == socket.AF_INET6:
        probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    probe.bind(address)


def _say_how_rehashing_stands(settings: Settings, found: tuple[Finding, ...]) -> None:
    for finding in found:
        typer.echo(f"bridge: {finding.message}. {finding.cure}", err=True)
    if not any(finding.blocking for finding in found):
        return
    if settings.rehash.mode == "on":
        typer.echo("bridge: BRIDGE_REHASH=on re-hashes all the same. This can lock users out of Django.", err=True)
    else:
        typer.echo("bridge: hashes are verified and not upgraded until then.", err=True)
