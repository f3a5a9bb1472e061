"""Everything that must hold before the first hash is upgraded, looked up in the profile and in what really runs."""

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from bridge import findings
from bridge.errors import DatabaseError
from bridge.findings import Finding, holding
from bridge.profile import BearerProfile, SimpleJwtProfile, SiteProfile, fingerprint
from bridge.services.clock import Clock
from bridge.services.recording import Event
from bridge.store.activity import Activity
from bridge.store.inspection import Inspection
from bridge.tokens.claims import TOLERATED_SKEW

__all__ = ["BridgeFacts", "Preconditions", "Safety"]

_logger: Final = logging.getLogger(__name__)
_FRESH: Final = timedelta(days=7)
_NAMES_CHECKED_EVERY: Final = timedelta(hours=1)
PING_PONG_LIMIT: Final = 5
"""Downgrades of upgraded values, today and yesterday, from which on automatic re-hashing stops."""


@dataclass(frozen=True, slots=True)
class BridgeFacts:
    """What the bridge runs with, as far as the site must agree.

    Attributes:
        secret_keys: BRIDGE_DJANGO_SECRET_KEY and its fallbacks.
        key_fingerprints: of all that the bridge's new tokens may be verified with.
    """

    secret_keys: tuple[str, ...]
    algorithm: str
    key_fingerprints: frozenset[str]
    issuer: str
    audience: str


class Preconditions:
    """Looks at a site and gives findings; an empty list is a safe site."""

    def __init__(
        self,
        *,
        profile: SiteProfile | None,
        facts: BridgeFacts,
        inspection: Inspection,
        activity: Activity,
        clock: Clock,
    ) -> None:
        self._profile = profile
        self._facts = facts
        self._inspection = inspection
        self._activity = activity
        self._clock = clock

    async def findings(self) -> tuple[Finding, ...]:
        """Look at everything but the usernames, which are a pass over the table.

        Raises:
            DatabaseError: the database cannot be asked.
        """
        return (*self._of_profile(), *[finding async for finding in self._of_database()])

    async def writing_findings(self) -> tuple[Finding, ...]:
        """Look whether the database takes anything; one that does not now may do so in a second.

        Raises:
            DatabaseError: the database cannot be asked.
        """
        return holding((await self._inspection.is_read_only(), findings.DATABASE_READ_ONLY))

    async def username_findings(self) -> tuple[Finding, ...] | None:
        """Look for usernames that more than one user might type, or nobody can; None where they cannot be read."""
        if not await self._inspection.has_table() or await self._inspection.missing_privileges():
            return None
        by_case = await self._inspection.usernames_differing_by_case()
        unnormalised = await self._inspection.usernames_not_normalised()
        return holding(
            (bool(by_case), findings.USERNAMES_DIFFER_BY_CASE.about(_listed(by_case))),
            (bool(unnormalised), findings.USERNAMES_NOT_NORMALISED.about(_listed(unnormalised))),
        )

    async def password_findings(self) -> tuple[Finding, ...]:
        """Look for stored values that the site cannot verify any more, which is a pass over the table as well.

        Raises:
            DatabaseError: the passwords cannot be read.
        """
        if self._profile is None:
            return ()
        stored = await self._inspection.wrapped_algorithms()
        unlisted = [name for name in stored if name not in self._profile.accepted_algorithms]
        return holding((bool(unlisted), findings.WRAPPED_UNLISTED.about(", ".join(unlisted))))

    def _of_profile(self) -> tuple[Finding, ...]:
        if self._profile is None:
            return (findings.PROFILE_MISSING,)
        is_stale = self._clock() - self._profile.published_at > _FRESH
        held = [fingerprint(key) for key in self._facts.secret_keys]
        lacks = set(self._profile.secret_key_fallback_fingerprints) - set(held)
        is_foreign = self._profile.secret_key_fingerprint != held[0] or bool(lacks)
        return (
            *holding((is_stale, findings.PROFILE_STALE)),
            *self._profile.findings(),
            *holding((is_foreign, findings.SECRET_KEY_DIFFERS)),
            *self._of_simple_jwt(self._profile.simple_jwt),
            *self._of_app(self._profile.bearer),
        )

    def _of_simple_jwt(self, site: SimpleJwtProfile | None) -> tuple[Finding, ...]:
        if site is None:
            return ()
        facts, fetches_keys = self._facts, site.key_fingerprint is None
        disagreements = {
            f"its ALGORITHM is {site.algorithm}": site.algorithm != facts.algorithm,
            "its JWK_URL has no key of the bridge, whose secret is shared": fetches_keys and facts.algorithm == "HS256",
            "its key is another": not fetches_keys and site.key_fingerprint not in facts.key_fingerprints,
            f"its ISSUER is {site.issuer!r}": site.issuer not in (None, facts.issuer),
            f"its AUDIENCE is {site.audience!r}": site.audience not in (None, facts.audience),
            f"its USER_ID_CLAIM is {site.user_id_claim!r}": site.user_id_claim != "user_id",
            "its USER_ID_FIELD is not the primary key": not site.user_id_field_is_key,
            f"its TOKEN_TYPE_CLAIM is {site.token_type_claim!r}": site.token_type_claim not in (None, "token_type"),
            f"its JTI_CLAIM is {site.jti_claim!r}": site.jti_claim not in (None, "jti"),
            "its AUTH_HEADER_TYPES lack Bearer": "Bearer" not in site.header_types,
        }
        found = _all_that_hold(disagreements)
        return holding(
            (bool(found), findings.SIMPLE_JWT_REJECTS.about(found)),
            (fetches_keys, findings.SIMPLE_JWT_REJECTS_ITS_OWN),
        )

    def _of_app(self, site: BearerProfile | None) -> tuple[Finding, ...]:
        if site is None:
            return (findings.PROFILE_OF_BEFORE,)
        if not site.algorithm:
            return (findings.APP_REJECTS.about("it has no key to verify them with"),)
        facts = self._facts
        is_foreign = site.key_fingerprints is not None and facts.key_fingerprints.isdisjoint(site.key_fingerprints)
        found = _all_that_hold(
            {
                f"its algorithm is {site.algorithm}": site.algorithm != facts.algorithm,
                "its key is another": site.algorithm == facts.algorithm and is_foreign,
                f"its ISSUER is {site.issuer!r}": site.issuer != facts.issuer,
                f"its AUDIENCE is {site.audience!r}": site.audience != facts.audience,
            }
        )
        return holding((bool(found), findings.APP_REJECTS.about(found)))

    async def _of_database(self) -> AsyncIterator[Finding]:
        if not await self._inspection.has_table():
            yield findings.USER_TABLE_DIFFERS
            return
        absent = await self._inspection.missing_tables()
        if absent:
            yield findings.TABLES_MISSING.about(", ".join(absent))
            return
        lacking = await self._inspection.missing_privileges()
        if lacking:
            yield findings.PRIVILEGES_MISSING.about(", ".join(f"{each.right} on {each.table}" for each in lacking))
            return  # what follows may not be readable
        skew = abs(await self._inspection.now() - self._clock())
        if skew > TOLERATED_SKEW:
            yield findings.CLOCK_SKEW.about(f"by {skew.total_seconds():.0f} s")
        reverted = await self._activity.since((self._clock() - timedelta(days=1)).date(), event=Event.UPGRADE_REVERTED)
        if reverted >= PING_PONG_LIMIT:
            yield findings.PING_PONG.about(f"{reverted} since yesterday")


