"""One login for everybody: the libraries that Django sites verify tokens with, each unmodified in a site of its own.

They share a database and a key with the bridge, and know nothing else of it. What each of them and the bridge refuse is
told by one table of attacks; what a peer takes by its own nature is in ``TAKEN_BY_NATURE``, with the reason.
"""

import asyncio
import base64
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any, Final

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from bridge.store.database import open_database
from tests.conftest import PASSWORD, SIGNING_KEY, Cast, manage
from tests.processes import NO_TLS, START_SECONDS, server
from tests.unit.tokens.forging import as_json, signed_by_hand, unpadded

GUNICORN: Final = ("--bind", "127.0.0.1:0", "--workers", "1", "--threads", "4", "--no-control-socket")
JWKS: Final = "/.well-known/jwks.json"
ME: Final = {
    "bridge": "/users/me/",
    "simplejwt": "/me/",
    "ninja_jwt": "/api/me/",
    "dj_rest_auth": "/user/",
    "allauth": "/me/",
}

# Who is there under which algorithm. Where the key is not shared, the peers are told what the bridge's tokens say of
# themselves, and fetch its keys or were given one. allauth verifies with its own private key: it can only share one.
PEERS: Final = {
    "HS256": ("simplejwt", "ninja_jwt", "dj_rest_auth", "allauth"),
    "RS256": ("simplejwt", "ninja_jwt", "dj_rest_auth"),
    "ES256": ("simplejwt", "ninja_jwt"),
}
PLACES: Final = [
    pytest.param(algorithm, app, id=f"{algorithm}-{app}")
    for algorithm, peers in PEERS.items()
    for app in ("bridge", *peers)
]


SHARED: Final = {"ALGORITHM": "HS256", "SIGNING_KEY": SIGNING_KEY}


# The apps -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Key:
    """What the bridge signs with.

    Attributes:
        algorithm: BRIDGE_SIGNING_ALGORITHM.
        private: what PyJWT signs with.
        text: as it is in BRIDGE_SIGNING_KEY.
        public: PEM; empty where the key is a shared secret.
    """

    algorithm: str
    private: Any
    text: str
    public: str = ""

    @classmethod
    def of(cls, algorithm: str) -> "Key":
        if algorithm == "HS256":
            return cls(algorithm, SIGNING_KEY, SIGNING_KEY)
        private = key_pair(algorithm)
        text = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        return cls(algorithm, private, text.decode(), public.decode())


