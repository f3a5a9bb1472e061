"""README and MIGRATION hold: what they show is run as it stands there, and what they name exists."""

import json
import os
import re
import shlex
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import dropwhile, groupby
from pathlib import Path
from typing import Any, Final

import httpx
import pytest
import typer
from typer.core import TyperGroup

from bridge.cli import app as command_line
from bridge.profile import SiteProfile
from bridge.web.app import create_app
from bridge.web.settings import Settings
from tests.cli.test_serve import serving
from tests.conftest import CHECKOUT, DJANGO_SECRET_KEY, PASSWORD, settings_for, site_environment
from tests.forked import run_module

README: Final = CHECKOUT / "README.md"
MIGRATION: Final = CHECKOUT / "MIGRATION.md"
ENDPOINTS: Final = CHECKOUT / "docs" / "endpoints.md"
DOCUMENTS: Final = (README, MIGRATION)

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)


# Reading --------------------------------------------------------------------------------------------------------------


def snippets(document: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    found: list[str] = re.findall(rf"^```{language}\n(.*?)^```$", document.read_text(), re.DOTALL | re.MULTILINE)
    return found


def snippets_of_file(document: Path, name: str) -> list[str]:
    """The Python blocks whose first line names a file."""
    return [snippet for snippet in snippets(document, "python") if snippet.startswith(f"# {name}\n")]


def commands(document: Path, *program: str) -> list[list[str]]:
    """The arguments of each call of a program in the shell blocks."""
    called = [call for snippet in snippets(document, "sh") for call in calls(snippet)]
    return [call[len(program) :] for call in called if call[: len(program)] == list(program)]


def calls(snippet: str) -> Iterator[list[str]]:
    """The simple commands of a shell block, without comments and the variables that are set for one."""
    for line in snippet.replace("\\\n", " ").splitlines():
        words = shlex.shlex(line, posix=True, punctuation_chars=True)
        words.whitespace_split = True
        for joins, call in groupby(words, key={"&&", "|"}.__contains__):
            if not joins:
                yield list(dropwhile(re.compile("[A-Z_]+=").match, call))


def table(heading: str) -> list[list[str]]:
    """The code in the first column of README's table under a heading, row by row."""
    _, _, section = README.read_text().partition(f"\n## {heading}\n")
    rows = re.findall(r"^\| (`.*?) \| ", section.partition("\n## ")[0], re.MULTILINE)
    return [re.findall(r"`([^`]+)`", row.replace("\\|", "/")) for row in rows]


# A site that does as it is told ---------------------------------------------------------------------------------------

# The settings of a new project leave the hashers at Django's own; those of an old site name them.
SETTINGS_BEFORE: Final = f"""
from django.conf.global_settings import PASSWORD_HASHERS
SECRET_KEY = {DJANGO_SECRET_KEY!r}
REST_FRAMEWORK = {{}}
SIMPLE_JWT = {{}}
"""


@dataclass(frozen=True)
class Site:
    """A Django project in a folder of its own."""

    folder: Path

    @property
    def database(self) -> Path:
        return self.folder / "db.sqlite3"

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.database}"

    def add_to_settings(self, *lines: str) -> None:
        with (self.folder / "oldsite" / "settings.py").open("a") as settings:
            settings.writelines(lines)

    def manage(self, *arguments: str, **more: str) -> str:
        return run("manage", *arguments, folder=self.folder, **more)

    def profile(self) -> SiteProfile:
        return SiteProfile.from_document(json.loads(self.manage("bridge_profile", "--dry-run")))

    def stored_password(self) -> str:
        connection = sqlite3.connect(self.database)
        ((encoded,),) = connection.execute("SELECT password FROM auth_user WHERE username = 'ada'")
        connection.close()
        return str(encoded)


def run(module: str, *arguments: str, folder: Path, **more: str) -> str:
    environment = site_environment("", **more)
    del environment["DJANGO_SETTINGS_MODULE"]
    done = run_module(module, *arguments, environment=environment, folder=folder)
    assert done.returncode == os.EX_OK, done.stderr
    return done.stdout