def _all_that_hold(conditions: Mapping[str, bool]) -> str:
    return "; ".join(text for text, holds in conditions.items() if holds)


class Safety:
    """What was found last; lives as long as the process, while profiles come and go.

    Attributes:
        findings: of the last look.
    """

    def __init__(self, clock: Clock) -> None:
        self.findings: tuple[Finding, ...] = (findings.PROFILE_MISSING,)
        self._clock = clock
        self._looked_at: Preconditions | None = None
        self._of_usernames: tuple[Finding, ...] | None = None
        self._usernames_due: datetime | None = None

    @property
    def is_safe(self) -> bool:
        """Whether nothing stands in the way of re-hashing."""
        return not self.blocking

    @property
    def blocking(self) -> tuple[str, ...]:
        """The codes of what does."""
        return tuple(found.code for found in self.findings if found.blocking)

    async def look(self, preconditions: Preconditions) -> None:
        """Look again; at the usernames once an hour, and whenever the site is another.

        Raises:
            DatabaseError: the database cannot be asked, and what was found last stays in force.
        """
        found = await preconditions.findings()
        if preconditions is not self._looked_at:
            self._looked_at, self._of_usernames, self._usernames_due = preconditions, None, None
        due, now = self._usernames_due, self._clock()
        # Later than it can be due it is where the clock was put back.
        if due is None or not now < due <= now + _NAMES_CHECKED_EVERY:
            await self._look_at_usernames(preconditions)
        of_usernames = (findings.USERNAMES_UNCHECKED,) if self._of_usernames is None else self._of_usernames
        self.findings = (*found, *of_usernames)

    async def _look_at_usernames(self, preconditions: Preconditions) -> None:
        try:
            found = await preconditions.username_findings()
        except DatabaseError as exc:
            _logger.warning("usernames not looked at: %s", type(exc).__name__)
            self._usernames_due = self._clock() + _NAMES_CHECKED_EVERY
            return
        self._of_usernames = found
        if found is not None:
            self._usernames_due = self._clock() + _NAMES_CHECKED_EVERY

    def distrust(self, finding: Finding) -> None:
        """Hold that something is unsafe until the next look."""
        self.findings = (finding,)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names)
