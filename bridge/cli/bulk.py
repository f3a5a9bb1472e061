"""What commands that change many users share: when they may, whom they are about, what an interrupt leaves."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import timedelta

import typer

from bridge.errors import ConfigurationError
from bridge.findings import PROFILE_MISSING
from bridge.profile import SiteProfile
from bridge.services.clock import system_clock
from bridge.store.database import Database
from bridge.store.holders import Holders
from bridge.web.composition import preconditions_of, users_of
from bridge.web.settings import Settings

__all__ = ["holders_of", "require_among", "resumable", "safe_profile"]


@contextmanager
def resumable(again: str = "Run the same command again") -> Iterator[None]:
    """Say how work goes on that was interrupted between two steps."""
    try:
        yield
    except KeyboardInterrupt:
        typer.echo(f"bridge: Interrupted. {again}: it goes on with what is left.", err=True)
        raise


def require_among(known: Collection[str], *names: str) -> None:
    """Take the names of algorithms that a command knows.

    Raises:
        ConfigurationError: one is another.
    """
    for name in names:
        if name not in known:
            raise ConfigurationError(
                f"--algorithm {name} is not possible here", cure=f"Use {', '.join(sorted(known))}."
            )


async def safe_profile(settings: Settings, database: Database, profile: SiteProfile | None) -> SiteProfile:
    """Give the profile of a site whose hashes may be replaced.

    Raises:
        ConfigurationError: something makes that unsafe, and BRIDGE_REHASH is not ``on``; or there is no profile.
    """
    found = await preconditions_of(settings, database, profile, system_clock, keys=settings.keys()).findings()
    blocking = next((finding for finding in found if finding.blocking), None)
    if blocking is not None and settings.rehash.mode != "on":
        raise ConfigurationError(f"Replacing hashes would be unsafe: {blocking.message}", cure=blocking.cure)
    if profile is None:
        raise ConfigurationError(PROFILE_MISSING.message, cure=PROFILE_MISSING.cure)
    return profile


def holders_of(database: Database, profile: SiteProfile, *algorithms: str, dormant_days: int | None) -> Holders:
    """Give those who have values of some algorithms and were last seen so many days ago.

    Raises:
        ConfigurationError: the site does not keep when it last saw its users.
    """
    if dormant_days is not None and "last_login" not in profile.user_table.columns:
        raise ConfigurationError(
            "The user table has no last_login: nobody knows who is dormant", cure="Leave out --dormant-days."
        )
    away_since = None if dormant_days is None else system_clock() - timedelta(days=dormant_days)
    return Holders(users_of(database, profile), algorithms=algorithms, away_since=away_since)
