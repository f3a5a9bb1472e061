"""What commands leave in the audit log: who changed what, once for each change, and only where it is asked for."""

import getpass
import json
from pathlib import Path
from typing import Any, Final

from tests.cli.conftest import Done, Run
from tests.cli.test_hashes import KeyPair, key
from tests.cli.test_keys import AGES, age
from tests.conftest import Cast

__all__ = ["key"]

ENDPOINTS: Final = '["tests.site.telling:router"]'
ACTOR: Final = f"cli:{getpass.getuser()}"
AUDITED: Final = ("--audit-log", "json")


def events(done: Done) -> list[dict[str, Any]]:
    """What a command has written, without what is the same for every line."""
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stderr.splitlines() if not line.startswith("looked at ")]
    return [
        {name: value for name, value in line.items() if name not in {"time", "level", "logger", "message"}}
        for line in found
    ]


def test_who_moved_an_endpoint_is_told_once_for_each(run: Run, sqlite_url: str):
    def endpoints(*arguments: str, audited: tuple[str, ...] = AUDITED) -> Done:
        return run(*audited, "endpoints", *arguments, url=sqlite_url, BRIDGE_ENDPOINTS=ENDPOINTS)

    dry = events(endpoints("set", "GET /moved/", "shadow", "--dry-run"))
    moved = events(endpoints("set", "GET /moved/", "canary", "--share", "5%"))
    rolled_back = events(endpoints("rollback", "--all"))
    unasked = endpoints("set", "GET /moved/", "shadow", audited=())

    told = {"event": "stage_changed", "actor": ACTOR, "operation": "GET /moved/"}
    assert dry == []
    assert moved == [told | {"stage": "canary", "share": "5%"}]
    assert rolled_back == [told | {"stage": "legacy", "share": "0%"}]
    assert (unasked.returncode, unasked.stderr) == (0, "")


def test_who_changed_a_key_is_told_by_its_name_alone(run: Run, tmp_path: Path):
    directory = ("--directory", str(tmp_path / "keys"))

    def keys(*arguments: str) -> Done:
        return run(*AUDITED, "keys", *arguments, *directory, url="", BRIDGE_DATABASE_URL=None, BRIDGE_SIGNING_KEY=None)

    done = [keys("new", "--json"), keys("new", "--json")]
    old, new = (json.loads(each.stdout)["kid"] for each in done)
    for kid, ages in ((old, 2), (new, 1)):
        age(tmp_path, kid, ages * AGES)
    done += [keys("retire", old, "--dry-run"), keys("retire", old), keys("retire", old, "--compromised")]

    expected = [("key_added", old), ("key_added", new), ("key_retired", old), ("key_removed", old)]
    found = [line for each in done for line in events(each)]
    assert found == [{"event": event, "actor": ACTOR, "key": key} for event, key in expected]


async def test_whose_passwords_were_wrapped_expired_and_restored_is_told_once_for_each(
    run: Run, cast: Cast, service_url: str, key: KeyPair, tmp_path: Path
):
    user = str(await cast.add("ada"))

    def hashes(*arguments: str) -> list[dict[str, Any]]:
        settings = {"BRIDGE_REHASH_JOURNAL_KEY": key.public}
        return events(run(*AUDITED, "hashes", *arguments, "--json", url=service_url, **settings))

    mails = ("--dormant-days", "1", "--csv")
    wrap = ("wrap", "--algorithm", "pbkdf2_sha256")
    expire = ("expire", "--algorithm", "argon2_pbkdf2_sha256", *mails)
    restore = ("restore", "--private-key", str(key.path))
    dry = [each for command in (wrap, (*expire, str(tmp_path / "dry"))) for each in hashes(*command, "--dry-run")]
    done = [hashes(*wrap), hashes(*expire, str(tmp_path / "mails")), hashes(*restore)]

    told = {"actor": ACTOR, "user_id": user}
    assert dry == []
    assert done == [
        [told | {"event": "password_wrapped"}],
        [told | {"event": "password_expired"}],
        [told | {"event": "password_restored"}] * 2,
    ]
