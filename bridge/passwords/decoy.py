"""Work for accounts that do not exist, so that an answer's time does not tell them from those that do."""

import base64
import secrets

from bridge.passwords.parameters import Argon2Parameters

__all__ = ["decoy_value"]

_HASH_LENGTH = 32


def decoy_value(parameters: Argon2Parameters) -> str:
    """Make up a stored value that costs as much to verify as a real one and matches no known password.

    Both halves are random, so nothing is hashed to make it.
    """
    salt, digest = (_unpadded(secrets.token_bytes(n)) for n in (parameters.salt_length, _HASH_LENGTH))
    costs = f"m={parameters.memory_cost},t={parameters.time_cost},p={parameters.parallelism}"
    return f"argon2$argon2id$v=19${costs}${salt}${digest}"


def _unpadded(raw: bytes) -> str:
    return base64.b64encode(raw).decode().rstrip("=")
