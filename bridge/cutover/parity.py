"""Whether two answers are the same to a client.

Statuses are compared exactly, and where they differ nothing else is. Of the headers an allow-list is compared, by
what they mean. A body of JSON is compared by structure, HTML by its tags and texts with CSRF tokens and nonces masked,
anything else by its bytes.
"""

import zlib
from collections.abc import Iterator
from typing import Final

from bridge.cutover.differences import Answer, Difference, Digests, Verdict, without_noise
from bridge.cutover.header_parity import header_differences, header_values, is_html, is_json, media_type
from bridge.cutover.html_parity import html_differences
from bridge.cutover.json_parity import NotStructured, json_differences
from bridge.cutover.rules import Comparison

__all__ = ["MOST_DIFFERENCES", "Answer", "Difference", "Verdict", "compare", "is_comparable", "without_noise"]

MOST_DIFFERENCES: Final = 50
LARGEST_BODY: Final = 4_194_304

_WINDOW_BITS: Final = {"": 0, "identity": 0, "gzip": 31, "x-gzip": 31, "deflate": 15}


def is_comparable(answer: Answer) -> bool:
    """Tell whether there is a body that can be read: it was kept whole, in an encoding that is known here."""
    return answer.is_whole and _encoding(answer) in _WINDOW_BITS


def compare(
    legacy: Answer, candidate: Answer, *, rules: Comparison, head: bool = False, host: str = "", key: bytes = b""
) -> tuple[Difference, ...]:
    """Compare two answers.

    Bodies are left out unless both are ``is_comparable``.

    Args:
        legacy: Django's answer.
        candidate: the new handler's.
        rules: of the operation.
        head: whether HEAD was asked, whose answers have no body.
        host: that the client asked for, as in its Host header.
        key: of the digests (``Digests``).

    Returns:
        At most ``MOST_DIFFERENCES``, no two of a kind at a place; none if the answers are the same.
    """
    if legacy.status != candidate.status:
        return (Difference("status", kind="status", legacy=str(legacy.status), candidate=str(candidate.status)),)
    digests = Digests(key)
    found = list(header_differences(legacy, candidate, rules=rules, host=host, digests=digests))
    if not head and is_comparable(legacy) and is_comparable(candidate):
        found += _body_differences(legacy, candidate, rules=rules, digests=digests)
    return tuple(found[:MOST_DIFFERENCES])


def _body_differences(legacy: Answer, candidate: Answer, *, rules: Comparison, digests: Digests) -> list[Difference]:
    ours, theirs = _body(legacy), _body(candidate)
    media = media_type(legacy)
    if ours == theirs or "body" in rules.ignore:
        return []
    if media == media_type(candidate) and is_json(media):
        try:
            return _distinct(json_differences(ours, theirs, rules=rules, digests=digests))
        except NotStructured:
            pass
    elif media == media_type(candidate) and is_html(media):
        # every ASCII-compatible charset keeps its tags, and no byte is lost
        found = html_differences(ours.decode("latin-1"), theirs.decode("latin-1"), digests=digests)
        return _distinct(each for each in found if each.place not in rules.ignore)
    return [_of_bytes(ours, theirs, digests)]


def _distinct(found: Iterator[Difference]) -> list[Difference]:
    """Keep the first of each kind at a place, up to the bound."""
    seen: set[tuple[str, str, str, str]] = set()
    kept = []
    for each in found:
        name = (each.place, each.kind, each.legacy, each.candidate)
        if name not in seen:
            seen.add(name)
            kept.append(each)
        if len(kept) == MOST_DIFFERENCES:
            break
    return kept


def _of_bytes(ours: bytes, theirs: bytes, digests: Digests) -> Difference:
    words = ("longer", "shorter") if len(ours) > len(theirs) else ("shorter", "longer")
    if len(ours) == len(theirs):
        words = ("bytes", "bytes")
    return Difference(
        place="body",
        kind="value" if words[0] == words[1] else "length",
        legacy=words[0],
        candidate=words[1],
        legacy_digest=digests.of(ours),
        candidate_digest=digests.of(theirs),
    )


def _encoding(answer: Answer) -> str:
    return ", ".join(header_values(answer, "content-encoding")).lower()


def _body(answer: Answer) -> bytes:
    """Undo the Content-Encoding, and cut off what is beyond ``LARGEST_BODY``; a broken one stays as it is."""
    bits = _WINDOW_BITS[_encoding(answer)]
    if not bits:
        return answer.body[:LARGEST_BODY]
    try:
        return zlib.decompressobj(bits).decompress(answer.body, LARGEST_BODY)
    except zlib.error:
        return answer.body[:LARGEST_BODY]
