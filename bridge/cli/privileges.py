"""``bridge privileges``: the least rights in PostgreSQL."""

import asyncio
from typing import Annotated

import typer

from bridge.cli.opening import opened
from bridge.profile import SessionProfile, UserTable
from bridge.store.privileges import grant_statements, key_sequence
from bridge.web.app import site_profile
from bridge.web.settings import DatabaseSettings

__all__ = ["privileges"]


def privileges(
    role: Annotated[str, typer.Option(help="The service's database role.")] = "bridge",
    *,
    profile_updates: Annotated[bool, typer.Option(help="Also what PATCH /users/me/ needs.")] = False,
    registration: Annotated[bool, typer.Option(help="Also what POST /auth/register needs.")] = False,
) -> None:
    """Print the GRANT statements for the service's role, to be run as the tables' owner. Changes nothing.

    BRIDGE_DATABASE_URL must be the owner's here: the service's own role may not even read the site's profile yet.
    """
    url = DatabaseSettings.load().database_url.get_secret_value()
    table, sessions, sequence = asyncio.run(_tables(url))
    for statement in grant_statements(
        role,
        table,
        profile_updates=profile_updates,
        registration=registration,
        sessions=sessions,
        key_sequence=sequence,
    ):
        typer.echo(statement)


async def _tables(url: str) -> tuple[UserTable, SessionProfile, str | None]:
    async with opened(url) as database:
        profile = await site_profile(database)
        table = profile.user_table if profile else UserTable()
        sessions = profile.sessions if profile else SessionProfile()
        return table, sessions, await key_sequence(database, table)
