"""What a refresh token that comes back means (RFC 9700 section 4.14.2): its turn, a lost answer, or theft.

The bridge and the site decide by the same rules, each under a lock on the grant.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from bridge.tokens.claims import TOLERATED_SKEW

__all__ = ["Chain", "Turn", "turn_of"]


class Turn(Enum):
    """What to do."""

    ROTATE = "rotate"
    """It is the newest: the next one takes its place."""
    REPEAT = "repeat"
    """It was the newest a moment ago, and its successor was never used: the answer got lost, and is given again."""
    REUSED = "reused"
    """It was spent before: somebody holds a copy, and the whole grant ends."""


@dataclass(frozen=True, slots=True)
class Chain:
    """How far a grant's refresh tokens have come.

    Attributes:
        current: the newest one's ``jti``.
        previous: that of the one before; None at first.
        rotated_at: when the newest was issued.
        spent: those of the two and of the presented one that the site's blacklist names; None where it keeps none.
    """

    current: str
    previous: str | None
    rotated_at: datetime
    spent: Collection[str] | None = None


def turn_of(token_id: str, *, issued_at: datetime | None, chain: Chain, now: datetime, grace: timedelta) -> Turn:
    """Decide over a refresh token of a grant that is alive.

    Args:
        token_id: the presented one's ``jti``; its signature was verified, so that it is, or was, a member.
        issued_at: its ``iat``.
        chain: as read under the lock.
        now: the present moment.
        grace: how long after a rotation its answer may be asked for again.
    """
    spent = chain.spent or ()
    if token_id == chain.current:
        return Turn.REUSED if token_id in spent else Turn.ROTATE
    if token_id == chain.previous:
        # By another machine's clock, or before one was put back, it may seem to be rotated in a moment.
        is_of_now = -TOLERATED_SKEW <= now - chain.rotated_at <= grace
        is_lost_answer = is_of_now and chain.current not in spent
        return Turn.REPEAT if is_lost_answer else Turn.REUSED
    # A site with a blacklist may have rotated the newest by itself: its child is younger, and not spent.
    is_younger = issued_at is not None and issued_at >= chain.rotated_at.replace(microsecond=0)
    if chain.spent is not None and token_id not in spent and is_younger:
        return Turn.ROTATE
    return Turn.REUSED
