"""What a browser keeps between two pages: the tokens of its login, and what its login form is bound to.

No script can read it, no other path gets it, and it goes when the browser is closed. Lax, so that a link in a mail
opens the dashboard: nothing happens on a GET, and forms have tokens of their own.
"""

import secrets
from dataclasses import dataclass, field
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from bridge.services.token_pairs import Granted
from bridge.sessions.csrf import request_cookies
from bridge.web.varying import depends_on_cookie

__all__ = ["Cookies", "write_cookies"]

_ACCESS: Final = "bridge_dashboard"
_REFRESH: Final = "bridge_dashboard_refresh"
_BROWSER: Final = "bridge_dashboard_browser"
_SECURE: Final = "__Secure-"
_LONGEST: Final = 4096
_STATE: Final = "bridge.dashboard.cookies"


@dataclass
class Cookies:
    """The dashboard's cookies of one request and its answer.

    Attributes:
        access: the access token; None without one.
        refresh: the refresh token; likewise.
        browser: a random name of this browser, which nobody else knows; likewise.
    """

    access: str | None = field(default=None, repr=False)
    refresh: str | None = field(default=None, repr=False)
    browser: str | None = field(default=None, repr=False)
    changed: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, request: Request) -> "Cookies":
        """Read them, once a request."""
        known: Cookies | None = request.scope.get(_STATE)
        if known is None:
            depends_on_cookie(request)
            sent = request_cookies(request.scope["headers"])
            known = request.scope[_STATE] = cls(_read(sent, _ACCESS), _read(sent, _REFRESH), _read(sent, _BROWSER))
        return known

    def keep(self, granted: Granted) -> None:
        """Keep the tokens of a login."""
        self.access, self.refresh = granted.access_token, granted.refresh_token
        self.changed |= {_ACCESS, _REFRESH}

    def forget(self) -> None:
        """Keep none."""
        self.access = self.refresh = None
        self.changed |= {_ACCESS, _REFRESH}

    def known_browser(self) -> str:
        """Give the browser's name, and a new one if it has none."""
        if self.browser is None:
            self.browser = secrets.token_urlsafe(24)
            self.changed.add(_BROWSER)
        return self.browser

    @property
    def changes(self) -> dict[str, str | None]:
        """What the browser is to be told; None for what is to go."""
        values = {_ACCESS: self.access, _REFRESH: self.refresh, _BROWSER: self.browser}
        return {name: value for name, value in values.items() if name in self.changed}


def write_cookies(request: Request, response: Response) -> None:
    """Tell the browser what has changed, if anybody looked at its cookies."""
    cookies: Cookies | None = request.scope.get(_STATE)
    is_secure = _is_secure(request)
    for name, value in (cookies.changes if cookies else {}).items():
        response.set_cookie(
            f"{_SECURE}{name}" if is_secure else name,
            value or "",
            max_age=0 if value is None else None,
            path=f"{request.scope.get('root_path', '').rstrip('/')}/migration/",
            secure=is_secure,
            httponly=True,
            samesite="lax",
        )


def _read(sent: dict[str, str], name: str) -> str | None:
    value = sent.get(f"{_SECURE}{name}") or sent.get(name)
    return value[: _LONGEST + 1] if value else None


def _is_secure(request: Request) -> bool:
    # A proxy that ends TLS may not be trusted to say so; the browser's own word is enough to be careful.
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")
