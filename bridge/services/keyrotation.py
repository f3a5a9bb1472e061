"""New keys come, old ones go, and no token is refused meanwhile."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from bridge.errors import ConfigurationError
from bridge.services.clock import Clock
from bridge.store.keyfiles import KeyDirectory, keys_in
from bridge.tokens import KeySet, SigningKey
from bridge.tokens.keys import KeyNames
from bridge.tokens.keyset import MAXIMUM_KEYS, DatedKey, KeyState, KeyTimes

__all__ = ["Added", "KeyRotation", "KeyStanding", "Left"]

_SHORTEST_PREFIX: Final = 6
_TAKEN: Final = KeyNames("The private key", "The algorithm")
_TICK: Final = timedelta(microseconds=1)
"""By which a new key is younger than every other, whatever this machine's clock says: the oldest signs meanwhile."""


@dataclass(frozen=True, slots=True)
class KeyStanding:
    """A key and what it does now.

    Attributes:
        signs_from: when it may sign at the earliest, others permitting.
        removable_from: when nothing that it signed is valid any more; None while it is not retired.
    """

    kid: str
    algorithm: str
    state: KeyState
    published_at: datetime
    signs_from: datetime
    retired_at: datetime | None
    removable_from: datetime | None


@dataclass(frozen=True, slots=True)
class Added:
    """A key that is published; ``waits`` is how long until it signs."""

    kid: str
    algorithm: str
    path: str
    waits: timedelta


@dataclass(frozen=True, slots=True)
class Left:
    """A key that signs no more, or is gone."""

    kid: str
    how: Literal["retired", "removed"]
    removable_from: datetime | None = None


