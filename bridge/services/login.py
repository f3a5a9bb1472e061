"""A password, a stored value, and what follows: the silent upgrade."""

import logging
import time
import unicodedata
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from bridge.errors import BridgeError, DatabaseError, HashingAbandoned, HashingUnavailable
from bridge.passwords.decoy import algorithm_and_cost, costliest_decoys, highest_costs, with_wraps
from bridge.passwords.policy import PasswordPolicy, Verification
from bridge.passwords.pool import HashingPool
from bridge.passwords.rollout import RehashRollout
from bridge.services.client import Client
from bridge.services.floor import Floor
from bridge.services.limiting import Admitted, Limited, Limits
from bridge.services.lockout import LockedOut, Lockout
from bridge.services.preconditions import Preconditions, Safety
from bridge.services.recording import Event, Recorder
from bridge.services.second_factors import SecondFactorRequired, SecondFactors
from bridge.services.upgrading import Replaced, Upgrading
from bridge.store.database import Database
from bridge.store.text import is_storable
from bridge.store.users import StoredUser, Users

__all__ = ["LoggedIn", "Login", "LoginRefused", "Rehashing"]

_logger: Final = logging.getLogger(__name__)
_NEWEST: Final = 100
_LONGEST_NAME: Final = 512


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
        limits: asked before that.
        floor: sees to it that a refusal takes as long whatever was checked.
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
        limits: Limits,
        floor: Floor,
        second_factors: SecondFactors,
        preconditions: Preconditions,
        recorder: Recorder,
        decoy: str,
    ) -> None:
        self._database = database
        self._users = users
        self._policy = policy
        self._pool = pool
        self._upgrading = upgrading
        self._rehashing = rehashing
        self._lockout = lockout
        self._limits = limits
        self._floor = floor
        self._second_factors = second_factors
        self._preconditions = preconditions
        self._recorder = recorder
        self._decoy = decoy

    async def attempt(
        self, *, username: str, password: str, client: Client, scope: Collection[str] = ()
    ) -> LoggedIn | LoginRefused | LockedOut | SecondFactorRequired:
        """Log a user in; ``scope`` is what is asked for, and kept until a second factor is given.

        Raises:
            HashingUnavailable: too many are logging in already, or the client hung up before its turn.
            DatabaseUnavailable: the user table, or what guards it, cannot be read.
        """
        arrived = time.perf_counter()
        name = normalised(username)
        admitted = await self._admit(name, client)
        if isinstance(admitted, LockedOut):
            return admitted
        try:
            user, verdict = await self._check(name, password, client)
        except BridgeError:
            await self._limits.forgive(admitted)
            raise
        if user is None or not (verdict.valid and user.is_active):
            await self._refuse(user, name=name, client=client)
            await self._floor.release(arrived)
            return LoginRefused()
        await self._limits.forgive(admitted)
        factors = await self._second_factors.of(user)
        if verdict.rehashed is not None:
            user = await self._upgrade(user, verdict.rehashed)
        if factors:
            return await self._second_factors.require(user, factors=factors, scope=scope)
        self._recorder.record(Event.LOGIN_SUCCEEDED, user_id=user.id, client=client)
        await self._lockout.succeeded(user.username, client)
        return LoggedIn(user)

    async def measure_floor(self, snapshot: Mapping[str, Any] | None) -> None:
        """Find out how long a refusal has to take: by the site's own argon2, and by what its user table holds.

        Nothing is measured while that shows nothing costlier than what was measured within the hour.

        Args:
            snapshot: the last one, which has counted what the table held; the users with the highest keys show what
                new ones have, and stand for all before there is one.

        Raises:
            DatabaseError: the user table cannot be read.
        """
        found = [algorithm_and_cost(user.encoded) for user in await self._users.newest(_NEWEST)]
        found += [(row["algorithm"], row["cost"]) for row in (snapshot["census"] if snapshot else ())]
        highest = with_wraps(highest_costs(found), listed=self._policy.listed)
        costs = dict[object, int](highest.items())
        costs[self._policy] = 0  # what another has measured says nothing of this one, which may accept more
        if self._floor.covers(costs):
            return
        others = (partial(self._policy.verify, "", value) for value in costliest_decoys(highest, argon2=self._decoy))
        await self._floor.measure([partial(self._policy.verify_decoy, "", self._decoy), *others], costs=costs)

    async def _admit(self, name: str, client: Client) -> Admitted | LockedOut:
        """Ask the limits, and then the site's lockout; neither locks users out of a device that they are known on."""
        admitted = await self._limits.login(name, client)
        account = self._limits.name(name)
        if isinstance(admitted, Limited):
            self._recorder.record(Event.LOGIN_LIMITED, account=account, reason=admitted.by, client=client)
            return LockedOut(admitted.retry_after)
        locked_out = await self._lockout.check(name, client, is_known=admitted.is_known)
        if locked_out is None:
            return admitted
        self._recorder.record(Event.LOGIN_LOCKED_OUT, account=account, client=client)
        return locked_out

    async def _check(self, name: str, password: str, client: Client) -> tuple[StoredUser | None, Verification]:
        """Look for the user and verify; the same steps, statements and time for everybody who is refused."""
        # HMAC pads with NULs, so that PBKDF2 takes `secret\0` for `secret`; Django's forms let no NUL through.
        user = await self._users.by_username(name) if is_storable(password) else None
        decoy = partial(self._policy.verify_decoy, password, self._decoy)
        try:
            await self._floor.measured(decoy)
            return user, await self._pool.run(
                decoy if user is None else self._work(user, password, decoy),
                slots=1 if user is None else self._policy.slots(user.encoded),
                hung_up=client.hung_up,
                lingers=partial(self._floor.remaining, may_pass=user is not None and user.is_active),
            )
        except HashingAbandoned:
            self._recorder.note(Event.LOGIN_ABANDONED, address=client.address)
            raise
        except HashingUnavailable:
            self._recorder.record(Event.LOGIN_WITHOUT_CAPACITY, user_id=user.id if user else None)
            raise

    def _work(self, user: StoredUser, password: str, decoy: Callable[[], Verification]) -> Callable[[], Verification]:
        if not self._policy.verifies(user.encoded):
            return decoy
        upgrade = user.is_active and self._rehashing.applies_to(user.id)
        check = self._policy.verify_and_update if upgrade else self._policy.verify
        return partial(check, password, user.encoded)

    async def _refuse(self, user: StoredUser | None, *, name: str, client: Client) -> None:
        await self._lockout.failed(name, client)
        self._recorder.record(
            Event.LOGIN_REFUSED,
            user_id=None if user is None else user.id,
            account=None if user is not None else self._limits.name(name),
            reason=self._reason(user),
            client=client,
        )

    def _reason(self, user: StoredUser | None) -> str:
        """Say to the log why nobody was logged in."""
        if user is None:
            return "unknown"
        if not user.is_active:
            return "inactive"
        return "wrong_password" if self._policy.verifies(user.encoded) else "no_usable_password"

    async def _upgrade(self, user: StoredUser, encoded: str) -> StoredUser:
        """Write the upgrade; give the user with the value that stands. Whatever becomes of it, they are logged in."""
        try:
            async with self._database.transaction() as transaction:
                outcome = await self._upgrading.replace(user, encoded, executor=transaction)
        except DatabaseError as exc:
            _logger.warning("upgrade of user %s not written: %s", user.id, type(exc).__name__)
            self._recorder.record(Event.UPGRADE_FAILED, user_id=user.id)
            return user
        await self._tell(outcome, user)
        return user if outcome is None else replace(user, encoded=encoded)

    async def _tell(self, outcome: Replaced | None, user: StoredUser) -> None:
        event = Event.UPGRADE_SUPERSEDED if outcome is None else Event.UPGRADE_WRITTEN
        self._recorder.record(event, user_id=user.id)
        if outcome is not None and outcome.was_upgraded_before:
            self._recorder.record(Event.UPGRADE_REVERTED, user_id=user.id)
            await self._recorder.flush()  # that it was, all replicas are to see at once
            await self._look_again()

    async def _look_again(self) -> None:
        try:
            await self._rehashing.safety.look(self._preconditions)
        except DatabaseError as exc:
            _logger.warning("preconditions not looked at: %s", type(exc).__name__)


def normalised(username: str) -> str:
    """Strip and NFKC-normalise a typed username (``django.contrib.auth.forms.UsernameField``).

    One that is longer than any stays as it is: to put many combining marks in order takes the square of their number.
    """
    stripped = username.strip()
    return unicodedata.normalize("NFKC", stripped) if len(stripped) <= _LONGEST_NAME else stripped
