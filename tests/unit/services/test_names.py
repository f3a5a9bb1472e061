"""Typed usernames: bridge.services.login.normalised."""

import unicodedata

import pytest

from bridge.services.login import normalised


@pytest.mark.parametrize(("typed", "name"), [(" ada ", "ada"), ("\ufb01n", "fin"), ("a\u0301", "\xe1")])
def test_a_name_is_what_djangos_form_makes_of_it(typed: str, name: str):
    assert normalised(typed) == name


def test_a_name_that_is_too_long_for_any_is_not_normalised():
    """That takes the square of its combining marks: half a second of the event loop for 32 KB."""
    typed = "a" + "\u0301" * 300 + "\u0323" * 300

    assert normalised(typed) == typed
    assert unicodedata.normalize("NFKC", typed) != typed
