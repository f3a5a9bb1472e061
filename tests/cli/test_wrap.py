"""``bridge hashes wrap``: argon2 around old values, and nobody notices."""

import asyncio
import os
import random
import re
import signal
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from django.contrib.auth.hashers import check_password, make_password

from bridge.passwords.encoded import WRAPPED, EncodedPassword
from bridge.passwords.policy import PasswordPolicy
from bridge.store.database import Database
from bridge.web.composition import site_profile
from tests.cli.conftest import Done, Run, assert_one_line, bridge_environment
from tests.cli.test_hashes import Crowd, KeyPair, crowd, figures, key, until
from tests.conftest import PASSWORD, Cast, Serve, log_in
from tests.forked import Running, running_module
from tests.web.conftest import PublishedProfile

__all__ = ["crowd", "key"]

PBKDF2: Final = "pbkdf2_sha256"
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Wrap = Callable[..., Done]


@pytest.fixture
def wrap(run: Run, service_url: str, key: KeyPair) -> Wrap:
    """Run ``bridge hashes wrap`` under the bridge's own role."""

    def hashes_wrap(*arguments: str, algorithm: str = PBKDF2, **settings: str) -> Done:
        command = ("hashes", "wrap", "--algorithm", algorithm, *arguments)
        return run(*command, url=service_url, **{"BRIDGE_REHASH_JOURNAL_KEY": key.public, **settings})

    return hashes_wrap


@pytest.fixture
def profile(database: Database) -> PublishedProfile:
    return PublishedProfile(database)


def algorithms(stored: dict[str, str]) -> Counter[str | None]:
    return Counter(EncodedPassword.parse(value).algorithm for value in stored.values())


def refused_at_django(stored: dict[str, str]) -> list[str]:
    return [name for name, value in stored.items() if not check_password(PASSWORD, value)]


async def refused_at_the_bridge(database: Database, stored: dict[str, str]) -> list[str]:
    profile = await site_profile(database)
    assert profile is not None
    policy = PasswordPolicy(target=profile.argon2_parameters, accepted=profile.accepted_algorithms)
    return [name for name, value in stored.items() if not policy.verify(PASSWORD, value).valid]


# What it does ---------------------------------------------------------------------------------------------------------


async def test_every_value_of_the_algorithm_is_wrapped_and_no_other_one(crowd: Crowd, wrap: Wrap):
    await crowd.gather(480)

    done = wrap("--json")

    assert re.fullmatch(r"looked at 1\d\d of 120 users\n", done.stderr)
    assert (done.returncode, figures(done)) == (
        0,
        {
            "dry_run": False,
            "algorithm": PBKDF2,
            "users": 120,
            "wrapped": 120,
            "changed_since": 0,
            "refused": 0,
            "named": [],
        },
    )
    stored = await crowd.stored()
    assert algorithms(stored) == {f"argon2_{PBKDF2}": 120, "md5": 120, "unsalted_md5": 120, "unsalted_sha1": 120}
    assert max(map(len, stored.values())) <= 128
    assert refused_at_django(stored) == []
    assert await refused_at_the_bridge(crowd.database, stored) == []


@on_sqlite
@pytest.mark.parametrize("algorithm", sorted(set(WRAPPED.values()) - {PBKDF2}))
async def test_so_are_those_of_every_other_one(cast: Cast, crowd: Crowd, wrap: Wrap, algorithm: str):
    await cast.add("ada", encoded=make_password(PASSWORD, hasher=algorithm))

    assert figures(wrap("--json", algorithm=algorithm))["wrapped"] == 1

    stored = await crowd.stored()
    assert algorithms(stored) == {f"argon2_{algorithm}": 1}
    assert refused_at_django(stored) == []
    assert await refused_at_the_bridge(crowd.database, stored) == []


@on_sqlite
async def test_wrapping_again_changes_nothing(crowd: Crowd, wrap: Wrap):
    await crowd.gather(8)
    wrap()
    wrapped = await crowd.stored()

    assert figures(wrap("--json"))["users"] == 0
    assert await crowd.stored() == wrapped


