"""PASSWORD_HASHERS: what is written, and what can be read."""

from typing import Any, Final

from django.contrib.auth.hashers import Argon2PasswordHasher
from django.utils.module_loading import import_string

from bridge.passwords.parameters import Argon2Parameters
from bridge.profile import HasherProfile

__all__ = ["hasher"]

_HASHER_MODULES: Final = ("django.contrib.auth.hashers", "bridge.contrib.django.hashers")
_ARGON2ID: Final = 2
_ARGON2_VERSION: Final = 19
_ARGON2_HASH_LENGTH: Final = 32


def hasher(path: str) -> HasherProfile:
    """Describe one entry of PASSWORD_HASHERS."""
    found = import_string(path)()
    available = _is_available(found)
    is_argon2 = found.algorithm == "argon2"
    return HasherProfile(
        algorithm=found.algorithm,
        path=path,
        available=available,
        parameters=_argon2_parameters(found) if is_argon2 else {},
        reproducible=not (is_argon2 and available) or (_is_stock(found) and _is_reproducible(found)),
        stock=_is_stock(found),
    )


def _is_stock(hasher: Any) -> bool:
    """Tell whether a hasher encodes and verifies as the Django hasher that it derives from; costs may differ."""
    own = type(hasher)
    known = next((each for each in own.__mro__ if each.__module__ in _HASHER_MODULES), None)
    names = ("encode", "decode", "verify", "digest", "old")
    return known is not None and all(getattr(own, name, None) is getattr(known, name, None) for name in names)


def _is_available(hasher: Any) -> bool:
    try:
        hasher._load_library()  # noqa: SLF001  # the only way to ask Django whether a hasher can work
    except ValueError:
        return hasher.library is None
    return True


def _argon2_parameters(hasher: Any) -> dict[str, int]:
    return {
        "time_cost": hasher.time_cost,
        "memory_cost": hasher.memory_cost,
        "parallelism": hasher.parallelism,
        "salt_length": Argon2Parameters.salt_length_for(hasher.salt_entropy),
    }


def _is_reproducible(hasher: Any) -> bool:
    """Tell whether ``params()``, which a site may override, asks for what the bridge writes."""
    if type(hasher).must_update is not Argon2PasswordHasher.must_update:
        return False
    wanted = hasher.params()
    fixed = (wanted.type.value, wanted.version, wanted.hash_len)
    costs = (wanted.time_cost, wanted.memory_cost, wanted.parallelism)
    return fixed == (_ARGON2ID, _ARGON2_VERSION, _ARGON2_HASH_LENGTH) and costs == (
        hasher.time_cost,
        hasher.memory_cost,
        hasher.parallelism,
    )
