"""Puts the services together from settings, database and site profile."""

import logging
from dataclasses import dataclass
from typing import Final

from prometheus_client import CollectorRegistry

from bridge.errors import ConfigurationError
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.policy import PasswordPolicy
from bridge.passwords.pool import HashingPool
from bridge.passwords.decoy import decoy_value
from bridge.passwords.encoded import ALGORITHMS
from bridge.passwords.validation import PasswordRules
from bridge.profile import SimpleJwtProfile, SiteProfile, UserTable
from bridge.services.access import Access
from bridge.services.accounts import Accounts
from bridge.services.clock import Clock
from bridge.services.identity import Identity
from bridge.services.login import Login, Rehashing
from bridge.services.recording import Recorder
from bridge.services.reporting import Reporting
from bridge.store.activity import Activity
from bridge.store.census import Census
from bridge.store.database import Database
from bridge.store.revocations import Revocations
from bridge.store.users import Users
from bridge.tokens import TokenIssuer, TokenVerifier
from bridge.web.settings import Settings

__all__ = ["Bridge", "Foundation", "compose"]

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Foundation:
    """What lives as long as the process, whatever the site profile says."""

    settings: Settings
    database: Database
    pool: HashingPool
    recorder: Recorder
    registry: CollectorRegistry
    clock: Clock


@dataclass(frozen=True, slots=True)
class Bridge:
    """The running bridge: its use cases, as the site profile has them."""

    database: Database
    registry: CollectorRegistry
    profile: SiteProfile | None
    registration_open: bool
    login: Login
    access: Access
    identity: Identity
    accounts: Accounts
    reporting: Reporting


def compose(foundation: Foundation, profile: SiteProfile | None) -> Bridge:
    """Build every use case; cheap enough to do again when the site publishes a new profile."""
    settings, database, clock = foundation.settings, foundation.database, foundation.clock
    table = profile.user_table if profile else UserTable()
    users = Users(database, table, time_zone=profile.time_zone if profile else None)
    target = profile.argon2_parameters if profile else Argon2Parameters()
    policy = PasswordPolicy(target=target, accepted=profile.accepted_algorithms if profile else ALGORITHMS)
    rehashing = Rehashing(rollout=settings.rehash, profile_is_safe=profile is not None and profile.is_safe)
    issuer = TokenIssuer(
        key=settings.key(), issuer=settings.issuer, audience=settings.audience, lifetime=settings.access_lifetime
    )
    return Bridge(
        database=database,
        registry=foundation.registry,
        profile=profile,
        registration_open=settings.registration == "on",
        login=Login(
            database=database,
            users=users,
            policy=policy,
            pool=foundation.pool,
            rehashing=rehashing,
            recorder=foundation.recorder,
            clock=clock,
            decoy=decoy_value(target),
        ),
        access=Access(issuer=issuer, revocations=Revocations(database), clock=clock),
        identity=Identity(verifier=_verifier(settings, profile), users=users),
        accounts=Accounts(
            users=users,
            policy=policy,
            pool=foundation.pool,
            rules=_rules(profile),
            site_takes_argon2=rehashing.profile_is_safe or settings.rehash.mode == "on",
            clock=clock,
        ),
        reporting=Reporting(census=Census(database, table), activity=Activity(database), clock=clock),
    )


def _verifier(settings: Settings, profile: SiteProfile | None) -> TokenVerifier:
    site = (profile.simple_jwt if profile else None) or SimpleJwtProfile()
    return TokenVerifier(
        key=settings.key(),
        issuer=settings.issuer,
        audience=settings.audience,
        site_issuer=site.issuer,
        site_audience=site.audience,
    )


def _rules(profile: SiteProfile | None) -> PasswordRules | None:
    if profile is None:
        return None
    try:
        return PasswordRules(profile.validators)
    except ConfigurationError as exc:
        _logger.warning("%s", exc)
        return None
