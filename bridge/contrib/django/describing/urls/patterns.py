"""Patterns, as one template and one regular expression from the root.

Django matches one pattern after the other: an ``include`` takes what it matches off the path, for good, and the next
sees the rest. Put together as atomic groups, they match just the same.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Any, Final, Self

from django.conf import settings
from django.urls.resolvers import LocalePrefixPattern, RegexPattern, RoutePattern
from django.utils.regex_helper import normalize
from django.utils.translation import override

from bridge.profile.urls import LONGEST_TEXT

__all__ = ["Place"]

_LONGEST_TEMPLATE: Final = 240  # an operation's name has a method as well
_MOST_TEMPLATES: Final = 4
_ROUTE_PARAMETER: Final = re.compile(r"<(?:[^>:]+:)?([^>]+)>")
_PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s")
_UNREADABLE: Final = "{_}"

_TOKEN: Final = re.compile(
    r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(\?P<\w+>|\(\?P=|\(\?[aiLmsux]+\)|\(\?<[=!]|\(\?\(|\(\?|\{\d*,?\d*\}|.", re.DOTALL
)
_CAPTURE: Final = re.compile(r"\($|\(\?P<")
_NOT_TO_BE_JOINED: Final = re.compile(r"\^|\\A|\\[1-9]|\(\?P=|\(\?\(|\(\?<[=!]|\(\?[aiLmsux]+\)")
_REPEAT: Final = re.compile(r"[*+]|\{\d*,\d*\}")
_MOST_WILDCARDS: Final = 2  # each multiplies the time that a hostile path takes by its length
_WILDCARD: Final = re.compile(r"(?<!\\)\.[*+]|\[\\s\\S\]\*")
_LITERAL: Final = re.compile(r"[\w/~-]|\\[^\w\s]")


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the site's tree of URLs something is.

    Attributes:
        templates: of its paths; more than one where parts of it may be missing.
        regex: of its paths, from the root; "" where they cannot be put into one, or not into one that is safe to use.
    """

    templates: tuple[str, ...]
    regex: str

    @classmethod
    def root(cls) -> Self:
        """Give the place that all others are under."""
        return cls(("/",), "/")

    def under(self, pattern: Any) -> "Place":
        """Give the place of a pattern below this one."""
        joined = ("".join(pair) for pair in product(self.templates, _templates(pattern)))
        templates = tuple(each for each in dict.fromkeys(joined) if len(each) <= _LONGEST_TEMPLATE)
        step = _regex(pattern)
        regex = "" if step is None or not self.regex else self.regex + step
        return Place(templates[:_MOST_TEMPLATES], regex if _is_usable(regex) else "")


def _is_usable(regex: str) -> bool:
    if len(regex) > LONGEST_TEXT or len(_WILDCARD.findall(regex)) > _MOST_WILDCARDS:
        return False
    try:
        re.compile(regex)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


# Templates ------------------------------------------------------------------------------------------------------------


def _templates(pattern: Any) -> Sequence[str]:
    if isinstance(pattern, LocalePrefixPattern):
        return ("{language}/",) if pattern.prefix_default_language else ("", "{language}/")
    if isinstance(pattern, RoutePattern):
        return (_ROUTE_PARAMETER.sub(r"{\1}", str(pattern)),)
    if not isinstance(pattern, RegexPattern):
        return (_UNREADABLE,)
    try:
        readings = [_PLACEHOLDER.sub(r"{\1}", text) for text, _ in normalize(str(pattern))]
    except ValueError:  # Django cannot reverse it either
        return (_UNREADABLE,)
    # An alternative is more than Django's own reading can say.
    return [_UNREADABLE] if readings == [""] and re.search(r"[\w|]", str(pattern)) else readings


# Expressions ----------------------------------------------------------------------------------------------------------


def _regex(pattern: Any) -> str | None:
    """Give an expression for what a pattern takes off the path; None where there is none."""
    if isinstance(pattern, LocalePrefixPattern):
        return _language(is_optional=not pattern.prefix_default_language)
    if not isinstance(pattern, RoutePattern | RegexPattern):
        return None
    is_endpoint = getattr(pattern, "_is_endpoint", True)  # nothing else tells
    steps = [_step(source, is_endpoint=is_endpoint) for source in dict.fromkeys(_sources(pattern))]
    known = [step for step in steps if step is not None]
    if len(known) < len(steps):
        return None
    return known[0] if len(known) == 1 else f"(?:{'|'.join(known)})"


def _sources(pattern: RoutePattern | RegexPattern) -> Iterator[str]:
    """Give a pattern's expression; where it is translated, that of every language (``LocaleRegexDescriptor``)."""
    given = vars(pattern)
    if isinstance(given.get("_route", given.get("_regex")), str):
        yield pattern.regex.pattern
        return
    for code, _ in settings.LANGUAGES:
        with override(code):
            yield pattern.regex.pattern


def _language(*, is_optional: bool) -> str:
    codes = [re.escape(code) for code, _ in settings.LANGUAGES if not (is_optional and code == settings.LANGUAGE_CODE)]
    return f"(?>(?:(?:{'|'.join(codes)})/)?)" if is_optional else f"(?:{'|'.join(codes)})/"


def _step(source: str, *, is_endpoint: bool) -> str | None:
    """Rewrite one expression so that it goes on where the one before it ended (``RegexPattern.match``)."""
    tokens = _TOKEN.findall(source)
    is_anchored = bool(tokens) and tokens[0] in ("^", r"\A")
    is_whole = is_endpoint and bool(tokens) and tokens[-1] == "$"
    tokens = tokens[is_anchored : len(tokens) - is_whole]
    has_choice = "|" in tokens
    if any(_NOT_TO_BE_JOINED.match(each) for each in tokens) or _repeats_repeats(tokens):
        return None
    if has_choice and is_anchored and not is_whole and _has_choice_outside(tokens):
        return None  # the anchor is that of the first alternative only
    body = "".join("(?:" if _CAPTURE.match(each) else each for each in tokens).replace(r"\z", r"\Z")
    body = f"(?:{body})" if has_choice else body
    if is_whole:
        return body + r"\Z"
    if not is_anchored and body:
        body = rf"[\s\S]*?(?:{body})"
    elif all(_LITERAL.fullmatch(each) for each in tokens):
        return body
    return body if is_endpoint else f"(?>{body})"


def _repeats_repeats(tokens: Sequence[str]) -> bool:
    """Tell whether a repetition is repeated: a hostile path could make such an expression run for hours."""
    open_groups = [False]
    for each, following in pairwise([*tokens, ""]):
        is_repeated = _REPEAT.fullmatch(following) is not None
        if each.startswith("("):
            open_groups.append(False)
        elif each == ")" and len(open_groups) > 1:
            has_repeat = open_groups.pop()
            if has_repeat and is_repeated:
                return True
            open_groups[-1] |= has_repeat
        open_groups[-1] |= is_repeated
    return False


def _has_choice_outside(tokens: Sequence[str]) -> bool:
    depth = 0
    for each in tokens:
        depth += each.startswith("(") - (each == ")")
        if each == "|" and depth == 0:
            return True
    return False
