"""What all steps of the walk-through have in common: both apps as their users see them, and what a step is."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

import httpx

from bridge.demo.site import RunningDemo
from bridge.store.database import Database, open_database

__all__ = ["PASSWORD", "TIMEOUT", "Play", "Step", "StepFailed", "bearer", "login_form", "ok", "require"]

T = TypeVar("T")

PASSWORD: Final = "secret"  # noqa: S105  # the demo's, printed for everybody
TIMEOUT: Final = 60.0


class StepFailed(Exception):  # it says what it is
    """What was seen is not what should be."""


@dataclass(frozen=True, slots=True)
class Step:
    """Something to show.

    Attributes:
        title: what holds, if it does.
        play: acts, and gives the evidence line by line.
    """

    title: str
    play: Callable[[], Iterator[str]]


class Play:
    """The demo as its users see it: two base URLs, and a look into the database for evidence."""

    def __init__(self, demo: RunningDemo) -> None:
        self.demo = demo

    def bridge_token(self, username: str) -> str:
        """Log in at the bridge."""
        url = f"{self.demo.bridge}/auth/token"
        return str(ok(httpx.post(url, data=login_form(username), timeout=TIMEOUT)).json()["access_token"])

    def bridge_get(self, path: str, token: str) -> httpx.Response:
        """Ask the bridge for what is there."""
        return ok(httpx.get(f"{self.demo.bridge}{path}", headers=bearer(token), timeout=TIMEOUT))

    def django_get(self, path: str, token: str) -> httpx.Response:
        """Ask Django, whatever it answers."""
        return httpx.get(f"{self.demo.django}{path}", headers=bearer(token), timeout=TIMEOUT)

    @contextmanager
    def browser(self, username: str, *, at: str) -> Iterator[httpx.Client]:
        """Log in through the site's own form, as a browser does, and give the browser."""
        with httpx.Client(base_url=at, timeout=TIMEOUT) as browser:
            browser.get("/accounts/login/")
            form = {
                "username": username,
                "password": PASSWORD,
                "csrfmiddlewaretoken": browser.cookies["csrftoken"],
            }
            answer = browser.post("/accounts/login/", data=form)
            require(answer.status_code == httpx.codes.FOUND, f"Django's login answered {answer.status_code}")
            yield browser

    def looked_up(self, ask: Callable[[Database], Awaitable[T]]) -> T:
        """Look into the database."""

        async def look() -> T:
            database = await open_database(self.demo.database_url)
            try:
                return await ask(database)
            finally:
                await database.close()

        return asyncio.run(look())


def login_form(username: str, password: str = PASSWORD) -> dict[str, str]:
    """Write the form of a login at the bridge."""
    return {"grant_type": "password", "username": username, "password": password}


def bearer(token: str) -> dict[str, str]:
    """Write the header that shows a token."""
    return {"Authorization": f"Bearer {token}"}


def ok(answer: httpx.Response) -> httpx.Response:
    """Give the answer, if it is 200."""
    require(answer.status_code == httpx.codes.OK, f"{answer.request.url.path} answered {answer.status_code}")
    return answer


def require(holds: object, otherwise: str) -> None:
    """Hold what was seen against what should be.

    Raises:
        StepFailed: it does not hold.
    """
    if not holds:
        raise StepFailed(otherwise)
