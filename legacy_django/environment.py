"""What the shop reads from its environment."""

import os

from django.core.exceptions import ImproperlyConfigured

__all__ = ["listed", "required", "switched_on"]


def required(name: str, *, cure: str) -> str:
    """Return the variable `name`.

    Raises:
        ImproperlyConfigured: it is missing or empty; the message is one line and ends with the cure.
    """
    value = os.environ.get(name, "")
    if not value:
        raise ImproperlyConfigured(f"{name} is not set: {cure}")
    return value


def listed(name: str, default: str = "") -> list[str]:
    """Return the comma-separated variable `name` as a list, without blanks."""
    return [part.strip() for part in os.environ.get(name, default).split(",") if part.strip()]


def switched_on(name: str) -> bool:
    """Tell whether the variable `name` says 1, true, yes or on."""
    return os.environ.get(name, "").strip().lower() in {"1", "true", "yes", "on"}
