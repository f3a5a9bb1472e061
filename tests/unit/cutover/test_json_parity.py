"""Whether two JSON documents say the same."""

import json
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover import Comparison, compare
from bridge.cutover.parity import MOST_DIFFERENCES
from tests.unit.cutover.answers import KEY, json_answer, json_compared, told

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
documents = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4),
    max_leaves=15,
)


def shuffled(value: Any, *, lists: bool, by: random.Random) -> Any:
    if isinstance(value, dict):
        items = [(key, shuffled(item, lists=lists, by=by)) for key, item in value.items()]
        return dict(by.sample(items, len(items)))
    if isinstance(value, list):
        items = [shuffled(item, lists=lists, by=by) for item in value]
        return by.sample(items, len(items)) if lists else items
    return value


@settings(deadline=None, derandomize=True, database=None)
@given(documents)
def test_a_document_is_the_same_as_itself_however_it_is_laid_out(document: Any):
    assert json_compared(json.dumps(document, indent=2).encode(), json.dumps(document).encode()) == ()


@settings(deadline=None, derandomize=True, database=None)
@given(documents, st.randoms(use_true_random=False))
def test_the_order_of_keys_never_matters(document: Any, by: random.Random):
    assert json_compared(document, shuffled(document, lists=False, by=by)) == ()


@settings(deadline=None, derandomize=True, database=None)
@given(documents, st.randoms(use_true_random=False))
def test_the_order_of_lists_does_not_matter_where_the_plan_says_so(document: Any, by: random.Random):
    everywhere = ("$", "$[*]", "$[*][*]", "$[*][*][*]", "$.*", "$.*.*", "$[*].*", "$.*[*]")
    flat = [document, [document]]
    assert json_compared(flat, flat[::-1], unordered=everywhere) == ()
    items = document if isinstance(document, list) else [document]
    assert json_compared(items, by.sample(items, len(items)), unordered=("$",)) == ()


@settings(deadline=None, derandomize=True, database=None)
@given(documents, documents)
def test_there_are_differences_both_ways_or_none(one: Any, other: Any):
    assert bool(json_compared(one, other)) == bool(json_compared(other, one))


@settings(deadline=None, derandomize=True, database=None)
@given(documents)
def test_the_whole_document_can_be_ignored(document: Any):
    assert json_compared(document, {"another": 1}, ignore=("$",)) == ()


@pytest.mark.parametrize(
    ("legacy", "candidate", "difference"),
    [
        ({"a": 1}, {"a": 2}, ("$.a", "value", "number", "number")),
        ({"a": 1}, {"a": "1"}, ("$.a", "type", "number", "string")),
        ({"a": 1.5}, {"a": "1.5"}, ("$.a", "type", "number", "string")),
        ({"a": 1}, {"a": True}, ("$.a", "type", "number", "boolean")),
        ({"a": [0, 1]}, {"a": [0, True]}, ("$.a[*]", "type", "number", "boolean")),
        ({"a": None}, {"a": False}, ("$.a", "type", "null", "boolean")),
        ({"a": ""}, {"a": None}, ("$.a", "type", "string", "null")),
        ({"a": {}}, {"a": []}, ("$.a", "type", "object", "array")),
        ({"a": "x"}, {"a": "x "}, ("$.a", "value", "string", "string")),
        ({"a": None}, {}, ("$.a", "missing", "null", "absent")),
        ({}, {"a": [1]}, ("$.a", "extra", "absent", "array")),
        ({"a": [1, 2]}, {"a": [1]}, ("$.a", "length", "longer", "shorter")),
        ([], [1], ("$", "length", "shorter", "longer")),
        ([1, 2], [2, 1], ("$", "order", "array", "array")),
        ([{"a": 1, "b": [1]}, {"a": 2}], [{"a": 2}, {"b": [1.0], "a": 1}], ("$", "order", "array", "array")),
        ([{"p": 1}, {"p": 2}], [{"p": "1"}, {"p": "2"}], ("$[*].p", "type", "number", "string")),
        (1, 2, ("$", "value", "number", "number")),
        (9007199254740993, 9007199254740992.0, ("$", "value", "number", "number")),
        (b"1" + b"0" * 400, 1.5, ("$", "value", "number", "number")),
        ({"ada@example.com": 1}, {"ada@example.com": 2}, ("$.*", "value", "number", "number")),
        ("2026-11-21T12:00:00Z", "2026-11-21T12:00:00+00:00", ("$", "timestamp", "string", "string")),
        (b"NaN", None, ("$", "type", "number", "null")),
        (b"[NaN, 1]", b"[NaN, 2]", ("$[*]", "value", "number", "number")),
        (b"[NaN]", b"[1]", ("$[*]", "value", "number", "number")),
    ],
    ids=[
        "another number", "a number as a text", "a fraction as a text", "a flag for a number", "a flag among numbers",
        "a flag for null", "null for nothing", "a list for an object", "a space", "a key less", "a key more",
        "an item less", "an item more", "another order", "another order of objects", "one difference of all items",
        "the document itself", "beyond what a float can tell", "beyond all floats", "a key that is data",
        "another form of a moment", "no number", "beside what is no number",
        "a number for what is none",
    ],
)  # fmt: skip
def test_a_difference_names_its_place_and_what_is_there(legacy: Any, candidate: Any, difference: tuple[str, ...]):
    assert told(json_compared(legacy, candidate)) == [difference]


