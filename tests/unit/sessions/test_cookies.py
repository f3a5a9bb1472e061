"""A request's cookies, as both apps read them: bridge.sessions.csrf.request_cookies."""

import pytest
from django.http.cookie import parse_cookie

from bridge.sessions.csrf import request_cookies


@pytest.mark.parametrize(
    "header",
    ['a=1; b="two"', 'a="\\141\\"b"; b=2', "a=1; a=2", "a", 'a="' + r"\"" * 64 + '"', "a=\\", ""],
    ids=lambda header: header[:20],
)
def test_they_are_read_as_django_reads_them(header: str):
    assert request_cookies([(b"cookie", header.encode())]) == parse_cookie(header)


def test_one_with_more_escapes_than_any_has_is_left_out_and_no_other():
    """Older Pythons take the square of its length to unquote it: seconds for 60 KB (CVE-2024-7592)."""
    header = 'a=1; x="' + r"\a" * 30_000 + '"; b="\\142"'

    assert request_cookies([(b"cookie", header.encode())]) == {"a": "1", "b": "b"}
