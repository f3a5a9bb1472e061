"""What comes between a right password and a login, for users who have a second factor."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from bridge.errors import InvalidToken
from bridge.profile import AllauthMfaProfile
from bridge.second_factors.codes import MAXIMUM_LENGTH
from bridge.services.client import Client
from bridge.services.clock import Clock
from bridge.services.codes import Accepted, Codes, Trial
from bridge.services.lineage import Continuity
from bridge.services.lockout import Lockout
from bridge.services.recording import Event, Recorder
from bridge.services.sessions import SiteSession
from bridge.store.database import Database, Executor
from bridge.store.second_factors import CodeMemory, Factor, Remembered, SecondFactorOwners
from bridge.store.users import StoredUser, Users
from bridge.tokens import MfaClaims, MfaTokens

__all__ = [
    "CodeAccepted",
    "CodeRefused",
    "FailureLimit",
    "LoginExpired",
    "SecondFactorRequired",
    "SecondFactors",
    "TooManyCodes",
]


@dataclass(frozen=True, slots=True)
class SecondFactorRequired:
    """The password was theirs, and is not enough.

    Attributes:
        mfa_token: what to send back with a code; None where only the site can verify this user's factors.
    """

    mfa_token: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeAccepted:
    """The code was theirs; they are logged in.

    Attributes:
        scope: what was asked for with the password.
    """

    user: StoredUser
    scope: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CodeRefused:
    """No code of theirs, or one that was used."""


@dataclass(frozen=True, slots=True)
class TooManyCodes:
    """Too many wrong codes for this user; this one was not looked at."""

    retry_after: timedelta


@dataclass(frozen=True, slots=True)
class LoginExpired:
    """The mfa token is none, too old or used up by what has changed since: the password has to be given again."""


@dataclass(frozen=True, slots=True)
class FailureLimit:
    """How many wrong codes of one user are looked at within a time, whatever their devices allow."""

    failures: int
    within: timedelta

    @classmethod
    def of(cls, profile: AllauthMfaProfile | None) -> "FailureLimit":
        """Take allauth's, with its defaults where the site has other second factors."""
        profile = profile or AllauthMfaProfile()
        return cls(failures=profile.failures, within=timedelta(seconds=profile.failure_seconds))

    def open_from(self, seen: Remembered, *, now: datetime) -> datetime | None:
        """Say when the next code is looked at; None: now."""
        if seen.failing_since is None or seen.failures < self.failures or now >= seen.failing_since + self.within:
            return None
        return seen.failing_since + self.within

    def counted(self, seen: Remembered, *, now: datetime) -> tuple[int, datetime]:
        """Give the number of failures with one more, and since when they are counted."""
        if seen.failing_since is None or now >= seen.failing_since + self.within:
            return 1, now
        return seen.failures + 1, seen.failing_since


