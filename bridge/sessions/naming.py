"""What a session is called, where both apps must mean the same one.

One that is kept somewhere has a key. One that is its own cookie (``signed_cookies``) has none, so that the app writes a
name into it at login; whoever reads the cookie can read the name, and nobody without the SECRET_KEY can write one.
"""

import re
import secrets
from typing import Any, Final, TypeGuard

__all__ = ["NAME_KEY", "is_name", "new_name"]

NAME_KEY: Final = "_bridge_session"
"""Where a session holds its name."""

_NAME: Final = re.compile(r"[0-9a-f]{32}")


def new_name() -> str:
    """Give a name that no other session has."""
    return secrets.token_hex(16)


def is_name(value: Any) -> TypeGuard[str]:
    """Tell whether what stands in a session's place for it is a name."""
    return isinstance(value, str) and _NAME.fullmatch(value) is not None
