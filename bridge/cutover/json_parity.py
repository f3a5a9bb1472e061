"""Whether two JSON documents say the same, by structure.

The order of keys never matters, that of lists does unless the plan says ``unordered``. Numbers are the same if their
values are, however written; a string is never the same as a number. A document that names a key twice, or is too deep,
has no structure here and is to be compared by its bytes.
"""

import json
from math import isclose, isnan
from typing import Any, Final

from bridge.cutover.gathering import FoundDifferences
from bridge.cutover.json_forms import DEEPEST, Forms, NotStructured, form
from bridge.cutover.places import ITEMS, Place, Spot
from bridge.cutover.rules import Comparison
from bridge.cutover.timestamps import is_same_moment

__all__ = ["NotStructured", "add_json_differences"]

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


def add_json_differences(legacy: bytes, candidate: bytes, *, rules: Comparison, to: FoundDifferences) -> None:
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
        if form(ours) != form(theirs):  # mostly they are the same, which is told ten times as fast without a walk
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


def _walk(root: Spot, legacy: Any, candidate: Any, *, tolerance: float, to: FoundDifferences) -> None:
    """Go through two documents side by side, without recursion."""
    forms = Forms()
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
            pairs, kind = _paired(spot, ours, theirs, forms)
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


def _add(spot: Spot, kind: str, ours: Any, theirs: Any, to: FoundDifferences) -> None:
    words = (_TYPES[type(ours)], _TYPES[type(theirs)])
    are_scalar = not {"array", "object"} & set(words)  # of a container nothing is kept: who knows what is in it
    if kind == "length":
        words = ("longer", "shorter") if len(ours) > len(theirs) else ("shorter", "longer")
    to.add(spot.text, kind, words, values=(ours, theirs), as_text=_text, names=spot.keys if are_scalar else None)


def _paired(spot: Spot, ours: list[Any], theirs: list[Any], forms: Forms) -> tuple[list[tuple[Any, Any]], str]:
    """Say which items of two lists are to be compared, and how the lists differ as such."""
    if len(ours) != len(theirs):
        return [], "length"
    pairs = list(zip(ours, theirs, strict=True))
    if ours == theirs:  # also where they have 1 for true
        return pairs, ""
    only_in_one = forms.rest(ours, theirs, spot.into(ITEMS))
    if "unordered" in spot.holds:
        return only_in_one, ""
    if not only_in_one and forms.of(ours, spot) != forms.of(theirs, spot):
        return [], "order"
    return pairs, ""


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
