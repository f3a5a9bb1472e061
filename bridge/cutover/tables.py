"""Reads the tables of a TOML document strictly: each refusal names the key, and says what would be right."""

import difflib
import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from bridge.errors import ConfigurationError

__all__ = ["LONGEST_LIST", "Table", "nearest"]

LONGEST_LIST: Final = 500
LONGEST_TEXT: Final = 255

_SHOWN: Final = 80


class Table:
    """One table, whose keys are all known.

    Args:
        content: as ``tomllib`` gives it.
        known: the keys that it may have; None for names of the operator's choosing.
        where: the dotted key of the table itself; empty for the document.

    Raises:
        ConfigurationError: it is no table, or has a key that is not known.
    """

    def __init__(self, content: Any, *, known: Collection[str] | None, where: str = "") -> None:
        if not isinstance(content, Mapping):
            raise ConfigurationError(f"{where} is no table", cure=f"Write [{where}], and what belongs to it below.")
        self._content = content
        self._where = where
        for key in content:
            if known is not None and key not in known:
                raise ConfigurationError(f"{self.name(key)} is no key of the plan", cure=nearest(key, known))

    def __iter__(self) -> Iterator[str]:
        return iter(self._content)

    def name(self, key: str) -> str:
        """Write a key with the table that it is in, as TOML would."""
        quoted = key if key.replace("-", "_").isidentifier() else json.dumps(key[:_SHOWN], ensure_ascii=False)
        return f"{self._where}.{quoted}" if self._where else quoted

    def table(self, key: str, *, known: Collection[str] | None) -> "Table":
        """Give a table within; an empty one if it is not there."""
        return Table(self._content.get(key, {}), known=known, where=self.name(key))

    def flag(self, key: str, *, default: bool) -> bool:
        """Give true or false."""
        value = self._content.get(key, default)
        if not isinstance(value, bool):
            raise self.refused(key, "is neither true nor false", cure="Write true or false, without quotes.")
        return value

    def number(self, key: str, *, default: float, least: float, most: float) -> float:
        """Give a number between bounds."""
        value = self._content.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
            raise self.refused(key, "is out of bounds", cure=f"Write a number from {least:g} to {most:g}.")
        return value

    def whole_number(self, key: str, *, default: int, least: int, most: int) -> int:
        """Give a whole number between bounds."""
        value = self._content.get(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
            raise self.refused(key, "is out of bounds", cure=f"Write a whole number from {least} to {most}.")
        return value

    def text(self, key: str, *, default: str) -> str:
        """Give a text that is not empty."""
        value = self._content.get(key, default)
        if not _is_text(value):
            raise self.refused(key, "is no text", cure=f"Write 1 to {LONGEST_TEXT} characters in quotes.")
        return str(value)

    def texts(self, key: str, *, default: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Give a list of texts."""
        values = self._content.get(key, default)
        if not isinstance(values, list | tuple) or len(values) > LONGEST_LIST or not all(map(_is_text, values)):
            raise self.refused(
                key,
                "is no list of texts",
                cure=f'Write ["…", "…"], at most {LONGEST_LIST} of at most {LONGEST_TEXT} characters.',
            )
        return tuple(values)

    def keys_of_users(self, key: str) -> frozenset[str]:
        """Give a list of primary keys, which may be numbers, as texts."""
        values = self._content.get(key, [])
        if isinstance(values, list):
            values = [str(value) if type(value) is int else value for value in values]
        return frozenset(Table({key: values}, known=None, where=self._where).texts(key))

    def refused(self, key: str, why: str, *, cure: str) -> ConfigurationError:
        """Make the refusal of a key's value."""
        return ConfigurationError(f"{self.name(key)} {why}", cure=cure)


def nearest(name: str, known: Collection[str]) -> str:
    """Suggest the known name that a wrong one is nearest to, or else all of them."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"Did you mean {close[0]}?" if close else f"It can be {', '.join(sorted(known))}."


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TEXT
