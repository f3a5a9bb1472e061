"""Gathers the differences between two answers: bounded, each kind at a place once, and without their values."""

import hashlib
import hmac
from collections.abc import Callable, Iterable
from typing import Final, TypeVar

from bridge.cutover.differences import Difference
from bridge.cutover.rules import ALWAYS_REDACTED, Comparison

__all__ = ["MOST_DIFFERENCES", "REDACTED", "FoundDifferences"]

V = TypeVar("V")

MOST_DIFFERENCES: Final = 50
REDACTED: Final = "(redacted)"

_LONGEST_VALUE: Final = 200
_DIGEST_LENGTH: Final = 16


class FoundDifferences:
    """Those found so far.

    Args:
        rules: say what is ignored, and whether values are kept.
        key: of the digests. They are keyed because a plain hash of a price or a flag could simply be looked up; with
            one secret key in all replicas, equal values can be told anywhere. Without a key there are none.
    """

    def __init__(self, rules: Comparison, *, key: bytes = b"") -> None:
        self._rules = rules
        self._key = key
        self._ignored = frozenset(rules.ignore)
        self._secrets = (*ALWAYS_REDACTED, *rules.redact)
        self._found: dict[tuple[str, str, tuple[str, str]], Difference] = {}

    @property
    def is_full(self) -> bool:
        """Whether there are as many as are kept."""
        return len(self._found) >= MOST_DIFFERENCES

    def add(
        self,
        place: str,
        kind: str,
        words: tuple[str, str],
        *,
        values: tuple[V, V],
        as_text: Callable[[V], str],
        names: Iterable[str] | None = None,
    ) -> None:
        """Keep a difference, unless it is known, ignored, or one too many.

        Args:
            place: where it is.
            kind: how the two differ.
            words: what Django and what the candidate has there, without saying its value.
            values: what they really have there.
            as_text: writes a value; called only where it is needed.
            names: of the header, or of the keys on the way, that decide whether the values may be kept; None: never.
        """
        name = (place, kind, words)
        if name in self._found or self.is_full or place in self._ignored:
            return
        legacy, candidate = map(as_text, values)
        self._found[name] = Difference(
            place,
            kind=kind,
            legacy=words[0],
            candidate=words[1],
            legacy_digest=self._digest(legacy),
            candidate_digest=self._digest(candidate),
            values=self._kept(legacy, candidate, names),
        )

    def all(self) -> tuple[Difference, ...]:
        """Give them in the order in which they were found."""
        return tuple(self._found.values())

    def _digest(self, text: str) -> str:
        """Give the first 64 bits of HMAC-SHA256, in hexadecimal."""
        if not self._key:
            return ""
        return hmac.new(self._key, text.encode(errors="surrogatepass"), hashlib.sha256).hexdigest()[:_DIGEST_LENGTH]

    def _kept(self, legacy: str, candidate: str, names: Iterable[str] | None) -> tuple[str, str] | None:
        if names is None or not self._rules.keep_values:
            return None
        if any(secret in name.lower() for name in names for secret in self._secrets):
            return REDACTED, REDACTED
        return legacy[:_LONGEST_VALUE], candidate[:_LONGEST_VALUE]
