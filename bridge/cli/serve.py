"""``bridge serve``: the service."""

import asyncio
import json
import os
import sys
from typing import Annotated

import typer
import uvicorn

from bridge.errors import ConfigurationError, DatabaseUnavailable
from bridge.profile import UNPUBLISHED, SiteProfile
from bridge.store.database import open_database
from bridge.web.app import load_router, site_profile
from bridge.web.settings import Settings

__all__ = ["serve"]


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8001,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 1,
    endpoints: Annotated[
        list[str] | None, typer.Option(metavar="MODULE:ROUTER", help="A router of migrated endpoints; may be repeated.")
    ] = None,
) -> None:
    """Serve the bridge. Settings come from BRIDGE_* in the environment or .env."""
    # Routers live in the team's own code: the working directory counts, as for uvicorn.
    sys.path.insert(0, "")
    if endpoints:
        # Workers are fresh processes that know the environment alone.
        os.environ["BRIDGE_ENDPOINTS"] = json.dumps(endpoints)
    settings = Settings.load()
    for name in settings.endpoints:
        load_router(name)
    _say_how_rehashing_stands(settings, asyncio.run(_reached_profile(settings)))
    uvicorn.run(
        "bridge.web.app:app_from_environment",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        proxy_headers=False,
        server_header=False,
    )


async def _reached_profile(settings: Settings) -> SiteProfile | None:
    """Try the database before anything listens."""
    try:
        database = await open_database(settings.database_url.get_secret_value())
    except DatabaseUnavailable as exc:
        raise ConfigurationError(
            f"The database cannot be reached ({exc})", cure="Check BRIDGE_DATABASE_URL, and that the server is up."
        ) from exc
    try:
        return await site_profile(database)
    finally:
        await database.close()


def _say_how_rehashing_stands(settings: Settings, profile: SiteProfile | None) -> None:
    findings = (UNPUBLISHED,) if profile is None else profile.findings()
    for found in findings:
        typer.echo(f"bridge: {found.message}. {found.cure}", err=True)
    if findings and settings.rehash.mode == "on":
        typer.echo("bridge: BRIDGE_REHASH=on re-hashes all the same. This can lock users out of Django.", err=True)
    elif findings:
        typer.echo("bridge: hashes are verified and not upgraded until then.", err=True)
