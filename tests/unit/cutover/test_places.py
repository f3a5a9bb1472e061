"""Places in JSON: the plan's grammar, and how those of differences are written."""

from functools import reduce

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover.places import ITEMS, LONGEST_PLACE, Place, Spot

steps = st.lists(st.one_of(st.none(), st.text(max_size=12)), max_size=30)


def spot(text: str, *walked: str | None) -> Spot:
    return reduce(Spot.into, walked, Spot({"ignore": frozenset({Place.parse(text)})}))


@pytest.mark.parametrize(
    ("text", "walked"),
    [
        ("$", ()),
        ("$.a", ("a",)),
        ("$.a.b", ("a", "b")),
        ("$[*]", (ITEMS,)),
        ("$.items[*].id", ("items", ITEMS, "id")),
        ("$.grid[*][*]", ("grid", ITEMS, ITEMS)),
        ("$.by_day.*", ("by_day", "2026-11-21")),
        ("$.*.id", ("a.b c", "id")),
        ("$..id", ("id",)),
        ("$..id", ("a", ITEMS, "b", "id")),
        ("$..id", ("id", "id")),
        ("$..owner.id", ("orders", ITEMS, "owner", "id")),
        ("$.größe", ("größe",)),
        ("$.@type", ("@type",)),
    ],
    ids=[
        "the document", "a key", "a key of a key", "items", "a key of items", "items of items", "any key",
        "any key, however odd", "at any depth: none", "at any depth: some", "at any depth: within itself",
        "from any depth on", "a key beyond ASCII", "a key with a sign",
    ],
)  # fmt: skip
def test_a_place_holds_where_it_is_walked_to(text: str, walked: tuple[str | None, ...]):
    assert spot(text, *walked).holds == {"ignore"}


@pytest.mark.parametrize(
    ("text", "walked"),
    [
        ("$.a", ()),
        ("$.a", ("b",)),
        ("$.a", ("a", "b")),
        ("$.a", (ITEMS, "a")),
        ("$.*", (ITEMS,)),
        ("$[*]", ("a",)),
        ("$..id", ("identity",)),
        ("$..owner.id", ("owner", "name", "id")),
    ],
    ids=["above", "beside", "below", "in a list", "items are no keys", "keys are no items", "a longer name", "a gap"],
)
def test_a_place_holds_nowhere_else(text: str, walked: tuple[str | None, ...]):
    assert not spot(text, *walked).holds


@pytest.mark.parametrize(
    "text",
    ["", "a", "$a", "$.", "$..", "$..*", "$.a.", "$[0]", "$['a']", "$[", "$.a[*", "$.a b", " $.a", "$.a\n", "$...a",
     "$." + "a" * LONGEST_PLACE],
)  # fmt: skip
def test_what_is_no_place_is_refused_with_how_it_is_written(text: str):
    with pytest.raises(ValueError, match=r"write it as in \$\.items\[\*\]\.id"):
        Place.parse(text)


@pytest.mark.parametrize(
    ("walked", "text"),
    [
        ((), "$"),
        (("items", ITEMS, "price"), "$.items[*].price"),
        (("line_2",), "$.line_2"),
        (("ada@example.com",), "$.*"),
        (("3f0e2a54-8d59-4c0d-9f3a-0d3b3c1f6a11",), "$.*"),
        (("abcdef12-8d59-4c0d-9f3a-0d3b3c1f6a11", "name"), "$.*.name"),
        (("17",), "$.*"),
        (("",), "$.*"),
        (("a.b",), "$.*"),
        (("\ud800",), "$.*"),
    ],
    ids=["the document", "an item's key", "a few digits", "an address", "an id", "an id that starts with a letter",
         "a number", "nothing", "a dot", "no character"],
)  # fmt: skip
def test_a_place_is_written_without_keys_that_are_data(walked: tuple[str | None, ...], text: str):
    assert spot("$.none", *walked).text == text


@settings(deadline=None, derandomize=True, database=None)
@given(steps)
def test_every_place_that_is_written_fits_its_column_and_can_be_ignored(walked: list[str | None]):
    text = spot("$.none", *walked).text
    assert len(text) <= LONGEST_PLACE
    if "…" not in text:
        assert spot(text, *walked).holds == {"ignore"}


def test_a_place_that_is_too_long_is_cut_at_a_step():
    text = spot("$.none", *["name" * 10] * 20).text
    assert text == "$" + 6 * ("." + "name" * 10) + "…"


def test_the_items_of_a_list_share_one_spot():
    root = spot("$.none")
    assert root.into(ITEMS) is root.into(ITEMS)
