"""Which stored values verify, and which of them should be replaced by what."""

import math
import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from bridge.passwords.encoded import ALGORITHMS, EncodedPassword
from bridge.passwords.hashers import Argon2Hasher, hashers
from bridge.passwords.parameters import Argon2Parameters

__all__ = ["PasswordPolicy", "Verification"]

_MEMORY: Final = re.compile(r"\$argon2(?:id|i|d)\$(?:v=[0-9]+\$)?m=([0-9]{1,10}),")
_REFUSED: Final = (ValueError, OverflowError, TypeError)
"""How the hashers say that a stored value is malformed, or that no password of theirs can look like this one."""


@dataclass(frozen=True, slots=True)
class Verification:
    """The verdict on one password.

    Attributes:
        valid: whether Django's ``check_password`` would say True.
        algorithm: of the stored value; None where Django would find no hasher.
        rehashed: the value that should replace the stored one; None where nothing should change.
    """

    valid: bool
    algorithm: str | None
    rehashed: str | None = field(default=None, repr=False)


class PasswordPolicy:
    """Verifies what Django would verify and re-hashes to what Django would write.

    Args:
        target: the argon2 parameters of the site's preferred hasher.
        accepted: the algorithms in the site's PASSWORD_HASHERS; a value of any other never verifies. None where the
            site has not said: all are.

    Attributes:
        listed: those that the site has said; empty where it has not.
    """

    def __init__(self, *, target: Argon2Parameters | None = None, accepted: Collection[str] | None = None) -> None:
        target = target or Argon2Parameters()
        self._argon2 = Argon2Hasher(target)
        self._slot_memory = max(target.memory_cost, Argon2Parameters().memory_cost)
        self.listed = frozenset(accepted or ())
        names = ALGORITHMS if accepted is None else self.listed
        self._hashers = {name: each for name, each in hashers(self._argon2).items() if name in names}

    def verify(self, password: str, stored: str) -> Verification:
        """Give the verdict of ``django.contrib.auth.hashers.check_password``; where that raises, it is no."""
        return self._verify(password, EncodedPassword.parse(stored))

    def verify_and_update(self, password: str, stored: str) -> Verification:
        """Give the verdict and, where it is yes and the value is not what Django would write today, its replacement.

        A password longer than the old algorithm reads gets none: the new hash would bind bytes never checked.
        """
        encoded = EncodedPassword.parse(stored)
        verdict = self._verify(password, encoded)
        if not (verdict.valid and self._must_update(encoded) and self._was_read_whole(password, encoded)):
            return verdict
        return Verification(valid=True, algorithm=verdict.algorithm, rehashed=self.hash(password))

    def verify_decoy(self, password: str, decoy: str) -> Verification:
        """Do the work of a verification, whatever algorithms are accepted, and say no."""
        with suppress(*_REFUSED):
            self._argon2.verify(password.encode(), EncodedPassword.parse(decoy))
        return Verification(valid=False, algorithm=None)

    def verifies(self, stored: str) -> bool:
        """Tell whether any password at all could match a stored value."""
        return (EncodedPassword.parse(stored).algorithm or "") in self._hashers

    def slots(self, stored: str) -> int:
        """Say how many slots of a ``HashingPool`` a check's memory takes; one holds the target's argon2, or 100 MiB.

        What else a check consists of comes before or after it: the rounds inside a wrapped value, a new hash.
        """
        found = _MEMORY.search(stored) if self.verifies(stored) else None
        return 1 if found is None else max(1, math.ceil(int(found[1]) / self._slot_memory))

    def must_update(self, stored: str) -> bool:
        """Tell whether a stored, usable value is other than Django would write today."""
        return self._must_update(EncodedPassword.parse(stored))

    def hash(self, password: str) -> str:
        """Encode a password as the site's preferred hasher would.

        Raises:
            ValueError: the password holds lone surrogates, which UTF-8 cannot express.
        """
        return self._argon2.hash(password.encode())

    def _verify(self, password: str, encoded: EncodedPassword) -> Verification:
        hasher = self._hashers.get(encoded.algorithm or "")
        if hasher is None:
            return Verification(valid=False, algorithm=encoded.algorithm)
        try:
            valid = hasher.verify(password.encode(), encoded)
        except _REFUSED:
            valid = False
        return Verification(valid=valid, algorithm=encoded.algorithm)

    def _must_update(self, encoded: EncodedPassword) -> bool:
        if encoded.algorithm is None:
            return False
        return encoded.algorithm != self._argon2.algorithm or self._argon2.must_update(encoded)

    def _was_read_whole(self, password: str, encoded: EncodedPassword) -> bool:
        reads = self._hashers[encoded.algorithm or ""].reads
        return reads is None or len(password.encode()) <= reads
