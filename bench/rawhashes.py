"""What the same cores hash when nothing else is to be done: argon2 with Django's settings, in a process of its own."""

import asyncio
import secrets
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Self

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

    async def rate(self, number: int) -> float:
        """Check so many passwords; give how many a second that was."""
        return await asyncio.to_thread(self._rate, number)

    def _rate(self, number: int) -> float:
        asked, answered = self._process.stdin, self._process.stdout
        assert asked is not None  # noqa: S101  # a pipe
        assert answered is not None  # noqa: S101  # likewise
        asked.write(f"{number}\n")
        asked.flush()
        return float(answered.readline())


def _hash_on_demand() -> None:
    policy, password = PasswordPolicy(), secrets.token_urlsafe(12)
    encoded = policy.hash(password)
    slots = HashingPool().workers
    with ThreadPoolExecutor(slots) as threads:
        for line in sys.stdin:
            number, began = int(line), time.perf_counter()
            checks = [threads.submit(policy.verify, password, encoded) for _ in range(number)]
            assert all(check.result().valid for check in checks)  # noqa: S101  # it is the right one
            sys.stdout.write(f"{number / (time.perf_counter() - began)}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _hash_on_demand()
