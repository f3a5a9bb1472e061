"""Where two JSON documents differ, and which places the plan has rules for.

A place is written ``$`` for the whole document, and then step by step:

* ``.name``   the key of an object
* ``.*``      any key of an object
* ``[*]``     the items of a list, all of them: places of differences name no index, so that they add up
* ``..name``  that key at any depth below

A difference under a key that looks like data rather than a name (an e-mail address, an id) is reported as ``.*``:
what is stored of differences holds no values. A reported place can be copied into the plan as it is.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self

__all__ = ["LONGEST_PLACE", "Place", "Spot"]

LONGEST_PLACE: Final = 255

ITEMS: Final = None
"""The step into a list, where a key is the step into an object."""

_STEP: Final = re.compile(r"(\[\*\])|(\.\.?)([^.\[\]*\s]+|\*)")
_NAME: Final = re.compile(r"[A-Za-z_$@][A-Za-z0-9_$@:-]{0,63}")
_MOST_DIGITS: Final = 4
_CUT: Final = "…"


@dataclass(frozen=True, slots=True)
class _Step:
    key: str | None  # ITEMS for a list's
    is_any: bool = False
    is_deep: bool = False

    def takes(self, key: str | None) -> bool:
        return key is not ITEMS if self.is_any else key == self.key


@dataclass(frozen=True, slots=True)
class Place:
    """A place of the plan, as far as it is still to be walked."""

    steps: tuple[_Step, ...]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a place such as ``$.items[*].id`` or ``$..updated_at``.

        Raises:
            ValueError: it is none.
        """
        steps, position = [], 1
        while position < len(text) and (match := _STEP.match(text, position)):
            items, dots, name = match.groups()
            if dots == ".." and name == "*":
                break
            steps.append(_Step(ITEMS if items else name, is_any=name == "*", is_deep=dots == ".."))
            position = match.end()
        if not text.startswith("$") or position != len(text) or len(text) > LONGEST_PLACE:
            raise ValueError(f"{text[:80]!r} is no place: write it as in $.items[*].id, $.by_day.* or $..updated_at")
        return cls(tuple(steps))

    def into(self, key: str | None) -> tuple["Place", ...]:
        """Give what is left of it after a step."""
        if not self.steps:
            return ()
        first = self.steps[0]
        left = (Place(self.steps[1:]),) if first.takes(key) else ()
        return (*left, self) if first.is_deep else left


class Spot:
    """A place in a document while it is walked, with the rules that hold there; one for all items of a list.

    Args:
        rules: what is left of the places of each rule, by the rule's name.
        text: how the place is written.
        keys: the keys on the way to it.
        depth: how many steps it is below the root.
    """

    __slots__ = ("_below", "_rules", "depth", "holds", "keys", "text")

    def __init__(
        self,
        rules: Mapping[str, frozenset[Place]],
        *,
        text: str = "$",
        keys: frozenset[str] = frozenset(),
        depth: int = 0,
    ) -> None:
        self._rules = rules
        self._below: dict[str | None, Spot] = {}
        self.text = text
        self.keys = keys
        self.depth = depth
        self.holds = frozenset(rule for rule, places in rules.items() if any(not place.steps for place in places))

    def into(self, key: str | None) -> "Spot":
        """Give the spot below a key, or ``ITEMS`` of a list."""
        below = self._below.get(key)
        if below is None:
            below = self._below[key] = Spot(
                {
                    rule: left
                    for rule, places in self._rules.items()
                    if (left := frozenset(step for place in places for step in place.into(key)))
                },
                text=_extended(self.text, key),
                keys=self.keys if key is ITEMS else self.keys | {key},
                depth=self.depth + 1,
            )
        return below


def _extended(text: str, key: str | None) -> str:
    if text.endswith(_CUT):
        return text
    longer = text + ("[*]" if key is ITEMS else f".{key}" if _is_name(key) else ".*")
    return longer if len(longer) < LONGEST_PLACE else text + _CUT


def _is_name(key: str) -> bool:
    return _NAME.fullmatch(key) is not None and sum(map(str.isdigit, key)) <= _MOST_DIGITS