def started_site(folder: Path) -> Site:
    """A new project as Django makes them, and a user of it with the hash that it wrote."""
    run("django", "startproject", "oldsite", ".", folder=folder)
    site = Site(folder)
    site.add_to_settings(SETTINGS_BEFORE)
    site.manage("migrate", "--verbosity", "0")
    name = ("--username", "ada", "--email", "ada@example.com")
    site.manage("createsuperuser", "--noinput", *name, DJANGO_SUPERUSER_PASSWORD=PASSWORD)
    return site


def bridged_site(document: Path, folder: Path) -> Site:
    """The same after a document's settings, and after the commands that it gives for it."""
    site = started_site(folder)
    site.add_to_settings(*snippets_of_file(document, "settings.py"))
    for arguments in commands(document, "python", "manage.py"):
        site.manage(*arguments)
    return site


@pytest.fixture(scope="module", params=DOCUMENTS, ids=lambda path: path.name)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Site:
    return bridged_site(request.param, tmp_path_factory.mktemp("site"))


def test_the_settings_leave_no_finding(site: Site):
    assert site.profile().findings() == ()


def test_the_settings_list_no_hasher_twice(site: Site):
    algorithms = [hasher.algorithm for hasher in site.profile().hashers]

    assert sorted(algorithms) == sorted(set(algorithms))


def test_the_settings_pass_djangos_checks(site: Site):
    site.manage("check", "--fail-level", "WARNING")


def test_the_commands_publish_the_profile(site: Site):
    connection = sqlite3.connect(site.database)
    ((document,),) = connection.execute("SELECT document FROM bridge_site_profile")
    connection.close()

    assert SiteProfile.from_document(json.loads(document)).hashers == site.profile().hashers


# The bridge beside it -------------------------------------------------------------------------------------------------

LOGIN_SECONDS: Final = 60.0  # hashes at Django's full cost, on whatever machine this is


@pytest.fixture(scope="module")
def beside(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Site, str]]:
    """The site that README makes, and the address of the bridge that serves README's endpoint beside it."""
    site = bridged_site(README, tmp_path_factory.mktemp("beside"))
    (site.folder / "shop_api.py").write_text("".join(snippets_of_file(README, "shop_api.py")))
    (options,) = (options for options in commands(README, "bridge", "serve") if options)
    with serving(site.database_url, site.folder, *options, BRIDGE_SIGNING_KEY=DJANGO_SECRET_KEY) as (address, _):
        yield site, address


def log_in(address: str) -> dict[str, str]:
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD}
    answer = httpx.post(f"{address}/auth/token", data=form, timeout=LOGIN_SECONDS).raise_for_status()
    return {"Authorization": f"Bearer {answer.json()['access_token']}"}


def test_a_login_as_in_readme_upgrades_the_hash(beside: tuple[Site, str]):
    site, address = beside

    log_in(address)

    assert site.stored_password().startswith("argon2$argon2id$")


def test_the_guarded_endpoint_of_readme_asks_for_the_group(beside: tuple[Site, str]):
    _, address = beside

    refused = httpx.post(f"{address}/orders/7/ship", headers=log_in(address))

    assert (refused.status_code, refused.json()["code"]) == (403, "group_required")


def test_the_endpoint_of_readme_knows_who_is_asking(beside: tuple[Site, str]):
    _, address = beside

    assert httpx.get(f"{address}/hello/", headers=log_in(address)).json() == {"hello": "ada"}


def test_the_endpoint_of_readme_is_for_users_only(beside: tuple[Site, str]):
    _, address = beside

    assert httpx.get(f"{address}/hello/").status_code == httpx.codes.UNAUTHORIZED


# What they name -------------------------------------------------------------------------------------------------------


