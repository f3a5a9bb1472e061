"""Whether two JSON documents say the same, by structure.

The order of keys never matters, that of lists does unless the plan says ``unordered``. Numbers are the same if their
values are, however written; a string is never the same as a number. A document that names a key twice, or is too deep,
has no structure here and is to be compared by its bytes.
"""

import json
from collections import Counter
from math import isclose, isnan
from typing import Any, Final

from bridge.cutover.gathering import Differences
from bridge.cutover.places import ITEMS, Place, Spot
from bridge.cutover.rules import Comparison
from bridge.cutover.timestamps import is_same_moment

__all__ = ["NotStructured", "add_json_differences"]

DEEPEST: Final = 64

_ABSENT: Final = object()
_TYPES: Final = {
    type(None): "null",
    bool: "boolean",
    int: "number",
    float: "number",
    str: "string",
    list: "array",
    dict: "object",
    object: "absent",
}


class NotStructured(ValueError):
    """A body is no JSON, or none that can be compared by structure."""


def add_json_differences(legacy: bytes, candidate: bytes, *, rules: Comparison, to: Differences) -> None:
    """Compare two documents.

    Raises:
        NotStructured: one of them has no structure; what has been gathered means nothing then.
    """
    places = {
        "ignore": frozenset(Place.parse(place) for place in rules.ignore if place.startswith("$")),
        "unordered": frozenset(map(Place.parse, rules.unordered)),
        "timestamps": frozenset(map(Place.parse, rules.timestamps)),
    }
    try:
        ours, theirs = _parsed(legacy), _parsed(candidate)
        if _form(ours) != _form(theirs):  # mostly they are the same, which is told ten times as fast without a walk
            _walk(Spot(places), ours, theirs, tolerance=rules.float_tolerance, to=to)
    except RecursionError as exc:
        raise NotStructured("it is too deep") from exc


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body, object_pairs_hook=_once_each)
    except ValueError as exc:
        raise NotStructured from exc


def _once_each(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise NotStructured("a key is there twice")
    return content


def _walk(root: Spot, legacy: Any, candidate: Any, *, tolerance: float, to: Differences) -> None:
    """Go through two documents side by side, without recursion."""
    pending = [(root, legacy, candidate)]
    while pending and not to.is_full:
        spot, ours, theirs = pending.pop()
        if spot.depth > DEEPEST:
            raise NotStructured("it is too deep")
        if "ignore" in spot.holds:
            continue
        if isinstance(ours, dict) and isinstance(theirs, dict):
            keys = {**ours, **theirs}
            pending += [(spot.into(key), ours.get(key, _ABSENT), theirs.get(key, _ABSENT)) for key in reversed(keys)]
            continue
        if isinstance(ours, list) and isinstance(theirs, list):
            pairs, kind = _paired(spot, ours, theirs)
            pending += [(spot.into(ITEMS), *pair) for pair in reversed(pairs)]
        else:
            kind = _kind(spot, ours, theirs, tolerance)
        if kind:
            _add(spot, kind, ours, theirs, to)


def _kind(spot: Spot, ours: Any, theirs: Any, tolerance: float) -> str:
    """Say how two values differ that are not both containers; empty if they do not."""
    if ours is _ABSENT or theirs is _ABSENT:
        return "extra" if ours is _ABSENT else "missing"
    if _TYPES[type(ours)] != _TYPES[type(theirs)]:
        return "type"
    if ours == theirs:
        return ""
    if isinstance(ours, str):
        if not is_same_moment(ours, theirs):
            return "value"
        return "" if "timestamps" in spot.holds else "timestamp"
    return "" if _is_close(ours, theirs, tolerance) else "value"


def _add(spot: Spot, kind: str, ours: Any, theirs: Any, to: Differences) -> None:
    words = (_TYPES[type(ours)], _TYPES[type(theirs)])
    are_scalar = not {"array", "object"} & set(words)  # of a container nothing is kept: who knows what is in it
    if kind == "length":
        words = ("longer", "shorter") if len(ours) > len(theirs) else ("shorter", "longer")
    to.add(spot.text, kind, words, values=(ours, theirs), as_text=_text, names=spot.keys if are_scalar else None)


def _paired(spot: Spot, ours: list[Any], theirs: list[Any]) -> tuple[list[tuple[Any, Any]], str]:
    """Say which items of two lists are to be compared, and how the lists differ as such."""
    if len(ours) != len(theirs):
        return [], "length"
    if "unordered" not in spot.holds and ours == theirs:
        return list(zip(ours, theirs, strict=True)), ""
    items = spot.into(ITEMS)
    our_forms, their_forms = ([_form(_reduced(item, items)) for item in each] for each in (ours, theirs))
    in_both = Counter(our_forms) & Counter(their_forms)
    if "unordered" in spot.holds:
        rest = (_rest(ours, our_forms, in_both), _rest(theirs, their_forms, in_both))
        return list(zip(*rest, strict=True)), ""
    if our_forms != their_forms and in_both.total() == len(ours):
        return [], "order"
    return list(zip(ours, theirs, strict=True)), ""


def _rest(values: list[Any], forms: list[str], in_both: Counter[str]) -> list[Any]:
    """Give the items that the other list lacks, in an order that puts alike ones side by side."""
    left = in_both.copy()
    rest = []
    for form, value in zip(forms, values, strict=True):
        if left[form]:
            left[form] -= 1
        else:
            rest.append((form, value))
    return [value for _, value in sorted(rest, key=lambda each: each[0])]


def _form(value: Any) -> str:
    """Write a value in a form that no other value has; a number may have two."""
    return json.dumps(value, sort_keys=True)


def _reduced(value: Any, spot: Spot) -> Any:
    """Leave out what the rules ignore, and put in one order and form what they take for the same."""
    if spot.depth > DEEPEST:
        raise NotStructured("it is too deep")
    if isinstance(value, dict):
        spots = {key: spot.into(key) for key in value}
        return {key: _reduced(value[key], each) for key, each in spots.items() if "ignore" not in each.holds}
    if isinstance(value, list):
        items = [_reduced(item, spot.into(ITEMS)) for item in value]
        return sorted(items, key=_form) if "unordered" in spot.holds else items
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_close(one: float, other: float, tolerance: float) -> bool:
    try:
        if isnan(one) or isnan(other):
            return isnan(one) and isnan(other)
        return tolerance > 0 and isclose(one, other, rel_tol=tolerance)
    except OverflowError:  # a whole number beyond all floats
        return False


def _text(value: Any) -> str:
    """Write a value as JSON, in ASCII."""
    return "" if value is _ABSENT else json.dumps(value)
