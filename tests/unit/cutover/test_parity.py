"""Whether two answers are the same to a client."""

import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover import Answer, Comparison, Difference, compare, is_comparable, without_noise
from bridge.cutover.parity import LARGEST_BODY, MOST_DIFFERENCES
from tests.unit.cutover.answers import answer, json_answer, told

JSON = "application/json"
EVERY_HEADER = ("content-type", "location", "cache-control", "vary", "etag", "set-cookie", "content-security-policy")


def compared(legacy: Answer, candidate: Answer, **rules) -> list[tuple[str, str, str, str]]:
    return told(compare(legacy, candidate, rules=Comparison(**rules), host="shop.example"))


def headers_compared(legacy: dict[str, str], candidate: dict[str, str]) -> list[tuple[str, str, str, str]]:
    return compared(answer(b"", 200, **legacy), answer(b"", 200, **candidate), headers=EVERY_HEADER)


def test_another_status_is_the_one_difference():
    legacy, candidate = answer(b"a", status=404, content_type=JSON), answer(b"b", status=200, content_type="text/html")
    assert compared(legacy, candidate) == [("status", "status", "404", "200")]


@pytest.mark.parametrize(
    ("legacy", "candidate"),
    [
        ({"content_type": "Application/JSON"}, {"content_type": "application/json; charset=utf-8"}),
        ({"content_type": "text/html; charset=UTF-8"}, {"content_type": 'text/html;charset="utf8"'}),
        ({"content_type": "text/csv; header=present"}, {"content_type": "text/csv"}),
        ({"cache_control": "private, max-age=0"}, {"cache_control": "Max-Age=0,private"}),
        ({"vary": "Accept, Cookie"}, {"vary": "cookie, accept"}),
        ({"location": "/a/?b=1"}, {"location": "https://SHOP.example/a/?b=1"}),
        ({"location": "http://shop.example"}, {"location": "/"}),
        ({"set_cookie": "sessionid=a; Path=/"}, {"set_cookie": "sessionid=b; HttpOnly"}),
        ({"content_security_policy": "script-src 'nonce-a'"}, {"content_security_policy": "script-src 'nonce-b'"}),
        ({"date": "now", "server": "gunicorn"}, {"server": "uvicorn"}),
    ],
    ids=["the charset of JSON", "a charset's name", "another parameter", "directives", "names", "this host",
         "this host alone", "a cookie's value", "a nonce", "what is not on the list"],
)  # fmt: skip
def test_headers_that_mean_the_same_are_no_difference(legacy: dict[str, str], candidate: dict[str, str]):
    assert headers_compared(legacy, candidate) == []


@pytest.mark.parametrize(
    ("legacy", "candidate", "difference"),
    [
        (
            {"content_type": "text/html"},
            {"content_type": "application/problem+json"},
            ("header:content-type", "value", "text/html", "application/problem+json"),
        ),
        (
            {"content_type": "text/html"},
            {"content_type": "text/html; charset=utf-8"},
            ("header:content-type", "value", "text/html", "text/html"),
        ),
        ({"content_type": "x" * 300}, {}, ("header:content-type", "missing", "present", "absent")),
        ({"cache_control": ""}, {}, ("header:cache-control", "missing", "present", "absent")),
        ({"location": "/a/"}, {"location": "/a"}, ("header:location", "value", "present", "present")),
        ({"location": "/a"}, {"location": "http://b.example/a"}, ("header:location", "value", "present", "present")),
        ({"location": "/a"}, {"location": "http://["}, ("header:location", "value", "present", "present")),
        ({}, {"etag": '"a"'}, ("header:etag", "extra", "absent", "present")),
        ({"set_cookie": "a=1"}, {"set_cookie": "b=1"}, ("header:set-cookie", "value", "present", "present")),
    ],
    ids=["another type", "another charset", "no type", "an empty one", "a slash", "another host", "a broken host",
         "one more", "another cookie"],
)  # fmt: skip
def test_headers_that_mean_something_else_are_a_difference(
    legacy: dict[str, str], candidate: dict[str, str], difference: tuple[str, ...]
):
    assert headers_compared(legacy, candidate) == [difference]


@pytest.mark.parametrize(
    ("status", "media", "is_compared"),
    [(200, "text/html", True), (404, "text/html", True), (200, "application/json", False), (302, "text/html", False)],
)
def test_what_a_page_may_do_is_compared_on_pages(status: int, media: str, *, is_compared: bool):
    legacy = answer(
        b"", status, content_type=media, x_frame_options="DENY", content_security_policy="default-src 'none'"
    )
    found = compared(legacy, answer(b"", status, content_type=media))

    wanted = {("header:x-frame-options", "missing"), ("header:content-security-policy", "missing")}
    assert {(place, kind) for place, kind, *_ in found} == (wanted if is_compared else set())


def test_what_other_origins_may_do_with_an_answer_is_compared():
    """The site's middleware says so; a handler without it would be of no use to the site's own page elsewhere."""
    shared = {"access_control_allow_origin": "https://shop.example", "access_control_allow_credentials": "true"}

    assert [place for place, *_ in compared(answer(b"{}", 200, **shared), answer(b"{}"))] == [
        "header:access-control-allow-origin",
        "header:access-control-allow-credentials",
    ]


def test_every_line_of_a_header_counts():
    legacy = Answer(200, headers=((b"Set-Cookie", b"a=1"), (b"set-cookie", b"b=1")))
    assert compared(legacy, answer(set_cookie="a=1"), headers=("set-cookie",))
    assert not compared(legacy, Answer(200, headers=legacy.headers[::-1]), headers=("set-cookie",))


