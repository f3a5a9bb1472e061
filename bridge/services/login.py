"""A password, a stored value, and what follows: the silent upgrade."""

import logging
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from bridge.errors import DatabaseError, HashingUnavailable
from bridge.passwords.policy import PasswordPolicy, Verification
from bridge.passwords.pool import HashingPool
from bridge.passwords.rollout import RehashRollout
from bridge.services.client import Client
from bridge.services.clock import Clock
from bridge.services.lockout import LockedOut, Lockout
from bridge.services.preconditions import Preconditions, Safety
from bridge.services.recording import Event, Recorder
from bridge.services.second_factors import SecondFactorRequired, SecondFactors
from bridge.services.upgrading import Replaced, Upgrading
from bridge.store.database import Database
from bridge.store.users import StoredUser, Users, is_storable

__all__ = ["LoggedIn", "Login", "LoginRefused", "Rehashing"]

_logger: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """The password was theirs.

    Attributes:
        user: as read before this login, but for the stored password, which is the one that stands now.
    """

    user: StoredUser


@dataclass(frozen=True, slots=True)
class LoginRefused:
    """No such account, or not its password, or not active: nobody outside learns which."""


@dataclass(frozen=True, slots=True)
class Rehashing:
    """Whether to upgrade at all.

    Attributes:
        rollout: what the operator wants.
        safety: what was found at the site last.
    """

    rollout: RehashRollout
    safety: Safety

    def applies_to(self, user_id: str) -> bool:
        """Tell whether this user's hash may be upgraded now."""
        return self.rollout.includes(user_id, is_safe=self.safety.is_safe)


class Login:
    """Verifies a password against the site's user table and upgrades the stored value.

    Args:
        decoy: a stored value that is nobody's, verified where there is no account.
        lockout: asked before a password is looked at, and told what came of it.
        second_factors: asked once a password was right.
        preconditions: looked at again as soon as an upgrade turns out to have been reverted.
    """

    def __init__(
        self,
        *,
        database: Database,
        users: Users,
        policy: PasswordPolicy,
        pool: HashingPool,
        upgrading: Upgrading,
        rehashing: Rehashing,
        lockout: Lockout,
        second_factors: SecondFactors,
        preconditions: Preconditions,
        recorder: Recorder,
        clock: Clock,
        decoy: str,
    ) -> None:
        self._database = database
        self._users = users
        self._policy = policy
        self._pool = pool
        self._upgrading = upgrading
        self._rehashing = rehashing
        self._lockout = lockout
        self._second_factors = second_factors
        self._preconditions = preconditions
        self._recorder = recorder
        self._clock = clock
        self._decoy = decoy

    async def attempt(
        self, *, username: str, password: str, client: Client, scope: Collection[str] = ()
    ) -> LoggedIn | LoginRefused | LockedOut | SecondFactorRequired:
        """Log a user in; ``scope`` is what is asked for, and kept until a second factor is given.

        Raises:
            HashingUnavailable: too many are logging in already.
            DatabaseUnavailable: the user table, or what guards it, cannot be read.
        """
        name = normalised(username)
        locked_out = await self._lockout.check(name, client)
        if locked_out is not None:
            await self._recorder.record(Event.LOGIN_LOCKED_OUT)
            return locked_out
        # HMAC pads with NULs, so that PBKDF2 takes `secret\0` for `secret`; Django's forms let no NUL through.
        user = await self._users.by_username(name) if is_storable(password) else None
        try:
            verdict = await self._verify(user, password)
        except HashingUnavailable:
            await self._recorder.record(Event.LOGIN_WITHOUT_CAPACITY)
            raise
        if user is None or not (verdict.valid and user.is_active):
            await self._lockout.failed(name, client)
            await self._recorder.record(Event.LOGIN_REFUSED, user_id=user.id if user else None)
            return LoginRefused()
        factors = await self._second_factors.of(user)
        upgraded = await self._settle(user, verdict, is_complete=not factors)
        if factors:
            return await self._second_factors.require(upgraded, factors=factors, scope=scope)
        await self._recorder.record(Event.LOGIN_SUCCEEDED, user_id=user.id)
        await self._lockout.succeeded(user.username, client)
        return LoggedIn(user=upgraded)

    async def _verify(self, user: StoredUser | None, password: str) -> Verification:
        if user is None or not self._policy.verifies(user.encoded):
            return await self._pool.run(partial(self._policy.verify_decoy, password, self._decoy))
        upgrade = user.is_active and self._rehashing.applies_to(user.id)
        check = self._policy.verify_and_update if upgrade else self._policy.verify
        return await self._pool.run(partial(check, password, user.encoded))

    async def _settle(self, user: StoredUser, verdict: Verification, *, is_complete: bool) -> StoredUser:
        """Write the upgrade and, once the login is complete, ``last_login``; give the user with the value that stands.

        Whatever the database says, the user is logged in.
        """
        outcome: Replaced | None = None
        try:
            async with self._database.transaction() as transaction:
                if verdict.rehashed is not None:
                    outcome = await self._upgrading.replace(user, verdict.rehashed, executor=transaction)
                if is_complete:
                    await self._users.record_login(user, now=self._clock(), executor=transaction)
        except DatabaseError as exc:
            _logger.warning("login of user %s not written: %s", user.id, type(exc).__name__)
            if verdict.rehashed is not None:
                await self._recorder.record(Event.UPGRADE_FAILED, user_id=user.id)
            return user
        if verdict.rehashed is not None:
            await self._tell(outcome, user)
        return user if outcome is None else replace(user, encoded=verdict.rehashed or user.encoded)

    async def _tell(self, outcome: Replaced | None, user: StoredUser) -> None:
        event = Event.UPGRADE_SUPERSEDED if outcome is None else Event.UPGRADE_WRITTEN
        await self._recorder.record(event, user_id=user.id)
        if outcome is not None and outcome.was_upgraded_before:
            await self._recorder.record(Event.UPGRADE_REVERTED, user_id=user.id)
            await self._look_again()

    async def _look_again(self) -> None:
        try:
            await self._rehashing.safety.look(self._preconditions)
        except DatabaseError as exc:
            _logger.warning("preconditions not looked at: %s", type(exc).__name__)


def normalised(username: str) -> str:
    """Strip and NFKC-normalise a typed username (``django.contrib.auth.forms.UsernameField``)."""
    return unicodedata.normalize("NFKC", username.strip())
