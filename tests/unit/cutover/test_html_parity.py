"""Whether two pages of HTML are the same but for what is new each time."""

import secrets
from string import ascii_letters, digits

import pytest
from django.middleware.csrf import get_token
from django.template import Context, Engine
from django.test import RequestFactory
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.cutover import Comparison, compare
from bridge.cutover.gathering import MOST_DIFFERENCES
from bridge.cutover.html_parity import masked
from tests.unit.cutover.answers import page, told

markup = st.lists(
    st.sampled_from(["<", ">", "</", "/>", "<p>", "</p>", "<li>", "<script>", "</script>", "<!--", "-->", "a", " ", '"',
                     "<br>", "csrf", "nonce=", "<div class='x'>", "</div>", "<title>"]),
    max_size=40,
).map("".join)  # fmt: skip


def compared(legacy: str, candidate: str, **rules) -> list[tuple[str, str, str, str]]:
    return told(compare(page(legacy), page(candidate), rules=Comparison(**rules)))


def token(length: int = 64) -> str:
    return "".join(secrets.choice(ascii_letters + digits) for _ in range(length))


@pytest.mark.parametrize(
    "form",
    [
        '<input type="hidden" name="csrfmiddlewaretoken" value="{}">',
        "<input type='hidden' name='csrfmiddlewaretoken' value='{}' />",
        '<input value="{}" name="csrfmiddlewaretoken">',
        '<meta name="csrf-token" content="{}">',
        '<script>window.CSRF_TOKEN = "{}";</script>',
        "<script>const csrfToken='{}'</script>",
        '<script>fetch("/", {{headers: {{"X-CSRFToken": "{}"}}}})</script>',
        """<body hx-headers='{{"X-CSRFToken": "{}"}}'>""",
        '<body hx-headers="{{&quot;X-CSRFToken&quot;: &quot;{}&quot;}}">',
        '<script nonce="{}">go()</script>',
    ],
    ids=["a form", "a form in other quotes", "the value first", "a meta tag", "a script", "another script", "a header",
         "an attribute", "an escaped attribute", "a nonce"],
)  # fmt: skip
@pytest.mark.parametrize("length", [64, 32], ids=["masked", "as the cookie has it"])
def test_what_is_new_each_time_is_no_difference(form: str, length: int):
    first, second = (f"<p>{form.format(token(length))}</p>" for _ in range(2))
    assert compared(first, second) == []


def test_the_tokens_that_django_draws_are_masked():
    template = Engine().from_string("<form>{% csrf_token %}</form>")
    request = RequestFactory().get("/")
    first, second = (template.render(Context({"csrf_token": get_token(request)})) for _ in range(2))
    assert first != second
    assert compared(first, second) == []
    assert "*" in masked(first)


@pytest.mark.parametrize(
    ("legacy", "candidate", "difference"),
    [
        ("<p>a</p>", "<p>b</p>", ("body:p", "value", "text", "text")),
        ("<p>a b</p>", "<p>a  b</p>", ("body:p", "whitespace", "text", "text")),
        ('<a href="/x">', '<a href="/y">', ("body:a", "value", "tag", "tag")),
        ("<p><b>a</b></p>", "<p></p>", ("body:p/b", "missing", "tag", "absent")),
        ("<br>", "<br><hr>", ("body:hr", "extra", "absent", "tag")),
        ("<ul><li><li></ul>", "<ul><li></ul>", ("body:ul/li", "length", "more", "fewer")),
        ("<b></b><i></i>", "<i></i><b></b>", ("body", "order", "html", "html")),
        ("<p>a</p>", "<p>a", ("body", "order", "html", "html")),
        ("<!-- 1 -->", "<!-- 2 -->", ("body:", "value", "comment", "comment")),
        ("<script>if (a<b) 1</script>", "<script>if (a<b) 2</script>", ("body:script", "value", "text", "text")),
        ("<html><br><body><P>a</P>", "<html><br><body><P>b</P>", ("body:html/body/p", "value", "text", "text")),
        ("<ul><li>a<li>b</ul>", "<ul><li>a<li>c</ul>", ("body:ul/li", "value", "text", "text")),
        ("<p>ü</p>", "<p>ö</p>", ("body:p", "value", "text", "text")),
        (
            '<input name="csrfmiddlewaretoken" value="">',
            f'<input name="csrfmiddlewaretoken" value="{"a" * 64}">',
            ("body:input", "value", "tag", "tag"),
        ),
        ("<i id='" + "a" * 64 + "'>", "<i id='" + "b" * 64 + "'>", ("body:i", "value", "tag", "tag")),
    ],
    ids=[
        "a text", "a space", "an attribute", "a tag less", "a tag more", "an item less", "another order", "no end tag",
        "a comment", "a script", "capitals", "items without ends", "beyond ASCII", "no token", "what is no token",
    ],
)  # fmt: skip
def test_a_difference_names_the_path_of_tags(legacy: str, candidate: str, difference: tuple[str, ...]):
    assert difference in compared(legacy, candidate)


def test_texts_are_never_kept():
    (found,) = compare(page("<p>secret</p>"), page("<p>other</p>"), rules=Comparison(keep_values=True), key=b"k")
    assert found.values is None
    assert found.legacy_digest != found.candidate_digest != ""


@pytest.mark.parametrize("ignored", ["body:html/footer", "body"], ids=["a path", "the page"])
def test_a_path_can_be_ignored(ignored: str):
    legacy, candidate = ("<html><footer>12:00</footer>", "<html><footer>12:01</footer>")
    assert compared(legacy, candidate)
    assert compared(legacy, candidate, ignore=(ignored,)) == []


@settings(deadline=None, derandomize=True, database=None)
@given(markup)
def test_a_page_is_the_same_as_itself_however_broken(text: str):
    assert compared(text, text) == []


@settings(deadline=None, derandomize=True, database=None)
@given(markup, markup)
def test_two_pages_are_the_same_only_if_they_are_but_for_what_is_masked(one: str, other: str):
    assert bool(compared(one, other)) == (masked(one) != masked(other))


@pytest.mark.parametrize(
    "part",
    ["<", "<a ", "<div>", "</div>", "<!--", "<script>", "<li>", 'csrf"', "csrf", '"', "nonce=", "nonce='"],
)
def test_a_hostile_page_takes_no_longer_than_it_is_long(part: str):
    legacy, candidate = (part * (20_000 // len(part)) + end for end in ("a", "b"))
    assert 0 < len(compared(legacy, candidate)) <= MOST_DIFFERENCES