class KeyRotation:
    """Changes a key directory.

    Args:
        directory: which may be empty or missing.
        times: the same that the service lives by.
        clock: what is written into the files.
    """

    def __init__(self, *, directory: KeyDirectory, times: KeyTimes, clock: Clock) -> None:
        self._directory = directory
        self._times = times
        self._clock = clock

    def survey(self) -> list[KeyStanding]:
        """Give every key, the oldest first.

        Raises:
            ConfigurationError: the directory cannot be read, or holds no key.
        """
        keys = self._key_set()
        return [self._standing(dated, keys) for dated in sorted(keys.keys, key=lambda each: each.published_at)]

    def add(self, algorithm: str | None, *, private_key: str | None = None) -> Added:
        """Publish a key. The first of a directory signs at once, any other when everybody can know it.

        Args:
            algorithm: None for that of the keys that are there, ES256 if there are none.
            private_key: one in PEM to take, instead of making one.

        Raises:
            ConfigurationError: there are too many keys, or keys of another algorithm, or it cannot be written.
        """
        present = self._present()
        algorithm = self._agreed(algorithm, present)
        key = SigningKey.load(private_key, algorithm=algorithm, named=_TAKEN) if private_key else _nameable(algorithm)
        if any(dated.key == key for dated in present):
            raise ConfigurationError(f"{self._directory.path} has that key already", cure="Give another, or none.")
        dated = DatedKey(key=key, published_at=max([self._clock(), *(each.published_at + _TICK for each in present)]))
        path = self._directory.write(dated)
        is_alone = not any(each.retired_at is None for each in present)
        waits = timedelta(0) if is_alone else self._times.publication
        return Added(kid=str(key.kid), algorithm=algorithm, path=str(path), waits=waits)

    def retire(self, prefix: str, *, dry_run: bool = False) -> Left:
        """Let a key sign no more; it verifies until the last token that it can have signed has expired.

        Raises:
            ConfigurationError: there is no such key, or no other that can take over.
        """
        keys = self._key_set()
        dated = _named(prefix, keys)
        now = self._clock()
        if dated.retired_at is None:
            self._check_succession(dated, keys, now)
            dated = replace(dated, retired_at=now)
            if not dry_run:
                self._directory.write(dated)
        return Left(kid=str(dated.key.kid), how="retired", removable_from=self._times.lapses_at(dated))

    def purge(self, prefix: str, *, dry_run: bool = False) -> Left:
        """Delete a retired key's file.

        Raises:
            ConfigurationError: there is no such key, or tokens that it signed may still be valid.
        """
        keys = self._key_set()
        dated = _named(prefix, keys)
        lapses_at = self._times.lapses_at(dated)
        if lapses_at is None:
            raise ConfigurationError(
                f"{dated.key.kid} may still sign", cure=f"Run `bridge keys retire {dated.key.kid}` first."
            )
        if self._clock() < lapses_at:
            raise ConfigurationError(
                f"Tokens that {dated.key.kid} signed are valid until {lapses_at:%Y-%m-%d %H:%M:%S} UTC",
                cure="Purge it then; or with --compromised, if somebody else may have the key.",
            )
        return self._remove(dated, dry_run=dry_run)

    def drop(self, prefix: str, *, dry_run: bool = False) -> Left:
        """Delete a key that somebody else may have: every token that it signed is void as soon as this is noticed.

        Raises:
            ConfigurationError: there is no such key, or no other is left to sign with.
        """
        keys = self._key_set()
        dated = _named(prefix, keys)
        if not any(each.retired_at is None for each in keys.keys if each != dated):
            raise ConfigurationError(f"{dated.key.kid} is the only key", cure="Run `bridge keys new` first.")
        return self._remove(dated, dry_run=dry_run)

    def _remove(self, dated: DatedKey, *, dry_run: bool) -> Left:
        if not dry_run:
            self._directory.remove(str(dated.key.kid))
        return Left(kid=str(dated.key.kid), how="removed")

    def _check_succession(self, dated: DatedKey, keys: KeySet, now: datetime) -> None:
        others = [each for each in keys.keys if each.retired_at is None and each != dated]
        if not others:
            raise ConfigurationError(
                f"{dated.key.kid} is the only key that signs", cure="Run `bridge keys new` first, and wait."
            )
        earliest = min(map(self._times.signs_from, others))
        if earliest > now:
            raise ConfigurationError(
                f"The next key does not sign before {earliest:%Y-%m-%d %H:%M:%S} UTC",
                cure="Wait until then; whoever verifies tokens may not know it yet.",
            )

    def _agreed(self, algorithm: str | None, present: tuple[DatedKey, ...]) -> str:
        there = present[0].key.algorithm if present else None
        if there and algorithm not in (None, there):
            raise ConfigurationError(
                f"{self._directory.path} holds keys for {there}", cure="Name another directory for another algorithm."
            )
        if len(present) >= MAXIMUM_KEYS:
            raise ConfigurationError(
                f"{self._directory.path} holds {MAXIMUM_KEYS} keys already",
                cure="Purge what `bridge keys list` shows as removable.",
            )
        return there or algorithm or "ES256"

    def _present(self) -> tuple[DatedKey, ...]:
        if not self._directory.path.exists():
            return ()
        return keys_in(self._directory, self._directory.texts())

    def _key_set(self) -> KeySet:
        return KeySet(keys_in(self._directory, self._directory.texts()), times=self._times)

    def _standing(self, dated: DatedKey, keys: KeySet) -> KeyStanding:
        return KeyStanding(
            kid=str(dated.key.kid),
            algorithm=dated.key.algorithm,
            state=keys.state(dated, now=self._clock()),
            published_at=dated.published_at,
            signs_from=self._times.signs_from(dated),
            retired_at=dated.retired_at,
            removable_from=self._times.lapses_at(dated),
        )


def _named(prefix: str, keys: KeySet) -> DatedKey:
    found = [dated for dated in keys.keys if str(dated.key.kid).startswith(prefix)]
    if len(found) != 1 or len(prefix) < _SHORTEST_PREFIX:
        raise ConfigurationError(
            f"{prefix!r} is the beginning of {len(found) or 'no'} key{'' if len(found) == 1 else 's'}",
            cure=f"Give a key of `bridge keys list`, or at least the first {_SHORTEST_PREFIX} characters of its name.",
        )
    return found[0]


def _nameable(algorithm: str) -> SigningKey:
    """Make a key whose name no command line takes for an option."""
    while True:
        key = SigningKey.generate(algorithm)
        if not str(key.kid).startswith("-"):
            return key
