"""What is compared, and what comes of it."""

from dataclasses import dataclass, field
from enum import StrEnum

__all__ = ["Answer", "Difference", "Verdict", "without_noise"]


@dataclass(frozen=True, slots=True)
class Answer:
    """An app's answer to a request.

    Attributes:
        status: of HTTP.
        headers: as ASGI has them.
        body: as it was sent, with its Content-Encoding.
        is_whole: False where it was longer than what was kept.
    """

    status: int
    headers: tuple[tuple[bytes, bytes], ...] = field(default=(), repr=False)
    body: bytes = field(default=b"", repr=False)
    is_whole: bool = True


class Verdict(StrEnum):
    """What came of a request whose answers were to be compared."""

    MATCH = "match"
    MISMATCH = "mismatch"
    NOISE = "noise"  # Django disagrees with itself wherever the candidate disagrees with it
    WRITES = "writes"  # the candidate tried to write
    FAILED = "failed"  # the candidate raised, or answered 5xx where Django did not
    SKIPPED = "skipped"  # it cannot be compared
    DROPPED = "dropped"  # there was too much to do


@dataclass(frozen=True, slots=True)
class Difference:
    """One place where the candidate's answer is not Django's.

    Attributes:
        place: ``status``, ``header:<name>``, ``body``, a place in JSON (``bridge.cutover.places``), or
            ``body:<path of tags>`` in HTML.
        kind: in one word how they differ.
        legacy: what Django has there: a JSON type, a status, or another word; never a value.
        candidate: what the new handler has there.
        legacy_digest: by which equal values can be told without knowing them; empty without a key.
        candidate_digest: likewise.
        values: both, only where the plan keeps them.
    """

    place: str
    kind: str
    legacy: str
    candidate: str
    legacy_digest: str = ""
    candidate_digest: str = ""
    values: tuple[str, str] | None = field(default=None, repr=False)


def without_noise(found: tuple[Difference, ...], again: tuple[Difference, ...]) -> tuple[Difference, ...]:
    """Leave out the differences at, or in JSON below, a place where Django disagrees with itself.

    Where its second answer has another status, nothing can be told.

    Args:
        found: between Django's answer and the candidate's.
        again: between Django's first answer and its second.
    """
    noisy = {each.place for each in again}
    if "status" in noisy:
        return ()
    return tuple(each for each in found if not any(_is_within(each.place, place) for place in noisy))


def _is_within(place: str, outer: str) -> bool:
    return place.startswith(outer) and (len(place) == len(outer) or place[len(outer)] in ".[:")
