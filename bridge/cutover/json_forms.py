"""Tells which items of two JSON lists are the same, whatever their order, in the time of reading them once."""

import json
from collections import Counter
from hashlib import blake2b
from typing import Any, Final

from bridge.cutover.places import ITEMS, Spot

__all__ = ["DEEPEST", "Forms", "NotStructured", "form"]

DEEPEST: Final = 64


class NotStructured(ValueError):
    """A body is no JSON, or none that can be compared by structure."""


def form(value: Any) -> str:
    """Write a value in a form that no other value has; a number may have two."""
    return json.dumps(value, sort_keys=True)


class Forms:
    """The forms of the values of two documents, without what the rules ignore; one for all that they take for the same.

    Each list and object is read once and then known by its digest: lists within lists take no longer.
    """

    def __init__(self) -> None:
        self._known: dict[int, str] = {}  # by id: both documents live longer than this

    def of(self, value: Any, spot: Spot) -> str:
        """Give the form of a value.

        Raises:
            NotStructured: it is too deep.
        """
        return form(self._part(value, spot))

    def rest(self, values: list[Any], others: list[Any], spot: Spot) -> list[tuple[Any, Any]]:
        """Pair the items that only one of two lists of a length has; those of most likeness come together.

        Args:
            values: of one list.
            others: of the other.
            spot: of the items.
        """
        forms, other_forms = ([self.of(item, spot) for item in each] for each in (values, others))
        in_both = Counter(forms) & Counter(other_forms)
        ones, twos = _left(values, forms, in_both, spot), _left(others, other_forms, in_both, spot)
        return list(zip(ones, twos, strict=True))

    def _part(self, value: Any, spot: Spot) -> Any:
        if isinstance(value, dict | list):
            known = self._known.get(id(value))
            if known is None:
                known = blake2b(form(self._content(value, spot)).encode(), digest_size=16).hexdigest()
                self._known[id(value)] = known
            return {"": known}
        return int(value) if isinstance(value, float) and value.is_integer() else value

    def _content(self, value: Any, spot: Spot) -> Any:
        if spot.depth > DEEPEST:
            raise NotStructured("it is too deep")
        if isinstance(value, dict):
            spots = {key: spot.into(key) for key in value}
            return {key: self._part(value[key], each) for key, each in spots.items() if "ignore" not in each.holds}
        items = [self._part(item, spot.into(ITEMS)) for item in value]
        return sorted(items, key=form) if "unordered" in spot.holds else items


def _left(values: list[Any], forms: list[str], in_both: Counter[str], spot: Spot) -> list[Any]:
    left = in_both.copy()
    only_here = []
    for value, each in zip(values, forms, strict=True):
        if left[each]:
            left[each] -= 1
        else:
            only_here.append(value)
    return sorted(only_here, key=lambda value: _surface(value, spot))


def _surface(value: Any, spot: Spot) -> str:
    """Write what is at the surface of a value, so that two of one id or name come together."""
    if isinstance(value, list):
        return ""
    if not isinstance(value, dict):
        return form(value)
    scalars = {key: item for key, item in value.items() if not isinstance(item, dict | list)}
    return form({key: item for key, item in scalars.items() if "ignore" not in spot.into(key).holds})
