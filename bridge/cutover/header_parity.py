"""Whether two answers' headers mean the same."""

import re
from collections.abc import Iterator
from email.message import Message
from typing import Final
from urllib.parse import urlsplit

from bridge.cutover.differences import Answer, Difference, Digests
from bridge.cutover.redaction import kept
from bridge.cutover.rules import Comparison

__all__ = ["header_differences", "header_values", "is_html", "is_json", "media_type"]

_SETS: Final = frozenset({"allow", "cache-control", "vary"})
"""Those whose value is a list without an order, in any case."""

_MEDIA_TYPE: Final = re.compile(r"[a-z0-9.+-]{1,40}/[a-z0-9.+-]{1,60}")
_LONGEST_WORD: Final = 64


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


def header_differences(
    legacy: Answer, candidate: Answer, *, rules: Comparison, host: str, digests: Digests
) -> Iterator[Difference]:
    """Compare the headers of the allow-list.

    Args:
        legacy: Django's answer.
        candidate: the new handler's.
        rules: name the headers.
        host: that the client asked for: a Location there is the same as one without a host.
        digests: of values.
    """
    for name in rules.headers:
        ours, theirs = header_values(legacy, name), header_values(candidate, name)
        if _meaning(name, ours, host) == _meaning(name, theirs, host):
            continue
        yield Difference(
            place=f"header:{name}",
            kind="missing" if not theirs else "value" if ours else "extra",
            legacy=_word(name, ours),
            candidate=_word(name, theirs),
            legacy_digest=digests.of(", ".join(ours).encode()),
            candidate_digest=digests.of(", ".join(theirs).encode()),
            values=kept(", ".join(ours), ", ".join(theirs), names=(name,), rules=rules),
        )


def _meaning(name: str, values: tuple[str, ...], host: str) -> object:
    joined = ", ".join(values)
    if name in _SETS:
        return frozenset(part.strip().lower() for part in joined.split(",") if part.strip())
    if name == "content-type":
        return _content_type(joined)
    if name == "location":
        return _without_host(joined, host)
    if name == "set-cookie":  # values and expiry are new each time
        return frozenset(value.partition("=")[0].strip() for value in values)
    return values


def _content_type(value: str) -> tuple[str, str]:
    """Give the media type and the charset, which JSON has none of (RFC 8259)."""
    message = Message()
    message["content-type"] = value[: _LONGEST_WORD * 4]
    media = message.get_content_type() if value else ""
    charset = message.get_param("charset")
    named = charset.lower() if isinstance(charset, str) and not is_json(media) else ""
    return media, "utf-8" if named == "utf8" else named


def _without_host(location: str, host: str) -> str:
    try:
        parts = urlsplit(location)
    except ValueError:
        return location
    if not host or parts.netloc.lower() != host.lower():
        return location
    return parts._replace(scheme="", netloc="").geturl() or "/"


def _word(name: str, values: tuple[str, ...]) -> str:
    if not values:
        return "absent"
    media = _content_type(values[0])[0] if name == "content-type" else ""
    return media[:_LONGEST_WORD] if _MEDIA_TYPE.fullmatch(media) else "present"
