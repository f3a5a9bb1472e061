"""What follows from the site profile and the settings alone; commands use it as well."""

from datetime import timedelta

from bridge.errors import ConfigurationError, SchemaMissing, WriteRefused
from bridge.profile import SessionProfile, SimpleJwtProfile, SiteProfile, UserTable
from bridge.services.clock import Clock
from bridge.services.preconditions import BridgeFacts, Preconditions
from bridge.services.reporting import Reporting
from bridge.services.upgrading import Upgrading
from bridge.store.activity import Activity
from bridge.store.census import UserCensus
from bridge.store.database import Database
from bridge.store.identities import Identities
from bridge.store.inspection import Inspection
from bridge.store.journal import Journal
from bridge.store.lineage import Lineage
from bridge.store.profile import Profiles
from bridge.store.site_privileges import site_privileges
from bridge.store.snapshots import Snapshots
from bridge.store.upgrades import Upgrades
from bridge.store.users import Users
from bridge.tokens import KeySet
from bridge.web.settings import Settings

__all__ = [
    "identities_of",
    "longest_unused",
    "preconditions_of",
    "reporting_of",
    "site_profile",
    "site_sessions",
    "upgrading_of",
    "users_of",
]


async def site_profile(database: Database) -> SiteProfile | None:
    """Read the site profile; None before the site's first.

    Raises:
        ConfigurationError: the bridge's tables are missing or of another version.
    """
    try:
        return await Profiles(database).latest()
    except SchemaMissing as exc:
        raise ConfigurationError(
            "The database has no bridge_* tables",
            cure="Run `python manage.py migrate` at the site, or `bridge migrate`.",
        ) from exc
    except WriteRefused as exc:
        raise ConfigurationError(
            "The database role may not read the bridge_* tables",
            cure="Run the GRANT statements that `bridge privileges` prints as the tables' owner.",
        ) from exc
    except (ValueError, KeyError, TypeError) as exc:
        raise ConfigurationError(
            "The site profile was written by another version of the bridge",
            cure="Install the same version in the site and run `python manage.py bridge_profile` there.",
        ) from exc


def users_of(database: Database, profile: SiteProfile | None) -> Users:
    """Build the access to the site's user table."""
    table = profile.user_table if profile else UserTable()
    return Users(database, table, time_zone=profile.time_zone if profile else None)


def identities_of(database: Database, profile: SiteProfile | None) -> Identities:
    """Build what reads who is asking."""
    table = profile.user_table if profile else UserTable()
    return Identities(database, table, time_zone=profile.time_zone if profile else None)


def reporting_of(database: Database, profile: SiteProfile | None, clock: Clock) -> Reporting:
    """Build what counts how far the upgrade is."""
    table = profile.user_table if profile else UserTable()
    return Reporting(
        census=UserCensus(database.unhurried(), table, time_zone=profile.time_zone if profile else None),
        activity=Activity(database),
        snapshots=Snapshots(database),
        listed=profile.accepted_algorithms if profile else None,
        clock=clock,
    )


def upgrading_of(settings: Settings, database: Database, profile: SiteProfile | None, clock: Clock) -> Upgrading:
    """Build what writes re-hashes, and takes them back."""
    return Upgrading(
        users=users_of(database, profile),
        lineage=Lineage(database),
        upgrades=Upgrades(),
        journal=Journal(database),
        secrets=settings.django_secrets,
        lineage_age=longest_unused(settings, profile),
        clock=clock,
        keeping=settings.journal_keeping(),
    )


def longest_unused(settings: Settings, profile: SiteProfile | None) -> timedelta:
    """Give how long a login may go without a sign of life: as sessions, and either app's refresh tokens, may."""
    simple_jwt = (profile.simple_jwt if profile else None) or SimpleJwtProfile()
    seconds = max(site_sessions(profile).cookie_age, simple_jwt.refresh_token_lifetime)
    return max(settings.grant_times.idle, timedelta(seconds=seconds))


def preconditions_of(
    settings: Settings, database: Database, profile: SiteProfile | None, clock: Clock, *, keys: KeySet
) -> Preconditions:
    """Build the look at what must hold before hashes are upgraded."""
    return Preconditions(
        profile=profile,
        facts=BridgeFacts(
            secret_keys=settings.django_secrets,
            algorithm=keys.algorithm,
            key_fingerprints=keys.fingerprints,
            issuer=settings.issuer,
            audience=settings.audience,
        ),
        inspection=_inspection(database, profile),
        activity=Activity(database),
        clock=clock,
    )


def _inspection(database: Database, profile: SiteProfile | None) -> Inspection:
    if profile is None:
        return Inspection(database, UserTable())
    return Inspection(database, profile.user_table, profile.sessions, also=tuple(site_privileges(profile)))


def site_sessions(profile: SiteProfile | None) -> SessionProfile:
    """Give what decides over the site's sessions; stock Django without a profile."""
    return profile.sessions if profile else SessionProfile()
