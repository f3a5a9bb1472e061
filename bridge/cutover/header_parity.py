"""Whether two answers' headers mean the same."""

import re
from typing import Final
from urllib.parse import urlsplit

from bridge.cutover.differences import Answer
from bridge.cutover.gathering import FoundDifferences
from bridge.cutover.rules import Comparison

__all__ = ["add_header_differences", "header_values", "is_html", "is_json", "media_type"]

_SETS: Final = frozenset({"allow", "cache-control", "vary"})
"""Those whose value is a list without an order, in any case."""

_OF_PAGES: Final = frozenset({"content-security-policy", "x-frame-options"})
"""Those that tell a browser what a page may do, and do nothing on anything else."""

_REDIRECTS: Final = range(300, 400)
_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,20}/[a-z0-9.+-]{1,43}")
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([\w.:-]{1,40})", re.IGNORECASE)
_NONCE: Final = re.compile(r"'nonce-[^']*'")


def header_values(answer: Answer, name: str) -> tuple[str, ...]:
    """Give the values of a header, a line each, in their order."""
    wanted = name.encode("latin-1", "replace")
    return tuple(value.decode("latin-1").strip() for key, value in answer.headers if key.lower() == wanted)


def media_type(answer: Answer) -> str:
    """Give the media type in lower case; empty for none."""
    return _content_type(", ".join(header_values(answer, "content-type")))[0]


def is_json(media: str) -> bool:
    """Tell whether a media type is JSON, or built on it."""
    return media == "application/json" or media.endswith("+json")


def is_html(media: str) -> bool:
    """Tell whether a media type is HTML."""
    return media in ("text/html", "application/xhtml+xml")


def add_header_differences(
    legacy: Answer, candidate: Answer, *, rules: Comparison, host: str, to: FoundDifferences
) -> None:
    """Compare the headers of the allow-list.

    Args:
        legacy: Django's answer.
        candidate: the new handler's.
        rules: name the headers.
        host: that the client asked for: a Location there is the same as one without a host.
        to: gathers what differs.
    """
    is_page = is_html(media_type(legacy)) and legacy.status not in _REDIRECTS
    for name in rules.headers:
        if name in _OF_PAGES and not is_page:  # Django's middleware writes them on all answers
            continue
        ours, theirs = header_values(legacy, name), header_values(candidate, name)
        if _meaning(name, ours, host) == _meaning(name, theirs, host):
            continue
        kind = "missing" if not theirs else "value" if ours else "extra"
        values = (_shown(name, ours), _shown(name, theirs))
        to.add(
            f"header:{name}", kind, (_word(name, ours), _word(name, theirs)), values=values, as_text=str, names=(name,)
        )


def _meaning(name: str, values: tuple[str, ...], host: str) -> object:
    joined = ", ".join(values)
    if name in _SETS:
        return bool(values), frozenset(part.strip().lower() for part in joined.split(","))
    if name == "content-type":
        return _content_type(joined)
    if name == "location":
        return _without_host(joined, host)
    if name == "set-cookie":  # values and expiry are new each time
        return frozenset(value.partition("=")[0].strip() for value in values)
    return tuple(_NONCE.sub("'nonce-*'", value) for value in values)


def _content_type(value: str) -> tuple[str, str]:
    """Give the media type and the charset, which JSON has none of (RFC 8259)."""
    media = value.partition(";")[0].strip().lower()
    charset = _CHARSET.search(value)
    if charset is None or is_json(media):
        return media, ""
    return media, "utf-8" if charset[1].lower() == "utf8" else charset[1].lower()


def _without_host(location: str, host: str) -> str:
    try:
        parts = urlsplit(location)
    except ValueError:
        return location
    if not host or parts.netloc.lower() != host.lower():
        return location
    return parts._replace(scheme="", netloc="", path=parts.path or "/").geturl()


def _word(name: str, values: tuple[str, ...]) -> str:
    """Say what a header is without its value; a media type is no secret."""
    if not values:
        return "absent"
    media = _content_type(values[0])[0] if name == "content-type" else ""
    return media if _MEDIA_TYPE.fullmatch(media) else "present"


def _shown(name: str, values: tuple[str, ...]) -> str:
    """Write what may be kept of a header; the query of a Location carries codes and tokens."""
    joined = ", ".join(values)
    return joined.partition("?")[0] if name == "location" else joined
