"""Mixed load with a fault every few seconds, and then the proof: upgrades once, nobody locked out, memory flat."""

import argparse
import asyncio
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Final

import psycopg
import uvloop

from bench.soak import audit
from bench.soak.asking import Asker, Tally
from bench.soak.clients import Clients
from bench.soak.faults import Faults
from bench.soak.logins import Logins
from bench.soak.members import SETTLED, Member, Population
from bench.soak.memory import Memory
from bench.soak.report import Outcome, lines
from bench.soak.servers import Servers, serving
from bench.soak.values import argon2_value, old_value
from bench.soak.verdict import judge, links_under
from bench.soak.warming import fill_memory

__all__ = ["main", "soak"]

_CLIENTS: Final = 12
_SETTLED_MEMBERS: Final = 150
_NEWCOMERS_A_SECOND: Final = 4.0
_MOST_RECOVERY: Final = 60.0
_PAUSE: Final = (1.0, 3.0)
_PROVERS: Final = 8
_LOOKS: Final = 0.02
_INSERT: Final = (
    "INSERT INTO auth_user (username, password, is_active, email, first_name, last_name, is_staff, is_superuser,"
    " date_joined) VALUES (%s, %s, true, '', '', '', false, false, now())"
)


def main(arguments: Sequence[str]) -> int:
    """Soak, and print what came out; 1 where something is not as it must be."""
    parser = argparse.ArgumentParser(prog="bench soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--seed", type=int, default=1, help="of the load and of the order of the faults")
    parser.add_argument("--json", action="store_true", help="for machines")
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bridge-soak-") as folder:
        outcome = uvloop.run(soak(Path(folder), seconds=given.minutes * 60, seed=given.seed))
    found = lines(outcome)
    if given.json:
        sys.stdout.write(json.dumps([asdict(line) for line in found], indent=2) + "\n")
    else:
        sys.stdout.writelines(f"{line}\n" for line in found)
    return 0 if all(line.is_met for line in found) else 1


async def soak(folder: Path, *, seconds: float, seed: int, kinds: Sequence[str] | None = None) -> Outcome:
    """Run for so long, with all kinds of faults in an order drawn from the seed, or with the given ones in theirs."""
    rng = random.Random(seed)  # noqa: S311  # the same run each time
    outcome = Outcome(seconds, Tally(), Memory())
    async with serving(folder) as servers, Asker.opened(outcome.tally, random.Random(seed + 1)) as asker:  # noqa: S311  # as above
        population = _populate(servers, seconds, rng)
        await fill_memory(servers, asker)
        clients = Clients(servers, population, asker, random.Random(seed + 2))  # noqa: S311  # as above
        faults = Faults(servers, clients, asker, rng)
        elder = servers.site_workers()[0]
        began = {each.name: each.starts for each in (servers.steady, servers.site)}
        async with _loaded(clients), _watched(outcome.memory, servers):
            await _break(faults, outcome, servers, rng, kinds)
        outcome.wronged = audit.logins(servers.postgresql.url, outcome.tally.wronged)
        outcome.under_fire = await servers.postgresql.execute("SELECT 1 FROM soak.record WHERE kind = 'upgrade'")
        await asyncio.sleep(SETTLED)
        outcome.locked_out = await _locked_out(Logins(servers, asker, rng), population.all)
        outcome.proven = len(population.all)
        outcome.survivors = [("bridge", servers.steady.pid or 0), ("site's worker", elder)]
        outcome.restarted = [
            each.name for each in (servers.steady, servers.site) if each.starts != began[each.name]
        ] + ([] if elder in servers.site_workers() else ["site's worker"])
        outcome.uncaught = servers.uncaught()
        outcome.cut_in_upgrade, outcome.slow_to_end = faults.cut_in_upgrade, faults.slow_to_end
        seen = audit.read(servers.postgresql.url)
    outcome.verdict = judge(
        seen, {each.username: each.asked for each in population.all}, link=links_under(servers.secret)
    )
    return outcome


def _populate(servers: Servers, seconds: float, rng: random.Random) -> Population:
    """Put users into the site's table: some whose value is argon2, and many whose is not."""

    def made(name: str) -> Member:
        return Member(name, f"{rng.getrandbits(64):x}-{rng.getrandbits(32):x}")

    members = [made(f"settled{number}") for number in range(_SETTLED_MEMBERS)]
    newcomers = [made(f"newcomer{number}") for number in range(int(seconds * _NEWCOMERS_A_SECOND) + 1)]
    rows = [(each.username, argon2_value(each.password)) for each in members]
    rows += [(each.username, old_value(each.password, salt=f"{rng.getrandbits(64):x}")) for each in newcomers]
    with psycopg.connect(servers.postgresql.url) as connection:
        connection.cursor().executemany(_INSERT, rows)
    # Of the newcomers a tenth is kept for those who come in bursts.
    return Population(members, newcomers, seconds=seconds / 0.9, rng=rng)


@asynccontextmanager
async def _loaded(clients: Clients) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as group:
        for _ in range(_CLIENTS):
            group.create_task(clients.run())
        try:
            yield
        finally:
            clients.stop()


@asynccontextmanager
async def _watched(memory: Memory, servers: Servers) -> AsyncIterator[None]:
    def processes() -> Iterator[tuple[str, int | None]]:
        yield from (("bridge", servers.steady.pid), ("bridge, killed now and then", servers.victim.pid))
        yield from (("site's worker", worker) for worker in servers.site_workers())

    watching = asyncio.create_task(memory.watch(processes))
    try:
        yield
    finally:
        watching.cancel()


async def _break(
    faults: Faults, outcome: Outcome, servers: Servers, rng: random.Random, kinds: Sequence[str] | None
) -> None:
    began = time.monotonic()
    outcome.tally.calm_since = await _answered(servers, outcome.tally, began)
    given = iter(kinds or ())
    while time.monotonic() - began < outcome.seconds:
        await asyncio.sleep(rng.uniform(*_PAUSE))
        kind = faults.draw() if kinds is None else next(given, None)
        if kind is None:
            return
        outcome.tally.calm_since = math.inf
        await faults.kinds[kind]()
        ended = time.monotonic()
        outcome.tally.calm_since = await _answered(servers, outcome.tally, ended)
        took = outcome.tally.calm_since - ended
        outcome.recoveries[kind].append(took)
        _tell(f"{ended - began:6.0f} s  {kind}: answered after {took:.1f} s", outcome)


async def _answered(servers: Servers, tally: Tally, since: float) -> float:
    """Wait until each server has given a good answer to a request that began since then; say when that was."""
    while time.monotonic() < since + _MOST_RECOVERY:
        if all(tally.good_since(server.name, since) for server in servers.answering):
            break
        await asyncio.sleep(_LOOKS)
    return time.monotonic()


async def _locked_out(logins: Logins, members: list[Member]) -> list[str]:
    """Have everybody log in at both apps, and give who cannot."""
    waiting = iter(members)
    failed: list[str] = []

    async def prove() -> None:
        for member in waiting:
            failed.extend(await logins.prove(member))

    await asyncio.gather(*(prove() for _ in range(_PROVERS)))
    return failed


def _tell(what: str, outcome: Outcome) -> None:
    """Say how it goes, on standard error."""
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(outcome.tally.kinds.items()))
    held = ", ".join(f"{name} {mib:.0f}" for name, mib in outcome.memory.now().items())
    sys.stderr.write(f"{what}; {kinds}; MiB: {held}\n")
    sys.stderr.flush()
