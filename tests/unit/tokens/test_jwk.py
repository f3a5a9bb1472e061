"""Public keys as JSON, with the examples of the RFCs."""

import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from bridge.errors import ConfigurationError
from bridge.tokens import SigningKey
from bridge.tokens.jwk import public_jwk, read_key_set, read_public_key, thumbprint

RFC_7638 = {
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjB"
    "ZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8"
    "KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_"
    "xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
    "alg": "RS256",
    "kid": "2011-04-29",
}
RFC_8037 = {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}


def key_set(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


@pytest.mark.parametrize(
    ("example", "algorithm", "name"),
    [
        pytest.param(RFC_7638, "RS256", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs", id="rfc7638"),
        pytest.param(RFC_8037, "EdDSA", "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k", id="rfc8037"),
    ],
)
def test_a_thumbprint_is_the_one_of_the_rfc(example: dict[str, str], algorithm: str, name: str):
    (found,) = read_key_set(key_set(example), algorithm=algorithm)

    assert thumbprint(found.key) == name
    assert public_jwk(found.key) == {each: example[each] for each in ("crv", "e", "kty", "n", "x") if each in example}


@pytest.mark.parametrize("algorithm", ["RS256", "ES256", "EdDSA"])
def test_pyjwt_reads_a_key_as_it_was_written(key_pairs: dict[str, SigningKey], algorithm: str):
    key = key_pairs[algorithm]

    assert jwt.PyJWK(dict(public_jwk(key.public)), algorithm=algorithm).key == key.public


def test_a_coordinate_that_begins_with_zeros_keeps_its_length():
    """RFC 7518 section 6.2.1.2; one key in 256 has one."""
    short = next(
        key
        for key in (ec.derive_private_key(number, ec.SECP256R1()).public_key() for number in range(1, 5000))
        if key.public_numbers().x.bit_length() <= 248
    )

    assert len(public_jwk(short)["x"]) == 43
    assert read_key_set(key_set(public_jwk(short)), algorithm="ES256")[0].key == short


def test_of_a_set_only_the_keys_that_verify_the_algorithm_are_taken(key_pairs: dict[str, SigningKey]):
    own = {**public_jwk(key_pairs["ES256"].public), "kid": "own"}
    other_curve = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP384R1()).public_key()))
    private = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(ec.generate_private_key(ec.SECP256R1())))
    document = key_set(
        public_jwk(key_pairs["RS256"].public),
        {**own, "kid": "for-encryption", "use": "enc"},
        {**own, "kid": "for-another", "alg": "ES384"},
        {**own, "kid": "broken", "x": "%"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "a-secret"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "a-secret-in-disguise", "alg": "ES256"},
        other_curve,
        {**private, "kid": "private"},
        {},
        "text",
        {**own, "alg": "ES256", "use": "sig", "x5u": "https://elsewhere.example"},
        {**own, "kid": 5},
    )

    found = read_key_set(document, algorithm="ES256")

    assert [each.kid for each in found] == ["own", None]
    assert [each.key for each in found] == [key_pairs["ES256"].public] * 2


def test_a_weak_key_is_not_taken():
    weak = rsa.generate_private_key(65537, 1024).public_key()  # noqa: S505  # that is the point

    assert read_key_set(key_set(public_jwk(weak)), algorithm="RS256") == ()


@pytest.mark.parametrize(
    "document",
    [b"", b"{", b"[]", b"{}", b'{"keys": {}}', b"\xff", b"null", key_set(*[{}] * 33)],
    ids=["empty", "cut", "list", "no_keys", "no_list", "binary", "null", "too_many"],
)
def test_what_is_no_key_set_is_refused(document: bytes):
    with pytest.raises(ValueError):  # noqa: PT011  # whatever json makes of it
        read_key_set(document, algorithm="ES256")


def test_a_public_key_in_pem_is_named_by_its_thumbprint(key_pairs: dict[str, SigningKey]):
    key = key_pairs["EdDSA"]
    pem = key.public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()

    found = read_public_key(pem, algorithm="EdDSA")

    assert (found.kid, found.key) == (key.kid, key.public)


def test_a_public_key_of_another_algorithm_is_refused():
    pem = (
        ed25519.Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    )

    with pytest.raises(ConfigurationError, match="VERIFYING_KEY does not fit ES256"):
        read_public_key(pem.decode(), algorithm="ES256")


@pytest.mark.parametrize("pem", ["", "swordfish", "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"])
def test_what_is_no_public_key_is_refused_and_not_repeated(pem: str):
    with pytest.raises(ConfigurationError, match="not a public key in PEM") as refused:
        read_public_key(pem, algorithm="ES256")

    assert "swordfish" not in f"{refused.value} {refused.value.__cause__}"
