"""``bridge keys``: what its operator sees of a rotation, and of every mistake."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from bridge.tokens import SigningKey
from tests.cli.conftest import Done, Run, assert_one_line
from tests.conftest import SIGNING_KEY

Keys = Callable[..., Done]
ES256: Final = {"BRIDGE_SIGNING_ALGORITHM": "ES256"}
AGES: Final = timedelta(days=30)


@pytest.fixture
def keys(run: Run, tmp_path: Path) -> Keys:
    """Run ``bridge keys``, with the directory that BRIDGE_SIGNING_KEY names unless told otherwise. No database."""

    def command(*arguments: str, **settings: str | None) -> Done:
        given = {"BRIDGE_DATABASE_URL": None, "BRIDGE_SIGNING_KEY": str(tmp_path / "keys"), **ES256, **settings}
        return run("keys", *arguments, url="", **given)

    return command


def made(done: Done) -> dict[str, Any]:
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    return document


def listed(keys: Keys) -> dict[str, str]:
    done = keys("list", "--json")
    assert done.returncode == 0, done.stderr
    return {each["kid"]: each["state"] for each in json.loads(done.stdout)}


def age(tmp_path: Path, kid: str, by: timedelta, *, name: str = "published_at") -> None:
    """Let a key be older than it is, as its file may be edited by hand."""
    file = tmp_path / "keys" / f"{kid}.json"
    document = json.loads(file.read_bytes())
    document[name] = (datetime.fromisoformat(document[name]) - by).isoformat()
    file.write_text(json.dumps(document))


def test_a_rotation_from_the_command_line(keys: Keys, tmp_path: Path):
    old = made(keys("new", "--json"))["kid"]
    new = made(keys("new", "--json"))["kid"]
    assert listed(keys) == {old: "signing", new: "waiting"}

    age(tmp_path, old, 2 * AGES)
    age(tmp_path, new, AGES)
    assert listed(keys) == {old: "standby", new: "signing"}

    assert made(keys("retire", old, "--dry-run", "--json"))["dry_run"] is True
    assert listed(keys) == {old: "standby", new: "signing"}
    assert made(keys("retire", old, "--json"))["how"] == "retired"
    assert listed(keys) == {old: "retired", new: "signing"}

    age(tmp_path, old, AGES, name="retired_at")
    assert listed(keys) == {old: "removable", new: "signing"}
    assert made(keys("retire", old, "--purge", "--json"))["how"] == "removed"
    assert listed(keys) == {new: "signing"}
    assert [file.name for file in (tmp_path / "keys").iterdir()] == [f"{new}.json"]


def test_the_first_key_says_what_to_set(run: Run, tmp_path: Path):
    """It needs no setting at all: there is none yet."""
    unset = dict.fromkeys(("BRIDGE_DATABASE_URL", "BRIDGE_DJANGO_SECRET_KEY", "BRIDGE_SIGNING_KEY"))

    done = run("keys", "new", "--directory", "keys", url="", **unset)

    assert done.returncode == 0, done.stderr
    assert "It signs at once." in done.stdout
    assert f"Set BRIDGE_SIGNING_KEY={tmp_path / 'keys'} and BRIDGE_SIGNING_ALGORITHM=ES256." in done.stdout


def test_a_further_key_says_when_it_signs_and_what_to_do_then(keys: Keys):
    keys("new")

    said = keys("new").stdout

    assert "It signs from " in said
    assert "bridge keys retire KID" in said


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_key_is_made_for_the_algorithm_of_the_service_unless_another_is_asked_for(keys: Keys, algorithm: str):
    by_setting = made(keys("new", "--json", BRIDGE_SIGNING_ALGORITHM=algorithm))
    by_option = made(keys("new", "--json", "--algorithm", algorithm, "--directory", "other"))

    assert by_setting["algorithm"] == by_option["algorithm"] == algorithm


def test_a_waiting_key_waits_as_long_as_the_service_is_told(keys: Keys):
    keys("new")

    document = made(keys("new", "--json", BRIDGE_KEY_PUBLICATION_SECONDS="86400"))

    (waits,) = [each for each in json.loads(keys("list", "--json").stdout) if each["kid"] == document["kid"]]
    wait = datetime.fromisoformat(document["signs_from"]) - datetime.fromisoformat(waits["published_at"])
    assert timedelta(hours=23) < wait <= timedelta(days=1)


def test_the_list_shows_whole_names_whatever_the_terminals_width(keys: Keys):
    kid = made(keys("new", "--json"))["kid"]

    done = keys("list", COLUMNS="40")

    assert kid in done.stdout
    assert "signs" in done.stdout


def test_the_lone_key_of_until_now_is_taken_up(keys: Keys, tmp_path: Path):
    key = SigningKey.generate("ES256")
    (tmp_path / "key.pem").write_text(key.to_pem())

    assert made(keys("new", "--private-key", "key.pem", "--json"))["kid"] == key.kid


def test_a_compromised_key_is_gone_at_once(keys: Keys):
    stolen, new = (made(keys("new", "--json"))["kid"] for _ in range(2))

    done = keys("retire", stolen, "--compromised")

    assert done.stdout == f"{stolen} is gone; the service notices within ten seconds.\n"
    assert listed(keys) == {new: "signing"}


def test_no_private_key_is_printed(keys: Keys, tmp_path: Path):
    outputs = [keys("new"), keys("new", "--json"), keys("list"), keys("list", "--json")]
    secrets = [
        line
        for file in (tmp_path / "keys").iterdir()
        for line in json.loads(file.read_bytes())["private_key"].splitlines()
    ]

    said = "".join(done.stdout + done.stderr for done in outputs)
    assert not [line for line in secrets if line in said]


# Mistakes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", [["new"], ["list"], ["retire", "abcdef"]], ids=lambda each: each[0])
@pytest.mark.parametrize(
    "settings",
    [
        {"BRIDGE_SIGNING_KEY": None},
        {"BRIDGE_SIGNING_ALGORITHM": None},
        {"BRIDGE_SIGNING_KEY": SIGNING_KEY, "BRIDGE_SIGNING_ALGORITHM": "HS256"},
        {"BRIDGE_SIGNING_KEY": SigningKey.generate("ES256").to_pem()},
    ],
    ids=["unset", "no_algorithm", "a_secret", "a_pem_key"],
)
def test_without_a_directory_each_command_asks_for_one(
    keys: Keys, tmp_path: Path, command: list[str], settings: dict[str, str | None]
):
    """And never takes a secret for the name of one."""
    assert_one_line(keys(*command, **settings), naming="names no key directory", cure="--directory DIR")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["list"], ["retire", "abcdef"]], ids=lambda each: each[0])
def test_a_directory_that_is_not_there_is_said_with_its_cure(keys: Keys, command: list[str]):
    assert_one_line(keys(*command), naming="cannot be read", cure="bridge keys new --directory DIR")


def test_the_only_key_is_not_retired(keys: Keys):
    kid = made(keys("new", "--json"))["kid"]

    assert_one_line(keys("retire", kid), naming="the only key", cure="bridge keys new")


def test_an_unknown_key_is_not_retired(keys: Keys):
    keys("new")

    assert_one_line(keys("retire", "swordfish"), naming="no keys", cure="bridge keys list")


@pytest.mark.parametrize("seconds", ["0", "59", "604801", "soon"])
def test_a_publication_that_no_replica_could_follow_is_refused(keys: Keys, seconds: str):
    done = keys("list", BRIDGE_KEY_PUBLICATION_SECONDS=seconds)

    assert_one_line(done, naming="BRIDGE_KEY_PUBLICATION_SECONDS", cure="README")


def test_an_unknown_setting_is_refused(keys: Keys):
    assert_one_line(keys("list", BRIDGE_KEY_PUBLICATION="60"), naming="BRIDGE_KEY_PUBLICATION", cure="Did you mean")


@pytest.mark.parametrize("content", [None, "swordfish", "é"], ids=["missing", "no_pem", "not_ascii"])
def test_a_private_key_that_is_none_is_refused(keys: Keys, tmp_path: Path, content: str | None):
    if content is not None:
        (tmp_path / "key.pem").write_text(content)

    done = keys("new", "--private-key", "key.pem")

    assert_one_line(done, naming="PEM", cure="Give")
    assert "swordfish" not in done.stderr
    assert "BRIDGE_SIGNING_KEY" not in done.stderr
    assert not (tmp_path / "keys").exists()
