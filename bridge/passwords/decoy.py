"""Work for accounts that do not exist, so that an answer's time does not tell them from those that do."""

import base64
import re
import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Final

from bridge.passwords.encoded import WRAPPED, EncodedPassword
from bridge.passwords.parameters import Argon2Parameters

__all__ = ["algorithm_and_cost", "costliest_decoys", "decoy_value", "highest_costs", "is_without_cost", "with_wraps"]

_HASH_LENGTH: Final = 32
_SCRYPT_HASH_LENGTH: Final = 64
_BCRYPT_DIGEST_LENGTH: Final = 31
_LONGEST_COST: Final = 10  # digits
_COST: Final = re.compile(r"(?:\$2[ab]\$)?([0-9]*)")


def decoy_value(parameters: Argon2Parameters) -> str:
    """Make up a stored value that costs as much to verify as a real one and matches no known password.

    Both halves are random, so nothing is hashed to make it.
    """
    costs = f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
    return f"argon2$argon2id$v=19${costs}${_random(parameters.salt_length)}${_random(_HASH_LENGTH)}"


def algorithm_and_cost(stored: str) -> tuple[str, str]:
    """Read a stored value as ``highest_costs`` takes it; "" for an algorithm, or a cost, that it does not name."""
    encoded = EncodedPassword.parse(stored)
    named = _COST.match(encoded.body)
    return encoded.algorithm or "", named[1] if named else ""


def highest_costs(found: Iterable[tuple[str, str]]) -> dict[str, int]:
    """Give the highest cost of each algorithm that a census found.

    Args:
        found: algorithms and costs as ``CensusRow`` has them. Those whose cost is no number are left out: argon2, of
            which ``decoy_value`` is one, digests, wrapped or not, which cost next to nothing, and a census' rarest.
    """
    highest: dict[str, int] = {}
    for algorithm, cost in found:
        if algorithm in _DECOYS and cost.isascii() and cost.isdigit() and len(cost) <= _LONGEST_COST:
            highest[algorithm] = max(int(cost), highest.get(algorithm, 0))
    return highest


def with_wraps(highest: Mapping[str, int], *, listed: Collection[str]) -> dict[str, int]:
    """Add what ``bridge hashes wrap`` makes of such values, which counts before any has been counted.

    Args:
        highest: costs, see ``highest_costs``.
        listed: the algorithms that the site says it verifies; it wraps into no others.
    """
    wraps = {outer: highest[inner] for outer, inner in WRAPPED.items() if outer in listed and inner in highest}
    return {**highest, **{outer: max(cost, highest.get(outer, 0)) for outer, cost in wraps.items()}}


def is_without_cost(algorithm: str, cost: str) -> bool:
    """Tell whether a census did not say what wrapped values cost: one of a version that did not count that."""
    return not cost and algorithm in WRAPPED and algorithm in _DECOYS


def costliest_decoys(costs: Mapping[str, int], *, argon2: str) -> Iterator[str]:
    """Make up a stored value of each algorithm, see ``highest_costs``, at its cost.

    ``argon2`` is a value of the site's own, as whose outer halves wrapped values are made up.
    """
    for algorithm, rounds in costs.items():
        made_up = _DECOYS[algorithm](algorithm, rounds)
        yield made_up if algorithm not in WRAPPED else f"{made_up.rpartition('$')[0]}${argon2.partition('$')[2]}"


def _pbkdf2(algorithm: str, rounds: int) -> str:
    return f"{algorithm}${rounds}${_random(_HASH_LENGTH)}${_random(_HASH_LENGTH)}"


def _bcrypt(algorithm: str, rounds: int) -> str:
    return f"{algorithm}$$2b${rounds:02}${'.' * 22}{_random(_HASH_LENGTH).replace('+', '.')[:_BCRYPT_DIGEST_LENGTH]}"


def _scrypt(algorithm: str, n: int) -> str:
    # r and p as Django writes them.
    return f"{algorithm}${n}${_random(_HASH_LENGTH)}$8$5${_random(_SCRYPT_HASH_LENGTH)}"


_DECOYS: Final[Mapping[str, Callable[[str, int], str]]] = {
    "pbkdf2_sha256": _pbkdf2,
    "pbkdf2_sha1": _pbkdf2,
    "bcrypt_sha256": _bcrypt,
    "bcrypt": _bcrypt,
    "scrypt": _scrypt,
    "argon2_pbkdf2_sha256": _pbkdf2,
    "argon2_pbkdf2_sha1": _pbkdf2,
}


def _random(length: int) -> str:
    return base64.b64encode(secrets.token_bytes(length)).decode().rstrip("=")