@pytest.mark.parametrize(
    ("legacy", "candidate"),
    [
        (1, 1.0),
        (b"1.10", 1.1),
        (b"1e2", 100),
        (0, -0.0),
        (b"NaN", b"NaN"),
        (b'{"a":1}', b' {\n"a" : 1 }\n'),
        ("ü", b'"\xc3\xbc"'),
        (b'"\\ud800"', b'"\\uD800"'),
    ],
    ids=["1 and 1.0", "a trailing zero", "an exponent", "no sign of nothing", "no number", "layout", "an escape",
         "half a character"],
)  # fmt: skip
def test_what_means_the_same_is_no_difference(legacy: Any, candidate: Any):
    assert json_compared(legacy, candidate) == ()


@pytest.mark.parametrize(
    ("legacy", "candidate", "rules"),
    [
        ({"at": 1, "a": 1}, {"at": 2, "a": 1}, {"ignore": ("$.at",)}),
        ({"a": 1}, {"a": 1, "at": {"x": 1}}, {"ignore": ("$.at",)}),
        ([{"id": 1}, {"id": 2}], [{"id": 3}, {"id": 4}], {"ignore": ("$[*].id",)}),
        ({"a": [{"b": {"etag": 1}}]}, {"a": [{"b": {"etag": 2}}]}, {"ignore": ("$..etag",)}),
        ({"tags": ["x", "y", "x"]}, {"tags": ["x", "x", "y"]}, {"unordered": ("$.tags",)}),
        (
            [{"id": 1, "at": 1}, {"id": 2, "at": 2}],
            [{"id": 2, "at": 3}, {"id": 1, "at": 4}],
            {"unordered": ("$",), "ignore": ("$[*].at",)},
        ),
        ({"a": [{"at": 1, "t": [2, 1]}]}, {"a": [{"t": [1, 2]}]}, {"unordered": ("$..t",), "ignore": ("$..at",)}),
        ({"p": 0.1}, {"p": 0.1000000001}, {"float_tolerance": 1e-6}),
        ([{"p": 2.0, "n": 1}], [{"p": 2.0000001, "n": 1}], {"unordered": ("$",), "float_tolerance": 1e-6}),
        ({"t": "2026-11-21T12:00:00Z"}, {"t": "2026-11-21 13:00:00+01:00"}, {"timestamps": ("$.t",)}),
        ({"t": "2026-11-21T12:00:00.123Z"}, {"t": "2026-11-21T12:00:00.123987+00:00"}, {"timestamps": ("$..t",)}),
        ({"t": "2026-11-21T12:00:00"}, {"t": "2026-11-21T12:00:00.000000"}, {"timestamps": ("$.t",)}),
        ({"ada@example.com": 1}, {"ada@example.com": 2}, {"ignore": ("$.*",)}),
    ],
    ids=[
        "an ignored key", "an ignored key more", "an ignored key of items", "ignored at any depth", "an unordered list",
        "unordered but for what is ignored", "an unordered list in an item", "nearly the same number",
        "nearly the same number in an unordered list", "another time zone", "milliseconds of DjangoJSONEncoder",
        "no fraction", "a place as it is reported",
    ],
)  # fmt: skip
def test_a_rule_of_the_plan_lets_a_difference_pass(legacy: Any, candidate: Any, rules: dict[str, Any]):
    assert json_compared(legacy, candidate)
    assert json_compared(legacy, candidate, **rules) == ()


@pytest.mark.parametrize(
    ("legacy", "candidate", "rules", "difference"),
    [
        (["x", "y"], ["x", "z"], {"unordered": ("$",)}, ("$[*]", "value", "string", "string")),
        (["x", "x", "y"], ["x", "y", "y"], {"unordered": ("$",)}, ("$[*]", "value", "string", "string")),
        (
            [{"id": 1, "p": 1}, {"id": 2, "p": 2}, {"id": 3, "p": 3}],
            [{"id": 3, "p": 3}, {"id": 2, "p": "2"}, {"id": 1, "p": 1}],
            {"unordered": ("$",)},
            ("$[*].p", "type", "number", "string"),
        ),
        ([[1], [2]], [[2], ["1"]], {"unordered": ("$",)}, ("$[*][*]", "type", "number", "string")),
        ({"p": 1.0}, {"p": 1.1}, {"float_tolerance": 1e-6}, ("$.p", "value", "number", "number")),
        ({"p": 0}, {"p": 1e-12}, {"float_tolerance": 1e-6}, ("$.p", "value", "number", "number")),
        (b"1" + b"0" * 400, 1.5, {"float_tolerance": 1e-6}, ("$", "value", "number", "number")),
        (
            "2026-11-21T12:00:00Z",
            "2026-11-21T12:00:00",
            {"timestamps": ("$",)},
            ("$", "value", "string", "string"),
        ),
        (
            "2026-11-21T12:00:00.123456Z",
            "2026-11-21T12:00:00.123457Z",
            {"timestamps": ("$",)},
            ("$", "value", "string", "string"),
        ),
        ("2026-02-30T12:00:00Z", "2026-02-30 12:00:00Z", {"timestamps": ("$",)}, ("$", "value", "string", "string")),
        ("2026-11-21T12:00:00Z", 1795262400, {"timestamps": ("$",)}, ("$", "type", "string", "number")),
    ],
    ids=[
        "another item", "another item that is there too", "an item like another", "a list of lists", "too far",
        "any distance from nothing", "beyond all floats", "without an offset", "another microsecond", "no day",
        "a number of seconds",
    ],
)  # fmt: skip
def test_a_rule_lets_nothing_else_pass(legacy: Any, candidate: Any, rules: dict[str, Any], difference: tuple[str, ...]):
    assert told(json_compared(legacy, candidate, **rules)) == [difference]