@on_sqlite
async def test_a_dry_run_says_the_same_and_writes_nothing(crowd: Crowd, cast: Cast, wrap: Wrap):
    await crowd.gather(20)
    await cast.add("eve", encoded=f"{PBKDF2}$1000${'s' * 60}${'A' * 43}=")
    tables = ("auth_user", "bridge_rehash_journal", "bridge_password_lineage", "bridge_password_upgrade")
    before = [await crowd.table(name) for name in tables]

    dry = wrap("--dry-run", "--json")

    assert [await crowd.table(name) for name in tables] == before
    assert figures(dry) == figures(wrap("--json")) | {"dry_run": True}
    assert (dry.returncode, figures(dry)["wrapped"]) == (1, 5)


@on_sqlite
async def test_what_cannot_be_wrapped_is_named_and_left(crowd: Crowd, cast: Cast, wrap: Wrap):
    long = await cast.add("eve", encoded=f"{PBKDF2}$1000${'s' * 60}${'A' * 43}=")
    odd = await cast.add("mallory", encoded=f"{PBKDF2}$1000$salt$short")
    before = await crowd.stored()

    done = wrap()

    assert done.returncode == 1
    assert "0 of 2 pbkdf2_sha256 values wrapped" in done.stdout
    assert {line.strip() for line in done.stderr.splitlines()} >= {
        f"user {long}: too-long",
        f"user {odd}: malformed",
    }
    assert await crowd.stored() == before


@on_sqlite
async def test_people_are_told_of_pending_reset_links_and_of_no_value(crowd: Crowd, wrap: Wrap):
    await crowd.gather(4)

    dry, done = wrap("--dry-run"), wrap()

    assert "password-reset links pending for these users would stop working" in dry.stdout
    assert "1 of 1 pbkdf2_sha256 values wrapped; 0 users have another one by now." in done.stdout
    assert "$" not in dry.stdout + dry.stderr + done.stdout + done.stderr


async def test_only_the_dormant_ones_are_wrapped_if_so_asked(cast: Cast, crowd: Crowd, wrap: Wrap):
    now = datetime.now(UTC)
    for name, joined, seen in (("gone", 900, 400), ("back", 900, 300), ("never", 400, None), ("new", 300, None)):
        login = None if seen is None else now - timedelta(days=seen)
        await cast.add(name, date_joined=now - timedelta(days=joined), last_login=login)

    assert figures(wrap("--dormant-days", "365", "--json"))["wrapped"] == 2

    stored = await crowd.stored()
    assert {name for name, value in stored.items() if value.startswith("argon2_")} == {"gone", "never"}


@on_sqlite
async def test_it_takes_its_time_if_so_asked(crowd: Crowd, wrap: Wrap):
    await crowd.gather(40)
    loop = asyncio.get_running_loop()
    began = loop.time()

    wrap("--per-second", "20")

    assert loop.time() - began >= 0.5


# Logins ---------------------------------------------------------------------------------------------------------------


async def test_the_next_login_at_the_bridge_leaves_plain_argon2_and_reverts_nothing(
    crowd: Crowd, wrap: Wrap, serve: Serve
):
    await crowd.gather(1)
    wrap()

    async with serve() as client:
        assert (await log_in(client, "user0000", "wrong")).status_code == 401
        assert (await log_in(client, "user0000")).status_code == 200

    assert check_password(PASSWORD, (await crowd.stored())["user0000"], setter=pytest.fail)
    reverted = await crowd.database.fetch_all("SELECT 1 FROM bridge_activity WHERE event = 'upgrade_reverted'")
    assert reverted == []


@on_sqlite
async def test_an_old_value_over_a_wrapped_one_counts_as_reverted(crowd: Crowd, wrap: Wrap, serve: Serve):
    await crowd.gather(1)
    wrap()
    await crowd.database.execute("UPDATE auth_user SET password = :old", {"old": crowd.before["user0000"]})

    async with serve() as client:
        assert (await log_in(client, "user0000")).status_code == 200

    assert await crowd.database.fetch_all("SELECT 1 FROM bridge_activity WHERE event = 'upgrade_reverted'")


