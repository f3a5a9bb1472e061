"""Puts the services together from settings, database and site profile."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Final

from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from bridge.errors import ConfigurationError
from bridge.passwords.decoy import decoy_value
from bridge.passwords.encoded import ALGORITHMS
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.policy import PasswordPolicy
from bridge.passwords.pool import HashingPool
from bridge.passwords.validation import PasswordRules
from bridge.profile import CsrfProfile, SessionProfile, SimpleJwtProfile, SiteProfile, UserTable
from bridge.services.accounts import Accounts
from bridge.services.clock import Clock
from bridge.services.ending import Ending
from bridge.services.granting import Granting
from bridge.services.identity import Identity
from bridge.services.introspection import Introspection
from bridge.services.keys import Discovery, KeySource
from bridge.services.lineage import Continuity
from bridge.services.lockout import Lockout
from bridge.services.login import Login, Rehashing
from bridge.services.permissions import Permissions
from bridge.services.preconditions import BridgeFacts, Preconditions, Safety
from bridge.services.recording import Recorder
from bridge.services.reporting import Reporting
from bridge.services.second_factors import SecondFactors
from bridge.services.sessions import SiteSessions
from bridge.services.upgrading import Upgrading
from bridge.sessions.csrf import CsrfRules
from bridge.store.activity import Activity
from bridge.store.blacklist import Blacklist
from bridge.store.census import Census
from bridge.store.database import Database
from bridge.store.grants import Grants
from bridge.store.inspection import Inspection
from bridge.store.journal import Journal
from bridge.store.lineage import Lineage
from bridge.store.revocations import Revocations
from bridge.store.sessions import Sessions
from bridge.store.site_privileges import site_privileges
from bridge.store.upgrades import Upgrades
from bridge.store.users import Users
from bridge.tokens import KeySet, TokenIssuer, TokenVerifier
from bridge.web.second_factors import lockout_of, second_factors_of
from bridge.web.settings import Settings

__all__ = ["Bridge", "Foundation", "compose", "longest_idle", "preconditions_of", "upgrading_of", "users_of"]

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Foundation:
    """What lives as long as the process, whatever the site profile says."""

    settings: Settings
    database: Database
    pool: HashingPool
    recorder: Recorder
    registry: CollectorRegistry
    safety: Safety
    key_source: KeySource
    clock: Clock


@dataclass(frozen=True, slots=True)
class Bridge:
    """The running bridge: its use cases, as the site profile has them."""

    database: Database
    registry: CollectorRegistry
    profile: SiteProfile | None
    keys: KeySet
    discovery: Discovery
    preconditions: Preconditions
    safety: Safety
    registration_open: bool
    introspection_clients: Mapping[str, SecretStr]
    login: Login
    second_factors: SecondFactors
    granting: Granting
    ending: Ending
    identity: Identity
    session_cookie: str
    csrf_rules: CsrfRules
    introspection: Introspection
    permissions: Permissions
    accounts: Accounts
    reporting: Reporting


@dataclass(frozen=True, slots=True)
class Parts:
    """What several use cases are built from."""

    users: Users
    lockout: Lockout
    second_factors: SecondFactors
    policy: PasswordPolicy
    preconditions: Preconditions
    grants: Grants
    blacklist: Blacklist | None
    continuity: Continuity
    issuer: TokenIssuer
    verifier: TokenVerifier
    ending: Ending
    identity: Identity


def compose(foundation: Foundation, profile: SiteProfile | None, keys: KeySet) -> Bridge:
    """Build every use case; cheap enough to do again when the site publishes a new profile, or keys come and go."""
    settings, database, clock = foundation.settings, foundation.database, foundation.clock
    table = profile.user_table if profile else UserTable()
    parts = _parts(foundation, profile, keys)
    return Bridge(
        database=database,
        registry=foundation.registry,
        profile=profile,
        keys=keys,
        discovery=Discovery(keys=keys, issuer=settings.issuer, clock=clock),
        preconditions=parts.preconditions,
        safety=foundation.safety,
        registration_open=settings.registration == "on",
        introspection_clients=settings.introspection_clients,
        login=_login(foundation, profile, parts),
        second_factors=parts.second_factors,
        granting=_granting(foundation, profile, parts),
        ending=parts.ending,
        identity=parts.identity,
        session_cookie=_site_sessions(profile).cookie_name,
        csrf_rules=_csrf_rules(profile.csrf if profile else CsrfProfile()),
        introspection=Introspection(
            identity=parts.identity,
            users=parts.users,
            grants=parts.grants,
            blacklist=parts.blacklist,
            continuity=parts.continuity,
            verifier=parts.verifier,
            database=database,
            clock=clock,
        ),
        permissions=Permissions(parts.users),
        accounts=Accounts(
            users=parts.users,
            policy=parts.policy,
            pool=foundation.pool,
            rules=_rules(settings, profile),
            site_takes_argon2=settings.rehash.mode == "on" or (profile is not None and profile.takes_argon2),
            clock=clock,
        ),
        reporting=Reporting(census=Census(database, table), activity=Activity(database), clock=clock),
    )


def _parts(foundation: Foundation, profile: SiteProfile | None, keys: KeySet) -> Parts:
    settings, database, clock = foundation.settings, foundation.database, foundation.clock
    users, grants = users_of(database, profile), Grants(database)
    verifier = _verifier(settings, profile, keys, clock)
    keeps_blacklist = profile is not None and profile.simple_jwt is not None and profile.simple_jwt.keeps_blacklist
    blacklist = Blacklist(users) if keeps_blacklist else None
    continuity = Continuity(lineage=Lineage(database), secrets=settings.django_secrets, clock=clock)
    target = profile.argon2_parameters if profile else Argon2Parameters()
    lockout = lockout_of(database, users, profile, clock)
    return Parts(
        users=users,
        lockout=lockout,
        second_factors=second_factors_of(
            settings,
            database=database,
            users=users,
            profile=profile,
            lockout=lockout,
            recorder=foundation.recorder,
            clock=clock,
        ),
        policy=PasswordPolicy(target=target, accepted=profile.accepted_algorithms if profile else ALGORITHMS),
        preconditions=preconditions_of(settings, database, profile, clock, keys=keys),
        grants=grants,
        blacklist=blacklist,
        continuity=continuity,
        issuer=TokenIssuer(
            keys=keys,
            issuer=settings.issuer,
            audience=settings.audience,
            lifetime=settings.access_lifetime,
        ),
        verifier=verifier,
        ending=Ending(
            database=database,
            grants=grants,
            revocations=Revocations(database),
            blacklist=blacklist,
            sessions=_sessions_in(database, profile) if _site_sessions(profile).storage == "table" else None,
            verifier=verifier,
            clock=clock,
        ),
        identity=Identity(
            verifier=verifier,
            users=users,
            continuity=continuity,
            sessions=_sessions(foundation, profile, users=users, continuity=continuity),
        ),
    )


def _login(foundation: Foundation, profile: SiteProfile | None, parts: Parts) -> Login:
    settings, database, clock = foundation.settings, foundation.database, foundation.clock
    return Login(
        database=database,
        users=parts.users,
        policy=parts.policy,
        pool=foundation.pool,
        upgrading=upgrading_of(settings, database, profile, clock),
        rehashing=Rehashing(rollout=settings.rehash, safety=foundation.safety),
        lockout=parts.lockout,
        second_factors=parts.second_factors,
        preconditions=parts.preconditions,
        recorder=foundation.recorder,
        clock=clock,
        decoy=decoy_value(profile.argon2_parameters if profile else Argon2Parameters()),
    )


def _granting(foundation: Foundation, profile: SiteProfile | None, parts: Parts) -> Granting:
    return Granting(
        database=foundation.database,
        users=parts.users,
        grants=parts.grants,
        blacklist=parts.blacklist,
        continuity=parts.continuity,
        ending=parts.ending,
        issuer=parts.issuer,
        verifier=parts.verifier,
        recorder=foundation.recorder,
        times=foundation.settings.grant_times,
        clock=foundation.clock,
        site_misreads=_site_misreads(profile),
    )


def users_of(database: Database, profile: SiteProfile | None) -> Users:
    """Build the access to the site's user table."""
    table = profile.user_table if profile else UserTable()
    return Users(database, table, time_zone=profile.time_zone if profile else None)


