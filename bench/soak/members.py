"""Who the users are, and what is known of their passwords: certain, or one of two where a request was cut off."""

import base64
import json
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

__all__ = ["SETTLED", "Asked", "Member", "Population", "Tokens"]

SETTLED: Final = 30.0
"""So many seconds after a request was cut off no server is at it: waits for locks and connections end before."""


class Asked(Enum):
    """What became of a password that was asked for."""

    CONFIRMED = "confirmed"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a login gave; ``refresh`` is None where the bridge's database could not keep it."""

    access: str
    refresh: str | None = None
    since: float = field(default_factory=time.monotonic)

    @property
    def is_kept(self) -> bool:
        """Whether they name a login in the database; others are good until they expire, whatever the user does."""
        payload = self.access.split(".")[1]
        return "sid" in json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))


@dataclass(slots=True)
class Member:
    """A user, as their own client knows them; nobody else uses the account.

    Attributes:
        username: unlike anybody else's.
        password: that they would type first.
        earlier: that was theirs before a change whose outcome is unknown, and may still be.
        asked: every password that ever was asked for, and what came of it; the seeded one is confirmed.
        settled_at: when the outcome of the last unknown change can be found out (``time.monotonic``).
        mistakes: wrong passwords that were tried on purpose.
    """

    username: str
    password: str
    earlier: str | None = None
    asked: dict[str, Asked] = field(default_factory=dict)
    settled_at: float = 0.0
    mistakes: int = 0
    tokens: Tokens | None = None
    session: str | None = None

    def __post_init__(self) -> None:
        self.asked.setdefault(self.password, Asked.CONFIRMED)

    @property
    def is_certain(self) -> bool:
        """Whether only one password can be right."""
        return self.earlier is None

    def is_settled(self, now: float) -> bool:
        """Tell whether no server is at work on this account any more."""
        return now >= self.settled_at

    def forget_logins(self) -> None:
        """Drop what logins gave."""
        self.tokens = self.session = None

    def changed(self, password: str) -> None:
        """Note a password change that was confirmed."""
        self.asked[password] = Asked.CONFIRMED
        self.password, self.earlier = password, None
        self.forget_logins()

    def perhaps_changed(self, password: str) -> None:
        """Note a password change of which nobody knows whether it came about."""
        self.asked[password] = Asked.UNKNOWN
        self.password, self.earlier = password, self.password
        self.settled_at = time.monotonic() + SETTLED
        self.forget_logins()

    def turned_out(self, password: str) -> None:
        """Note which of the two it is."""
        self.password, self.earlier = password, None


class Population:
    """Hands members out, each to one client at a time, and those who never logged in a few at a time.

    Args:
        members: who has logged in before.
        newcomers: who never did, with a hash of old; they come evenly over the run.
        seconds: how long that is.
    """

    def __init__(self, members: list[Member], newcomers: list[Member], *, seconds: float, rng: random.Random) -> None:
        self.all = [*members, *newcomers]
        self._free = members[:]
        self._newcomers = newcomers[:]
        self._every = seconds / max(1, len(newcomers))
        self._began: float | None = None
        self._rng = rng
        self._came = 0

    def take(self) -> Member | None:
        """Give somebody whom no client has and no server is at work on; None where there is nobody."""
        now = time.monotonic()
        for _ in range(10):
            if not self._free:
                return None
            chosen = self._rng.randrange(len(self._free))
            if self._free[chosen].is_settled(now):
                self._free[chosen], self._free[-1] = self._free[-1], self._free[chosen]
                return self._free.pop()
        return None

    def give_back(self, member: Member) -> None:
        """Let others have them."""
        self._free.append(member)

    def newcomer(self) -> Member | None:
        """Give the next who is due since this was first asked; None where nobody is."""
        self._began = self._began or time.monotonic()
        due = (time.monotonic() - self._began) / self._every
        return self._next() if self._came < due else None

    def group(self, size: int) -> Iterator[Member]:
        """Give some at once, due or not."""
        for _ in range(size):
            if (member := self._next()) is not None:
                yield member

    def join(self, member: Member) -> None:
        """Take in somebody who has just registered."""
        self.all.append(member)
        self._free.append(member)

    def _next(self) -> Member | None:
        self._came += bool(self._newcomers)
        return self._newcomers.pop() if self._newcomers else None
