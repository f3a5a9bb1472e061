"""The only place that spends hashing CPU and memory: bounded, off the event loop, at low priority."""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Final, TypeVar

from bridge.errors import HashingUnavailable

__all__ = ["HashingPool"]

T = TypeVar("T")

_LOWEST_PRIORITY: Final = 19


class HashingPool:
    """Runs hashing work on few threads, with a bounded queue in front of them.

    Args:
        workers: threads, and so hashes at a time; each holds its algorithm's memory (100 MiB for Django's argon2).
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
        self.workers = workers or os.cpu_count() or 1
        self._queue_limit = queue_limit
        self._deadline = deadline
        self._waiting = 0
        self._slots = asyncio.Semaphore(self.workers)
        self._threads = ThreadPoolExecutor(self.workers, "hashing", initializer=_yield_to_the_event_loop)

    async def run(self, work: Callable[[], T]) -> T:
        """Do ``work`` on a hashing thread.

        Cancelling before its turn means that it is never done; its slot is free again only once it really ends.

        Raises:
            HashingUnavailable: the queue is full, or the deadline passed before a slot was free.
        """
        await self._wait_for_slot()
        try:
            running = self._threads.submit(work)
        except BaseException:
            self._slots.release()
            raise
        loop = asyncio.get_running_loop()
        running.add_done_callback(lambda _: self._release_from_thread(loop))
        return await asyncio.wrap_future(running)

    async def close(self) -> None:
        """Finish what runs; afterwards nothing more is accepted."""
        await asyncio.to_thread(self._threads.shutdown, wait=True)

    async def _wait_for_slot(self) -> None:
        if self._waiting >= self._queue_limit and self._slots.locked():
            raise HashingUnavailable(retry_after=self._deadline)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._deadline.total_seconds()):
                await self._slots.acquire()
        except TimeoutError as exc:
            raise HashingUnavailable(retry_after=self._deadline) from exc
        finally:
            self._waiting -= 1

    def _release_from_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        if not loop.is_closed():
            loop.call_soon_threadsafe(self._slots.release)


def _yield_to_the_event_loop() -> None:
    """Lower this thread's priority, which argon2's lanes inherit, so that logins never starve cheap requests."""
    if hasattr(os, "setpriority"):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _LOWEST_PRIORITY)
