"""The only place that spends hashing CPU and memory: bounded, off the event loop, at low priority."""

import asyncio
import os
import threading
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final, TypeVar

from bridge.errors import HashingAbandoned, HashingUnavailable

__all__ = ["HashingPool"]

T = TypeVar("T")

_LOWEST_PRIORITY: Final = 19


class HashingPool:
    """Runs hashing work on few threads, with a bounded queue in front of them.

    Args:
        workers: threads, and so slots; each hash uses one core, and holds its algorithm's memory (100 MiB for Django's
            argon2).
        queue_limit: how many more may wait.
        deadline: how long one may wait for its turn.
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        queue_limit: int = 64,
        deadline: timedelta = timedelta(seconds=10),
    ) -> None:
        self.workers = workers or _cores()
        self._queue_limit = queue_limit
        self._deadline = deadline
        self._waiting = 0
        self._free = asyncio.Semaphore(self.workers)
        self._turn = asyncio.Lock()
        self._threads = ThreadPoolExecutor(self.workers, "hashing", initializer=_yield_to_the_event_loop)

    async def run(
        self,
        work: Callable[[], T],
        *,
        slots: int = 1,
        hung_up: Callable[[], Awaitable[object]] | None = None,
        lingers: Callable[[T, float], float] | None = None,
    ) -> T:
        """Do ``work`` on a hashing thread.

        Cancelling before its turn means that it is never done; its slots are free again only once it really ends.

        Args:
            work: one hash, or several of which each has let go of its memory before the next.
            slots: what it takes of the pool; what takes more than there are takes all.
            hung_up: asked only of work that has to wait; it returns when nobody wants the result any more.
            lingers: given the result, and how many seconds it took since its turn came, says how many seconds longer
                the slots are taken, and the result is kept back.

        Raises:
            HashingAbandoned: whoever wanted the result left before a slot was free.
            HashingUnavailable: the queue is full, or the deadline passed before a slot was free.
        """
        taken = min(slots, self.workers)
        await self._wait_for_turn(taken, hung_up)
        return await asyncio.shield(self._occupy(taken, work, lingers))

    async def close(self) -> None:
        """Finish what runs; afterwards nothing more is accepted."""
        await asyncio.to_thread(self._threads.shutdown, wait=True)

    async def _occupy(self, taken: int, work: Callable[[], T], lingers: Callable[[T, float], float] | None) -> T:
        """Do the work, whether or not anybody still waits for it."""
        began = time.perf_counter()
        try:
            result = await asyncio.wrap_future(self._threads.submit(work))
            # Here and not on the thread: a timer of the event loop is as late after any work, and late by little.
            if lingers is not None and (seconds := lingers(result, time.perf_counter() - began)) > 0:
                await asyncio.sleep(seconds)
        finally:
            self._give_back(taken)
        return result

    async def _wait_for_turn(self, slots: int, hung_up: Callable[[], Awaitable[object]] | None) -> None:
        must_wait = self._turn.locked() or self._free.locked()
        if must_wait and self._waiting >= self._queue_limit:
            raise HashingUnavailable(retry_after=self._deadline)
        watching: asyncio.Task[None] | None = None
        self._waiting += 1
        try:
            async with asyncio.timeout(self._deadline.total_seconds()) as until:
                if must_wait and hung_up is not None:
                    watching = asyncio.create_task(_end_with(hung_up, until))
                await self._take(slots)
        except TimeoutError as exc:
            has_left = watching is not None and watching.done()
            raise (HashingAbandoned if has_left else HashingUnavailable)(retry_after=self._deadline) from exc
        finally:
            self._waiting -= 1
            if watching is not None:
                watching.cancel()

    async def _take(self, slots: int) -> None:
        """Gather slots; one at a time does, so that nobody waits for somebody who waits for them."""
        taken = 0
        try:
            async with self._turn:
                while taken < slots:
                    await self._free.acquire()
                    taken += 1
        except BaseException:
            self._give_back(taken)
            raise

    def _give_back(self, slots: int) -> None:
        for _ in range(slots):
            self._free.release()


async def _end_with(hung_up: Callable[[], Awaitable[object]], until: asyncio.Timeout) -> None:
    await hung_up()
    until.reschedule(asyncio.get_running_loop().time())


def _cores() -> int:
    """Count the cores that this process may run on, where the system tells (``os.process_cpu_count`` from 3.13 on)."""
    allowed = getattr(os, "sched_getaffinity", None)
    return len(allowed(0)) if allowed else os.cpu_count() or 1


def _yield_to_the_event_loop() -> None:
    """Lower this thread's priority, which its own threads inherit, so that logins never starve cheap requests."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
