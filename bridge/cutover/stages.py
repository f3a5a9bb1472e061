"""The way of an operation from one app to the other, and which app answers on it."""

from dataclasses import dataclass
from decimal import Decimal, DecimalException
from enum import StrEnum
from typing import Final, Self

__all__ = ["NEVER_MOVED", "WHOLE", "Side", "Stage", "Standing", "basis_points", "share_text"]

WHOLE: Final = 10_000
"""Shares are counted in basis points: hundredths of a per cent."""


class Side(StrEnum):
    """An app that can answer."""

    LEGACY = "legacy"
    BRIDGE = "bridge"


class Stage(StrEnum):
    """How far an operation has moved, in order."""

    LEGACY = "legacy"  # Django answers
    SHADOW = "shadow"  # Django answers; of a share of the requests the new handler's answer is compared
    CANARY = "canary"  # the new handler answers a share of the users
    MIGRATED = "migrated"  # the new handler answers; of a share of the requests Django's answer is compared
    RETIRED = "retired"  # the new handler answers, and Django could not any more


@dataclass(frozen=True, slots=True)
class Standing:
    """The stage in force for an operation.

    Attributes:
        stage: how far it has moved.
        share: in basis points: of requests that are shadowed (``shadow``; ``migrated``, in reverse), or of users
            whom the new handler answers (``canary``); 0 for the others.
        version: of the change that brought it here; 0 for none.
        is_tripped: whether it was rolled back automatically, and waits to be re-armed by hand.
    """

    stage: Stage = Stage.LEGACY
    share: int = 0
    version: int = 0
    is_tripped: bool = False

    @classmethod
    def of(cls, stage: Stage, share: int | None = None) -> Self:
        """Give a stage with its share; without one the whole of a shadow, and none in reverse.

        Raises:
            ValueError: the stage takes no share, or a canary lacks one, or it is not between nothing and the whole.
        """
        if stage in (Stage.LEGACY, Stage.RETIRED) and share:
            raise ValueError(f"{stage} takes no share")
        if stage is Stage.CANARY and share is None:
            raise ValueError("a canary needs a share of the users, as in --share 5%")
        if share is not None and not 0 <= share <= WHOLE:
            raise ValueError("a share is between 0% and 100%")
        return cls(stage, (WHOLE if stage is Stage.SHADOW else 0) if share is None else share)

    def side(self, *, bucket: int | None, is_listed: bool = False) -> Side:
        """Say which app answers a request.

        Args:
            bucket: of whoever asks, below ``WHOLE`` (``bridge.cutover.buckets``); None if it is not known.
            is_listed: whether they are on the canary's allow-list.
        """
        if self.stage in (Stage.MIGRATED, Stage.RETIRED):
            return Side.BRIDGE
        if self.stage is Stage.CANARY and (is_listed or (bucket is not None and bucket < self.share)):
            return Side.BRIDGE
        return Side.LEGACY


NEVER_MOVED: Final = Standing()
"""What stands for an operation that no row is about: Django answers."""


def basis_points(text: str) -> int:
    """Read a share such as ``5%``, ``0.25%`` or ``100%``.

    Raises:
        ValueError: it is none.
    """
    try:
        share = Decimal(text[:20].strip().removesuffix("%")) * 100
    except DecimalException as exc:
        raise ValueError(f"{text[:20]!r} is no share; write it as in 5%") from exc
    if not share.is_finite() or not 0 <= share <= WHOLE or share != int(share):
        raise ValueError("a share is between 0% and 100%, in steps of 0.01%")
    return int(share)


def share_text(share: int) -> str:
    """Write basis points as per cent."""
    return f"{share / 100:g}%"
