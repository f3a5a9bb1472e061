"""``bridge hashes expire``: unusable passwords for those who are away, and the list for their mails."""

import csv
import os
import signal
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pytest
from django.contrib.auth.hashers import is_password_usable, make_password

from tests.cli.conftest import Done, Run, assert_one_line, bridge_environment
from tests.cli.test_hashes import Crowd, KeyPair, crowd, figures, key, until
from tests.conftest import PASSWORD, Cast, Serve, log_in
from tests.forked import running_module
from tests.web.conftest import PublishedProfile

__all__ = ["crowd", "key"]

LONG_AGO: Final = datetime(2020, 1, 1, tzinfo=UTC)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

Expire = Callable[..., Done]


@pytest.fixture
def mails(tmp_path: Path) -> Path:
    return tmp_path / "mails.csv"


@pytest.fixture
def expire(run: Run, service_url: str, key: KeyPair, mails: Path) -> Expire:
    """Run ``bridge hashes expire`` under the bridge's own role, for a year's absence."""

    def hashes_expire(*arguments: str, to: Path | None = mails) -> Done:
        file = () if to is None else ("--csv", str(to))
        command = ("hashes", "expire", "--dormant-days", "365", *file, *arguments)
        return run(*command, url=service_url, BRIDGE_REHASH_JOURNAL_KEY=key.public)

    return hashes_expire


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.exists() else ""


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


async def test_only_old_passwords_of_those_who_are_away_become_unusable(
    cast: Cast, crowd: Crowd, expire: Expire, mails: Path
):
    gone = await cast.add("gone", email="gone@example.com", last_login=LONG_AGO)
    never = await cast.add("never")
    await cast.add("back", last_login=datetime.now(UTC))
    await cast.add("new", date_joined=datetime.now(UTC) - timedelta(days=10))
    await cast.add("upgraded", encoded=make_password(PASSWORD), last_login=LONG_AGO)
    await cast.add("wrapped", encoded=make_password(PASSWORD, hasher="argon2_md5"), last_login=LONG_AGO)
    await cast.add("by_sso", encoded=make_password(None), last_login=LONG_AGO)
    before = await crowd.stored()

    done = expire("--json")

    after = await crowd.stored()
    assert (done.returncode, figures(done)) == (
        0,
        {"dry_run": False, "users": 2, "expired": 2, "changed_since": 0, "without_email": 1},
    )
    assert {name for name in after if after[name] != before[name]} == {"gone", "never"}
    assert not is_password_usable(after["gone"])
    assert len(after["gone"]) == len(before["by_sso"])
    assert rows(mails) == [
        ["id", "username", "email", "last_login"],
        [str(gone), "gone", "gone@example.com", LONG_AGO.isoformat()],
        [str(never), "never", "", ""],
    ]


@on_sqlite
async def test_the_list_is_for_its_owner_alone_and_has_no_hash(cast: Cast, expire: Expire, mails: Path):
    await cast.add("gone")

    done = expire()

    assert stat.S_IMODE(os.stat(mails).st_mode) == 0o600  # noqa: PTH116  # on a loop that has nothing else to do
    assert "$" not in text(mails) + done.stdout + done.stderr


@on_sqlite
async def test_people_are_told_what_ends_and_that_djangos_form_will_not_help(cast: Cast, expire: Expire):
    await cast.add("gone")

    said = expire().stdout

    assert "1 of 1 passwords expired; 0 users have another one by now. 1 of them have no e-mail address." in said
    assert "Their sessions and tokens have ended, and Django's reset form mails nobody" in said


@on_sqlite
async def test_a_dry_run_says_the_same_and_lists_them_but_changes_nothing(
    crowd: Crowd, cast: Cast, expire: Expire, tmp_path: Path
):
    for name in ("one", "two"):
        await cast.add(name)
    before = await crowd.stored()

    dry = expire("--dry-run", "--json", to=tmp_path / "dry.csv")

    assert await crowd.stored() == before
    assert figures(dry) == figures(expire("--json")) | {"dry_run": True}
    assert [row[1] for row in rows(tmp_path / "dry.csv")] == ["username", "one", "two"]


@on_sqlite
async def test_wrapped_and_other_values_can_be_named(cast: Cast, crowd: Crowd, expire: Expire):
    for hasher in ("argon2_md5", "md5", "pbkdf2_sha256"):
        await cast.add(hasher, encoded=make_password(PASSWORD, hasher=hasher))

    expire("--algorithm", "argon2_md5", "--algorithm", "md5")

    usable = {name for name, value in (await crowd.stored()).items() if is_password_usable(value)}
    assert usable == {"pbkdf2_sha256"}


