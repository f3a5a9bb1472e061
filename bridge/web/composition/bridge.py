"""The running bridge: every use case, built from its parts."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import Final

from fastapi import FastAPI
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from bridge.cutover.inventory import LegacyEndpoint
from bridge.cutover.matching import LegacyTable
from bridge.errors import ConfigurationError, DatabaseUnavailable
from bridge.passwords.decoy import decoy_value
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.validation import PasswordRules
from bridge.profile import CsrfProfile, SiteProfile
from bridge.services.accounts import Accounts
from bridge.services.canary import Askers
from bridge.services.cutover_report import CutoverReporting
from bridge.services.devices import KnownDevices
from bridge.services.ending import Ending
from bridge.services.endpoints import Moving
from bridge.services.granting import Granting
from bridge.services.identity import Identity
from bridge.services.introspection import Introspection
from bridge.services.keys import Discovery
from bridge.services.limiting import Limits
from bridge.services.listing import Listing
from bridge.services.login import Login, Rehashing
from bridge.services.overview import Overviews
from bridge.services.permissions import Permissions
from bridge.services.preconditions import Preconditions, Safety
from bridge.services.recording import Recorder
from bridge.services.refreshing import Refreshing
from bridge.services.reporting import Reporting
from bridge.services.second_factors import SecondFactors
from bridge.services.stages import Stages
from bridge.sessions.csrf import CsrfRules
from bridge.store.activity import Activity
from bridge.store.database import Database
from bridge.store.snapshots import Snapshots
from bridge.tokens import KeySet
from bridge.web.composition.endpoints import cutover_reporting_of, listing_of
from bridge.web.composition.parts import Foundation, Parts, parts_of
from bridge.web.composition.site import reporting_of, site_sessions, upgrading_of
from bridge.web.form_tokens import FormTokens
from bridge.web.settings import Settings

__all__ = ["Bridge", "bridge_of", "compose"]

_logger: Final = logging.getLogger(__name__)


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
    recorder: Recorder
    limits: Limits
    devices: KnownDevices
    login: Login
    second_factors: SecondFactors
    granting: Granting
    refreshing: Refreshing
    ending: Ending
    identity: Identity
    session_cookie: str
    csrf_rules: CsrfRules
    introspection: Introspection
    permissions: Permissions
    accounts: Accounts
    reporting: Reporting
    askers: Askers
    legacy_operations: LegacyTable
    listing: Listing
    cutover_reporting: CutoverReporting
    overviews: Overviews
    form_tokens: FormTokens
    stages: Stages
    moving: Moving


def bridge_of(app: FastAPI) -> Bridge:
    """Give an app's running bridge; its parts follow the site profile, so ask anew in each request.

    Raises:
        DatabaseUnavailable: there is none yet, for the database has not answered since the app started.
    """
    found: Bridge | None = app.state.bridge
    if found is None:
        raise DatabaseUnavailable("it has not answered yet")
    return found


def compose(
    foundation: Foundation, profile: SiteProfile | None, keys: KeySet, *, guards: Collection[str] = ()
) -> Bridge:
    """Build every use case; cheap enough to do again when the site publishes a new profile, or keys come and go.

    Args:
        foundation: what lives as long as the process.
        profile: what the site told; None before its first.
        keys: what signs and verifies tokens.
        guards: tables of second factors or lockouts that were seen in the database of a site without a profile.
    """
    settings, database, clock = foundation.settings, foundation.database, foundation.clock
    parts = parts_of(foundation, profile, keys, guards=guards)
    # One of each: whoever asks while others wait, or after them, is given what they are.
    reporting = reporting_of(database, profile, clock)
    cutover_reporting = cutover_reporting_of(database, profile, foundation.rules, clock)
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
        recorder=foundation.recorder,
        limits=foundation.limits,
        devices=foundation.limits.devices,
        login=_login(foundation, profile, parts),
        second_factors=parts.second_factors,
        granting=_granting(database, parts),
        refreshing=_refreshing(foundation, parts, knows_site=profile is not None),
        ending=parts.ending,
        identity=parts.identity,
        session_cookie=site_sessions(profile).cookie_name,
        csrf_rules=_csrf_rules(profile.csrf if profile else CsrfProfile()),
        introspection=_introspection(foundation, parts),
        permissions=Permissions(parts.identities),
        accounts=_accounts(foundation, profile, parts),
        reporting=reporting,
        askers=Askers(parts.identity),
        legacy_operations=_legacy_table(profile.urls.endpoints if profile else ()),
        listing=listing_of(database, profile, foundation.rules.served.values(), clock, plan=foundation.rules.plan),
        cutover_reporting=cutover_reporting,
        overviews=_overviews(foundation, reporting, cutover_reporting),
        form_tokens=FormTokens(settings.django_secrets),
        stages=foundation.stages,
        moving=Moving(endpoints=foundation.endpoints, clock=clock, rules=foundation.rules),
    )


def _overviews(foundation: Foundation, reporting: Reporting, cutover: CutoverReporting) -> Overviews:
    return Overviews(
        reporting=reporting,
        snapshots=Snapshots(foundation.database),
        activity=Activity(foundation.database),
        cutover=cutover,
        recorder=foundation.recorder,
        clock=foundation.clock,
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
        limits=foundation.limits,
        floor=foundation.floor,
        second_factors=parts.second_factors,
        preconditions=parts.preconditions,
        recorder=foundation.recorder,
        decoy=decoy_value(profile.argon2_parameters if profile else Argon2Parameters()),
    )


def _granting(database: Database, parts: Parts) -> Granting:
    return Granting(
        database=database,
        users=parts.users,
        grants=parts.grants,
        sessions=parts.sessions,
        continuity=parts.continuity,
        pairs=parts.pairs,
        ending=parts.ending,
    )


def _refreshing(foundation: Foundation, parts: Parts, *, knows_site: bool) -> Refreshing:
    return Refreshing(
        database=foundation.database,
        users=parts.users,
        grants=parts.grants,
        blacklist=parts.blacklist,
        continuity=parts.continuity,
        second_factors=parts.second_factors,
        ending=parts.ending,
        verifier=parts.verifier,
        pairs=parts.pairs,
        recorder=foundation.recorder,
        grace=foundation.settings.grant_times.grace,
        clock=foundation.clock,
        knows_site=knows_site,
    )


def _introspection(foundation: Foundation, parts: Parts) -> Introspection:
    return Introspection(
        database=foundation.database,
        identity=parts.identity,
        users=parts.users,
        grants=parts.grants,
        blacklist=parts.blacklist,
        continuity=parts.continuity,
        verifier=parts.verifier,
        clock=foundation.clock,
    )


def _accounts(foundation: Foundation, profile: SiteProfile | None, parts: Parts) -> Accounts:
    settings = foundation.settings
    return Accounts(
        users=parts.users,
        policy=parts.policy,
        pool=foundation.pool,
        rules=_rules(settings, profile),
        site_takes_argon2=settings.rehash.mode == "on" or (profile is not None and profile.takes_argon2),
        clock=foundation.clock,
    )


@lru_cache(maxsize=1)
def _legacy_table(endpoints: tuple[LegacyEndpoint, ...]) -> LegacyTable:
    """Compile the site's paths, which takes a while and which most new profiles leave as they were."""
    return LegacyTable(endpoints)


def _csrf_rules(site: CsrfProfile) -> CsrfRules:
    return CsrfRules(**{each.name: getattr(site, each.name) for each in fields(CsrfRules)})


def _rules(settings: Settings, profile: SiteProfile | None) -> PasswordRules | None:
    if profile is None:
        return None
    try:
        return PasswordRules(profile.validators, allowed=settings.password_validators)
    except ConfigurationError as exc:
        _logger.warning("%s", exc)
        return None
