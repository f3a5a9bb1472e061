"""Look-ups that wait at the same time, answered by one statement."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final, Generic, TypeVar

from bridge.errors import DatabaseError, DatabaseUnavailable, SchemaMissing

__all__ = ["Gathering"]

_AT_ONCE: Final = 2
_PATIENCE: Final = timedelta(milliseconds=5)

Asked = TypeVar("Asked")
Found = TypeVar("Found")


@dataclass(slots=True, eq=False)
class _Batch(Generic[Asked, Found]):
    """Look-ups that go together, and who waits for each."""

    waiting: list[tuple[Asked, "asyncio.Future[Found]"]] = field(default_factory=list)
    start: asyncio.Handle | None = None
    task: "asyncio.Task[None] | None" = None

    @property
    def is_left(self) -> bool:
        """Tell whether nobody waits for any of it any more."""
        return all(waiter.done() for _, waiter in self.waiting)


class Gathering(Generic[Asked, Found]):
    """Gathers look-ups until the event loop's next turn, and while others are under way, and reads them together.

    Whoever asks gets what was read after they asked: a read that is under way is never joined. One who leaves takes
    nothing from the others, and a read that all have left is cancelled. Where a read fails by what is looked up in it,
    each look-up is read once more by itself, so that it fails for no other.

    Args:
        read: gives what each of several look-ups finds, in their order.
        most: how many go together.
        at_once: how many reads are under way before others wait, for one of them to end.
        patience: how long they do, so that one that is stuck holds up nobody.
    """

    def __init__(
        self,
        read: Callable[[Sequence[Asked]], Awaitable[Sequence[Found]]],
        *,
        most: int,
        at_once: int = _AT_ONCE,
        patience: timedelta = _PATIENCE,
    ) -> None:
        self._read = read
        self._most = most
        self._at_once = at_once
        self._patience = patience.total_seconds()
        self._next: _Batch[Asked, Found] | None = None
        self._under_way = 0

    async def find(self, asked: Asked) -> Found:
        """Look something up.

        Raises:
            DatabaseError: it cannot be read; each who waits gets an error of their own.
        """
        batch = self._next
        if batch is None or len(batch.waiting) >= self._most:
            batch = self._open()
        waiter: asyncio.Future[Found] = asyncio.get_running_loop().create_future()
        batch.waiting.append((asked, waiter))
        try:
            return await waiter
        except asyncio.CancelledError:
            if batch.task is not None and batch.is_left:
                batch.task.cancel()
            raise

    def _open(self) -> _Batch[Asked, Found]:
        if self._next is not None:
            self._start(self._next)  # it is full
        batch = self._next = _Batch()
        loop = asyncio.get_running_loop()
        is_free = self._under_way < self._at_once
        batch.start = (
            loop.call_soon(self._start, batch) if is_free else loop.call_later(self._patience, self._start, batch)
        )
        return batch

    def _start(self, batch: _Batch[Asked, Found]) -> None:
        if batch is not self._next:
            return  # it has started
        self._next = None
        if batch.start is not None:
            batch.start.cancel()
        batch.waiting = [(asked, waiter) for asked, waiter in batch.waiting if not waiter.done()]
        if batch.waiting:
            self._under_way += 1
            batch.task = asyncio.create_task(self._answer(batch.waiting))
            batch.task.add_done_callback(self._go_on)

    def _go_on(self, ended: "asyncio.Task[None]") -> None:
        self._under_way -= 1
        if self._next is not None:
            ended.get_loop().call_soon(self._start, self._next)

    async def _answer(self, waiting: Sequence[tuple[Asked, "asyncio.Future[Found]"]]) -> None:
        try:
            found = await self._read([asked for asked, _ in waiting])
            for (_, waiter), each in zip(waiting, found, strict=True):
                if not waiter.done():
                    waiter.set_result(each)
        except DatabaseError as exc:
            if len(waiting) == 1 or isinstance(exc, DatabaseUnavailable | SchemaMissing):
                _fail(waiting, exc)
            else:
                for one in waiting:
                    await self._answer([one])
        except BaseException as exc:
            for _, waiter in waiting:
                waiter.cancel()
            if not isinstance(exc, asyncio.CancelledError):
                raise


def _fail(waiting: Sequence[tuple[object, "asyncio.Future[Found]"]], exc: DatabaseError) -> None:
    for _, waiter in waiting:
        if not waiter.done():
            own = type(exc)(*exc.args)
            own.__cause__ = exc
            waiter.set_exception(own)
