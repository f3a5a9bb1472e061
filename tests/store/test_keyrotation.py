"""A rotation from end to end, with the clock in hand, and every step that would refuse somebody's token."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest

from bridge.errors import ConfigurationError
from bridge.services.keyrotation import KeyRotation
from bridge.services.keys import KeySource
from bridge.store.keyfiles import KeyDirectory
from bridge.tokens import SigningKey
from bridge.tokens.keyset import KeyTimes
from tests.conftest import FrozenClock

PUBLICATION: Final = timedelta(minutes=7)
LONGEST: Final = timedelta(days=14)
TIMES: Final = KeyTimes(longest_token=LONGEST, publication=PUBLICATION)
MARGIN: Final = timedelta(minutes=1)
SECOND: Final = timedelta(seconds=1)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def rotation(path: Path, clock: FrozenClock) -> KeyRotation:
    return KeyRotation(directory=KeyDirectory(path), times=TIMES, clock=clock)


def states(rotation: KeyRotation) -> dict[str, str]:
    return {each.kid: each.state for each in rotation.survey()}


def test_a_rotation_goes_through_every_state(rotation: KeyRotation, clock: FrozenClock):
    old = rotation.add(None).kid
    assert states(rotation) == {old: "signing"}

    clock.advance(timedelta(days=90))
    new = rotation.add(None).kid
    assert states(rotation) == {old: "signing", new: "waiting"}

    clock.advance(PUBLICATION)
    assert states(rotation) == {old: "standby", new: "signing"}

    left = rotation.retire(old)
    assert left.removable_from == clock() + LONGEST + MARGIN
    assert states(rotation) == {old: "retired", new: "signing"}

    clock.advance(LONGEST + MARGIN)
    assert states(rotation) == {old: "removable", new: "signing"}

    assert rotation.purge(old).how == "removed"
    assert states(rotation) == {new: "signing"}


def test_the_first_key_waits_for_nobody_and_the_second_for_everybody(rotation: KeyRotation):
    assert [rotation.add(None).waits for _ in range(3)] == [timedelta(0), PUBLICATION, PUBLICATION]


@pytest.mark.parametrize("skew", [timedelta(0), timedelta(days=-1)], ids=["the_same_moment", "a_clock_set_back"])
def test_a_new_key_is_younger_than_every_other_whatever_the_clock_says(
    rotation: KeyRotation, clock: FrozenClock, skew: timedelta
):
    first = rotation.add(None).kid
    clock.advance(skew)
    later = [rotation.add(None).kid for _ in range(5)]

    assert states(rotation) == {first: "signing"} | dict.fromkeys(later, "waiting")


def test_the_only_key_is_not_retired(rotation: KeyRotation):
    only = rotation.add(None).kid

    with pytest.raises(ConfigurationError, match="the only key that signs") as refused:
        rotation.retire(only)

    assert "bridge keys new" in refused.value.cure
    assert states(rotation) == {only: "signing"}


def test_a_key_is_not_retired_before_the_next_one_signs(rotation: KeyRotation, clock: FrozenClock):
    old = rotation.add(None).kid
    clock.advance(timedelta(days=1))
    rotation.add(None)
    clock.advance(PUBLICATION - SECOND)

    with pytest.raises(ConfigurationError, match="The next key does not sign before"):
        rotation.retire(old)
    clock.advance(SECOND)

    assert rotation.retire(old).how == "retired"


def test_retiring_a_key_again_does_not_lengthen_its_life(rotation: KeyRotation, clock: FrozenClock):
    old = rotation.add(None).kid
    rotation.add(None)
    clock.advance(PUBLICATION + SECOND)
    first = rotation.retire(old)
    clock.advance(timedelta(days=1))

    assert rotation.retire(old) == first


def test_an_active_key_is_not_purged(rotation: KeyRotation):
    with pytest.raises(ConfigurationError, match="may still sign"):
        rotation.purge(rotation.add(None).kid)


def test_a_retired_key_is_not_purged_while_its_tokens_are_valid(rotation: KeyRotation, clock: FrozenClock):
    old = rotation.add(None).kid
    rotation.add(None)
    clock.advance(PUBLICATION + SECOND)
    rotation.retire(old)
    clock.advance(LONGEST)

    with pytest.raises(ConfigurationError, match="are valid until"):
        rotation.purge(old)


def test_a_compromised_key_goes_at_once_and_the_next_one_signs_at_once(rotation: KeyRotation):
    stolen = rotation.add(None).kid
    new = rotation.add(None).kid

    rotation.drop(stolen)

    assert states(rotation) == {new: "signing"}


def test_a_compromised_key_stays_while_there_is_no_other(rotation: KeyRotation):
    with pytest.raises(ConfigurationError, match="is the only key"):
        rotation.drop(rotation.add(None).kid)


def test_a_dry_run_writes_nothing(rotation: KeyRotation, path: Path, clock: FrozenClock):
    old, new = (rotation.add(None).kid for _ in range(2))
    clock.advance(PUBLICATION + SECOND)
    before = KeyDirectory(path).texts()

    assert rotation.retire(old, dry_run=True).removable_from == clock() + LONGEST + MARGIN
    rotation.drop(new, dry_run=True)

    assert KeyDirectory(path).texts() == before


def test_a_ninth_key_is_not_made(rotation: KeyRotation, path: Path):
    for _ in range(8):
        rotation.add("EdDSA")

    with pytest.raises(ConfigurationError, match="holds 8 keys already"):
        rotation.add(None)
    assert len(KeyDirectory(path).texts()) == 8


def test_a_directory_keeps_to_its_algorithm(rotation: KeyRotation):
    rotation.add("EdDSA")

    assert rotation.add(None).algorithm == "EdDSA"
    with pytest.raises(ConfigurationError, match="holds keys for EdDSA"):
        rotation.add("ES256")


@pytest.mark.parametrize("algorithm", ["HS256", "none", "es256"])
def test_a_key_for_no_key_pairs_algorithm_is_not_made(rotation: KeyRotation, path: Path, algorithm: str):
    with pytest.raises(ConfigurationError, match="no key pairs"):
        rotation.add(algorithm)
    assert not path.exists()


def test_a_key_that_was_used_alone_until_now_is_taken_up_under_the_same_name(rotation: KeyRotation):
    key = SigningKey.generate("ES256")

    added = rotation.add(None, private_key=key.to_pem())

    assert (added.kid, added.waits) == (key.kid, timedelta(0))
    with pytest.raises(ConfigurationError, match="has that key already"):
        rotation.add(None, private_key=key.to_pem())


def test_a_key_is_named_by_its_beginning(rotation: KeyRotation):
    kid = rotation.add(None).kid
    rotation.add(None)

    assert rotation.drop(kid[:6], dry_run=True).kid == kid


@pytest.mark.parametrize("prefix", ["", "a", "nobody's"])
def test_a_name_that_means_no_key_or_any_is_refused(rotation: KeyRotation, prefix: str):
    rotation.add(None)
    rotation.add(None)

    with pytest.raises(ConfigurationError, match="is the beginning of"):
        rotation.drop(prefix)


def test_no_name_looks_like_an_option():
    assert not [kid for kid in (_kid() for _ in range(300)) if kid.startswith("-")]


def _kid() -> str:
    from bridge.services.keyrotation import _nameable  # noqa: PLC0415  # what `add` makes keys with, without the files

    return str(_nameable("EdDSA").kid)


# What the service makes of it -----------------------------------------------------------------------------------------


def source(path: Path, algorithm: str = "ES256") -> KeySource:
    return KeySource(str(path), algorithm=algorithm, times=TIMES)


def test_the_service_takes_up_a_new_key_when_it_looks_again(rotation: KeyRotation, path: Path):
    old = rotation.add(None).kid
    keys = source(path)
    assert keys.look() is keys.look()

    new = rotation.add(None).kid

    assert {dated.key.kid for dated in keys.look().keys} == {old, new}


def test_a_file_that_changes_is_read_again(rotation: KeyRotation, path: Path, clock: FrozenClock):
    rotation.add(None)
    new = rotation.add(None)
    keys = source(path)
    assert keys.look().signing(now=clock()).kid != new.kid

    document = json.loads(Path(new.path).read_bytes())
    document["published_at"] = (clock() - PUBLICATION).isoformat()  # as after restoring a backup
    Path(new.path).write_text(json.dumps(document))

    assert keys.look().signing(now=clock()).kid == new.kid


def test_an_empty_directory_is_refused_with_its_cure(path: Path):
    path.mkdir()

    with pytest.raises(ConfigurationError, match="which holds no key") as refused:
        source(path)
    assert "bridge keys new" in refused.value.cure


@pytest.mark.parametrize("algorithm", ["HS256", "RS256"])
def test_keys_of_another_algorithm_than_the_services_are_refused(rotation: KeyRotation, path: Path, algorithm: str):
    rotation.add("ES256")

    with pytest.raises(ConfigurationError, match=f"are for ES256, not {algorithm}") as refused:
        source(path, algorithm)
    assert "BRIDGE_SIGNING_ALGORITHM=ES256" in refused.value.cure


def test_a_path_where_nothing_is_does_not_become_a_secret(tmp_path: Path):
    """Whoever guesses it could sign tokens."""
    missing = tmp_path / "a-directory-that-is-yet-to-be-made"
    assert len(str(missing)) > 32

    with pytest.raises(ConfigurationError, match="a path where nothing is"):
        source(missing, "HS256")


@pytest.mark.parametrize(
    "secret",
    ["/7Yx0vQ1Jg3sKpJ0b3rWkqkqg2n0lVt8m4Jm6xvB0aE=", "/Yx0/Q1Jg3sKpJ0b3rWkqkqg2n0lVt8m4Jm6xvB0aE=", "s" * 5000],
    ids=["begins_with_a_slash", "two_slashes", "longer_than_a_path"],
)
def test_a_secret_that_looks_like_a_path_is_taken(secret: str):
    assert KeySource(secret, algorithm="HS256", times=TIMES).look().keys[0].key.public == secret


def test_a_path_where_nothing_is_is_no_key_either(tmp_path: Path):
    with pytest.raises(ConfigurationError, match="neither a PEM private key") as refused:
        source(tmp_path / "missing")
    assert "missing" not in str(refused.value)  # it may as well be a secret
