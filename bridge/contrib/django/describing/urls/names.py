"""What things are called."""

from types import FunctionType
from typing import Any, Final

__all__ = ["LONGEST_NAME", "code_name", "dotted", "held_by", "is_frameworks"]

LONGEST_NAME: Final = 200
"""In characters; names are cut there."""


def dotted(thing: Any) -> str:
    """Name a function, a bound method of its object's class, a class, or an object by its class."""
    owner = getattr(thing, "__self__", None)
    if owner is not None and hasattr(thing, "__name__"):
        return f"{dotted(owner if isinstance(owner, type) else type(owner))}.{thing.__name__}"[:LONGEST_NAME]
    named = thing if hasattr(thing, "__qualname__") else type(thing)
    # Django REST framework's @api_view gives the class that it makes the function's name, and that alone.
    scope = named.__qualname__.rpartition(".")[0]
    return ".".join(filter(None, (named.__module__, scope, named.__name__)))[:LONGEST_NAME]


def code_name(function: FunctionType) -> tuple[str, str]:
    """Give the module that a function was written in, and the outermost function around it, whatever it calls itself.

    ``functools.wraps`` gives a wrapper the name of what it wraps; its code keeps its own.
    """
    return str(function.__globals__.get("__name__", "")), function.__code__.co_qualname.partition(".")[0]


def held_by(function: FunctionType) -> dict[str, Any]:
    """Give the variables that a function holds from around it."""
    found = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            found[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    return found


def is_frameworks(module: str) -> bool:
    """Tell whether a module is Django's own, or Django REST framework's: what is not known of it demands nothing."""
    return module.partition(".")[0] in ("django", "rest_framework")
