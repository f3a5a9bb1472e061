"""The key directory: who may read it, what a crash leaves, and what it says of files that are no keys."""

import json
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from bridge.errors import ConfigurationError
from bridge.store.keyfiles import KeyDirectory, keys_in
from bridge.tokens import SigningKey
from bridge.tokens.keyset import DatedKey

PUBLISHED = datetime(2026, 11, 21, 12, tzinfo=UTC)


def read(path: Path) -> tuple[DatedKey, ...]:
    directory = KeyDirectory(path)
    return keys_in(directory, directory.texts())


def key(algorithm: str = "ES256", **dates: datetime) -> DatedKey:
    return DatedKey(SigningKey.generate(algorithm), **{"published_at": PUBLISHED, **dates})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "keys"


@pytest.mark.parametrize("retired_at", [None, PUBLISHED + timedelta(days=1)], ids=["active", "retired"])
@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_a_key_is_read_as_it_was_written(path: Path, algorithm: str, retired_at: datetime | None):
    written = DatedKey(SigningKey.generate(algorithm), PUBLISHED, retired_at)

    KeyDirectory(path).write(written)
    (found,) = read(path)

    assert found == written
    assert found.key.to_pem() == written.key.to_pem()


def test_only_the_owner_may_read_the_keys_and_the_directory(path: Path):
    file = KeyDirectory(path).write(key())

    assert [stat.S_IMODE(each.stat().st_mode) for each in (path, file)] == [0o700, 0o600]


def test_a_rewritten_key_takes_the_place_of_its_file_and_leaves_nothing_else(path: Path):
    dated = key()
    KeyDirectory(path).write(dated)
    before = (path / f"{dated.key.kid}.json").stat().st_ino

    KeyDirectory(path).write(DatedKey(dated.key, PUBLISHED, PUBLISHED))

    assert [each.name for each in path.iterdir()] == [f"{dated.key.kid}.json"]
    assert (path / f"{dated.key.kid}.json").stat().st_ino != before  # a new file under the old name, never half of one


def test_what_a_crash_leaves_behind_and_what_is_no_key_by_its_name_is_not_looked_at(path: Path):
    dated = key()
    KeyDirectory(path).write(dated)
    (path / ".5f2a").write_bytes(b"{")
    (path / ".hidden.json").write_bytes(b"{")
    (path / "README.txt").write_text("Ask the platform team.")
    (path / "..data").mkdir()  # as Kubernetes mounts a secret

    assert read(path) == (dated,)


def test_a_key_is_read_through_a_link_as_kubernetes_mounts_it(path: Path, tmp_path: Path):
    dated = key()
    file = KeyDirectory(tmp_path / "data").write(dated)
    path.mkdir(parents=True)
    (path / file.name).symlink_to(file)

    assert read(path) == (dated,)


def test_a_removed_key_is_gone(path: Path):
    one, other = key(), key()
    for each in (one, other):
        KeyDirectory(path).write(each)

    KeyDirectory(path).remove(str(one.key.kid))

    assert read(path) == (other,)


def test_a_ninth_key_is_refused(path: Path):
    for _ in range(9):
        KeyDirectory(path).write(key("EdDSA"))

    with pytest.raises(ConfigurationError, match="more than 8 keys"):
        read(path)


def edited(**changes: Any) -> Callable[[dict[str, Any]], bytes]:
    return lambda document: json.dumps(document | changes).encode()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda document: json.dumps(document).encode()[:-40], id="cut"),
        pytest.param(lambda _: b"[]", id="a_list"),
        pytest.param(lambda _: b"{}", id="nothing_in_it"),
        pytest.param(lambda _: b"\xff\xfe", id="binary"),
        pytest.param(lambda _: b"[" * 60_000, id="nested_deeply"),
        pytest.param(lambda document: document["private_key"].encode(), id="bare_pem"),
        pytest.param(lambda document: json.dumps(document).encode() + b" " * 70_000, id="too_large"),
        pytest.param(edited(algorithm="RS256"), id="another_algorithm"),
        pytest.param(edited(algorithm="HS256"), id="a_secrets_algorithm"),
        pytest.param(edited(algorithm=None), id="no_algorithm"),
        pytest.param(edited(private_key="swordfish"), id="no_pem"),
        pytest.param(edited(private_key=5), id="a_number_for_a_key"),
        pytest.param(edited(published_at="yesterday"), id="no_time"),
        pytest.param(edited(published_at="2026-11-21T12:00:00"), id="a_time_without_its_zone"),
        pytest.param(edited(published_at=None), id="never_published"),
        pytest.param(edited(retired_at=5), id="retired_at_a_number"),
    ],
)
def test_a_file_that_is_no_key_is_named_and_not_quoted(path: Path, spoil: Callable[[dict[str, Any]], bytes]):
    file = KeyDirectory(path).write(key())
    document = json.loads(file.read_bytes())
    file.write_bytes(spoil(document))

    with pytest.raises(ConfigurationError, match="is not a key that `bridge keys` wrote") as refused:
        read(path)

    said = f"{refused.value} {refused.value.__cause__}"
    assert file.name in said
    assert not [line for line in ("swordfish", *document["private_key"].splitlines()[1:-1]) if line in said]


def test_a_file_under_another_keys_name_is_refused(path: Path):
    file = KeyDirectory(path).write(key())
    file.rename(path / "copy.json")

    with pytest.raises(ConfigurationError, match="holds the key"):
        read(path)


@pytest.mark.parametrize("make", [lambda path: None, lambda path: path.write_text("")], ids=["missing", "a_file"])
def test_a_directory_that_is_none_is_refused_with_its_cure(tmp_path: Path, make: Callable[[Path], object]):
    make(tmp_path / "keys")

    with pytest.raises(ConfigurationError, match="cannot be read") as refused:
        read(tmp_path / "keys")

    assert "bridge keys new" in refused.value.cure


def test_a_key_that_cannot_be_written_is_refused(tmp_path: Path):
    (tmp_path / "keys").write_text("")

    with pytest.raises(ConfigurationError, match="cannot be written to"):
        KeyDirectory(tmp_path / "keys").write(key())
