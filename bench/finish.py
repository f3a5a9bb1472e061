"""Whether everybody can log in while ``bridge hashes wrap`` is killed and begun again: both apps, real servers."""

import asyncio
import os
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from bench.crowd import Logins, Values, gather, logging_in
from bench.figures import Figure
from bench.servers import Shop, bridge_before, postgresql, shop

__all__ = ["measure"]

_SETTINGS: Final = "tests.site.settings"
"""The shop with hashes that cost next to nothing: what is shown is the order of writes, not the arithmetic."""
_USERS: Final = 10_000
_NAMED: Final = 20


def measure(rounds: int, seconds: float, *, users: int = _USERS, database: str | None = None) -> list[Figure]:
    """Kill a wrap so many times, about so many seconds after it began to wrap, and let the last one end.

    Args:
        rounds: kills.
        seconds: on average, between the first value and the kill.
        users: all of them with old values.
        database: ``postgresql`` or ``sqlite``; both by default.

    Raises:
        SystemExit: somebody could not log in, has a value that one of the apps refuses, or was wrapped twice.
    """
    os.environ["DJANGO_SETTINGS_MODULE"] = _SETTINGS  # also of this process, which checks values as Django does
    found: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        if database != "sqlite":
            with postgresql(Path(folder)) as url:
                found += _on("postgresql", url, rounds, seconds, users)
        if database != "postgresql":
            found += _on("sqlite", None, rounds, seconds, users)
    return found


def _on(dialect: str, url: str | None, rounds: int, seconds: float, users: int) -> list[Figure]:
    with shop(url, settings=_SETTINGS) as site, bridge_before(site) as bridge:
        url = site.environment["BRIDGE_DATABASE_URL"]
        asyncio.run(gather(url, users))
        # So slow that the last one finds some left: those who log in meanwhile are no candidates any more either.
        wrap = _Wrap(site, per_second=users / (2 * rounds * seconds))
        values, killed = Values(url, users), 0
        asyncio.run(values.look())
        with logging_in(site.address, bridge, users) as logins:
            for _ in range(rounds):
                killed += wrap.killed_after(random.uniform(0, 2 * seconds))  # noqa: S311  # a moment
                asyncio.run(values.look())
            left = wrap.to_its_end()
            asyncio.run(values.look())
    if logins.failures or values.wrong:
        raise SystemExit(f"{dialect}: {'; '.join([*logins.failures, *values.wrong][:_NAMED])}")
    name = f"{dialect}, {users:,} users"
    return [
        Figure.of(f"{name}: wraps killed", [killed], target=f"{rounds}"),
        Figure.of(f"{name}: left to the last one", [left]),
        *_figures(name, logins, values),
    ]


def _figures(name: str, logins: Logins, values: Values) -> list[Figure]:
    return [
        Figure.of(f"{name}: seen wrapped, and once each", [values.wrapped]),
        Figure.of(f"{name}: of these, seen unwrapped by a login", [values.unwrapped]),
        Figure.of(f"{name}: users who logged in meanwhile", [len(logins.users)]),
        *(Figure.of(f"{name}: logins at {app}", [count]) for app, count in sorted(logins.answered.items())),
        Figure.of(f"{name}: a login, at most", [logins.longest * 1000], unit="ms"),
        Figure.of(f"{name}: logins that failed", [len(logins.failures)], target="0"),
        Figure.of(f"{name}: values checked at both apps' hashers", [values.checked]),
        Figure.of(f"{name}: of them refused, or odd", [len(values.wrong)], target="0"),
    ]


class _Wrap:
    """The command, as an operator runs it."""

    def __init__(self, site: Shop, *, per_second: float) -> None:
        self._environment = site.environment
        arguments = ("hashes", "wrap", "--algorithm", "pbkdf2_sha256", "--per-second", f"{per_second:.1f}")
        self._command = (sys.executable, "-m", "bridge", *arguments)

    def killed_after(self, seconds: float) -> bool:
        """Kill it so long after it has begun to wrap; False if it had come to its end."""
        with self._started() as process:
            assert process.stderr is not None  # noqa: S101  # a pipe
            process.stderr.readline()  # after a hundred users
            try:
                process.wait(seconds)
            except subprocess.TimeoutExpired:
                process.kill()
            return process.wait() < 0

    def to_its_end(self) -> int:
        """Let it wrap whatever is left, and give how many these were."""
        with self._started() as process:
            said, errors = process.communicate()
        wrapped = re.match(r"(\d+) of", said)
        if process.returncode or wrapped is None:
            raise SystemExit(f"the last wrap ended with {process.returncode}: {said}{errors}")
        return int(wrapped[1])

    def _started(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(  # noqa: S603  # what stands above
            self._command, env=self._environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
