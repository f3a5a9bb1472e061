"""What moves: an operation, which is a method and a path template."""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Self

__all__ = ["LONGEST_OPERATION", "METHODS", "Operation", "is_narrower", "path_first"]

METHODS: Final = ("GET", "POST", "PUT", "PATCH", "DELETE")
"""Those that are moved. HEAD follows GET, a preflight the method that it asks for; other OPTIONS stay with Django."""

LONGEST_OPERATION: Final = 255

_PARAMETER: Final = re.compile(r"\{[^{}/]*\}")
_REMEMBERED: Final = 4096


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing that a client can do; two of the same shape are the same, whatever they call their parameters.

    Attributes:
        method: one of ``METHODS``.
        template: the path from the root, with each parameter as ``{name}``.
    """

    method: str
    template: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``GET /orders/{id}/``.

        Raises:
            ValueError: it is not a method of ``METHODS`` and a path from the root, or is too long.
        """
        method, _, template = text.strip().partition(" ")
        template = template.strip()
        if method.upper() not in METHODS or not template.startswith("/") or len(text) > LONGEST_OPERATION:
            raise ValueError(f"{text[:80]!r} is no operation: write a method and a path, as in 'GET /orders/{{id}}/'")
        return cls(method.upper(), template)

    @property
    def shape(self) -> str:
        """Name it without the names of its parameters: what the database and the plan know it by."""
        return f"{self.method} {_path_shape(self.template)}"

    def __str__(self) -> str:
        return f"{self.method} {self.template}"


@lru_cache(maxsize=_REMEMBERED)
def is_narrower(template: str, other: str) -> bool:
    """Tell whether another template takes every path of this one and more: ``/orders/{id}/`` and ``/orders/new/``."""
    return _takes(other, template) and not _takes(template, other)


def _takes(template: str, other: str) -> bool:
    """Tell whether the other's paths are paths of a template; its parameters may span several segments."""
    pattern = ".+".join(re.escape(text) for text in _PARAMETER.split(template))
    return re.fullmatch(pattern, _path_shape(other), re.DOTALL) is not None


def _path_shape(template: str) -> str:
    return _PARAMETER.sub("{}", template)


def path_first(shape: str) -> tuple[str, str]:
    """Give what operations are listed by: all that can be done with a path stand together."""
    method, _, path = shape.partition(" ")
    return path, method
