"""Which app answers on which endpoint: who may change it, and to what."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from bridge.cutover.inventory import Handler
from bridge.cutover.operations import Operation
from bridge.cutover.plan import Plan
from bridge.cutover.stages import Stage, Standing, share_text
from bridge.services.clock import Clock
from bridge.store.endpoints import LONGEST_ACTOR, LONGEST_REASON, Author, Endpoints, StoredStanding

__all__ = [
    "Move",
    "MoveRefused",
    "Moved",
    "Moving",
    "Refusal",
    "RolledBack",
    "Rules",
    "in_words",
]

_AUTOMATIC: Final = "bridge"


@dataclass(frozen=True, slots=True)
class Rules:
    """What an operation may be moved to.

    Attributes:
        plan: the stages that are allowed.
        file: where the plan was read; None without one.
        served: what the bridge has handlers for, by the shape.
    """

    plan: Plan = field(default_factory=Plan)
    file: str | None = None
    served: Mapping[str, Handler] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Move:
    """What somebody wants.

    Attributes:
        operation: what to move.
        standing: where to; its version does not matter.
        actor: who wants it.
        reason: why, in their words.
        rearm: whether an operation that was rolled back automatically may leave Django again.
        force: whether a retired one may come back.
        expected_version: of the standing that they have seen; None if they have not looked.
    """

    operation: Operation
    standing: Standing
    actor: str
    reason: str
    rearm: bool = False
    force: bool = False
    expected_version: int | None = None


@dataclass(frozen=True, slots=True)
class Moved:
    """What became of an operation; the old stage by its name, which a newer version may have written."""

    operation: str
    old_stage: str
    old_share: int
    standing: Standing


@dataclass(frozen=True, slots=True)
class RolledBack:
    """What became of a rollback.

    Attributes:
        moved: those that Django answers now.
        retired: those that stay, because Django could not answer.
    """

    moved: tuple[Moved, ...]
    retired: tuple[str, ...]


class Refusal(StrEnum):
    """Why an operation stays where it is."""

    VERSION_CONFLICT = "version_conflict"
    RETIRED = "retired"
    NO_HANDLER = "no_handler"
    STAGE_NOT_ALLOWED = "stage_not_allowed"
    TRIPPED = "tripped"
    NEVER_MOVED = "never_moved"


@dataclass(frozen=True, slots=True)
class MoveRefused:
    """Nothing was moved.

    Attributes:
        detail: why, and what to do about it, in words.
    """

    code: Refusal
    detail: str


class Moving:
    """Moves operations by the plan, and back whatever the plan says."""

    def __init__(self, *, endpoints: Endpoints, clock: Clock, rules: Rules) -> None:
        self._endpoints = endpoints
        self._clock = clock
        self._rules = rules

    async def set(self, move: Move, *, dry_run: bool = False) -> Moved | MoveRefused:
        """Bring an operation to a stage."""
        shape = move.operation.shape
        left = await self._endpoints.of(shape)
        refused = next(self._refusals(move, left), None)
        if refused is not None:
            return refused
        version, is_tripped = (left.standing.version, left.standing.is_tripped) if left else (0, False)
        standing = replace(move.standing, version=version, is_tripped=is_tripped and not move.rearm)
        if not dry_run:
            changed = await self._endpoints.change(
                shape, expected_version=version, standing=standing, author=self._author(move.actor, move.reason)
            )
            if changed is None:
                return _conflict(shape, await self._endpoints.of(shape))
            standing = replace(standing, version=changed)
        return Moved(shape, left.stage if left else Stage.LEGACY, left.share if left else 0, standing)

    async def rollback(
        self, operation: Operation | None, *, actor: str, reason: str, dry_run: bool = False
    ) -> RolledBack | MoveRefused:
        """Let Django answer, on an operation or on all; neither the plan nor a handler is asked."""
        shape = operation.shape if operation else None
        stored = [each for each in await self._endpoints.all() if shape in (None, each.operation)]
        if shape is not None and not stored:
            return MoveRefused(Refusal.NEVER_MOVED, f"{shape} was never moved: Django answers")
        if dry_run:
            moved = tuple((each, Standing(version=each.standing.version)) for each in stored)
            moved = tuple(each for each in moved if each[0].can_go_back)
        else:
            moved = await self._endpoints.roll_back(shape, author=self._author(actor, reason))
        return RolledBack(
            moved=tuple(Moved(left.operation, left.stage, left.share, standing) for left, standing in moved),
            retired=tuple(each.operation for each in stored if each.stage == Stage.RETIRED),
        )

    async def trip(self, shape: str, *, reason: str, expected_version: int) -> bool:
        """Roll back automatically; False if the operation has moved since ``expected_version``.

        Raises:
            DatabaseError: it could not be written.
        """
        changed = await self._endpoints.change(
            shape,
            expected_version=expected_version,
            standing=Standing(is_tripped=True),
            author=self._author(_AUTOMATIC, reason),
        )
        return changed is not None

    def _author(self, actor: str, reason: str) -> Author:
        return Author(actor[:LONGEST_ACTOR], reason[:LONGEST_REASON], self._clock())

    def _refusals(self, move: Move, left: StoredStanding | None) -> Iterator[MoveRefused]:
        operation, stage = move.operation, move.standing.stage
        seen = left.standing.version if left else 0
        if move.expected_version is not None and move.expected_version != seen:
            yield _conflict(operation.shape, left)
        if left and left.stage == Stage.RETIRED and not move.force:
            yield MoveRefused(
                Refusal.RETIRED,
                f"{operation} is retired: Django has it no more. Where it does have it, say so: "
                f"`bridge endpoints set --force` (there is no such word in the API)",
            )
        if stage is Stage.LEGACY:
            return
        if operation.shape not in self._rules.served:
            yield MoveRefused(
                Refusal.NO_HANDLER, f"no router of BRIDGE_ENDPOINTS serves {operation}; see `bridge endpoints list`"
            )
        allowed = self._rules.plan.of(operation.shape).allowed
        if stage not in allowed:
            yield MoveRefused(Refusal.STAGE_NOT_ALLOWED, self._not_allowed(operation, stage, allowed))
        if left and left.standing.is_tripped and not move.rearm:
            yield MoveRefused(
                Refusal.TRIPPED,
                f"{operation} was rolled back automatically ({left.reason}); "
                "once that is mended, arm it again with --rearm (rearm in the API)",
            )

    def _not_allowed(self, operation: Operation, stage: Stage, allowed: Collection[Stage]) -> str:
        stages = ", ".join(f'"{each}"' for each in Stage if each in {*allowed, stage})
        file = self._rules.file or "the file that BRIDGE_CUTOVER_FILE is to name"
        return (
            f"the plan does not allow {operation} to be {stage}. "
            f'In {file}, below [operations."{operation}"], write stages = [{stages}]'
        )


def _conflict(shape: str, now: StoredStanding | None) -> MoveRefused:
    if now is None:
        return MoveRefused(Refusal.VERSION_CONFLICT, f"{shape} was never moved; look again")
    standing = in_words(now.stage, now.share)
    return MoveRefused(
        Refusal.VERSION_CONFLICT,
        f"{shape} is {standing} by now (version {now.standing.version}, by {now.actor}); look again",
    )


def in_words(stage: str, share: int) -> str:
    """Write a stage with its share, as in ``canary 5%``."""
    shown = stage in (Stage.SHADOW, Stage.CANARY) or share
    return f"{stage} {share_text(share)}" if shown else stage
