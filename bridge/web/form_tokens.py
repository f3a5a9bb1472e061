"""Who has made a form: one of this dashboard's own pages, shown to whoever sends it back, or somebody else."""

import hashlib
import hmac
from collections.abc import Sequence
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

__all__ = ["FIELD", "FormTokens", "is_from_elsewhere"]

FIELD: Final = "form_token"
_KEY: Final = b"bridge.dashboard.forms"


class FormTokens:
    """Tokens for forms. Each is bound to the login that it was written for, or, before one, to the browser.

    Args:
        secrets: SECRET_KEY, from which the key follows, and its fallbacks.
    """

    def __init__(self, secrets: Sequence[str]) -> None:
        self._keys = tuple(hmac.digest(secret.encode(), _KEY, hashlib.sha256) for secret in secrets)

    def issue(self, subject: str) -> str:
        """Give the token of a login or a browser."""
        return _token(self._keys[0], subject)

    def holds(self, token: str, subject: str) -> bool:
        """Tell whether a token was given out for this login or browser, in constant time."""
        given = token.encode("utf-8", "replace")
        return any(hmac.compare_digest(given, _token(key, subject).encode()) for key in self._keys)


def is_from_elsewhere(request: HTTPConnection) -> bool:
    """Tell whether a browser says that another site's page has sent a request; beside the token, a second lock.

    Browsers send ``Sec-Fetch-Site`` over https, and ``Origin`` with every form. No page can write either. A proxy may
    have changed scheme and port on the way, so that of an origin only the host is compared.
    """
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        return site not in ("same-origin", "none")
    origin = request.headers.get("origin")
    if origin is None:
        return False
    try:
        return urlsplit(origin).netloc != request.headers.get("host", "")
    except ValueError:
        return True


def _token(key: bytes, subject: str) -> str:
    return hmac.new(key, subject.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
