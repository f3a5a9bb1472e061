"""Whether two pages of HTML are the same but for what is new each time: CSRF tokens and nonces.

A page is taken apart into tags and texts, each at the path of tags that it is in (``html/body/main/p``); what differs
is told by that path, so that the differences of many pages add up and a clock in the footer hides nothing else.
All whitespace counts. This reads tags, not meaning, and takes no longer than a page is long, however broken it is.
"""

import re
from typing import Final

from bridge.cutover.gathering import FoundDifferences

__all__ = ["add_html_differences", "masked"]

_TOKEN: Final = re.compile(
    r"<!--.*?(?:-->|\Z)|<(/?)([!A-Za-z][A-Za-z0-9-]{0,30})[^<>]*>|(?:[^<]+|<(?![!/A-Za-z]))+|<", re.DOTALL
)
_VOID: Final = frozenset(
    {
        *("!doctype", "area", "base", "br", "col", "embed", "hr", "img", "input"),
        *("link", "meta", "param", "source", "track", "wbr"),
    }
)
_VERBATIM: Final = frozenset({"script", "style", "textarea", "title"})
_CLOSED_BY_THE_NEXT: Final = frozenset({"dd", "dt", "li", "option", "p", "td", "th", "tr"})
_DEEPEST: Final = 40
_LONGEST_PATH: Final = 240

_QUOTE: Final = r"""(?:["']|&quot;|&\#x?27;|&\#39;)"""
_CSRF: Final = r"(?:[A-Za-z0-9]{64}|[A-Za-z0-9]{32})"  # with its mask, which Django draws anew each time, or without
_NEW_EACH_TIME: Final = (
    re.compile(rf"(csrf[^<>]{{0,80}}?{_QUOTE}){_CSRF}(?={_QUOTE})", re.IGNORECASE),
    re.compile(rf"({_QUOTE}){_CSRF}(?={_QUOTE}[^<>]{{0,80}}?csrf)", re.IGNORECASE),
    re.compile(r"""(\bnonce\s{0,5}=\s{0,5}["'])[^"'<>]{1,200}(?=["'])""", re.IGNORECASE),
)


def masked(page: str) -> str:
    """Write ``*`` in place of CSRF tokens (in forms, meta tags and scripts) and of nonces; an empty one stays."""
    for pattern in _NEW_EACH_TIME:
        page = pattern.sub(r"\1*", page)
    return page


def add_html_differences(legacy: str, candidate: str, *, to: FoundDifferences) -> None:
    """Compare two pages. Their texts are never kept: nothing says which of them would have to be redacted."""
    legacy, candidate = masked(legacy), masked(candidate)
    if legacy == candidate:
        return
    ours, theirs = _parts(legacy), _parts(candidate)
    if ours == theirs:
        to.add("body", "order", ("html", "html"), values=(legacy, candidate), as_text=str)
    for path, what in {**ours, **theirs}:
        expected, found = ours.get((path, what), []), theirs.get((path, what), [])
        if expected != found:
            kind, words = _told(expected, found, what=what)
            to.add(f"body:{path}", kind, words, values=(expected, found), as_text="\0".join)


def _told(expected: list[str], found: list[str], *, what: str) -> tuple[str, tuple[str, str]]:
    """Give in words how the parts at one path differ."""
    if not expected:
        return "extra", ("absent", what)
    if not found:
        return "missing", (what, "absent")
    if len(expected) != len(found):
        return "length", ("more", "fewer") if len(expected) > len(found) else ("fewer", "more")
    return "whitespace" if _without_space(expected) == _without_space(found) else "value", (what, what)


def _without_space(texts: list[str]) -> list[list[str]]:
    return [text.split() for text in texts]


def _parts(page: str) -> dict[tuple[str, str], list[str]]:
    """Give the tags and texts of a page by their path and what they are, in order."""
    parts: dict[tuple[str, str], list[str]] = {}
    open_tags: list[str] = []
    position = 0
    while match := _TOKEN.match(page, position):
        token, position = match[0], match.end()
        name = (match[2] or "").lower()
        if match[1]:
            _close(name, open_tags)
            continue
        if not name:
            parts.setdefault((_path(open_tags), "comment" if token.startswith("<!--") else "text"), []).append(token)
            continue
        if open_tags and open_tags[-1] == name and name in _CLOSED_BY_THE_NEXT:
            open_tags.pop()
        parts.setdefault((_path([*open_tags, name]), "tag"), []).append(token)
        if name in _VOID or token.endswith("/>") or len(open_tags) >= _DEEPEST:
            continue
        open_tags.append(name)
        if name in _VERBATIM:
            end = _end_of(name, page, position)
            parts.setdefault((_path(open_tags), "text"), []).append(page[position:end])
            position = end
    return parts


def _close(name: str, open_tags: list[str]) -> None:
    if name in open_tags:
        while open_tags.pop() != name:
            pass


def _end_of(name: str, page: str, start: int) -> int:
    """Find where the text of a tag ends that holds no tags; without an end it is the page's."""
    end = re.compile(f"</{name}", re.IGNORECASE).search(page, start)
    return end.start() if end else len(page)


def _path(tags: list[str]) -> str:
    path = "/".join(tags)
    return path if len(path) <= _LONGEST_PATH else path[:_LONGEST_PATH] + "…"
