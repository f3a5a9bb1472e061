"""Keys come and go while both apps are in use; nobody notices, and libraries that nobody here wrote find their way."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from rest_framework_simplejwt.backends import TokenBackend
from rest_framework_simplejwt.exceptions import TokenBackendError

from bridge.tokens.keyset import PUBLICATION, DatedKey
from tests.conftest import Cast, bridge_command, log_in
from tests.processes import server, talking_to

JWKS: Final = "/.well-known/jwks.json"
BOUND: Final = 90.0  # seconds, for what would otherwise go on for ever
CLIENTS: Final = 3
GUNICORN: Final = ("gunicorn", "legacy_django.wsgi:application", "--bind", "127.0.0.1:0", "--workers", "1")
THREADED: Final = ("--threads", "4", "--no-control-socket")

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # no key is in any database


@dataclass(frozen=True)
class Keys:
    """A key directory, changed as its operator would."""

    path: Path
    algorithm: str = "ES256"

    @property
    def settings(self) -> dict[str, str]:
        return {"BRIDGE_SIGNING_KEY": str(self.path), "BRIDGE_SIGNING_ALGORITHM": self.algorithm}

    def run(self, *arguments: str) -> Any:
        done = bridge_command("", "keys", *arguments, "--json", **self.settings)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def new(self) -> str:
        kid: str = self.run("new")["kid"]
        return kid

    def date(self, kid: str, published_at: datetime) -> None:
        """Say since when a key is published, as a restored backup may."""
        file = self.path / f"{kid}.json"
        document = json.loads(file.read_bytes()) | {"published_at": published_at.isoformat()}
        draft = self.path / ".draft"
        draft.write_text(json.dumps(document))
        draft.replace(file)

    def public(self, kid: str) -> str:
        dated = DatedKey.from_document(json.loads((self.path / f"{kid}.json").read_bytes()))
        text: bytes = dated.key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return text.decode()


@contextmanager
def site(database_url: str, **variant: Any) -> Iterator[str]:
    """The shop under gunicorn, with some settings of its own."""
    settings = {"DJANGO_SETTINGS_MODULE": "tests.site.variant_settings", "SITE_VARIANT": json.dumps(variant)}
    with server(database_url, *GUNICORN, *THREADED, **settings) as address:
        yield address


# Other people's libraries ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
async def test_pyjwts_client_and_simplejwt_verify_by_the_published_key_set(
    database_url: str, cast: Cast, tmp_path: Path, algorithm: str
):
    await cast.add("ada")
    keys = Keys(tmp_path / "keys", algorithm)
    keys.new()

    with server(database_url, "bridge", "serve", "--port", "0", **keys.settings) as address:
        async with talking_to(address) as client:
            token = (await log_in(client, "ada")).json()["access_token"]

        key = jwt.PyJWKClient(address + JWKS).get_signing_key_from_jwt(token)
        backend = TokenBackend(algorithm, jwk_url=address + JWKS)

        assert jwt.decode(token, key, algorithms=[algorithm], audience="django", issuer="bridge")["user_id"] == "1"
        assert backend.decode(token)["user_id"] == "1"
        with pytest.raises(TokenBackendError):
            backend.decode(token[:-8] + "AAAAAAAA")


# A rotation under load ------------------------------------------------------------------------------------------------


@dataclass
class Load:
    """Clients that log in and use their tokens, the first and the latest alike, at every app and without a break.

    Attributes:
        opened: how often a token of a key opened a page.
        failed: whatever was not 200.
    """

    bridges: tuple[str, ...]
    pages: tuple[str, ...]
    opened: Counter[tuple[str, str]] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    signing: dict[str, str] = field(default_factory=dict)

    @asynccontextmanager
    async def running(self) -> Any:
        async with talking_to("") as client, asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._use(client, self.bridges[n % 2])) for n in range(CLIENTS)]
            try:
                yield client
            finally:
                for task in tasks:
                    task.cancel()

    async def _use(self, client: httpx.AsyncClient, bridge: str) -> None:
        first: str | None = None
        while True:
            latest = await self._token(client, bridge)
            first = first or latest
            for token in (first, latest):
                for page in self.pages:
                    await self._open(client, page, token)

    async def _token(self, client: httpx.AsyncClient, bridge: str) -> str:
        form = {"grant_type": "password", "username": "ada", "password": "correct horse battery staple"}
        answer = await client.post(f"{bridge}/auth/token", data=form)
        if answer.status_code != httpx.codes.OK:
            self.failed.append(f"{bridge}/auth/token {answer.status_code} {answer.text[:200]}")
        token: str = answer.json()["access_token"]
        self.signing[bridge] = jwt.get_unverified_header(token)["kid"]
        return token

    async def _open(self, client: httpx.AsyncClient, page: str, token: str) -> None:
        kid = jwt.get_unverified_header(token)["kid"]
        answer = await client.get(page, headers={"Authorization": f"Bearer {token}"})
        if answer.status_code == httpx.codes.OK:
            self.opened[page, kid] += 1
        else:
            self.failed.append(f"{page} {kid} {answer.status_code} {answer.text[:200]}")

    async def until(self, holds: Callable[[], bool | Awaitable[bool]]) -> None:
        """Go on until something holds, or anything fails."""
        async with asyncio.timeout(BOUND):
            while not self.failed:
                held = holds()
                if held if isinstance(held, bool) else await held:
                    return
                await asyncio.sleep(0.1)  # a look, while the clients go on


async def test_a_rotation_under_load_fails_no_request_in_either_app(database_url: str, cast: Cast, tmp_path: Path):
    """Two replicas, a site whose SimpleJWT fetches their keys, and one whose pages were told both.

    The new key was published when the sites' libraries fetched the key set: its remaining wait is cut short in its
    file, since nobody waits seven minutes for a test.
    """
    await cast.add("ada")
    keys = Keys(tmp_path / "keys")
    old, new = keys.new(), keys.new()
    keys.date(old, datetime.now(UTC) - timedelta(days=30))
    serve = ("bridge", "serve", "--port", "0")

    with (
        server(database_url, *serve, **keys.settings) as one,
        server(database_url, *serve, **keys.settings) as other,
        site(database_url, SIMPLE_JWT={"ALGORITHM": "ES256", "JWK_URL": one + JWKS}) as fetching,
        site(
            database_url,
            BRIDGE={"SIGNING_ALGORITHM": "ES256", "VERIFYING_KEY": [keys.public(old), keys.public(new)]},
        ) as told,
    ):
        own = (f"{one}/users/me/", f"{other}/users/me/")
        load = Load((one, other), (*own, f"{fetching}/api/me/", f"{fetching}/whoami/", f"{told}/whoami/"))
        async with load.running() as client:

            async def kids(bridge: str) -> list[str]:
                return [key["kid"] for key in (await client.get(bridge + JWKS)).json()["keys"]]

            await load.until(lambda: all(load.opened[page, old] > 3 for page in load.pages))
            assert load.signing == {one: old, other: old}

            keys.date(new, datetime.now(UTC) - PUBLICATION + timedelta(seconds=11))  # replicas look every ten
            await load.until(lambda: load.signing == {one: new, other: new})

            retired = await asyncio.to_thread(keys.run, "retire", old)
            assert retired["how"] == "retired"
            third = await asyncio.to_thread(keys.new)

            async def is_followed() -> bool:
                return all([await kids(bridge) == [old, new, third] for bridge in (one, other)])

            await load.until(is_followed)
            before = load.opened.copy()
            await load.until(lambda: all(load.opened[page, old] > before[page, old] + 3 for page in load.pages))
            await load.until(lambda: all(load.opened[page, new] > before[page, new] + 3 for page in load.pages))

    assert load.failed == []
    assert load.signing == {one: new, other: new}
