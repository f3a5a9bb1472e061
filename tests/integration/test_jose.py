"""jose, the JOSE library of npm, verifies the bridge's tokens by the key set that a real bridge publishes.

It is no package of PyPI: ``npm install --no-package-lock --prefix tests/node`` brings it. PyJWT's own client of key
sets is in ``test_keys.py``.
"""

import base64
import json
import shutil
import subprocess
from typing import Any, Final

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.absent import absent
from tests.conftest import CHECKOUT, PASSWORD, Cast
from tests.processes import NO_TLS, START_SECONDS, server
from tests.unit.tokens.forging import as_json, signed_by_hand, unpadded

FOLDER: Final = CHECKOUT / "tests" / "node"
INSTALL: Final = "npm install --no-package-lock --prefix tests/node"
PRIVATE_KEYS: Final = {
    "RS256": lambda: rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate,
}

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)  # no key is in any database


@pytest.fixture(scope="module")
def node() -> str:
    """Where it is; jose is with it."""
    executable = shutil.which("node")
    if executable is None:
        absent("Node.js is not installed")
    if not (FOLDER / "node_modules" / "jose" / "package.json").is_file():
        absent(f"jose is not installed: {INSTALL}")
    return executable


def verdicts(node: str, address: str, algorithm: str, tokens: dict[str, str]) -> dict[str, dict[str, str]]:
    """Ask jose of each token."""
    asked = {
        "jwks": f"{address}/.well-known/jwks.json",
        "algorithm": algorithm,
        "issuer": "bridge",
        "audience": "django",
        "tokens": tokens,
    }
    done = subprocess.run(
        [node, str(FOLDER / "verify.mjs")],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=False,
        timeout=START_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    answered: dict[str, dict[str, str]] = json.loads(done.stdout)
    return answered


def logged_in(address: str) -> dict[str, str]:
    form = {"grant_type": "password", "username": "ada", "password": PASSWORD}
    answer = httpx.post(f"{address}/auth/token", data=form, timeout=START_SECONDS, verify=NO_TLS)
    assert answer.status_code == httpx.codes.OK, answer.text
    tokens: dict[str, str] = answer.json()
    return tokens


def with_another_payload(token: str) -> str:
    header, _, signature = token.split(".")
    claims = jwt.decode(token, options={"verify_signature": False}) | {"sub": "2"}
    return f"{header}.{unpadded(as_json(claims))}.{signature}"


def with_another_signature(token: str) -> str:
    signed, _, signature = token.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    raw[len(raw) // 2] ^= 1
    return f"{signed}.{unpadded(bytes(raw))}"


def without_signature(token: str) -> str:
    return f"{unpadded(as_json(jwt.get_unverified_header(token) | {'alg': 'none'}))}.{token.split('.')[1]}."


def with_the_public_key_as_secret(token: str, private: Any) -> str:
    public = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = jwt.get_unverified_header(token) | {"alg": "HS256"}
    return signed_by_hand(
        as_json(header), as_json(jwt.decode(token, options={"verify_signature": False})), secret=public
    )


@pytest.mark.parametrize("algorithm", PRIVATE_KEYS)
async def test_jose_verifies_by_the_published_key_set_and_takes_nothing_else(
    database_url: str, cast: Cast, node: str, algorithm: str
):
    key = await cast.add("ada")
    private: Any = PRIVATE_KEYS[algorithm]()
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    own = {"BRIDGE_SIGNING_KEY": pem, "BRIDGE_SIGNING_ALGORITHM": algorithm}

    with server(database_url, "bridge", "serve", "--port", "0", **own) as address:
        issued = logged_in(address)
        token = issued["access_token"]
        answered = verdicts(
            node,
            address,
            algorithm,
            {
                "as issued": token,
                "refresh token": issued["refresh_token"],
                "another payload": with_another_payload(token),
                "another signature": with_another_signature(token),
                "no signature": without_signature(token),
                "algorithm confusion": with_the_public_key_as_secret(token, private),
            },
        )

    assert answered == {
        "as issued": {"subject": str(key)},
        "refresh token": {"error": "ERR_JWT_CLAIM_VALIDATION_FAILED"},
        "another payload": {"error": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"},
        "another signature": {"error": "ERR_JWS_SIGNATURE_VERIFICATION_FAILED"},
        "no signature": {"error": "ERR_JOSE_ALG_NOT_ALLOWED"},
        "algorithm confusion": {"error": "ERR_JOSE_ALG_NOT_ALLOWED"},
    }