async def test_sessions_and_tokens_end(cast: Cast, expire: Expire, serve: Serve):
    await cast.add("gone", last_login=LONG_AGO)

    async with serve(rehash="off") as client:
        given = (await log_in(client, "gone")).json()
        await cast.database.execute("UPDATE auth_user SET last_login = :then", {"then": LONG_AGO})
        expire()
        header = {"Authorization": f"Bearer {given['access_token']}"}
        seen = await client.get("/users/me/", headers=header)
        refreshed = await client.post("/auth/refresh", json={"refresh_token": given["refresh_token"]})

        assert (seen.status_code, refreshed.status_code) == (401, 401)
        assert (await log_in(client, "gone")).status_code == 401


async def test_a_restore_takes_an_expiry_back(crowd: Crowd, expire: Expire, run: Run, service_url: str, key: KeyPair):
    await Cast(crowd.database).add("gone")
    before = await crowd.stored()
    expire()

    done = run("hashes", "restore", "--private-key", str(key.path), "--json", url=service_url)

    assert figures(done)["restored"] == 1
    assert await crowd.stored() == before


SLOWLY: Final = """
CREATE TRIGGER slowly AFTER UPDATE OF password ON auth_user BEGIN
    SELECT count(*) FROM auth_user one, auth_user other WHERE one.username || other.username = '';
END
"""
"""However busy the machine, nobody is done before the first of them are seen to be."""


@on_sqlite
@pytest.mark.parametrize("by", [signal.SIGINT, signal.SIGKILL], ids=lambda sent: sent.name)
async def test_everybody_who_was_expired_before_an_interrupt_is_on_a_list(
    crowd: Crowd, expire: Expire, service_url: str, tmp_path: Path, by: signal.Signals
):
    await crowd.gather(400)
    await crowd.database.execute("UPDATE auth_user SET date_joined = :then", {"then": LONG_AGO})
    await crowd.database.execute(SLOWLY)
    first = tmp_path / "first.csv"

    async def expired() -> set[str]:
        return {name for name, value in (await crowd.stored()).items() if not is_password_usable(value)}

    async def has_begun() -> bool:
        return bool(await expired())

    command = ("bridge", "hashes", "expire", "--dormant-days", "365", "--csv", str(first))
    with running_module(*command, environment=bridge_environment(service_url), folder=tmp_path) as running:
        await until(has_begun)
        os.kill(running.pid, by)
        done = running.done()
    assert ("bridge: Interrupted. Run it again with another --csv" in done.stderr) is (by is signal.SIGINT)
    by_then = await expired()
    await crowd.database.execute("DROP TRIGGER slowly")
    assert 0 < len(by_then) < 400
    assert by_then <= {row[1] for row in rows(first)}

    assert figures(expire("--json"))["expired"] == 400 - len(by_then)
    assert await expired() == set(crowd.before)


@on_sqlite
async def test_a_list_of_an_earlier_run_is_never_written_over(cast: Cast, crowd: Crowd, expire: Expire, mails: Path):
    await cast.add("gone")
    expire()
    listed = text(mails)
    await cast.add("gone as well")
    before = await crowd.stored()

    assert_one_line(expire(), naming="is there already", cure="keep it")
    assert await crowd.stored() == before
    assert text(mails) == listed


@on_sqlite
async def test_nothing_happens_where_it_would_be_unsafe_and_no_file_is_left(
    cast: Cast, crowd: Crowd, expire: Expire, mails: Path
):
    await cast.add("gone")
    before = await crowd.stored()
    await PublishedProfile(cast.database).edit(lambda document: document["hashers"].reverse())

    assert_one_line(expire(), naming="argon2 is not first", cure="Put django.contrib")
    assert await crowd.stored() == before
    assert text(mails) == ""


@on_sqlite
async def test_a_site_that_keeps_no_logins_has_no_dormant_users(cast: Cast, expire: Expire):
    await PublishedProfile(cast.database).edit(lambda document: document["user_table"]["columns"].pop("last_login"))

    assert_one_line(expire(), naming="no last_login", cure="Leave out --dormant-days")


@on_sqlite
def test_a_list_is_asked_for(expire: Expire):
    assert_one_line(expire(to=None), naming="whom to mail", cure="Give --csv FILE")


@on_sqlite
def test_a_list_that_cannot_be_written_is_refused(expire: Expire, tmp_path: Path):
    assert_one_line(expire(to=tmp_path / "nowhere" / "mails.csv"), naming="cannot be written", cure="another file")


@on_sqlite
def test_plain_argon2_is_not_expired(expire: Expire):
    assert_one_line(expire("--algorithm", "argon2"), naming="--algorithm argon2", cure="bcrypt")
