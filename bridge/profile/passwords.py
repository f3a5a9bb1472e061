"""What the site's password hashers write and read."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["HasherProfile"]


@dataclass(frozen=True, slots=True)
class HasherProfile:
    """One entry of PASSWORD_HASHERS.

    Attributes:
        algorithm: the name that its values start with.
        path: dotted path of the class.
        available: whether its library is installed in the site's environment.
        parameters: cost settings by name; for argon2 the fields of ``Argon2Parameters``.
        reproducible: whether the bridge can write what this hasher would, given ``parameters``.
        stock: whether it encodes and verifies as Django's hasher of that name does; a pepper, say, is the site's alone.
    """

    algorithm: str
    path: str
    available: bool = True
    parameters: Mapping[str, int] = field(default_factory=dict)
    reproducible: bool = True
    stock: bool = True
