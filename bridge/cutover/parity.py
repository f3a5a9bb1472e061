"""Whether two answers are the same to a client.

Statuses are compared exactly, and where they differ nothing else is. Of the headers an allow-list is compared, by
what they mean. A body of JSON is compared by structure, HTML by its tags and texts with CSRF tokens and nonces masked,
anything else by its bytes.
"""

import zlib
from typing import Final

from bridge.cutover.differences import Answer, Difference, Verdict, without_noise
from bridge.cutover.gathering import MOST_DIFFERENCES, FoundDifferences
from bridge.cutover.header_parity import add_header_differences, header_values, is_html, is_json, media_type
from bridge.cutover.html_parity import add_html_differences
from bridge.cutover.json_parity import NotStructured, add_json_differences
from bridge.cutover.rules import Comparison

__all__ = [
    "LARGEST_BODY",
    "MOST_DIFFERENCES",
    "Answer",
    "Difference",
    "Verdict",
    "compare",
    "is_comparable",
    "without_noise",
]

LARGEST_BODY: Final = 1_048_576
"""A longer one, with its Content-Encoding undone, is not compared: it would take the time of requests."""

_WINDOW_BITS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


def compare(
    legacy: Answer, candidate: Answer, *, rules: Comparison, head: bool = False, host: str = "", key: bytes = b""
) -> tuple[Difference, ...]:
    """Compare two answers. Bodies are left out unless both are ``is_comparable``.

    Args:
        legacy: Django's answer.
        candidate: the new handler's.
        rules: of the operation.
        head: whether HEAD was asked, whose answers have no body.
        host: that the client asked for, as in its Host header.
        key: of the digests (``bridge.cutover.gathering.FoundDifferences``).

    Returns:
        At most ``MOST_DIFFERENCES``, no two of a kind at a place; none if the answers are the same.
    """
    if legacy.status != candidate.status:
        return (Difference("status", kind="status", legacy=str(legacy.status), candidate=str(candidate.status)),)
    in_headers = FoundDifferences(rules, key=key)
    add_header_differences(legacy, candidate, rules=rules, host=host, to=in_headers)
    in_bodies = () if head else _body_differences(legacy, candidate, rules=rules, key=key)
    return (*in_headers.all(), *in_bodies)[:MOST_DIFFERENCES]


def is_comparable(answer: Answer) -> bool:
    """Tell whether an answer's body can be read: it is whole, not too large, and not in an unknown encoding."""
    return _readable(answer) is not None


def _body_differences(legacy: Answer, candidate: Answer, *, rules: Comparison, key: bytes) -> tuple[Difference, ...]:
    ours, theirs = _readable(legacy), _readable(candidate)
    if ours is None or theirs is None or ours == theirs or "body" in rules.ignore:
        return ()
    media = media_type(legacy) if media_type(legacy) == media_type(candidate) else ""
    found = FoundDifferences(rules, key=key)
    if is_json(media):
        try:
            add_json_differences(ours, theirs, rules=rules, to=found)
        except NotStructured:
            return _of_bytes(ours, theirs, FoundDifferences(rules, key=key))
    elif is_html(media):
        # every charset that HTML may have keeps its tags so, and loses no byte
        add_html_differences(ours.decode("latin-1"), theirs.decode("latin-1"), to=found)
    else:
        return _of_bytes(ours, theirs, found)
    return found.all()


def _of_bytes(ours: bytes, theirs: bytes, found: FoundDifferences) -> tuple[Difference, ...]:
    kind, words = "value", ("bytes", "bytes")
    if len(ours) != len(theirs):
        kind, words = "length", ("longer", "shorter") if len(ours) > len(theirs) else ("shorter", "longer")
    found.add("body", kind, words, values=(ours, theirs), as_text=lambda body: body.decode("latin-1"))
    return found.all()


def _readable(answer: Answer) -> bytes | None:
    """Give the body with its Content-Encoding undone; None for one that cannot be compared."""
    encoding = ", ".join(header_values(answer, "content-encoding")).lower()
    body: bytes | None = answer.body
    if answer.body and encoding not in ("", "identity"):
        body = _decompressed(answer.body, _WINDOW_BITS.get(encoding))
    return body if answer.is_whole and body is not None and len(body) <= LARGEST_BODY else None


def _decompressed(body: bytes, bits: int | None) -> bytes | None:
    if bits is None:
        return None
    decompressor = zlib.decompressobj(bits)
    try:
        plain = decompressor.decompress(body, LARGEST_BODY + 1)
    except zlib.error:
        return None
    return plain if decompressor.eof else None
