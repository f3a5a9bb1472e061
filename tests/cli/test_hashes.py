"""``bridge hashes restore``: every replaced value comes back, wherever the bridge's own still stands."""

import asyncio
import json
import os
import signal
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from django.contrib.auth.hashers import check_password, make_password

from bridge.sessions.auth_hash import session_auth_hash
from bridge.sessions.lineage import lineage_digest
from bridge.store.database import Database
from bridge.web.composition import site_profile, upgrading_of, users_of
from tests.cli.conftest import Done, Run, assert_one_line, bridge_environment
from tests.conftest import DJANGO_SECRET_KEY, PASSWORD, Cast, FrozenClock, Serve, log_in, settings_for
from tests.forked import Running, running_module

FORMATS: Final = ("pbkdf2_sha256", "md5", "unsalted_md5", "unsalted_sha1")


@dataclass(frozen=True)
class KeyPair:
    """A journal's key pair, the private half in a file."""

    path: Path
    public: str

    @classmethod
    def make(cls, path: Path) -> "KeyPair":
        key = X25519PrivateKey.generate()
        path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return cls(path, key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode())


@pytest.fixture
def key(tmp_path: Path) -> KeyPair:
    return KeyPair.make(tmp_path / "journal.pem")


class Crowd:
    """Users whose values the bridge upgrades, and what those were."""

    def __init__(self, database: Database, database_url: str, key: KeyPair, clock: FrozenClock) -> None:
        self.database = database
        self.before: dict[str, str] = {}
        self._settings = settings_for(database_url, rehash_journal_key=key.public)
        self._clock = clock

    async def gather(self, count: int) -> None:
        """Insert users with values of the site's old formats."""
        self.before = {f"user{n:04}": make_password(PASSWORD, hasher=FORMATS[n % 4]) for n in range(count)}
        async with self.database.transaction() as transaction:
            for username, encoded in self.before.items():
                await transaction.execute(
                    "INSERT INTO auth_user (username, password, email, first_name, last_name, is_active, is_staff,"
                    " is_superuser, date_joined) VALUES (:username, :encoded, '', '', '', :yes, :no, :no, :now)",
                    {"username": username, "encoded": encoded, "yes": True, "no": False, "now": self._clock()},
                )

    async def upgrade(self) -> None:
        """Re-hash every user's value, as logins do."""
        profile = await site_profile(self.database)
        users = users_of(self.database, profile)
        upgrading = upgrading_of(self._settings, self.database, profile, self._clock)
        found = [await users.by_username(username) for username in self.before]
        async with self.database.transaction() as transaction:
            for user in found:
                assert user is not None
                assert await upgrading.replace(user, make_password(PASSWORD), executor=transaction)

    async def change(self, *usernames: str) -> dict[str, str]:
        """Change some passwords at the site."""
        changed = {username: make_password(f"changed by {username}") for username in usernames}
        for username, encoded in changed.items():
            await self.database.execute(
                "UPDATE auth_user SET password = :encoded WHERE username = :username",
                {"encoded": encoded, "username": username},
            )
        return changed

    async def stored(self) -> dict[str, str]:
        rows = await self.database.fetch_all("SELECT username, password FROM auth_user")
        return {row["username"]: row["password"] for row in rows}

    async def table(self, name: str) -> list[Any]:
        return [tuple(row.values()) for row in await self.database.fetch_all(f"SELECT * FROM {name} ORDER BY 1")]


@pytest.fixture
def crowd(database: Database, database_url: str, key: KeyPair, clock: FrozenClock) -> Crowd:
    return Crowd(database, database_url, key, clock)


Restore = Callable[..., Done]


@pytest.fixture
def restore(run: Run, service_url: str, key: KeyPair) -> Restore:
    """Run ``bridge hashes restore`` under the bridge's own role."""

    def hashes_restore(*arguments: str, private_key: Path = key.path) -> Done:
        return run("hashes", "restore", "--private-key", str(private_key), *arguments, url=service_url)

    return hashes_restore


def figures(done: Done) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(done.stdout)
    return said


# Everything comes back ------------------------------------------------------------------------------------------------


