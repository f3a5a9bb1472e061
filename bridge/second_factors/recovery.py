"""allauth's recovery codes: a seed that they follow from and a mask of those that were used, or a list."""

import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bridge.second_factors.codes import is_same, normalised_code

__all__ = ["RecoveryCodes"]


@dataclass(frozen=True, slots=True)
class RecoveryCodes:
    """What codes are made of (``allauth.mfa.recovery_codes``).

    Attributes:
        count: MFA_RECOVERY_CODE_COUNT.
        digits: MFA_RECOVERY_CODE_DIGITS.
    """

    count: int = 10
    digits: int = 8

    def consume(self, code: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        """Give an authenticator's data after a code was used; None if it is not one of those that are left.

        Raises:
            ValueError: the data is none that allauth writes.
        """
        try:
            if data.get("migrated_codes") is not None:
                return _without_migrated(code, data)
            return self._without_generated(code, data)
        except (AttributeError, KeyError, TypeError) as exc:
            raise ValueError("no recovery codes") from exc

    def _without_generated(self, code: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
        given, used = normalised_code(code), data["used_mask"]
        found = [
            index
            for index, expected in enumerate(self._generated(data["seed"]))
            if not used & (1 << index) and is_same(given, expected)
        ]
        return {**data, "used_mask": used | (1 << found[0])} if found else None

    def _generated(self, seed: str) -> Iterator[str]:
        state = hmac.new(seed.encode(), digestmod=hashlib.sha1)  # allauth's; the state runs on from code to code
        taken = min(self.digits // 2, state.digest_size)
        for index in range(self.count):
            state.update(f"{index:3},".encode())
            yield str(int.from_bytes(state.digest()[:taken], "big") % 10**self.digits).zfill(self.digits)


def _without_migrated(code: str, data: Mapping[str, Any]) -> dict[str, Any] | None:
    codes = list(data["migrated_codes"])
    found = [index for index, expected in enumerate(codes) if is_same(code.strip(), expected)]
    return {**data, "migrated_codes": codes[: found[0]] + codes[found[0] + 1 :]} if found else None
