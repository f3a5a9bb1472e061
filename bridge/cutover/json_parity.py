"""Whether two JSON documents say the same, by structure.

The order of keys never matters, that of lists does unless the plan says ``unordered``. Numbers are the same if their
values are, however written; a string is never the same as a number. A document that names a key twice, or is too deep,
has no structure here and is to be compared by its bytes.
"""

import json
from collections import Counter
from collections.abc import Iterator
from math import isclose, isnan
from typing import Any, Final

from bridge.cutover.differences import Difference, Digests
from bridge.cutover.places import ITEMS, Place, Spot
from bridge.cutover.redaction import kept
from bridge.cutover.rules import Comparison
from bridge.cutover.timestamps import is_same_moment

__all__ = ["NotStructured", "json_differences"]

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


def json_differences(legacy: bytes, candidate: bytes, *, rules: Comparison, digests: Digests) -> Iterator[Difference]:
    """Compare two documents; there may be as many differences as there are values.

    Raises:
        NotStructured: one of them has no structure; differences that came before mean nothing then.
    """
    places = {
        "ignore": frozenset(Place.parse(place) for place in rules.ignore if place.startswith("$")),
        "unordered": frozenset(map(Place.parse, rules.unordered)),
        "timestamps": frozenset(map(Place.parse, rules.timestamps)),
    }
    walk = _Walk(rules, digests)
    try:
        yield from walk.differences(Spot(places), _parsed(legacy), _parsed(candidate))
    except RecursionError as exc:
        raise NotStructured from exc


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


class _Walk:
    """Goes through two documents side by side, without recursion."""

    def __init__(self, rules: Comparison, digests: Digests) -> None:
        self._rules = rules
        self._digests = digests

    def differences(self, root: Spot, legacy: Any, candidate: Any) -> Iterator[Difference]:
        pending = [(root, legacy, candidate)]
        while pending:
            spot, ours, theirs = pending.pop()
            if spot.depth > DEEPEST:
                raise NotStructured("it is too deep")
            if "ignore" in spot.holds:
                continue
            if isinstance(ours, dict) and isinstance(theirs, dict):
                keys = [*ours, *(key for key in theirs if key not in ours)]
                pending += ((spot.into(key), ours.get(key, _ABSENT), theirs.get(key, _ABSENT)) for key in keys)
            elif isinstance(ours, list) and isinstance(theirs, list):
                pairs, kind = _paired(spot, ours, theirs)
                pending += ((spot.into(ITEMS), *pair) for pair in pairs)
                if kind:
                    yield self._difference(spot, ours, theirs, kind=kind)
            elif kind := self._kind(spot, ours, theirs):
                yield self._difference(spot, ours, theirs, kind=kind)

    def _kind(self, spot: Spot, ours: Any, theirs: Any) -> str:
        """Tell how two values differ of which at least one is no container; empty if they do not."""
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
        return "" if _is_close(ours, theirs, self._rules.float_tolerance) else "value"

    def _difference(self, spot: Spot, ours: Any, theirs: Any, *, kind: str) -> Difference:
        words = _TYPES[type(ours)], _TYPES[type(theirs)]
        if kind == "length":
            words = ("longer", "shorter") if len(ours) > len(theirs) else ("shorter", "longer")
        texts = [_text(value) for value in (ours, theirs)]
        return Difference(
            place=spot.text,
            kind=kind,
            legacy=words[0],
            candidate=words[1],
            legacy_digest=self._digests.of(texts[0].encode()),
            candidate_digest=self._digests.of(texts[1].encode()),
            values=kept(texts[0], texts[1], names=spot.keys, rules=self._rules),
        )


def _paired(spot: Spot, ours: list[Any], theirs: list[Any]) -> tuple[Iterator[tuple[Any, Any]], str]:
    """Say which items of two lists are to be compared, and how the lists differ as such."""
    if len(ours) != len(theirs):
        return iter(()), "length"
    if "unordered" not in spot.holds and ours == theirs:
        return zip(ours, theirs, strict=True), ""
    items = spot.into(ITEMS)
    our_forms, their_forms = ([_form(item, items) for item in each] for each in (ours, theirs))
    in_both = Counter(our_forms) & Counter(their_forms)
    if "unordered" in spot.holds:
        return zip(_rest(ours, our_forms, in_both), _rest(theirs, their_forms, in_both), strict=True), ""
    if our_forms != their_forms and in_both.total() == len(ours):
        return iter(()), "order"
    return zip(ours, theirs, strict=True), ""


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


def _form(value: Any, spot: Spot) -> str:
    """Write a value so that two that are the same by the rules are mostly written the same, and others never."""
    return json.dumps(_reduced(value, spot), sort_keys=True)


def _reduced(value: Any, spot: Spot) -> Any:
    if spot.depth > DEEPEST:
        raise NotStructured("it is too deep")
    if "ignore" in spot.holds:
        return None
    if isinstance(value, dict):
        return {key: _reduced(item, spot.into(key)) for key, item in value.items()}
    if isinstance(value, list):
        items = [_reduced(item, spot.into(ITEMS)) for item in value]
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True)) if "unordered" in spot.holds else items
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _is_close(one: float, other: float, tolerance: float) -> bool:
    if isnan(one) or isnan(other):
        return isnan(one) and isnan(other)
    try:
        return isclose(one, other, rel_tol=tolerance)
    except OverflowError:  # a whole number beyond all floats
        return False


def _text(value: Any) -> str:
    """Write a scalar as JSON, in ASCII; of a container only what it is: nothing within it is redacted."""
    name = _TYPES[type(value)]
    return name if name in ("array", "object", "absent") else json.dumps(value)