async def test_tokens_of_before_are_refreshed_after(crowd: Crowd, wrap: Wrap, serve: Serve):
    await crowd.gather(1)

    async with serve(rehash="off") as client:
        given = (await log_in(client, "user0000")).json()
        wrap()
        header = {"Authorization": f"Bearer {given['access_token']}"}
        assert (await client.get("/users/me/", headers=header)).status_code == 200
        again = await client.post("/auth/refresh", json={"refresh_token": given["refresh_token"]})

    assert again.status_code == 200, again.text
    assert algorithms(await crowd.stored()) == {f"argon2_{PBKDF2}": 1}


async def test_a_restore_takes_a_wrap_back(crowd: Crowd, wrap: Wrap, run: Run, service_url: str, key: KeyPair):
    await crowd.gather(12)
    assert figures(wrap("--json"))["wrapped"] == 3

    done = run("hashes", "restore", "--private-key", str(key.path), "--json", url=service_url)

    assert figures(done)["restored"] == 3
    assert await crowd.stored() == crowd.before
    assert await crowd.table("bridge_password_upgrade") == []


# Interrupted ----------------------------------------------------------------------------------------------------------

Start = Callable[..., AbstractContextManager[Running]]


@pytest.fixture
def start(service_url: str, key: KeyPair, tmp_path: Path) -> Start:
    """Start the command, and go on."""

    def wrapping(*arguments: str) -> AbstractContextManager[Running]:
        command = ("bridge", "hashes", "wrap", "--algorithm", PBKDF2, "--json", *arguments)
        environment = bridge_environment(service_url, BRIDGE_REHASH_JOURNAL_KEY=key.public)
        return running_module(*command, environment=environment, folder=tmp_path)

    return wrapping


async def wrapped_until_now(crowd: Crowd) -> int:
    row = await crowd.database.fetch_one("SELECT count(*) AS count FROM bridge_password_upgrade")
    assert row is not None
    return int(row["count"])


async def interrupted(crowd: Crowd, running: Running, *, at: int, by: signal.Signals) -> Done:
    """End a wrap once it is so far, and give what it said."""

    async def is_so_far() -> bool:
        return await wrapped_until_now(crowd) >= at

    await until(is_so_far)
    os.kill(running.pid, signal.SIGSTOP)  # however busy the machine, it takes no other step
    os.kill(running.pid, by)
    os.kill(running.pid, signal.SIGCONT)
    done = running.done()
    assert done.returncode != 0
    return done


async def test_a_wrap_that_is_killed_again_and_again_ends_as_if_it_had_not_been(crowd: Crowd, wrap: Wrap, start: Start):
    """Whenever it is, everybody's value is one that both apps take, and each is wrapped once."""
    await crowd.gather(800)
    seen = dict(crowd.before)
    for at in sorted(random.sample(range(1, 170), 3)):
        with start() as running:
            await interrupted(crowd, running, at=at, by=signal.SIGKILL)
        stored = await crowd.stored()
        assert refused_at_django(stored) == []
        assert await refused_at_the_bridge(crowd.database, stored) == []
        assert all(stored[name] == seen[name] for name in seen if seen[name].startswith("argon2_"))
        seen = stored

    left = 200 - await wrapped_until_now(crowd)
    assert figures(wrap("--json"))["wrapped"] == left

    stored = await crowd.stored()
    assert refused_at_django(stored) == []
    assert await refused_at_the_bridge(crowd.database, stored) == []
    assert all(stored[name] == seen[name] for name in seen if not seen[name].startswith(PBKDF2))
    rows = await crowd.database.fetch_all("SELECT old_algorithm FROM bridge_password_upgrade")
    assert Counter(row["old_algorithm"] for row in rows) == {PBKDF2: 200}
    assert len(await crowd.table("bridge_rehash_journal")) == 200


