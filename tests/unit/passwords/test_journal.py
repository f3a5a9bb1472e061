"""Replaced values are sealed to a key that the service does not have."""

import base64
from typing import Final

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bridge.errors import ConfigurationError
from bridge.passwords.journal import JournalOpener, JournalSealer, SealBroken

STORED: Final = "pbkdf2_sha256$600000$MDEyMzQ1Njc4OWFi$IygtzPX3efg0+KJbB1hc3V3wPh9nZ4nN0khU258yKzQ="
KEY: Final = X25519PrivateKey.generate()


def private_pem(key, encryption: KeySerializationEncryption | None = None) -> bytes:
    pem: bytes = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption())
    return pem


def public_pem(key) -> str:
    pem: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


SEALER: Final = JournalSealer.load(public_pem(KEY))
OPENER: Final = JournalOpener.load(private_pem(KEY))


# There and back -------------------------------------------------------------------------------------------------------


@given(st.text(), st.text())
@example(STORED, "1")
@example("", "")
@example("!unusable", "3f0e2a54-8d59-4c0d-9f3a-0d3b3c1f6a11")
@settings(deadline=None, derandomize=True, database=None)
def test_what_was_sealed_is_opened_unchanged(encoded: str, user_id: str):
    assert OPENER.open(SEALER.seal(encoded, user_id=user_id), user_id=user_id) == encoded


def test_what_is_sealed_shows_nothing_of_the_value():
    sealed = SEALER.seal(STORED, user_id="1")

    assert STORED not in sealed
    assert STORED.encode() not in base64.b64decode(sealed)
    assert sealed.isascii()


def test_equal_values_are_sealed_differently():
    assert SEALER.seal(STORED, user_id="1") != SEALER.seal(STORED, user_id="1")


# What is refused ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user_id", ["2", "11", "", "1 ", "01"], ids=repr)
def test_another_users_value_is_not_opened(user_id: str):
    sealed = SEALER.seal(STORED, user_id="1")

    with pytest.raises(SealBroken):
        OPENER.open(sealed, user_id=user_id)


def test_another_key_opens_nothing():
    other = JournalOpener.load(private_pem(X25519PrivateKey.generate()))

    with pytest.raises(SealBroken):
        other.open(SEALER.seal(STORED, user_id="1"), user_id="1")


@given(st.data())
@settings(deadline=None, derandomize=True, database=None)
def test_an_altered_value_is_not_opened(data: st.DataObject):
    sealed = bytearray(base64.b64decode(SEALER.seal(STORED, user_id="1")))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 6))

    with pytest.raises(SealBroken):
        OPENER.open(base64.b64encode(sealed).decode(), user_id="1")


@given(st.integers(0, 120))
@settings(deadline=None, derandomize=True, database=None)
def test_a_shortened_value_is_not_opened(length: int):
    sealed = base64.b64decode(SEALER.seal(STORED, user_id="1"))

    with pytest.raises(SealBroken):
        OPENER.open(base64.b64encode(sealed[:length]).decode(), user_id="1")


@given(
    st.text()
    | st.text(alphabet=st.characters(categories=("Cs", "Cc", "Lo")))
    | st.binary().map(lambda junk: base64.b64encode(junk).decode())
)
@example("")
@example("\ud800")
@example(base64.b64encode(bytes(32)).decode())
@example(base64.b64encode(bytes(80)).decode())
@settings(deadline=None, derandomize=True, database=None)
def test_junk_is_a_broken_seal_and_nothing_worse(junk: str):
    with pytest.raises(SealBroken):
        OPENER.open(junk, user_id="1")


def test_a_value_that_is_no_text_is_a_broken_seal():
    """Somebody else sealed it with the public key: it opens, and is not UTF-8."""
    from bridge.passwords import journal  # noqa: PLC0415  # its suite and purpose are nobody else's business

    sealed = journal._SUITE.encrypt(b"\xff\xfe", KEY.public_key(), journal._purpose("1"))

    with pytest.raises(SealBroken):
        OPENER.open(base64.b64encode(sealed).decode(), user_id="1")


def test_a_broken_seal_repeats_nothing():
    with pytest.raises(SealBroken) as raised:
        OPENER.open("swordfish", user_id="1")

    assert "swordfish" not in str(raised.value)


# Keys -----------------------------------------------------------------------------------------------------------------

OTHERS: Final = {
    "rsa": rsa.generate_private_key(65537, 2048),
    "ed25519": ed25519.Ed25519PrivateKey.generate(),
    "p256": ec.generate_private_key(ec.SECP256R1()),
}
# Well-formed, of an algorithm whose object identifier (1.2.3.4.5) nobody knows.
UNKNOWN_PUBLIC: Final = """-----BEGIN PUBLIC KEY-----
MC0wCAYEKgMEBQUAAyEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=
-----END PUBLIC KEY-----
"""
UNKNOWN_PRIVATE: Final = """-----BEGIN PRIVATE KEY-----
MDECAQAwCAYEKgMEBQUABCIEIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA
-----END PRIVATE KEY-----
"""

NO_PUBLIC_KEYS: Final = {
    "private": private_pem(KEY).decode(),
    **{name: public_pem(key) for name, key in OTHERS.items()},
    "unknown_algorithm": UNKNOWN_PUBLIC,
    "empty": "",
    "garbage": "swordfish",
    "surrogate": "\ud800",
    "truncated": public_pem(KEY)[:60],
}
NO_PRIVATE_KEYS: Final = {
    "public": public_pem(KEY).encode(),
    **{name: private_pem(key) for name, key in OTHERS.items()},
    "encrypted": private_pem(KEY, BestAvailableEncryption(b"swordfish")),
    "unknown_algorithm": UNKNOWN_PRIVATE.encode(),
    "empty": b"",
    "garbage": b"swordfish",
    "binary": bytes(range(256)),
    "truncated": private_pem(KEY)[:60],
}


@pytest.mark.parametrize("pem", NO_PUBLIC_KEYS.values(), ids=NO_PUBLIC_KEYS.keys())
def test_only_an_x25519_public_key_seals(pem: str):
    with pytest.raises(ConfigurationError, match="BRIDGE_REHASH_JOURNAL_KEY") as raised:
        JournalSealer.load(pem)

    assert "openssl genpkey -algorithm X25519" in raised.value.cure
    assert "swordfish" not in str(raised.value)


@pytest.mark.parametrize("pem", NO_PRIVATE_KEYS.values(), ids=NO_PRIVATE_KEYS.keys())
def test_only_an_unencrypted_x25519_private_key_opens(pem: bytes):
    with pytest.raises(ConfigurationError) as raised:
        JournalOpener.load(pem)

    assert "openssl genpkey -algorithm X25519" in raised.value.cure
    assert "swordfish" not in str(raised.value)


@pytest.mark.parametrize(
    "pem", [public_pem(KEY).strip(), "\n\n" + public_pem(KEY), public_pem(KEY).replace("\n", "\r\n")]
)
def test_a_public_key_may_be_pasted_in_any_usual_way(pem: str):
    assert OPENER.open(JournalSealer.load(pem).seal(STORED, user_id="1"), user_id="1") == STORED
