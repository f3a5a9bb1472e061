"""What the HTTP tests share beyond the bridge and its users."""

import json
import secrets
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import httpx
import pytest

from bridge.store.database import Database
from tests.conftest import execute_on_server

before_any_database = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what is decided before a database is asked: one kind is enough."""

FULL_COST: Final[dict[str, Any]] = {"hashing_workers": 1}
"""Settings of a bridge that has stock Django's argon2 to measure: one thread does it with a third of the hashes."""

INCORRECT = {
    "error": "invalid_grant",
    "error_description": "Incorrect username or password",
    "detail": "Incorrect username or password",
}
"""The one answer to every login that is refused."""


def moment(stored: Any) -> datetime:
    """Read a column that Django made for a DateTimeField: SQLite keeps UTC without saying so."""
    read = datetime.fromisoformat(stored) if isinstance(stored, str) else stored
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def assert_problem(answer: httpx.Response, *, status: int, code: str) -> dict[str, Any]:
    """Hold an answer to RFC 9457 and give its body."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["code"], body["type"]) == (status, code, "about:blank")
    assert body["title"]
    assert body["detail"]
    return body


async def events(client: httpx.AsyncClient) -> dict[str, int]:
    """Read the process's own counters, without those that are still at zero."""
    prefix = 'bridge_events_total{event="'
    lines = [line for line in (await client.get("/metrics")).text.splitlines() if line.startswith(prefix)]
    counted = (line.removeprefix(prefix).split('"} ') for line in lines)
    return {event: int(float(count)) for event, count in counted if float(count)}


async def shared_events(database: Database) -> dict[str, int]:
    """Read the counters that all replicas share."""
    rows = await database.fetch_all("SELECT event, count FROM bridge_activity WHERE app = 'bridge'")
    return {row["event"]: row["count"] for row in rows}


class PublishedProfile:
    """The site profile's row, as the site would publish it next."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def withdraw(self) -> None:
        await self._database.execute("DELETE FROM bridge_site_profile")

    async def edit(self, change: Callable[[dict[str, Any]], object]) -> None:
        row = await self._database.fetch_one("SELECT document FROM bridge_site_profile")
        assert row is not None
        document = json.loads(row["document"])
        change(document)
        await self._database.execute(
            "UPDATE bridge_site_profile SET document = :document", {"document": json.dumps(document)}
        )

    async def make_unsafe(self) -> None:
        """Put PBKDF2 first: Django would write it back at each login."""
        await self.edit(
            lambda document: document["hashers"].sort(key=lambda each: each["algorithm"] != "pbkdf2_sha256")
        )

    async def forget(self, algorithm: str) -> None:
        """Take an algorithm out of PASSWORD_HASHERS."""
        await self.edit(
            lambda document: document.update(
                hashers=[each for each in document["hashers"] if each["algorithm"] != algorithm]
            )
        )


@pytest.fixture
def profile(database: Database) -> PublishedProfile:
    return PublishedProfile(database)


# A database that refuses to be written to -----------------------------------------------------------------------------


class RefusingDatabase:
    """The test's database as a role of its own sees it, which may do everything until ``refuse``.

    SQLite has no roles: triggers refuse for everybody.
    """

    def __init__(self, url: str, owners_url: str, role: str | None) -> None:
        self.url = url
        self._owners_url = owners_url
        self._role = role

    def refuse(self, change: str, table: str) -> None:
        """Take away INSERT or UPDATE on a table, from now on."""
        if self._role is None:
            self._as_owner(
                f"CREATE TRIGGER no_{change}_{table} BEFORE {change} ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        else:
            self._as_owner(f"REVOKE {change} ON {table} FROM {self._role}")

    def refuse_everything(self) -> None:
        self.refuse("UPDATE", "auth_user")
        self.refuse("INSERT", "bridge_activity")
        self.refuse("UPDATE", "bridge_activity")

    def allow(self, change: str, table: str) -> None:
        """Take back what ``refuse`` did."""
        if self._role is None:
            self._as_owner(f"DROP TRIGGER no_{change}_{table}")
        else:
            self._as_owner(f"GRANT {change} ON {table} TO {self._role}")

    def _as_owner(self, statement: str) -> None:
        if self._role is None:
            with closing(sqlite3.connect(self._owners_url.removeprefix("sqlite:///"))) as connection:
                connection.execute(statement)
        else:
            execute_on_server(self._owners_url, statement)


@pytest.fixture
def refusing(database_url: str) -> Iterator[RefusingDatabase]:
    """The test's database, for a bridge that can be refused what it wants to write."""
    if database_url.startswith("sqlite"):
        yield RefusingDatabase(database_url, database_url, None)
        return
    role, password = f"bridge_{secrets.token_hex(6)}", secrets.token_hex(16)
    for statement in (
        f"CREATE ROLE {role} LOGIN PASSWORD '{password}'",
        f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}",
        f"GRANT ALL ON ALL SEQUENCES IN SCHEMA public TO {role}",
    ):
        execute_on_server(database_url, statement)
    yield RefusingDatabase(_with_role(database_url, role, password), database_url, role)
    for statement in (f"DROP OWNED BY {role}", f"DROP ROLE {role}"):
        execute_on_server(database_url, statement)


def _with_role(url: str, role: str, password: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"{role}:{password}@{parts.netloc.rpartition('@')[2]}"))