def key_pair(algorithm: str) -> rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey:
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Deployment:
    """The bridge, its peers, and the tokens of a login at the bridge."""

    key: Key
    addresses: dict[str, str]
    access: str
    refresh: str

    def open(self, app: str, token: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"}
        return httpx.get(self.addresses[app] + ME[app], headers=headers, timeout=START_SECONDS, verify=NO_TLS)

    @property
    def algorithm(self) -> str:
        return self.key.algorithm

    @property
    def header(self) -> dict[str, Any]:
        return jwt.get_unverified_header(self.access)

    def claims(self, **changed: Any) -> dict[str, Any]:
        return jwt.decode(self.access, options={"verify_signature": False}) | changed

    def signed(self, claims: dict[str, Any], **header: Any) -> str:
        """Sign as the bridge does."""
        return jwt.encode(claims, self.key.private, self.algorithm, self.header | header)


@pytest.fixture(scope="module")
def hs256(database_url: str) -> Iterator[Deployment]:
    yield from deployed("HS256", database_url)


@pytest.fixture(scope="module")
def rs256(database_url: str) -> Iterator[Deployment]:
    yield from deployed("RS256", database_url)


@pytest.fixture(scope="module")
def es256(database_url: str) -> Iterator[Deployment]:
    yield from deployed("ES256", database_url)


@pytest.fixture
def deployment(request: pytest.FixtureRequest) -> Deployment:
    """Each is started once, in whatever order the tests come."""
    found: Deployment = request.getfixturevalue(request.param.lower())
    return found


def deployed(algorithm: str, database_url: str) -> Iterator[Deployment]:
    key = Key.of(algorithm)
    with ExitStack() as processes:
        own = {"BRIDGE_SIGNING_KEY": key.text, "BRIDGE_SIGNING_ALGORITHM": algorithm}
        bridge = processes.enter_context(server(database_url, "bridge", "serve", "--port", "0", **own))
        addresses = {"bridge": bridge}
        for peer in PEERS[algorithm]:
            addresses[peer] = processes.enter_context(
                server(
                    database_url,
                    "gunicorn",
                    "django.core.wsgi:get_wsgi_application()",
                    *GUNICORN,
                    DJANGO_SETTINGS_MODULE=f"tests.site.peers.{peer}_settings",
                    PEER_JWT=json.dumps(site_settings(peer, key, bridge)),
                )
            )
        tokens = logged_in(bridge)
        yield Deployment(key, addresses, tokens["access_token"], tokens["refresh_token"])


@pytest.fixture(scope="module")
def database_url(migrated_sqlite: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """One database for everybody; a key is in none, so that one kind of database says it all."""
    url = f"sqlite:///{shutil.copy(migrated_sqlite, tmp_path_factory.mktemp('peers') / 'site.sqlite3')}"
    tables = {"DJANGO_SETTINGS_MODULE": "tests.site.peers.allauth_settings", "PEER_JWT": json.dumps(SHARED)}
    manage(url, "migrate", "account", "--verbosity", "0", **tables)
    asyncio.run(populate(url))
    return url


async def populate(database_url: str) -> None:
    database = await open_database(database_url)
    await Cast(database).add("ada")
    await database.close()


def site_settings(peer: str, key: Key, bridge: str) -> dict[str, Any]:
    """SIMPLE_JWT, by each of the ways to give a site the bridge's keys.

    ninja-jwt 5.4 makes an object of JWK_URL that PyJWT's client cannot open: it has to be given the key.
    """
    if not key.public:
        return SHARED
    told = {"ALGORITHM": key.algorithm, "ISSUER": "bridge", "AUDIENCE": "django"}
    if key.algorithm == "ES256" and peer != "ninja_jwt":
        return told | {"JWK_URL": bridge + JWKS}
    return told | {"VERIFYING_KEY": key.public}


def logged_in(bridge: str) -> dict[str, str]:
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD}
    answer = httpx.post(f"{bridge}/auth/token", data=form, timeout=START_SECONDS, verify=NO_TLS)
    assert answer.status_code == httpx.codes.OK, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


# What is accepted -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("deployment", "app"), PLACES, indirect=["deployment"])
def test_an_access_token_of_the_bridge_opens_every_app(deployment: Deployment, app: str):
    answer = deployment.open(app, deployment.access)

    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.json()["username"] == "ada"


@pytest.mark.parametrize(("deployment", "app"), PLACES, indirect=["deployment"])
def test_a_token_that_is_written_here_in_the_same_way_opens_every_app(deployment: Deployment, app: str):
    """So that the attacks below, which start from it, fail for what each of them changes and for nothing else."""
    assert deployment.open(app, deployment.signed(deployment.claims())).status_code == httpx.codes.OK


LOGINS: Final = {
    "simplejwt": "/login/",
    "ninja_jwt": "/api/token/pair",
    "dj_rest_auth": "/login/",
    "allauth": "/_allauth/app/v1/auth/login",
}


def logged_in_at(peer: str, deployment: Deployment) -> tuple[str, str]:
    """Log in at a peer, and give its access and its refresh token."""
    credentials = {"username": "ada", "password": PASSWORD}
    answer = httpx.post(
        deployment.addresses[peer] + LOGINS[peer], json=credentials, timeout=START_SECONDS, verify=NO_TLS
    )
    assert answer.status_code == httpx.codes.OK, answer.text
    if peer == "allauth":
        meta = answer.json()["meta"]
        return meta["access_token"], meta["refresh_token"]
    return answer.json()["access"], answer.json()["refresh"]


@pytest.mark.parametrize("deployment", ["HS256"], indirect=True)
@pytest.mark.parametrize("peer", ["simplejwt", "ninja_jwt", "dj_rest_auth"])
def test_an_access_token_of_a_peer_opens_the_bridge(deployment: Deployment, peer: str):
    access, _ = logged_in_at(peer, deployment)

    answer = deployment.open("bridge", access)

    assert answer.status_code == httpx.codes.OK, answer.text
    assert answer.json()["username"] == "ada"


@pytest.mark.parametrize("deployment", ["HS256"], indirect=True)
@pytest.mark.parametrize(("peer", "kind"), [("ninja_jwt", int), ("simplejwt", str), ("dj_rest_auth", str)])
def test_peers_write_user_ids_of_either_type(deployment: Deployment, peer: str, kind: type):
    access, _ = logged_in_at(peer, deployment)

    assert type(jwt.decode(access, options={"verify_signature": False})["user_id"]) is kind


@pytest.mark.parametrize("deployment", ["HS256"], indirect=True)
def test_the_bridge_refuses_access_tokens_of_allauth(deployment: Deployment):
    """They have no ``user_id``, no ``token_type``, and live and die with a session that the bridge was not told of."""
    access, _ = logged_in_at("allauth", deployment)

    assert deployment.open("allauth", access).status_code == httpx.codes.OK
    assert deployment.open("bridge", access).status_code == httpx.codes.UNAUTHORIZED


@pytest.mark.parametrize("deployment", ["HS256"], indirect=True)
@pytest.mark.parametrize("app", ME)
@pytest.mark.parametrize("peer", LOGINS)
def test_a_refresh_token_of_a_peer_opens_nothing(deployment: Deployment, peer: str, app: str):
    _, refresh = logged_in_at(peer, deployment)

    assert deployment.open(app, refresh).status_code == httpx.codes.UNAUTHORIZED


# What is refused ------------------------------------------------------------------------------------------------------


class Trap(BaseHTTPRequestHandler):
    """Where an attacker's header points: it serves the attacker's key, and remembers who came for it."""

    keys: bytes = b""
    visitors: Final[list[str]] = []

    def do_GET(self) -> None:
        self.visitors.append(self.path)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.keys)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  # the name that the base class gave it
        """Say nothing."""


