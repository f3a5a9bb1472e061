"""The shop with second factors and a lockout, on a database of its own, and the bridge beside it."""

import json
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from django_otp.oath import hotp

from tests.conftest import as_role, bridge_command, execute_on_server, manage, with_database

GUARDED: Final = {"DJANGO_SETTINGS_MODULE": "tests.site.guarded_settings"}
GUNICORN: Final = ("--bind", "127.0.0.1:0", "--workers", "1", "--threads", "4", "--no-control-socket")
DJANGO: Final = ("gunicorn", "legacy_django.wsgi:application", *GUNICORN)
KEY: Final = b"12345678901234567890"
PERIOD: Final = 30


def variant(**settings: object) -> dict[str, str]:
    """The environment of the guarded shop with other settings."""
    return GUARDED | {"SITE_VARIANT": json.dumps(settings)}


@dataclass(frozen=True)
class Guarded:
    """Where it is: as its owner sees it, and as the bridge does."""

    database_url: str
    service_url: str

    def python(self, program: str, **more: str) -> Any:
        """Run a program at the site, which has `answer` print what it gives back as JSON."""
        prelude = "import json\ndef answer(value): print('\\n=>' + json.dumps(value, default=str))\n"
        printed = manage(self.database_url, "shell", "-c", prelude + program, **{**GUARDED, **more})
        return json.loads(printed.rpartition("\n=>")[2])


@contextmanager
def guarded_site(request: pytest.FixtureRequest, folder: Path) -> Iterator[Guarded]:
    """Migrate a database of the kind that the test is parametrised with."""
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'guarded.sqlite3'}"
        manage(url, "migrate", "--verbosity", "0", **GUARDED)
        yield Guarded(url, url)
        return
    server: str = request.getfixturevalue("postgresql_server")
    role: str = request.getfixturevalue("service_role")
    name = f"guarded_{secrets.token_hex(6)}"
    execute_on_server(server, f"CREATE DATABASE {name}")
    url = with_database(server, name)
    manage(url, "migrate", "--verbosity", "0", **GUARDED)
    execute_on_server(url, bridge_command(url, "privileges", "--role", role).stdout)
    yield Guarded(url, as_role(url, role))
    execute_on_server(server, f"DROP DATABASE {name} WITH (FORCE)")


def code_of(step: int, *, key: bytes = KEY, digits: int = 6) -> str:
    """The code of a time step, by django-otp's own reckoning."""
    return f"{hotp(key, step, digits):0{digits}}"
