"""Which bodies are forms."""

from typing import Final

from starlette.requests import Request

__all__ = ["URLENCODED", "is_form"]

URLENCODED: Final = "application/x-www-form-urlencoded"
_TYPES: Final = (URLENCODED, "multipart/form-data")


def is_form(request: Request) -> bool:
    """Tell whether a request says that its body is a form, of either kind that browsers send."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() in _TYPES