def command_of(words: list[str]) -> tuple[Any, list[str]]:
    """The command that words call, and what is left of them for it."""
    command: Any = typer.main.get_command(command_line)
    while isinstance(command, TyperGroup):
        command, words = command.commands[words[0]], words[1:]
    return command, words


def names_of(command: Any, before: str = "bridge") -> Iterator[str]:
    """Every command below one, by its whole name."""
    if not isinstance(command, TyperGroup):
        yield before
        return
    for name, below in command.commands.items():
        yield from names_of(below, f"{before} {name}")


BRIDGE_CALLS: Final = {
    shlex.join(("bridge", *call)): call for document in (*DOCUMENTS, ENDPOINTS) for call in commands(document, "bridge")
}


@pytest.mark.parametrize("call", BRIDGE_CALLS.values(), ids=BRIDGE_CALLS.keys())
def test_a_call_of_the_bridge_is_one_that_it_takes(call: list[str]):
    """Parsed as the command line would, and not run."""
    command, arguments = command_of(call)

    command.make_context(command.name, list(arguments))


def test_the_table_of_commands_names_each_of_them():
    shown = {re.split(r" [\[-]", row[0])[0] for row in table("Commands")}

    at_site = {"manage.py bridge_profile", "manage.py bridge_report"}
    assert shown - at_site == set(names_of(typer.main.get_command(command_line)))


@pytest.mark.parametrize("shown", [row[0] for row in table("Commands") if row[0].startswith("bridge ")])
def test_the_table_of_commands_names_options_that_exist(shown: str):
    command, _ = command_of(shown.split()[1:])

    assert set(re.findall(r"--[a-z-]+", shown)) <= {option for each in command.params for option in each.opts}


def test_the_table_of_settings_names_each_of_them():
    shown = [name for row in table("Settings") for name in row]

    assert sorted(shown) == sorted(f"BRIDGE_{field.upper()}" for field in Settings.model_fields)


def routes(row: list[str]) -> Iterator[tuple[str, str]]:
    """Method and path of each route in a row: methods may share a path, and paths a method."""
    methods: list[str] = []
    path_came_last = False
    for word in " ".join(row).split():
        if word.startswith("/"):
            yield from ((method, word) for method in methods)
        else:
            methods = [word] if path_came_last else [*methods, word]
        path_came_last = word.startswith("/")


def test_the_table_of_routes_names_each_of_them():
    described = create_app(settings_for("sqlite:///unused")).openapi()["paths"]
    exist = {(method.upper(), path) for path, methods in described.items() for method in methods}

    assert {route for row in table("What it answers") for route in routes(row)} == exist | {
        ("GET", "/docs"),
        ("GET", "/migration/"),
    }


@each_document
def test_every_python_block_names_its_file(document: Path):
    """Else nobody knows where it belongs, and nothing here would run it."""
    first_lines = {snippet.partition("\n")[0] for snippet in snippets(document, "python")}

    assert first_lines <= {"# settings.py", "# shop_api.py"}


@each_document
def test_every_link_and_image_of_the_checkout_exists(document: Path):
    targets = re.findall(r"\]\(([^)#\s]+)", document.read_text())

    assert not [target for target in targets if "://" not in target and not (document.parent / target).exists()]


# Set-up ---------------------------------------------------------------------------------------------------------------

SET_UP: Final = 'pip install -c constraints.txt -e ".[demo]" && bridge demo'
TEST_SET_UP: Final = 'pip install -c constraints.txt -e ".[test]" && pytest'


@pytest.mark.parametrize("command", [SET_UP, TEST_SET_UP], ids=["demo", "tests"])
def test_readme_has_the_set_up_in_a_block_of_its_own(command: str):
    assert f"{command}\n" in snippets(README, "sh")


def test_the_gate_runs_the_tests_as_readme_does():
    gate = [line.replace(" --quiet", "") for line in (CHECKOUT / ".ci" / "run").read_text().splitlines()]

    assert [line for line in gate if line in TEST_SET_UP.split(" && ")] == TEST_SET_UP.split(" && ")