@dataclass(frozen=True)
class Attacker:
    """Somebody with a key of the right kind, which is not the bridge's; the claims are right in all else."""

    private: Any
    public: dict[str, Any]
    trap: str

    def signed(self, deployment: Deployment, **header: Any) -> str:
        return jwt.encode(deployment.claims(), self.private, deployment.algorithm, deployment.header | header)


@pytest.fixture(scope="module")
def trap() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Trap) as listening:
        thread = Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{listening.server_port}"
        listening.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def attackers_keys() -> dict[str, tuple[Any, dict[str, Any]]]:
    return {algorithm: attackers_key(algorithm) for algorithm in PEERS}


@pytest.fixture
def attacker(deployment: Deployment, trap: str, attackers_keys: dict[str, tuple[Any, dict[str, Any]]]) -> Attacker:
    private, public = attackers_keys[deployment.algorithm]
    public |= {"kid": deployment.header.get("kid", "theirs"), "use": "sig", "alg": deployment.algorithm}
    Trap.keys, Trap.visitors[:] = as_json({"keys": [public]}), []
    return Attacker(private, public, trap)


def attackers_key(algorithm: str) -> tuple[Any, dict[str, Any]]:
    if algorithm == "HS256":
        secret = b"a secret that the attacker made up, and wrote into the header of the token"
        return secret, {"kty": "oct", "k": unpadded(secret)}
    private = key_pair(algorithm)
    known = jwt.get_algorithm_by_name(algorithm)
    return private, dict(known.to_jwk(private.public_key(), as_dict=True))


Attack = Callable[[Deployment, Attacker], str]


def another_algorithm(deployment: Deployment, _: Attacker) -> str:
    """The right key, under an algorithm that nobody agreed on."""
    header = deployment.header
    if deployment.algorithm == "ES256":  # PyJWT would not sign so with a key of this curve
        signed = f"{unpadded(as_json(header | {'alg': 'ES384'}))}.{unpadded(as_json(deployment.claims()))}"
        signature = jwt.algorithms.ECAlgorithm(hashes.SHA384).sign(signed.encode(), deployment.key.private)
        return f"{signed}.{unpadded(signature)}"
    algorithm = {"HS256": "HS384", "RS256": "RS512"}[deployment.algorithm]
    return jwt.encode(deployment.claims(), deployment.key.private, algorithm, header | {"alg": algorithm})