def test_a_header_is_kept_without_what_a_location_carries():
    rules = Comparison(headers=("location", "set-cookie", "etag"), keep_values=True)
    legacy = answer(location="/done?code=1", set_cookie="a=1", etag="1")
    found = compare(legacy, answer(location="/fail?code=2", set_cookie="b=2", etag="2"), rules=rules)
    assert [each.values for each in found] == [("/done", "/fail"), ("(redacted)", "(redacted)"), ("1", "2")]


@pytest.mark.parametrize("media", ["text/plain", "image/png", "text/csv; charset=utf-8", "application/xml"])
def test_any_other_body_is_compared_by_its_bytes(media: str):
    legacy = answer(b"a b", content_type=media)
    assert compared(legacy, answer(b"a b", content_type=media)) == []
    assert compared(legacy, answer(b"a c", content_type=media)) == [("body", "value", "bytes", "bytes")]
    assert compared(legacy, answer(b"a  b", content_type=media)) == [("body", "length", "shorter", "longer")]


def test_bodies_of_different_types_are_compared_by_their_bytes():
    places = [place for place, *_ in compared(json_answer({}), answer(b"<p>", content_type="text/html"))]
    assert places == ["header:content-type", "body"]


def test_problem_details_are_json():
    first, second = (answer(body, content_type="application/problem+json") for body in (b'{"a": 1}', b'{"a":1}'))
    assert compared(first, second) == []


def test_an_answer_to_head_has_no_body():
    assert compare(json_answer({"a": 1}), answer(content_type=JSON), rules=Comparison(), head=True) == ()


@pytest.mark.parametrize(
    "encoded",
    [
        answer(gzip.compress(b'{"a": 1}', mtime=1), content_type=JSON, content_encoding="gzip"),
        answer(gzip.compress(b'{"a": 1}', mtime=2), content_type=JSON, content_encoding="GZIP"),
        answer(zlib.compress(b'{"a": 1}'), content_type=JSON, content_encoding="deflate"),
        answer(b'{"a": 1}', content_type=JSON, content_encoding="identity"),
    ],
    ids=["gzip", "gzip of another time", "deflate", "identity"],
)
def test_an_encoding_is_undone(encoded: Answer):
    assert is_comparable(encoded)
    assert compared(json_answer({"a": 1}), encoded) == []
    assert compared(json_answer({"a": 2}), encoded) == [("$.a", "value", "number", "number")]


@pytest.mark.parametrize(
    "unreadable",
    [
        Answer(200, body=b"begin", is_whole=False),
        answer(b"x", content_encoding="br"),
        answer(b"x", content_encoding="gzip, gzip"),
        answer(b"no gzip at all", content_encoding="gzip"),
        answer(gzip.compress(b"x" * 100)[:-9], content_encoding="gzip"),
        answer(gzip.compress(b"x" * (LARGEST_BODY + 1)), content_encoding="gzip"),
        answer(b"x" * (LARGEST_BODY + 1)),
    ],
    ids=["not whole", "brotli", "twice", "broken", "cut off", "a bomb", "too large"],
)
def test_a_body_that_cannot_be_read_is_not_compared_and_says_so(unreadable: Answer):
    assert not is_comparable(unreadable)
    assert compared(answer(b"another"), unreadable) == []
    assert compared(unreadable, answer(b"another")) == []


@pytest.mark.parametrize(
    "readable",
    [answer(), answer(content_encoding="br"), answer(status=304, content_encoding="gzip"), answer(b"x" * LARGEST_BODY)],
    ids=["empty", "empty in any encoding", "not modified", "as large as it may be"],
)
def test_a_body_that_is_not_there_can_be_compared(readable: Answer):
    assert is_comparable(readable)


def test_the_body_can_be_ignored():
    assert compared(answer(b"a"), answer(b"b"), ignore=("body",)) == []


@settings(deadline=None, derandomize=True, database=None)
@given(st.binary(max_size=200), st.binary(max_size=200), st.sampled_from([JSON, "text/html", "text/plain", ""]))
def test_any_two_bodies_can_be_compared(one: bytes, other: bytes, media: str):
    found = compare(answer(one, content_type=media), answer(other, content_type=media), rules=Comparison(), key=b"k")
    assert len(found) <= MOST_DIFFERENCES
    assert found or one == other or media in (JSON, "text/html")
    for each in found:
        assert len(each.place) <= 255
        assert max(map(len, (each.kind, each.legacy, each.candidate, each.legacy_digest))) <= 64


def at(*places: str) -> tuple[Difference, ...]:
    return tuple(Difference(place, kind="value", legacy="number", candidate="number") for place in places)


@pytest.mark.parametrize(
    ("found", "again", "left"),
    [
        (at("$.a"), at(), at("$.a")),
        (at("$.a"), at("$.a"), at()),
        (at("$.a", "$.b"), at("$.a"), at("$.b")),
        (at("$.a.b", "$.a[*].c"), at("$.a"), at()),
        (at("$.ab"), at("$.a"), at("$.ab")),
        (at("$.a"), at("$.a.b"), at("$.a")),
        (at("$.a.b"), at("$"), at()),
        (at("body:html/body/p"), at("body:html/body"), at("body:html/body/p")),
        (at("body:html/body"), at("body"), at()),
        (at("header:etag"), at("header:et"), at("header:etag")),
        (at("status"), at("$.a"), at("status")),
        (at("$.a", "header:etag"), at("status"), at()),
        (at(), at("$.a"), at()),
    ],
    ids=["none", "the same place", "one of two", "below it", "beside it", "above it", "the document", "a path of tags",
         "the page", "a longer name", "something else", "another status of Django's own", "nothing found"],
)  # fmt: skip
def test_what_django_disagrees_with_itself_about_is_noise(
    found: tuple[Difference, ...], again: tuple[Difference, ...], left: tuple[Difference, ...]
):
    assert without_noise(found, again) == left
