"""``bridge privileges``: the least rights in PostgreSQL."""

import asyncio
from typing import Annotated

import typer

from bridge.cli.opening import opened
from bridge.profile import SessionProfile, UserTable
from bridge.store.privileges import grant_statements, key_sequence, key_sequences
from bridge.store.site_privileges import INSERTED, site_privileges
from bridge.web.composition import site_profile
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
    for statement in asyncio.run(_statements(url, role, profile_updates=profile_updates, registration=registration)):
        typer.echo(statement)


async def _statements(url: str, role: str, *, profile_updates: bool, registration: bool) -> list[str]:
    async with opened(url) as database:
        profile = await site_profile(database)
        table = profile.user_table if profile else UserTable()
        also = tuple(site_privileges(profile))
        inserted = {each.table for each in also if each.right == "INSERT"} & set(INSERTED)
        statements = grant_statements(
            role,
            table,
            profile_updates=profile_updates,
            registration=registration,
            sessions=profile.sessions if profile else SessionProfile(),
            key_sequence=await key_sequence(database, table),
            also=also,
            sequences=await key_sequences(database, sorted(inserted)),
        )
        return list(statements)
