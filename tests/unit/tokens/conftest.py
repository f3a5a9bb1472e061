"""Keys of every algorithm."""

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from bridge.tokens import SigningKey


def pem(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


@pytest.fixture(scope="session")
def pems() -> dict[str, str]:
    """A private key of each asymmetric algorithm."""
    return {
        "RS256": pem(rsa.generate_private_key(65537, 2048)),
        "ES256": pem(ec.generate_private_key(ec.SECP256R1())),
        "EdDSA": pem(ed25519.Ed25519PrivateKey.generate()),
    }


@pytest.fixture(scope="session")
def key_pairs(pems: dict[str, str]) -> dict[str, SigningKey]:
    return {name: SigningKey.load(text, algorithm=name) for name, text in pems.items()}
