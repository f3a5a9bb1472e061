"""What importing a part of the bridge pulls in: old sites have neither FastAPI nor pydantic, and pin other versions."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]

SERVER = {
    "fastapi",
    "starlette",
    "pydantic",
    "pydantic_settings",
    "uvicorn",
    "psycopg",
    "aiosqlite",
    "prometheus_client",
}
HASHING = {"passlib", "pwdlib", "argon2", "bcrypt"}
COMMAND_LINE = {"typer", "rich"}
DJANGO = {"django"}
TOKENS = {"jwt", "bcrypt"}  # cryptography loads bcrypt if it finds it
EVERYTHING = SERVER | HASHING | COMMAND_LINE | DJANGO | TOKENS


def imported_with(module: str) -> set[str]:
    """The top-level packages that a fresh interpreter has loaded after importing a module."""
    program = f"import {module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=CHECKOUT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("bridge", EVERYTHING),
        ("bridge.errors", EVERYTHING),
        ("bridge.cutover.tables", EVERYTHING),
        ("bridge.profile", EVERYTHING),
        ("bridge.progress", EVERYTHING),
        ("bridge.progress.cutover", EVERYTHING),
        ("bridge.passwords", EVERYTHING),
        ("bridge.passwords.encoded", EVERYTHING),
        ("bridge.passwords.parameters", EVERYTHING),
        ("bridge.passwords.wrapped", EVERYTHING),
        ("bridge.passwords.rollout", EVERYTHING),
        ("bridge.passwords.pool", EVERYTHING),
        ("bridge.passwords.decoy", EVERYTHING),
        ("bridge.passwords.policy", EVERYTHING - HASHING),
        ("bridge.second_factors.recovery", EVERYTHING),
        ("bridge.second_factors.totp", EVERYTHING - TOKENS),
        ("bridge.tokens", EVERYTHING - TOKENS),
        ("bridge.passwords.validation", EVERYTHING - DJANGO),
        ("bridge.sessions.lineage", EVERYTHING - DJANGO),
        ("bridge.sessions.codec", EVERYTHING - DJANGO),
        ("bridge.sessions.csrf", EVERYTHING - DJANGO),
        ("bridge.contrib.django", EVERYTHING),
        ("bridge.contrib.django.apps", EVERYTHING - DJANGO),
        ("bridge.contrib.django.conf", EVERYTHING - DJANGO - TOKENS),
        ("bridge.contrib.django.hashers", EVERYTHING - DJANGO),
        ("bridge.store.identities", SERVER | HASHING | COMMAND_LINE | TOKENS),  # a session is signed as Django signs
        ("bridge.store.users", SERVER | HASHING | COMMAND_LINE | DJANGO | TOKENS),
    ],
)
def test_importing_a_part_pulls_in_no_more_than_it_is_about(module: str, unwanted: set[str]):
    assert imported_with(module) & unwanted == set()


def imports_of(path: Path) -> set[str]:
    """Every module that a file names in an import, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def test_only_the_app_at_the_site_knows_djangos_models_and_registry():
    """Nothing of the service is to need ``django.setup()``; ``bridge migrate`` is a process of its own that runs it."""
    framework = ("django.db", "django.apps", "django.setup", "django.contrib.auth.models", "django.contrib.sessions")
    rooms = CHECKOUT / "bridge"
    outside = [path for path in rooms.rglob("*.py") if path.relative_to(rooms).parts[0] != "contrib"]

    users = {str(path.relative_to(rooms)) for path in outside if any(n.startswith(framework) for n in imports_of(path))}

    assert len(outside) > 100
    assert users == {"cli/migrate.py"}