class SecondFactors:
    """Asks for codes and verifies them.

    Args:
        codes: the places where the site keeps second factors.
        verifiable: kinds of second factors whose codes can be verified here.
    """

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        owners: SecondFactorOwners,
        memory: CodeMemory,
        codes: Sequence[Codes],
        verifiable: frozenset[Factor],
        limit: FailureLimit,
        tokens: MfaTokens,
        continuity: Continuity,
        lockout: Lockout,
        recorder: Recorder,
        clock: Clock,
    ) -> None:
        self._database = database
        self._users = users
        self._owners = owners
        self._memory = memory
        self._codes = tuple(codes)
        self._verifiable = verifiable
        self._limit = limit
        self._tokens = tokens
        self._continuity = continuity
        self._lockout = lockout
        self._recorder = recorder
        self._clock = clock

    async def of(self, user: StoredUser, *, executor: Executor | None = None) -> frozenset[Factor]:
        """Give the kinds of second factor that this user must log in with one of; none: the password is enough.

        Raises:
            DatabaseError: the site's tables cannot be read. Nobody is let in unasked.
        """
        found = await self._owners.factors(user.id, executor=executor)
        # allauth asks nobody who has recovery codes and nothing to recover (`allauth.mfa.stages`).
        return frozenset() if found == {Factor.ALLAUTH_RECOVERY} else found

    async def is_outstanding(self, session: SiteSession) -> bool:
        """Tell whether a session of the site is of a user who has yet to give a second factor in it.

        allauth opens no session before; django-otp does, and notes in it when it is given.
        """
        if session.otp_device is not None and await self._owners.has_device(session.user.id, session.otp_device):
            return False
        return await self._owners.has_otp(session.user.id)

    async def require(
        self, user: StoredUser, *, factors: frozenset[Factor], scope: Collection[str]
    ) -> SecondFactorRequired:
        """Hold a login up until a code comes; the user is with the value that was verified, or what it became."""
        self._recorder.record(Event.SECOND_FACTOR_REQUIRED, user_id=user.id)
        if not factors & self._verifiable:
            return SecondFactorRequired(mfa_token=None)
        auth_hash = self._continuity.auth_hash(user.encoded)
        token = self._tokens.issue(user_id=user.id, auth_hash=auth_hash, scope=scope, now=self._clock())
        return SecondFactorRequired(mfa_token=token)

    async def verify(
        self, *, mfa_token: str, code: str, client: Client
    ) -> CodeAccepted | CodeRefused | TooManyCodes | LoginExpired:
        """Complete a login.

        Raises:
            DatabaseError: the code could not be looked at, or not be used up.
        """
        try:
            claims = self._tokens.verify(mfa_token, now=self._clock())
        except InvalidToken:
            return LoginExpired()
        user = await self._users.with_password(claims.user_id)
        if user is None or not (user.is_active and await self._is_still_of(claims, user)):
            return LoginExpired()
        if len(code) > MAXIMUM_LENGTH:
            return CodeRefused()
        async with self._database.transaction() as transaction:
            refused = await self._look(user, code, transaction)
        if refused is not None:
            self._recorder.record(Event.SECOND_FACTOR_REFUSED, user_id=user.id)
            return refused
        self._recorder.record(Event.LOGIN_SUCCEEDED, user_id=user.id, client=client)
        await self._lockout.succeeded(user.username, client)
        return CodeAccepted(user=user, scope=claims.scope)

    async def _is_still_of(self, claims: MfaClaims, user: StoredUser) -> bool:
        """Tell whether a user's password is the one that was verified; either app may have re-hashed it since."""
        return await self._continuity.holds(user.id, encoded=user.encoded, auth_hash=claims.auth_hash)

    async def _look(self, user: StoredUser, code: str, executor: Executor) -> CodeRefused | TooManyCodes | None:
        """Use a code up, and give None; else why it was refused."""
        now = self._clock()
        seen = await self._memory.hold(user.id, executor=executor)
        opens = self._limit.open_from(seen, now=now)
        if opens is not None:
            return _until(opens, now)
        trial = Trial(user_id=user.id, code=code, now=now, last_step=seen.last_step, executor=executor)
        tried = []
        for each in self._codes:
            outcome = await each.attempt(trial)
            if isinstance(outcome, Accepted):
                await self._memory.record_success(user.id, last_step=outcome.last_step, executor=executor)
                return None
            tried.append(outcome)
        waits = [each.allowed_from for each in tried if each.allowed_from is not None]
        if waits and not any(each.count for each in tried):
            return _until(min(waits), now)
        await self._refuse(trial, seen)
        return CodeRefused()

    async def _refuse(self, trial: Trial, seen: Remembered) -> None:
        for each in self._codes:
            await each.record_failure(trial)
        failures, since = self._limit.counted(seen, now=trial.now)
        await self._memory.record_failure(trial.user_id, failures=failures, since=since, executor=trial.executor)


def _until(moment: datetime, now: datetime) -> TooManyCodes:
    return TooManyCodes(timedelta(seconds=max(1, math.ceil((moment - now).total_seconds()))))
