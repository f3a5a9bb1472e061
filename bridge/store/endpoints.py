"""The stages of endpoints that move, and the log of their changes (``bridge_endpoint_stage``, ``…_change``)."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Final, TypeVar

from bridge.cutover.stages import Stage, Standing
from bridge.errors import ConstraintViolated
from bridge.store.database import Database, Executor, Row
from bridge.store.moments import stored_moment

__all__ = ["LONGEST_ACTOR", "LONGEST_REASON", "Author", "Endpoints", "StoredChange", "StoredStanding"]

T = TypeVar("T")

LONGEST_ACTOR: Final = 255
LONGEST_REASON: Final = 1024

_TRIES: Final = 50
_PATIENCE: Final = timedelta(seconds=5)
_MILLISECOND: Final = timedelta(milliseconds=1)
_STAGES: Final = frozenset(Stage)

_SELECT: Final = "SELECT * FROM bridge_endpoint_stage"

_INSERT_CHANGE: Final = """
INSERT INTO bridge_endpoint_change
(version, operation, old_stage, old_share, stage, share, is_tripped, actor, reason, changed_at)
VALUES (:version, :operation, :old_stage, :old_share, :stage, :share, :is_tripped, :actor, :reason, :now)
"""

_UPSERT_STAGE: Final = """
INSERT INTO bridge_endpoint_stage (operation, stage, share, is_tripped, version, actor, reason, changed_at)
VALUES (:operation, :stage, :share, :is_tripped, :version, :actor, :reason, :now)
ON CONFLICT (operation) DO UPDATE SET stage = excluded.stage, share = excluded.share, version = excluded.version,
is_tripped = excluded.is_tripped, actor = excluded.actor, reason = excluded.reason, changed_at = excluded.changed_at
"""


@dataclass(frozen=True, slots=True)
class Author:
    """Who moves an operation, why, and when."""

    actor: str
    reason: str
    now: datetime


@dataclass(frozen=True, slots=True)
class StoredStanding:
    """An operation that was moved at least once.

    Attributes:
        operation: its shape.
        standing: what is in force; legacy where the stage is one that this version does not know.
        stage: its name as it is stored.
        share: likewise.
    """

    operation: str
    standing: Standing
    stage: str
    share: int
    actor: str
    reason: str
    changed_at: datetime

    @property
    def is_known(self) -> bool:
        """Tell whether this version knows the stage; a newer one may have written another."""
        return self.stage in _STAGES

    @property
    def can_go_back(self) -> bool:
        """Tell whether it is away from Django, and Django still has it."""
        return self.stage not in (Stage.LEGACY, Stage.RETIRED)


@dataclass(frozen=True, slots=True)
class StoredChange:
    """A line of the log; stages by their names as stored."""

    version: int
    operation: str
    old_stage: str
    old_share: int
    stage: str
    share: int
    is_tripped: bool
    actor: str
    reason: str
    changed_at: datetime


class Endpoints:
    """Reads and moves operations; each move is one transaction, with its line in the log.

    Args:
        database: where they are.
        patience: how long to wait for somebody else who is moving one.
    """

    def __init__(self, database: Database, *, patience: timedelta = _PATIENCE) -> None:
        self._database = database
        self._patience = patience

    async def all(self) -> tuple[StoredStanding, ...]:
        """Give every operation that was ever moved."""
        rows = await self._database.fetch_all(f"{_SELECT} ORDER BY operation")
        return tuple(_stored(row) for row in rows)

    async def of(self, operation: str) -> StoredStanding | None:
        """Give one operation; None if it was never moved."""
        return await _of(self._database, operation)

    async def history(self, operation: str | None = None, *, limit: int) -> tuple[StoredChange, ...]:
        """Give the last changes, the newest first; of one operation, or of all."""
        where = "" if operation is None else "WHERE operation = :operation"
        rows = await self._database.fetch_all(
            f"SELECT * FROM bridge_endpoint_change {where} ORDER BY version DESC LIMIT :limit",
            {"limit": limit} | ({} if operation is None else {"operation": operation}),
        )
        return tuple(_change(row) for row in rows)

    async def change(
        self, operation: str, *, expected_version: int | None, standing: Standing, author: Author
    ) -> int | None:
        """Move an operation.

        Args:
            operation: its shape.
            expected_version: that of the standing which is left; 0 for an operation that was never moved, None for
                whichever it is.
            standing: what shall be in force; its version is given here.
            author: who moves it, why and when.

        Returns:
            The version of the change; None if somebody else moved the operation before.
        """

        async def move(executor: Executor) -> int | None:
            latest = await _latest(executor)
            left = await _of(executor, operation)
            if expected_version is not None and expected_version != (left.standing.version if left else 0):
                return None
            moved = replace(standing, version=latest + 1)
            await _write(executor, operation, left=left, moved=moved, author=author)
            return moved.version

        return await self._alone(move)

    async def roll_back(
        self, operation: str | None = None, *, author: Author
    ) -> tuple[tuple[StoredStanding, Standing], ...]:
        """Give an operation, or all, back to Django, in one transaction; retired ones stay, Django has them no more.

        Returns:
            What each one moved has left, and what is in force since.
        """

        async def move(executor: Executor) -> tuple[tuple[StoredStanding, Standing], ...]:
            latest = await _latest(executor)
            rows = await executor.fetch_all(f"{_SELECT} ORDER BY operation")
            away = [each for each in map(_stored, rows) if each.can_go_back and operation in (None, each.operation)]
            moved = [(left, Standing(version=version)) for version, left in enumerate(away, start=latest + 1)]
            for left, standing in moved:
                await _write(executor, left.operation, left=left, moved=standing, author=author)
            return tuple(moved)

        return await self._alone(move)

    async def _alone(self, move: Callable[[Executor], Awaitable[T]]) -> T:
        """Run a move in a transaction; again if another has taken its version meanwhile, which shows at the log's key.

        ``move`` asks for the latest version before anything else: whatever is in force later than that has taken the
        next one.
        """
        tries_left = _TRIES
        while True:
            tries_left -= 1
            try:
                async with self._database.transaction() as executor:
                    if self._database.dialect == "postgresql":
                        # Whoever holds the next version must not hold up the operator for ever.
                        await executor.execute(f"SET LOCAL lock_timeout = {self._patience // _MILLISECOND}")
                    return await move(executor)
            except ConstraintViolated:
                if not tries_left:
                    raise


async def _latest(executor: Executor) -> int:
    row = await executor.fetch_one("SELECT MAX(version) AS latest FROM bridge_endpoint_change")
    latest: int | None = row["latest"] if row else None
    return latest or 0


async def _of(executor: Executor, operation: str) -> StoredStanding | None:
    row = await executor.fetch_one(f"{_SELECT} WHERE operation = :operation", {"operation": operation})
    return None if row is None else _stored(row)


async def _write(
    executor: Executor, operation: str, *, left: StoredStanding | None, moved: Standing, author: Author
) -> None:
    values = {
        "operation": operation,
        "stage": moved.stage.value,
        "share": moved.share,
        "is_tripped": moved.is_tripped,
        "version": moved.version,
        "actor": author.actor,
        "reason": author.reason,
        "now": author.now,
    }
    old_stage, old_share = (left.stage, left.share) if left else (Stage.LEGACY.value, 0)
    await executor.execute(_INSERT_CHANGE, {**values, "old_stage": old_stage, "old_share": old_share})
    await executor.execute(_UPSERT_STAGE, values)


def _stored(row: Row) -> StoredStanding:
    is_known = row["stage"] in _STAGES
    return StoredStanding(
        operation=row["operation"],
        standing=Standing(
            stage=Stage(row["stage"]) if is_known else Stage.LEGACY,
            share=row["share"] if is_known else 0,
            version=row["version"],
            is_tripped=bool(row["is_tripped"]),
        ),
        stage=row["stage"],
        share=row["share"],
        actor=row["actor"],
        reason=row["reason"],
        changed_at=stored_moment(row["changed_at"]),
    )


def _change(row: Row) -> StoredChange:
    values = {each.name: row[each.name] for each in fields(StoredChange)}
    return StoredChange(
        **values | {"is_tripped": bool(row["is_tripped"]), "changed_at": stored_moment(row["changed_at"])}
    )