def upgrading_of(settings: Settings, database: Database, profile: SiteProfile | None, clock: Clock) -> Upgrading:
    """Build what writes re-hashes, and takes them back."""
    sessions = _site_sessions(profile)
    return Upgrading(
        users=users_of(database, profile),
        lineage=Lineage(database),
        upgrades=Upgrades(),
        journal=Journal(database),
        secrets=settings.django_secrets,
        # What hangs on an old value: the site's sessions, and grants that are not refreshed.
        lineage_age=max(timedelta(seconds=sessions.cookie_age), longest_idle(settings, profile)),
        clock=clock,
        keeping=settings.journal_keeping(),
    )


def longest_idle(settings: Settings, profile: SiteProfile | None) -> timedelta:
    """Give how long a login may go without a refresh: as long as either app's refresh tokens live."""
    simple_jwt = (profile.simple_jwt if profile else None) or SimpleJwtProfile()
    return max(settings.grant_times.idle, timedelta(seconds=simple_jwt.refresh_token_lifetime))


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


def _sessions(
    foundation: Foundation, profile: SiteProfile | None, *, users: Users, continuity: Continuity
) -> SiteSessions:
    return SiteSessions(
        profile=_site_sessions(profile),
        secrets=foundation.settings.django_secrets,
        sessions=_sessions_in(foundation.database, profile),
        users=users,
        continuity=continuity,
        clock=foundation.clock,
    )


def _site_sessions(profile: SiteProfile | None) -> SessionProfile:
    return profile.sessions if profile else SessionProfile()


def _sessions_in(database: Database, profile: SiteProfile | None) -> Sessions:
    return Sessions(database, time_zone=profile.time_zone if profile else None)


def _csrf_rules(site: CsrfProfile) -> CsrfRules:
    return CsrfRules(**{each.name: getattr(site, each.name) for each in fields(CsrfRules)})


def _verifier(settings: Settings, profile: SiteProfile | None, keys: KeySet, clock: Clock) -> TokenVerifier:
    site = (profile.simple_jwt if profile else None) or SimpleJwtProfile()
    return TokenVerifier(
        keys=keys,
        issuer=settings.issuer,
        audience=settings.audience,
        site_issuer=site.issuer,
        site_audience=site.audience,
        site_tokens=site.tokens_can_be_read,
        clock=clock,
    )


def _site_misreads(profile: SiteProfile | None) -> bool:
    """Tell whether the site's API would take our `user_id`, a primary key, for another field's value."""
    return profile is not None and profile.simple_jwt is not None and not profile.simple_jwt.user_id_field_is_key


def _rules(settings: Settings, profile: SiteProfile | None) -> PasswordRules | None:
    if profile is None:
        return None
    try:
        return PasswordRules(profile.validators, allowed=settings.password_validators)
    except ConfigurationError as exc:
        _logger.warning("%s", exc)
        return None
