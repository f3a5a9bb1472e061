"""Draws pages, and says to browsers what these may do: nothing but show themselves and talk to this service."""

from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.responses import HTMLResponse

from bridge.web.dashboard.assets import asset_name

__all__ = ["HEADERS", "page", "rendered"]

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self';"
        " connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        # With no-referrer browsers would send forms with `Origin: null`.
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)
"""What goes with everything under ``/migration/`` that is for browsers."""


def page(template: str, *, status: int = 200, headers: Mapping[str, str] | None = None, **shown: Any) -> HTMLResponse:
    """Give a page that nobody keeps."""
    return HTMLResponse(rendered(template, **shown), status, {"Cache-Control": "no-store", **(headers or {})})


def rendered(template: str, **shown: Any) -> str:
    """Draw a template."""
    return _environment().get_template(template).render(**shown)


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("bridge.web.dashboard"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    environment.filters.update(count=_count, percent=_percent, moment=_moment, rounded=_rounded)
    environment.globals.update(asset=asset_name)
    return environment


def _count(number: int) -> str:
    return f"{number:,}"


def _percent(share: float) -> str:
    """Write a share with one decimal, and never one that is not whole as 100 %, nor one that is not nothing as 0 %."""
    written = f"{share:.1%}"
    if written == "100.0%" and share < 1:
        return "99.9%"
    if written == "0.0%" and share > 0:
        return "0.1%"
    return f"{share:.0%}" if share in (0, 1) else written


def _rounded(share: float) -> str:
    return f"{share:.0%}"


def _moment(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
