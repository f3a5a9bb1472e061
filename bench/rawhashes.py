"""What the same cores hash when nothing else is to be done: argon2 with Django's settings, in a process of its own.

As the bridge does it, and as argon2-cffi does by itself, and Django with it: a thread for each lane, memory anew.
"""

import asyncio
import json
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Self

import argon2

from bridge.passwords.policy import PasswordPolicy
from bridge.passwords.pool import HashingPool

__all__ = ["RawHashes"]


class RawHashes:
    """A process that does nothing but check passwords, in as many threads as the pool has slots."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @classmethod
    @contextmanager
    def started(cls) -> Iterator[Self]:
        """Start it, and end it."""
        command = (sys.executable, "-m", "bench.rawhashes")
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603  # ours
            yield cls(process)

    async def rate(self, number: int, *, is_stock: bool = False) -> float:
        """Check so many passwords, by argon2-cffi alone if that is asked for; give how many a second that was."""
        return await asyncio.to_thread(self._rate, number, is_stock)

    def _rate(self, number: int, is_stock: bool) -> float:  # noqa: FBT001  # for a thread, which takes no keywords
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None  # noqa: S101  # a pipe
        assert answered is not None  # noqa: S101  # likewise
        asked.write(json.dumps([number, is_stock]) + "\n")
        asked.flush()
        return float(answered.readline())


def _hash_on_demand() -> None:
    policy, password = PasswordPolicy(), secrets.token_urlsafe(12)
    encoded = policy.hash(password)
    right = policy.verify(password, encoded)
    stock, phc = argon2.PasswordHasher(), encoded.removeprefix("argon2")
    slots = HashingPool().workers
    with ThreadPoolExecutor(slots) as threads:
        for line in sys.stdin:
            number, is_stock = json.loads(line)
            began = time.perf_counter()
            check = partial(stock.verify, phc, password) if is_stock else partial(policy.verify, password, encoded)
            checks = [threads.submit(check) for _ in range(number)]
            assert all(each.result() in (True, right) for each in checks)  # noqa: S101  # it is the right one
            sys.stdout.write(f"{number / (time.perf_counter() - began)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _hash_on_demand()