@on_sqlite
async def test_a_wrap_that_is_interrupted_by_hand_says_how_to_go_on(crowd: Crowd, start: Start):
    await crowd.gather(800)

    with start() as running:
        done = await interrupted(crowd, running, at=1, by=signal.SIGINT)

    assert "Traceback" not in done.stderr
    assert "bridge: Interrupted. Run the same command again" in done.stderr
    assert 0 < await wrapped_until_now(crowd) < 200
    assert refused_at_django(await crowd.stored()) == []


async def test_two_wraps_at_a_time_wrap_nobody_twice(crowd: Crowd, start: Start):
    await crowd.gather(800)

    with start() as one, start() as other:
        said = [figures(running.done()) for running in (one, other)]

    assert sum(each["wrapped"] for each in said) == 200
    assert refused_at_django(await crowd.stored()) == []
    assert len(await crowd.table("bridge_rehash_journal")) == 200


@on_sqlite
async def test_a_password_that_changes_meanwhile_stands(crowd: Crowd, start: Start):
    await crowd.gather(400)

    with start("--per-second", "200") as running:

        async def has_begun() -> bool:
            return await wrapped_until_now(crowd) > 0

        await until(has_begun)
        changed = await crowd.change(*list(crowd.before)[::4])
        done = running.done()

    assert figures(done)["wrapped"] + figures(done)["changed_since"] == 100
    assert figures(done)["changed_since"] > 0
    stored = await crowd.stored()
    assert {name: stored[name] for name in changed} == changed


# Where it must not be -------------------------------------------------------------------------------------------------


def without(algorithm: str) -> Callable[[dict[str, Any]], None]:
    def edit(document: dict[str, Any]) -> None:
        document["hashers"] = [each for each in document["hashers"] if each["algorithm"] != algorithm]

    return edit


@on_sqlite
@pytest.mark.parametrize("dry", [(), ("--dry-run",)], ids=["wrap", "dry_run"])
async def test_a_site_that_could_not_read_what_is_wrapped_is_told_what_to_add(
    crowd: Crowd, wrap: Wrap, profile: PublishedProfile, dry: tuple[str, ...]
):
    await crowd.gather(4)
    await profile.edit(without(f"argon2_{PBKDF2}"))

    assert_one_line(
        wrap(*dry),
        naming="PASSWORD_HASHERS lacks argon2_pbkdf2_sha256",
        cure='PASSWORD_HASHERS += ["bridge.contrib.django.hashers.Argon2PBKDF2PasswordHasher"]',
    )
    assert await crowd.stored() == crowd.before


@on_sqlite
async def test_who_is_kept_out_is_not_let_in_by_wrapping(crowd: Crowd, wrap: Wrap, profile: PublishedProfile):
    await crowd.gather(4)
    await profile.edit(without(PBKDF2))

    assert_one_line(wrap(), naming="does not verify pbkdf2_sha256", cure="List Django's hasher of it")
    assert await crowd.stored() == crowd.before


@on_sqlite
async def test_where_re_hashing_is_unsafe_nothing_is_wrapped_but_by_order(
    crowd: Crowd, wrap: Wrap, profile: PublishedProfile
):
    await crowd.gather(4)
    await profile.edit(lambda document: document["hashers"].reverse())

    assert_one_line(wrap(), naming="argon2 is not first", cure="Put django.contrib.auth.hashers.Argon2PasswordHasher")
    assert await crowd.stored() == crowd.before
    assert figures(wrap("--json", BRIDGE_REHASH="on"))["wrapped"] == 1


@on_sqlite
async def test_a_site_that_never_told_is_left_alone_even_by_order(crowd: Crowd, wrap: Wrap):
    await crowd.gather(4)
    await crowd.database.execute("DELETE FROM bridge_site_profile")

    assert_one_line(wrap(BRIDGE_REHASH="on"), naming="has not published its profile", cure="manage.py migrate")


@on_sqlite
@pytest.mark.parametrize("algorithm", ["argon2", "bcrypt", "argon2_md5", "whirlpool"])
def test_what_cannot_be_wrapped_is_refused(wrap: Wrap, algorithm: str):
    assert_one_line(wrap(algorithm=algorithm), naming=f"--algorithm {algorithm}", cure="Use md5, pbkdf2_sha1")