def confused(deployment: Deployment, _: Attacker) -> str:
    """The public key, which anybody may have, taken for an HMAC secret."""
    public = deployment.key.public or Key.of("RS256").public
    header = deployment.header | {"alg": "HS256"}
    return signed_by_hand(as_json(header), as_json(deployment.claims()), secret=public.encode())


def with_another_payload(deployment: Deployment, _: Attacker) -> str:
    """It lives longer and is right in all else; for another user, the bridge would also miss the grant."""
    header, _payload, signature = deployment.access.split(".")
    claims = deployment.claims(exp=deployment.claims()["exp"] + 3600)
    return f"{header}.{unpadded(as_json(claims))}.{signature}"


def with_another_signature(deployment: Deployment, _: Attacker) -> str:
    signed, _dot, signature = deployment.access.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    raw[len(raw) // 2] ^= 1
    return f"{signed}.{unpadded(bytes(raw))}"


def without_signature(deployment: Deployment, *, algorithm: str = "none") -> str:
    header = deployment.header | {"alg": algorithm}
    return f"{unpadded(as_json(header))}.{unpadded(as_json(deployment.claims()))}."


def expired(deployment: Deployment, _: Attacker) -> str:
    issued_at = deployment.claims()["iat"]
    return deployment.signed(deployment.claims(iat=issued_at - 1000, exp=issued_at - 100))


ATTACKS: Final[dict[str, Attack]] = {
    "another algorithm": another_algorithm,
    "none": lambda deployment, _: without_signature(deployment),
    "None, as some spell it": lambda deployment, _: without_signature(deployment, algorithm="NoNe"),
    "no signature": lambda deployment, _: without_signature(deployment, algorithm=deployment.algorithm),
    "algorithm confusion": confused,
    "expired": expired,
    "a refresh token": lambda deployment, _: deployment.refresh,
    "foreign issuer": lambda deployment, _: deployment.signed(deployment.claims(iss="https://else.example")),
    "foreign audience": lambda deployment, _: deployment.signed(deployment.claims(aud="elsewhere")),
    "tampered payload": with_another_payload,
    "tampered signature": with_another_signature,
    "another key": lambda deployment, attacker: attacker.signed(deployment),
    "jwk": lambda deployment, attacker: attacker.signed(deployment, jwk=attacker.public),
    "jku": lambda deployment, attacker: attacker.signed(deployment, jku=f"{attacker.trap}/jwks.json"),
    "x5u": lambda deployment, attacker: attacker.signed(deployment, x5u=f"{attacker.trap}/chain.pem"),
    "crit": lambda deployment, _: deployment.signed(deployment.claims(), crit=["urn:x"], **{"urn:x": True}),
}

# What a peer takes although the bridge does not, because of what it is, or was told.
TAKEN_BY_NATURE: Final = {
    # Sites that share their secret with the bridge rarely name an issuer: whoever has the secret is trusted.
    **{
        ("HS256", peer, attack): "was told of no issuer and no audience"
        for peer in ("simplejwt", "ninja_jwt", "dj_rest_auth")
        for attack in ("foreign issuer", "foreign audience")
    },
    ("HS256", "allauth", "foreign issuer"): "never looks at `iss`",
    ("HS256", "allauth", "foreign audience"): "never looks at `aud`",
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize(("deployment", "app"), PLACES, indirect=["deployment"])
def test_no_app_takes_a_token_that_is_not_right(deployment: Deployment, attacker: Attacker, app: str, attack: str):
    token = ATTACKS[attack](deployment, attacker)
    is_taken = (deployment.algorithm, app, attack) in TAKEN_BY_NATURE

    answer = deployment.open(app, token)

    assert answer.status_code == (httpx.codes.OK if is_taken else httpx.codes.UNAUTHORIZED), answer.text
    assert Trap.visitors == []
