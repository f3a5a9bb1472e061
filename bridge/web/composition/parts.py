"""What several use cases are built from."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from bridge.errors import ConfigurationError
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.policy import PasswordPolicy
from bridge.passwords.pool import HashingPool
from bridge.profile import SimpleJwtProfile, SiteProfile
from bridge.services.clock import Clock
from bridge.services.ending import Ending
from bridge.services.endpoints import Rules
from bridge.services.floor import Floor
from bridge.services.identity import Identity
from bridge.services.keys import KeySource
from bridge.services.limiting import Limits
from bridge.services.lineage import Continuity
from bridge.services.lockout import Lockout
from bridge.services.preconditions import Preconditions, Safety
from bridge.services.recording import Recorder
from bridge.services.second_factors import SecondFactors
from bridge.services.sessions import SiteSessions
from bridge.services.stages import Stages
from bridge.services.token_pairs import TokenPairs
from bridge.store.blacklist import Blacklist
from bridge.store.database import Database
from bridge.store.endpoints import Endpoints
from bridge.store.grants import Grants
from bridge.store.identities import Identities
from bridge.store.lineage import Lineage
from bridge.store.revocations import Revocations
from bridge.store.sessions import Sessions
from bridge.store.users import Users
from bridge.tokens import KeySet, TokenIssuer, TokenVerifier
from bridge.web.composition.second_factors import lockout_of, second_factors_of
from bridge.web.composition.site import identities_of, preconditions_of, site_sessions, users_of
from bridge.web.settings import Settings

__all__ = ["Foundation", "Parts", "parts_of"]

_MOST_TOKENS: Final = 10_000
"""What is remembered of so many takes some ten megabytes."""


@dataclass(frozen=True, slots=True)
class Foundation:
    """What lives as long as the process, whatever the site profile says.

    Attributes:
        endpoints: on a connection of its own: a rollback has to get through when a slow handler holds all others.
    """

    settings: Settings
    database: Database
    pool: HashingPool
    recorder: Recorder
    registry: CollectorRegistry
    safety: Safety
    key_source: KeySource
    clock: Clock
    rules: Rules
    endpoints: Endpoints
    stages: Stages
    floor: Floor
    limits: Limits


@dataclass(frozen=True, slots=True)
class Parts:
    """What several use cases are built from."""

    users: Users
    identities: Identities
    lockout: Lockout
    second_factors: SecondFactors
    policy: PasswordPolicy
    preconditions: Preconditions
    grants: Grants
    blacklist: Blacklist | None
    continuity: Continuity
    pairs: TokenPairs
    verifier: TokenVerifier
    ending: Ending
    sessions: SiteSessions
    identity: Identity


def parts_of(foundation: Foundation, profile: SiteProfile | None, keys: KeySet, *, guards: Collection[str]) -> Parts:
    """Build them."""
    settings, database, clock = foundation.settings, foundation.database, foundation.clock
    users, identities, grants = users_of(database, profile), identities_of(database, profile), Grants(database)
    verifier = _verifier(settings, profile, keys, clock)
    keeps_blacklist = profile is not None and profile.simple_jwt is not None and profile.simple_jwt.keeps_blacklist
    blacklist = Blacklist(users) if keeps_blacklist else None
    continuity = Continuity(lineage=Lineage(database), secrets=settings.django_secrets, clock=clock)
    target = profile.argon2_parameters if profile else Argon2Parameters()
    sessions = _sessions(foundation, profile, identities=identities, continuity=continuity)
    lockout = lockout_of(database, users, profile, clock)
    return Parts(
        users=users,
        identities=identities,
        lockout=lockout,
        second_factors=second_factors_of(
            settings,
            database=database,
            users=users,
            profile=profile,
            continuity=continuity,
            lockout=lockout,
            recorder=foundation.recorder,
            clock=clock,
        ),
        policy=PasswordPolicy(target=target, accepted=profile.accepted_algorithms if profile else None),
        preconditions=preconditions_of(settings, database, profile, clock, keys=keys),
        grants=grants,
        blacklist=blacklist,
        continuity=continuity,
        pairs=_pairs(settings, keys, blacklist, clock, obstacle=_obstacle(profile, guards)),
        verifier=verifier,
        ending=Ending(
            database=database,
            users=users,
            grants=grants,
            revocations=Revocations(database),
            blacklist=blacklist,
            sessions=Sessions(database) if site_sessions(profile).in_table else None,
            verifier=verifier,
            clock=clock,
        ),
        sessions=sessions,
        identity=Identity(verifier=verifier, identities=identities, continuity=continuity, sessions=sessions),
    )


def _sessions(
    foundation: Foundation, profile: SiteProfile | None, *, identities: Identities, continuity: Continuity
) -> SiteSessions:
    return SiteSessions(
        profile=site_sessions(profile),
        secrets=foundation.settings.django_secrets,
        sessions=Sessions(foundation.database),
        identities=identities,
        continuity=continuity,
        clock=foundation.clock,
    )


def _verifier(settings: Settings, profile: SiteProfile | None, keys: KeySet, clock: Clock) -> TokenVerifier:
    site = (profile.simple_jwt if profile else None) or SimpleJwtProfile()
    return TokenVerifier(
        keys=keys,
        issuer=settings.issuer,
        audience=settings.audience,
        site_issuer=site.issuer,
        site_audience=site.audience,
        site_tokens=site.tokens_can_be_read,
        remembers=_MOST_TOKENS,
        clock=clock,
    )


def _pairs(
    settings: Settings,
    keys: KeySet,
    blacklist: Blacklist | None,
    clock: Clock,
    *,
    obstacle: ConfigurationError | None,
) -> TokenPairs:
    issuer = TokenIssuer(
        keys=keys, issuer=settings.issuer, audience=settings.audience, lifetime=settings.access_lifetime
    )
    return TokenPairs(issuer=issuer, blacklist=blacklist, times=settings.grant_times, clock=clock, obstacle=obstacle)


def _obstacle(profile: SiteProfile | None, guards: Collection[str]) -> ConfigurationError | None:
    """Say why no tokens may be issued: the site would take them for another's, or asks for what is not known here."""
    if profile is None and guards:
        return ConfigurationError(
            f"The site guards its logins ({', '.join(sorted(guards))}) and has not published its profile",
            cure="Run `python manage.py bridge_profile` at the site.",
        )
    if profile is not None and profile.simple_jwt is not None and not profile.simple_jwt.user_id_field_is_key:
        return ConfigurationError(
            "The site's SimpleJWT names users by another field than the primary key",
            cure="Set USER_ID_FIELD in SIMPLE_JWT to the primary key's name.",
        )
    return None
