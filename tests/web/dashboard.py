"""The dashboard as a browser uses it, but for drawing."""

import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Final

import httpx

from tests.conftest import PASSWORD

__all__ = ["HTML", "PAGE", "Visit", "as_browser"]

PAGE: Final = "/migration/"
HTML: Final = {"Accept": "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"}
_FIELD: Final = re.compile(r'<input type="hidden" name="(\w+)" value="([^"]*)">')


def as_browser(client: httpx.AsyncClient) -> "Visit":
    """Give somebody who has never been here."""
    client.cookies.clear()
    return Visit(client)


@dataclass
class Visit:
    """Somebody with a browser.

    Attributes:
        fields: the hidden ones of the page that was shown last.
    """

    client: httpx.AsyncClient
    fields: dict[str, str] = field(default_factory=dict)

    async def get(self, path: str = PAGE, **headers: str) -> httpx.Response:
        return self._shown(await self.client.get(path, headers={**HTML, **headers}))

    async def post(self, path: str, *, headers: dict[str, str] | None = None, **given: str) -> httpx.Response:
        """Send a form of the page that was shown last."""
        sent = HTML | {"Origin": "http://bridge"} | (headers or {})
        return self._shown(await self.client.post(path, data={**self.fields, **given}, headers=sent))

    async def log_in(self, username: str, password: str = PASSWORD, **headers: str) -> httpx.Response:
        await self.get("/migration/login")
        return await self.post("/migration/login", username=username, password=password, headers=headers)

    async def enter(self, username: str) -> httpx.Response:
        """Log in and see the dashboard."""
        answer = await self.log_in(username)
        assert (answer.status_code, answer.headers["location"]) == (303, "./"), answer.text
        shown = await self.get()
        assert shown.status_code == httpx.codes.OK, shown.text
        return shown

    def _shown(self, answer: httpx.Response) -> httpx.Response:
        found = {name: unescape(value) for name, value in _FIELD.findall(answer.text)}
        self.fields = found or self.fields
        return answer


def cookies_of(answer: httpx.Response) -> dict[str, Any]:
    """What an answer tells the browser to keep: by name, all that stands after it."""
    return dict(line.split("=", 1) for line in answer.headers.get_list("set-cookie"))