async def test_a_thousand_values_come_back_byte_for_byte_but_for_those_that_were_changed_since(
    crowd: Crowd, restore: Restore
):
    await crowd.gather(1000)
    await crowd.upgrade()
    assert not set(crowd.before.values()) & set((await crowd.stored()).values())
    changed = await crowd.change(*list(crowd.before)[::20])

    done = restore("--json")

    assert done.returncode == 0
    assert done.stderr.splitlines()[-1] == "looked at 1000 of 1000 entries"
    assert figures(done) == {
        "dry_run": False,
        "entries": 1000,
        "restored": 950,
        "changed_since": 50,
        "unreadable": 0,
    }
    assert await crowd.stored() == crowd.before | changed


async def test_what_is_back_leaves_the_journal_and_what_is_not_stays(crowd: Crowd, restore: Restore):
    await crowd.gather(10)
    await crowd.upgrade()
    await crowd.change("user0003", "user0007")
    restore()

    again = restore("--json")

    assert {name: figures(again)[name] for name in ("entries", "restored", "changed_since")} == {
        "entries": 2,
        "restored": 0,
        "changed_since": 2,
    }


async def test_a_dry_run_says_the_same_and_writes_nothing(crowd: Crowd, restore: Restore):
    await crowd.gather(20)
    await crowd.upgrade()
    await crowd.upgrade()
    await crowd.change("user0001", "user0002")
    tables = ("auth_user", "bridge_rehash_journal", "bridge_password_lineage", "bridge_password_upgrade")
    before = [await crowd.table(name) for name in tables]

    dry = restore("--dry-run", "--json")

    assert [await crowd.table(name) for name in tables] == before
    assert dry.returncode == 0
    assert figures(dry) == figures(restore("--json")) | {"dry_run": True}
    assert figures(dry)["restored"] == 36


async def test_a_chain_of_upgrades_goes_back_to_its_beginning(crowd: Crowd, restore: Restore):
    await crowd.gather(5)
    for _ in range(3):
        await crowd.upgrade()

    done = restore("--json")

    assert figures(done)["restored"] == 15
    assert await crowd.stored() == crowd.before


async def test_a_chain_that_was_broken_by_a_change_stays_where_the_change_left_it(crowd: Crowd, restore: Restore):
    """V0 → V1, a real change to W0, W0 → W1: back to W0, and never to V0."""
    await crowd.gather(1)
    await crowd.upgrade()
    changed = await crowd.change("user0000")
    await crowd.upgrade()

    restore()

    assert await crowd.stored() == changed


async def test_a_user_who_was_deleted_is_in_nobodys_way(crowd: Crowd, restore: Restore):
    await crowd.gather(3)
    await crowd.upgrade()
    await crowd.database.execute("DELETE FROM auth_user WHERE username = 'user0001'")

    done = restore("--json")

    assert (done.returncode, figures(done)["restored"], figures(done)["changed_since"]) == (0, 2, 1)


async def test_an_empty_journal_is_no_error(restore: Restore, crowd: Crowd):
    done = restore("--json")

    assert (done.returncode, figures(done)["entries"], figures(done)["restored"]) == (0, 0, 0)


async def test_people_are_told_what_to_switch_off(crowd: Crowd, restore: Restore):
    await crowd.gather(3)
    await crowd.upgrade()

    done = restore()

    assert "3 of 3 values put back; 0 users have another one by now." in done.stdout
    assert "BRIDGE_REHASH=off" in done.stdout


async def test_a_login_upgrades_a_restored_value_again_and_reverts_nothing(
    crowd: Crowd, restore: Restore, serve: Serve
):
    await crowd.gather(1)
    await crowd.upgrade()
    restore()

    async with serve() as client:
        assert (await log_in(client, "user0000")).status_code == 200

    assert check_password(PASSWORD, (await crowd.stored())["user0000"], setter=pytest.fail)
    reverted = await crowd.database.fetch_all("SELECT 1 FROM bridge_activity WHERE event = 'upgrade_reverted'")
    assert reverted == []


# Sessions -------------------------------------------------------------------------------------------------------------


async def test_sessions_of_every_value_live_on_after_the_restore(crowd: Crowd, restore: Restore):
    await crowd.gather(1)
    values = [crowd.before["user0000"]]
    for _ in range(2):
        await crowd.upgrade()
        values.append((await crowd.stored())["user0000"])

    restore()

    rows = await crowd.database.fetch_all(
        "SELECT old_auth_hash FROM bridge_password_lineage WHERE new_digest = :digest",
        {"digest": lineage_digest(values[0], secret=DJANGO_SECRET_KEY)},
    )
    assert {row["old_auth_hash"] for row in rows} >= {
        session_auth_hash(value, secret=DJANGO_SECRET_KEY) for value in values[1:]
    }


