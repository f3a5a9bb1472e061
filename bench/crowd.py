"""Users with old values who log in all the time, at both apps, and what is stored of them meanwhile."""

import itertools
import random
import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx
from django.contrib.auth.hashers import check_password, make_password

from bridge.passwords.policy import PasswordPolicy
from bridge.store.database import Database, open_database
from bridge.web.composition import site_profile

__all__ = ["Logins", "Values", "gather", "logging_in"]

_MADE_UP: Final = 200
"""So many different old values: they are not what is looked at."""
_CLIENTS: Final = 2  # at each app
_TIMEOUT: Final = 60.0
_PASSWORD: Final = "secret"  # noqa: S105  # everybody's
_OLD: Final = re.compile(r"pbkdf2_sha256\$1000\$[^$]+\$[^$]{44}")
_ARGON2: Final = r"argon2id\$v=19\$m=64,t=1,p=1\$[^$]+\$[^$]+"
_WRAPPED: Final = re.compile(rf"argon2_pbkdf2_sha256\$1000\$[^$]+\${_ARGON2}")
_UPGRADED: Final = re.compile(rf"argon2\${_ARGON2}")


# The users ------------------------------------------------------------------------------------------------------------


def _name(user: int) -> str:
    return f"user-{user}"


async def gather(database_url: str, users: int) -> None:
    """Insert so many, with PBKDF2 values as the shop's cheap hasher writes them."""
    database = await open_database(database_url)
    try:
        await _insert(database, users)
    finally:
        await database.close()


async def _insert(database: Database, users: int) -> None:
    old = itertools.cycle([make_password(_PASSWORD, hasher="pbkdf2_sha256") for _ in range(min(users, _MADE_UP))])
    async with database.transaction() as transaction:
        for user, encoded in zip(range(users), old, strict=False):
            row: Mapping[str, object] = {"username": _name(user), "encoded": encoded, "yes": True, "no": False}
            await transaction.execute(
                "INSERT INTO auth_user (username, password, email, first_name, last_name, is_active, is_staff,"
                " is_superuser, date_joined) VALUES (:username, :encoded, '', '', '', :yes, :no, :no,"
                " CURRENT_TIMESTAMP)",
                row,
            )


# Logins ---------------------------------------------------------------------------------------------------------------


def _at_bridge(client: httpx.Client, username: str) -> httpx.Response:
    form = {"grant_type": "password", "username": username, "password": _PASSWORD}
    return client.post("/auth/token", data=form)


def _at_django(client: httpx.Client, username: str) -> httpx.Response:
    client.cookies.clear()
    client.get("/accounts/login/").raise_for_status()
    form = {"username": username, "password": _PASSWORD, "csrfmiddlewaretoken": client.cookies["csrftoken"]}
    return client.post("/accounts/login/", data=form)


@dataclass(frozen=True, slots=True)
class _App:
    """Where to log in, how, and what the answer is to whoever is let in."""

    name: str
    address: str
    log_in: Callable[[httpx.Client, str], httpx.Response]
    expected: int


@dataclass(slots=True)
class Logins:
    """What became of them.

    Attributes:
        failures: in words, whose and why. Nothing is tried again.
        longest: seconds.
    """

    answered: Counter[str] = field(default_factory=Counter)
    users: set[int] = field(default_factory=set)
    failures: list[str] = field(default_factory=list)
    longest: float = 0.0

    def go_on(self, app: _App, users: int, is_over: threading.Event) -> None:
        """Log random users in, one after the other, until it is over."""
        with httpx.Client(base_url=app.address, timeout=_TIMEOUT) as client:
            while not is_over.is_set():
                self._attempt(app, random.randrange(users), client)  # noqa: S311  # anybody

    def _attempt(self, app: _App, user: int, client: httpx.Client) -> None:
        began = time.perf_counter()
        try:
            answer = app.log_in(client, _name(user))
        except (httpx.HTTPError, KeyError) as exc:
            self.failures.append(f"{_name(user)} at {app.name}: {exc!r}")
            return
        self.longest = max(self.longest, time.perf_counter() - began)
        self.users.add(user)
        self.answered[app.name] += 1
        if answer.status_code != app.expected:
            self.failures.append(f"{_name(user)} at {app.name}: {answer.status_code}")


@contextmanager
def logging_in(django: str, bridge: str, users: int) -> Iterator[Logins]:
    """Log random users in at both apps for as long as the block runs."""
    apps = _App("Django", django, _at_django, 302), _App("the bridge", bridge, _at_bridge, 200)
    logins, is_over = Logins(), threading.Event()
    threads = [
        threading.Thread(target=logins.go_on, args=(app, users, is_over)) for app in apps for _ in range(_CLIENTS)
    ]
    for thread in threads:
        thread.start()
    try:
        yield logins
    finally:
        is_over.set()
        for thread in threads:
            thread.join()


# The values -----------------------------------------------------------------------------------------------------------


class Values:
    """Everybody's stored value, looked at again and again.

    Attributes:
        checked: how many were, each of them once at Django's and once at the bridge's hashers.
        wrapped: how many users were seen with a value that is wrapped,
        unwrapped: and how many of them with plain argon2 after it.
        wrong: whose is refused or of no format that may be there, and who was wrapped anew.
    """

    def __init__(self, database_url: str, users: int) -> None:
        self._url = database_url
        self._users = users
        self._seen: dict[str, str] = {}
        self.checked = 0
        self.wrapped = 0
        self.unwrapped = 0
        self.wrong: list[str] = []

    async def look(self) -> None:
        """Read all, and check those that are new."""
        database = await open_database(self._url)
        try:
            profile = await site_profile(database)
            rows = await database.fetch_all("SELECT username, password FROM auth_user WHERE username LIKE 'user-%'")
        finally:
            await database.close()
        assert profile is not None  # noqa: S101  # the site published it
        policy = PasswordPolicy(target=profile.argon2_parameters, accepted=profile.accepted_algorithms)
        stored = {row["username"]: row["password"] for row in rows}
        self.wrong += [] if len(stored) == self._users else [f"{len(stored)} users"]
        for name, value in stored.items():
            if self._seen.get(name) != value:
                self._check(name, value, policy)
        self._seen = stored

    def _check(self, name: str, value: str, policy: PasswordPolicy) -> None:
        before = self._seen.get(name, "")
        is_wrapped = _WRAPPED.fullmatch(value) is not None
        if not (is_wrapped or _UPGRADED.fullmatch(value) or _OLD.fullmatch(value)):
            self.wrong.append(f"{name} has an odd value")
        if is_wrapped and before and not _OLD.fullmatch(before):
            self.wrong.append(f"{name} was wrapped anew")
        if not (check_password(_PASSWORD, value) and policy.verify(_PASSWORD, value).valid):
            self.wrong.append(f"{name} has a value that is refused")
        self.wrapped += is_wrapped
        self.unwrapped += not is_wrapped and _WRAPPED.fullmatch(before) is not None
        self.checked += 1