@pytest.mark.parametrize(
    ("legacy", "candidate", "difference"),
    [
        (b'{"a":1,"a":2}', b'{"a":2}', ("body", "length", "longer", "shorter")),
        (b"[1", b"[2", ("body", "value", "bytes", "bytes")),
        (b"\xff", b"\xfe", ("body", "value", "bytes", "bytes")),
        (b"[" * 100 + b"1" + b"]" * 100, b"[" * 100 + b"2" + b"]" * 100, ("body", "value", "bytes", "bytes")),
        (b'{"a":' * 70 + b"1" + b"}" * 70, b'{"a":' * 70 + b"2" + b"}" * 70, ("body", "value", "bytes", "bytes")),
        (b"[" * 50_000, b"[" * 50_001, ("body", "length", "shorter", "longer")),
        (b"1" * 5_000, b"2" * 5_000, ("body", "value", "bytes", "bytes")),
        (b"", b"{}", ("body", "length", "shorter", "longer")),
    ],
    ids=[
        "a key twice",
        "no end",
        "no UTF-8",
        "too deep to tell",
        "too many objects deep",
        "too deep to read",
        "too long a number",
        "nothing",
    ],
)
def test_what_has_no_structure_is_compared_by_its_bytes(legacy: bytes, candidate: bytes, difference: tuple[str, ...]):
    assert told(json_compared(legacy, candidate)) == [difference]


def test_differences_are_bounded():
    legacy = {f"key_{letter}{other}": 1 for letter in "abcdefghij" for other in "abcdefghij"}
    assert len(json_compared(legacy, dict.fromkeys(legacy, 2))) == MOST_DIFFERENCES


@pytest.mark.parametrize(
    ("legacy", "candidate"),
    [
        ([{"p": 1}] * 3_000, [{"p": 2}] * 3_000),
        ({str(number): 1 for number in range(3_000)}, {str(number): 2 for number in range(3_000)}),
        (list(range(3_000)), list(range(3_000))[::-1]),
    ],
    ids=["many items", "many keys", "many items in another order"],
)
def test_many_differences_of_a_kind_are_one(legacy: Any, candidate: Any):
    assert len(json_compared(legacy, candidate)) == 1


def test_differences_hold_no_values_but_digests_that_need_the_key():
    secret, other = json_answer({"a": "hunter2"}), json_answer({"a": "hunter3"})
    (found,) = compare(secret, other, rules=Comparison(), key=KEY)
    (elsewhere,) = compare(secret, other, rules=Comparison(), key=b"another")
    (without,) = compare(secret, other, rules=Comparison())
    assert "hunter" not in repr(found)
    assert found.values is None
    assert found.legacy_digest not in (found.candidate_digest, elsewhere.legacy_digest, "")
    assert (without.legacy_digest, without.candidate_digest) == ("", "")


def test_equal_values_have_equal_digests_at_any_place():
    first, second = json_compared({"a": 7, "b": 1}, {"a": 1, "b": 7})
    assert first.legacy_digest == second.candidate_digest


@pytest.mark.parametrize(
    ("legacy", "candidate", "values"),
    [
        ({"price": 1}, {"price": "1"}, ("1", '"1"')),
        ({"price": 1}, {}, ("1", "")),
        ({"note": "x" * 1_000}, {"note": "ü"}, ('"' + "x" * 199, '"\\u00fc"')),
        ({"userPassword": "a"}, {"userPassword": "b"}, ("(redacted)", "(redacted)")),
        ({"tokens": [{"x": 1}]}, {"tokens": [{"x": 2}]}, ("(redacted)", "(redacted)")),
        ({"Nickname": "a"}, {"Nickname": "b"}, ("(redacted)", "(redacted)")),
        ({"a": {"password": "x"}}, {}, None),
        ({"a": [1]}, {"a": 1}, None),
    ],
    ids=["scalars", "nothing", "the beginning", "a secret's name", "below a secret's name", "as the plan says",
         "an object", "a list"],
)  # fmt: skip
def test_values_are_kept_where_the_plan_asks_but_for_secrets(
    legacy: Any, candidate: Any, values: tuple[str, str] | None
):
    (found,) = json_compared(legacy, candidate, keep_values=True, redact=("nick",))
    assert found.values == values
