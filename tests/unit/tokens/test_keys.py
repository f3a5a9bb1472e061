"""Which signing keys the bridge takes, and what it says of the others."""

import json
from collections.abc import Callable
from itertools import permutations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from bridge.errors import ConfigurationError
from bridge.tokens import SigningKey

LONG_ENOUGH = "0123456789abcdef0123456789abcdef"

UNSUPPORTED_CURVE = """\
-----BEGIN EC PRIVATE KEY-----
MD4CAQEEDhAkMzVIM0lc9LeeCyrUoAcGBSuBBAAGoSADHgAEsoMXon9lWNyXPt69
ooiqeXRrsA5/XSfAH0xziQ==
-----END EC PRIVATE KEY-----
"""
"""secp112r1, which the cryptography library does not know."""


def pem(key: object, *, password: bytes | None = None) -> str:
    encryption = NoEncryption() if password is None else BestAvailableEncryption(password)
    text: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)  # type: ignore[attr-defined]
    return text.decode()


def refusal(material: str, algorithm: str) -> ConfigurationError:
    """Hold that a key is refused with a cure, and that neither repeats the key."""
    with pytest.raises(ConfigurationError) as refused:
        SigningKey.load(material, algorithm=algorithm)
    said = f"{refused.value} {refused.value!r} {refused.value.__cause__}"
    assert refused.value.cure
    assert not [
        line for line in material.splitlines() if len(line) > 3 and not line.startswith("-----") and line in said
    ]
    return refused.value


# Shared secrets -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("secret", [LONG_ENOUGH, "ü" * 16, LONG_ENOUGH * 10], ids=["32-bytes", "in-utf-8", "longer"])
def test_a_secret_of_32_bytes_or_more_signs_and_verifies(secret: str):
    key = SigningKey.load(secret, algorithm="HS256")

    assert key.private == key.public == secret


@pytest.mark.parametrize(
    "secret", ["", "secret", LONG_ENOUGH[:-1], "ü" * 15], ids=["empty", "word", "31", "30-in-utf-8"]
)
def test_a_shorter_secret_is_refused(secret: str):
    assert "shorter than 32 bytes" in str(refusal(secret, "HS256"))


def test_a_private_key_is_not_taken_for_a_secret(pems: dict[str, str]):
    assert "PEM" in str(refusal(pems["RS256"], "HS256"))


def test_a_public_key_is_not_taken_for_a_secret(key_pairs: dict[str, SigningKey]):
    public = key_pairs["RS256"].public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    assert "PEM" in str(refusal(public.decode(), "HS256"))


def test_a_secret_that_is_not_utf_8_is_refused():
    undecodable = "\udcff" * 40  # as os.environ gives a byte that is not UTF-8

    refusal(undecodable, "HS256")


@pytest.mark.parametrize("as_text", [json.dumps, lambda jwk: json.dumps({"keys": [jwk]})], ids=["jwk", "set-of-jwks"])
def test_a_jwk_is_not_taken_for_a_secret(as_text: Callable[[dict[str, str]], str]):
    assert "JWK" in str(refusal(as_text({"kty": "oct", "k": "c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"}), "HS256"))


def test_an_ssh_key_is_not_taken_for_a_secret(key_pairs: dict[str, SigningKey]):
    line = key_pairs["EdDSA"].public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)

    assert "public key" in str(refusal(line.decode(), "HS256"))


# Key pairs ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["RS256", "ES256", "EdDSA"])
def test_a_pem_private_key_of_its_algorithm_is_taken(pems: dict[str, str], name: str):
    key = SigningKey.load(pems[name], algorithm=name)

    assert key.algorithm == name
    assert key.public == load_pem_private_key(pems[name].encode(), password=None).public_key()


@pytest.mark.parametrize(("name", "other"), list(permutations(["RS256", "ES256", "EdDSA"], 2)))
def test_a_key_of_another_algorithm_is_refused(pems: dict[str, str], name: str, other: str):
    assert f"does not fit {name}" in str(refusal(pems[other], name))


@pytest.mark.parametrize("curve", [ec.SECP384R1(), ec.SECP521R1(), ec.SECP256K1()], ids=lambda curve: curve.name)
def test_a_key_on_another_curve_is_refused(curve: ec.EllipticCurve):
    assert "does not fit ES256" in str(refusal(pem(ec.generate_private_key(curve)), "ES256"))


def test_a_key_on_ed448_is_refused():
    assert "does not fit EdDSA" in str(refusal(pem(ed448.Ed448PrivateKey.generate()), "EdDSA"))


@pytest.mark.parametrize("name", ["RS256", "ES256", "EdDSA"])
def test_a_key_on_a_curve_that_the_library_does_not_know_is_refused(name: str):
    refusal(UNSUPPORTED_CURVE, name)


def test_a_small_rsa_key_is_refused():
    assert "does not fit RS256" in str(refusal(pem(rsa.generate_private_key(65537, 1024)), "RS256"))  # noqa: S505  # that is the point


def test_an_encrypted_key_is_refused():
    encrypted = pem(ec.generate_private_key(ec.SECP256R1()), password=b"passphrase")

    assert "not an unencrypted PEM private key" in str(refusal(encrypted, "ES256"))


def test_a_public_key_does_not_sign(key_pairs: dict[str, SigningKey]):
    public = key_pairs["ES256"].public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)

    refusal(public.decode(), "ES256")


@pytest.mark.parametrize(
    "material",
    ["", LONG_ENOUGH, "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "\udcff", "\0"],
    ids=["empty", "a-secret", "broken", "not-utf-8", "nul"],
)
def test_what_is_no_pem_key_is_refused(material: str):
    assert "not an unencrypted PEM private key" in str(refusal(material, "ES256"))


@pytest.mark.parametrize("algorithm", ["none", "HS512", "RS512", "PS256", "hs256", ""])
def test_an_algorithm_that_the_bridge_does_not_offer_is_refused(algorithm: str):
    assert "BRIDGE_SIGNING_ALGORITHM" in str(refusal(LONG_ENOUGH, algorithm))


@pytest.mark.parametrize("name", ["RS256", "ES256", "EdDSA"])
def test_no_private_key_is_in_its_repr(key_pairs: dict[str, SigningKey], name: str):
    assert repr(key_pairs[name]) == f"SigningKey(algorithm={name!r})"