async def test_a_session_that_was_ended_by_a_change_stays_ended(crowd: Crowd, restore: Restore):
    await crowd.gather(1)
    await crowd.upgrade()
    upgraded = (await crowd.stored())["user0000"]
    changed = await crowd.change("user0000")
    restore()

    rows = await crowd.database.fetch_all(
        "SELECT old_auth_hash FROM bridge_password_lineage WHERE new_digest = :digest",
        {"digest": lineage_digest(changed["user0000"], secret=DJANGO_SECRET_KEY)},
    )
    assert session_auth_hash(upgraded, secret=DJANGO_SECRET_KEY) not in {row["old_auth_hash"] for row in rows}


# Interrupted ----------------------------------------------------------------------------------------------------------

Start = Callable[[], AbstractContextManager[Running]]


@pytest.fixture
def start(service_url: str, key: KeyPair, tmp_path: Path) -> Start:
    def restoring() -> AbstractContextManager[Running]:
        command = ("bridge", "hashes", "restore", "--private-key", str(key.path), "--json")
        return running_module(*command, environment=bridge_environment(service_url), folder=tmp_path)

    return restoring


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Look again until it holds."""
    async with asyncio.timeout(60):
        while not await condition():
            pass


@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL], ids=lambda sent: sent.name)
async def test_a_restore_that_was_interrupted_goes_on_where_it_ended(
    crowd: Crowd, restore: Restore, start: Start, by: signal.Signals
):
    await crowd.gather(300)
    await crowd.upgrade()
    changed = await crowd.change("user0000", "user0100", "user0299")
    upgraded = await crowd.stored()

    async def has_begun() -> bool:
        row = await crowd.database.fetch_one("SELECT count(*) AS count FROM bridge_rehash_journal")
        return row is not None and row["count"] < 295

    with start() as process:
        await until(has_begun)
        # Held where it is, however busy the machine: it is told to end before it can take another step.
        os.kill(process.pid, signal.SIGSTOP)
        os.kill(process.pid, by)
        os.kill(process.pid, signal.SIGCONT)
        done = process.done()
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert ("bridge: Interrupted. Run the same command again" in done.stderr) is (by is signal.SIGINT)

    halfway = await crowd.stored()
    back = [name for name, value in halfway.items() if value == crowd.before[name]]
    assert 0 < len(back) < 297
    assert {name: value for name, value in halfway.items() if name not in back} == {
        name: value for name, value in upgraded.items() if name not in back
    }

    assert figures(restore("--json"))["restored"] == 297 - len(back)
    assert await crowd.stored() == crowd.before | changed


# Keys -----------------------------------------------------------------------------------------------------------------


async def test_another_private_key_changes_nothing_and_says_so(crowd: Crowd, restore: Restore, tmp_path: Path):
    await crowd.gather(3)
    await crowd.upgrade()
    before = await crowd.stored()
    other = KeyPair.make(tmp_path / "other.pem")

    done = restore(private_key=other.path)

    assert done.returncode == 1
    assert "3 entries were not sealed to this key." in done.stderr
    assert await crowd.stored() == before
    assert len(await crowd.table("bridge_rehash_journal")) == 3


async def test_another_private_key_is_counted_for_scripts(crowd: Crowd, restore: Restore, tmp_path: Path):
    await crowd.gather(3)
    await crowd.upgrade()

    done = restore("--json", private_key=KeyPair.make(tmp_path / "other.pem").path)

    assert (done.returncode, figures(done)["unreadable"], figures(done)["restored"]) == (1, 3, 0)


async def test_an_entry_that_was_moved_to_another_user_is_not_put_back(crowd: Crowd, restore: Restore):
    await crowd.gather(2)
    await crowd.upgrade()
    before = await crowd.stored()
    first, second = await crowd.database.fetch_all("SELECT id, user_id, sealed FROM bridge_rehash_journal")
    for entry, other in ((first, second), (second, first)):
        await crowd.database.execute(
            "UPDATE bridge_rehash_journal SET sealed = :sealed WHERE id = :id",
            {"id": entry["id"], "sealed": other["sealed"]},
        )

    assert restore().returncode == 1
    assert await crowd.stored() == before


def _rsa() -> bytes:
    return rsa.generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


NO_KEYS: Final[dict[str, tuple[Callable[[KeyPair], bytes], str]]] = {
    "public": (lambda key: key.public.encode(), "not an unencrypted private key"),
    "garbage": (lambda _: b"swordfish", "not an unencrypted private key"),
    "binary": (lambda _: bytes(range(256)), "not an unencrypted private key"),
    "empty": (lambda _: b"", "not an unencrypted private key"),
    "rsa": (lambda _: _rsa(), "not an X25519 key"),
}


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize(("content", "naming"), NO_KEYS.values(), ids=NO_KEYS.keys())
def test_anything_else_than_the_private_key_is_refused(
    restore: Restore, key: KeyPair, tmp_path: Path, content: Callable[[KeyPair], bytes], naming: str
):
    path = tmp_path / "other"
    path.write_bytes(content(key))

    done = restore(private_key=path)

    assert_one_line(done, naming=naming, cure="openssl genpkey -algorithm X25519")
    assert "swordfish" not in done.stderr


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
@pytest.mark.parametrize("name", ["missing.pem", "."], ids=["missing", "folder"])
def test_a_file_that_cannot_be_read_is_refused(restore: Restore, tmp_path: Path, name: str):
    assert_one_line(restore(private_key=tmp_path / name), naming="cannot be read", cure="Give the key's file.")


def test_a_private_key_as_the_services_is_refused(run: Run, sqlite_url: str, key: KeyPair):
    """Whoever took over the service could read the journal: its key must not be there."""
    done = run("doctor", url=sqlite_url, BRIDGE_REHASH_JOURNAL_KEY=key.path.read_text())

    assert_one_line(done, naming="BRIDGE_REHASH_JOURNAL_KEY is not a public key", cure="openssl genpkey")


# The running bridge keeps it ------------------------------------------------------------------------------------------


async def test_a_login_keeps_what_it_replaces(serve: Serve, cast: Cast, key: KeyPair, restore: Restore):
    await cast.add("ada")
    before = await cast.stored_password("ada")

    async with serve(rehash_journal_key=key.public) as client:
        await log_in(client, "ada")
    assert await cast.stored_password("ada") != before
    restore()

    assert await cast.stored_password("ada") == before


async def test_a_journal_shows_no_value(crowd: Crowd):
    await crowd.gather(8)
    await crowd.upgrade()

    shown = repr(await crowd.table("bridge_rehash_journal"))

    after = await crowd.stored()
    assert not [value for value in (*crowd.before.values(), *after.values(), PASSWORD) if value in shown]
    assert not [form for form in ("pbkdf2", "md5", "argon2") if form in shown]


async def test_without_a_key_nothing_is_kept(serve: Serve, cast: Cast):
    await cast.add("ada")

    async with serve() as client:
        await log_in(client, "ada")

    assert await cast.database.fetch_all("SELECT id FROM bridge_rehash_journal") == []


async def test_a_login_that_upgrades_nothing_keeps_nothing(serve: Serve, cast: Cast, key: KeyPair):
    await cast.add("ada", encoded=make_password(PASSWORD))

    async with serve(rehash_journal_key=key.public) as client:
        await log_in(client, "ada")

    assert await cast.database.fetch_all("SELECT id FROM bridge_rehash_journal") == []


@pytest.mark.parametrize(("days", "kept"), [(29, 1), (31, 0)], ids=["kept", "over"])
async def test_the_running_bridge_prunes_what_is_over(
    serve: Serve, crowd: Crowd, clock: FrozenClock, days: int, kept: int
):
    await crowd.gather(1)
    await crowd.upgrade()
    await crowd.database.execute(
        "INSERT INTO bridge_rehash_journal (user_id, sealed, new_digest, expires_at) VALUES ('0', '', '', :past)",
        {"past": clock.now},
    )
    clock.advance(timedelta(days=days))

    async def is_pruned() -> bool:
        return await crowd.database.fetch_all("SELECT 1 FROM bridge_rehash_journal WHERE user_id = '0'") == []

    async with serve():
        await until(is_pruned)

    assert len(await crowd.table("bridge_rehash_journal")) == kept
