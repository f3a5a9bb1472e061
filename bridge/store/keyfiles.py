"""The key directory: one file a key, shared by the replicas like any mounted secret."""

import json
import os
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bridge.errors import ConfigurationError
from bridge.tokens.keyset import MAXIMUM_KEYS, DatedKey

__all__ = ["KeyDirectory", "keys_in"]

_SUFFIX: Final = ".json"
_LIMIT_BYTES: Final = 64 * 1024
_OWNER_ONLY: Final = 0o600
_OWNER_ONLY_FOLDER: Final = 0o700


@dataclass(frozen=True, slots=True)
class KeyDirectory:
    """Reads and writes ``KID.json``. A file is whole or not there; names that begin with a dot are not looked at."""

    path: Path

    def texts(self) -> dict[str, bytes]:
        """Read every key's file, by name.

        Raises:
            ConfigurationError: they cannot be read, or are more or larger than keys ever are.
        """
        with _explained(self.path, "read"):
            names = sorted(each.name for each in self.path.iterdir() if each.suffix == _SUFFIX and each.name[0] != ".")
            if len(names) > MAXIMUM_KEYS:
                raise ConfigurationError(
                    f"{self.path} holds more than {MAXIMUM_KEYS} keys",
                    cure="Delete those that `bridge keys list` showed as removable.",
                )
            return {name: self._text(name) for name in names}

    def write(self, dated: DatedKey) -> Path:
        """Put a key's file there, or in the place of its old one; makes the directory if it is not there.

        Raises:
            ConfigurationError: it cannot be written.
        """
        target = self.path / f"{dated.key.kid}{_SUFFIX}"
        draft = self.path / f".{secrets.token_hex(8)}"
        with _explained(self.path, "written to"):
            self.path.mkdir(mode=_OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
            try:
                self._write_draft(draft, json.dumps(dated.to_document(), indent=1).encode())
                draft.replace(target)
            finally:
                draft.unlink(missing_ok=True)
            self._keep()
        return target

    def remove(self, kid: str) -> None:
        """Delete a key's file.

        Raises:
            ConfigurationError: it cannot be deleted.
        """
        with _explained(self.path, "written to"):
            (self.path / f"{kid}{_SUFFIX}").unlink()
            self._keep()

    def _text(self, name: str) -> bytes:
        with (self.path / name).open("rb") as file:
            text = file.read(_LIMIT_BYTES + 1)
        if len(text) > _LIMIT_BYTES:
            raise _no_key(self.path / name)
        return text

    @staticmethod
    def _write_draft(draft: Path, text: bytes) -> None:
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY)
        with os.fdopen(descriptor, "wb") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

    def _keep(self) -> None:
        """Let the renaming outlive a crash as well."""
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def keys_in(directory: KeyDirectory, texts: Mapping[str, bytes]) -> tuple[DatedKey, ...]:
    """Take the keys out of a directory's files.

    Raises:
        ConfigurationError: one of them is no key's, or another key's than its name says.
    """
    return tuple(_key_in(directory.path / name, text) for name, text in texts.items())


def _key_in(path: Path, text: bytes) -> DatedKey:
    try:
        dated = DatedKey.from_document(json.loads(text))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, ConfigurationError) as exc:
        raise _no_key(path) from exc
    if path.stem != dated.key.kid:
        raise ConfigurationError(f"{path} holds the key {dated.key.kid}", cure="Rename the file to the key it holds.")
    return dated


def _no_key(path: Path) -> ConfigurationError:
    return ConfigurationError(
        f"{path} is not a key that `bridge keys` wrote", cure="Restore the file, or move it elsewhere."
    )


@contextmanager
def _explained(path: Path, verb: str) -> Iterator[None]:
    try:
        yield
    except OSError as exc:
        raise ConfigurationError(
            f"The key directory {path} cannot be {verb} ({exc.strerror})",
            cure="Check the path and who may use it; `bridge keys new --directory DIR` makes one.",
        ) from exc
