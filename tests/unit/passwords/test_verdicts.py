"""The bridge says of every stored value and password what ``django.contrib.auth.hashers.check_password`` says."""

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.hashers import check_password
from django.test import override_settings
from hypothesis import HealthCheck, assume, event, given, settings
from hypothesis import strategies as st

from bridge.passwords.encoded import WRAPPED
from tests.unit.passwords.reference import ACCEPTED, HASHERS, cheap_policy, django_says, encoders

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "passwords.json").read_text())
PASSWORDS: dict[str, str] = VECTORS["passwords"]
DROPPED = {"sha1", "unsalted_sha1", "unsalted_md5"}

POLICY = cheap_policy()
LIKE_THE_REFERENCE = cheap_policy(accepted=ACCEPTED)


def of_vectors(*, algorithms: set[str] | None = None) -> pytest.MarkDecorator:
    chosen = [each for each in VECTORS["vectors"] if algorithms is None or each["algorithm"] in algorithms]
    return pytest.mark.parametrize("vector", [pytest.param(each, id=each["id"]) for each in chosen])


@pytest.fixture(autouse=True, scope="module")
def django_with_every_hasher() -> Iterator[None]:
    with override_settings(PASSWORD_HASHERS=HASHERS):
        yield


# What Django 4.2 stored -----------------------------------------------------------------------------------------------


@of_vectors()
def test_the_algorithm_of_a_stored_value_is_known(vector):
    assert POLICY.verify("", vector["encoded"]).algorithm == vector["algorithm"]


@of_vectors()
def test_exactly_the_passwords_that_django_accepted_are_accepted(vector):
    accepted = [name for name, text in PASSWORDS.items() if POLICY.verify(text, vector["encoded"]).valid]

    assert accepted == vector["accepts"]


@of_vectors(algorithms=DROPPED)
def test_the_apps_hashers_bring_back_the_verdicts_of_those_that_django_dropped(vector):
    accepted = [name for name, text in PASSWORDS.items() if check_password(text, vector["encoded"])]

    assert accepted == vector["accepts"]


def test_there_is_a_vector_of_every_algorithm():
    assert {each["algorithm"] for each in VECTORS["vectors"]} == (ACCEPTED | {"crypt"}) - set(WRAPPED)


# Anything at all ------------------------------------------------------------------------------------------------------

many = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=1000,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)

passwords = st.one_of(
    st.text(),
    st.text(st.characters()),  # with lone surrogates
    st.sampled_from(list(PASSWORDS.values())),
    st.builds("{}\0{}".format, st.text(), st.text()),
    st.integers(60, 80).map("é".__mul__),
    st.just("p" * 5000),
)
encodable = passwords.filter(lambda password: not re.search("[\ud800-\udfff]", password))
salts = st.one_of(
    st.text("abcXYZ0189", min_size=1, max_size=30),
    st.text(st.characters(codec="utf-8", exclude_characters="$\0"), min_size=1, max_size=30),
)
long_salts = salts.filter(lambda salt: len(salt.encode()) >= 8)  # argon2 takes no shorter ones


@st.composite
def genuine_values(draw: st.DrawFn) -> tuple[str, str]:
    """A password, and a value that Django made of it."""
    name = draw(st.sampled_from(sorted(encoders())))
    password = draw(encodable)
    salt = draw(long_salts if name == "argon2" else salts)
    return password, encoders()[name](password, salt, draw(st.integers(1, 9)))


@given(genuine_values())
@many
def test_a_value_that_django_made_is_accepted_with_its_password(made):
    password, stored = made
    assert django_says(password, stored)
    assert LIKE_THE_REFERENCE.verify(password, stored).valid


@given(genuine_values(), passwords)
@many
def test_another_password_gets_djangos_verdict(made, password):
    _, stored = made
    assert LIKE_THE_REFERENCE.verify(password, stored).valid == django_says(password, stored)


NUMBERS = [
    "1",
    "2",
    "4",
    "0",
    "-1",
    "-2",
    "+2",
    " 2",
    "2 ",
    "02",
    "1_6",
    "٢",
    "",
    "two",
    "2.0",
    str(10**30),
    "9" * 5000,
]
"""Ways to write a cost; those that ``int`` can read and the library can do come with the matching digest."""

WRITTEN_NUMBERS = [pytest.param(each, id=repr(each)[:12]) for each in NUMBERS]


def pbkdf2(digest: str, password: str, salt: str, rounds: str) -> str:
    key = hashlib.pbkdf2_hmac(digest, password.encode(), salt.encode(), small(rounds))
    return f"pbkdf2_{digest}${rounds}${salt}${base64.b64encode(key).decode()}"


def scrypt(password: str, salt: str, *, n: str, r: str, p: str) -> str:
    key = hashlib.scrypt(password.encode(), salt=salt.encode(), n=max(small(n), 2), r=small(r), p=small(p), dklen=64)
    return f"scrypt${n}${salt}${r}${p}${base64.b64encode(key).decode()}"


def small(number: str) -> int:
    """Read a number as Django would, or give one to make a digest with at least."""
    try:
        return int(number) if 0 < int(number) < 100 else 2
    except ValueError:
        return 2


@pytest.mark.parametrize("digest", ["sha256", "sha1"])
@pytest.mark.parametrize("rounds", WRITTEN_NUMBERS)
def test_a_pbkdf2_value_with_unusual_rounds_gets_djangos_verdict(digest, rounds):
    stored = pbkdf2(digest, "secret", "salt", rounds)

    assert LIKE_THE_REFERENCE.verify("secret", stored).valid == django_says("secret", stored)


@pytest.mark.parametrize("parameter", ["n", "r", "p"])
@pytest.mark.parametrize("number", WRITTEN_NUMBERS)
def test_a_scrypt_value_with_unusual_costs_gets_djangos_verdict(parameter, number):
    stored = scrypt("secret", "salt", **({"n": "4", "r": "1", "p": "1"} | {parameter: number}))

    assert LIKE_THE_REFERENCE.verify("secret", stored).valid == django_says("secret", stored)


odd_salts = st.one_of(st.just(""), salts)
numbers = st.sampled_from(NUMBERS)
unusual_values = st.one_of(
    st.builds(pbkdf2, st.sampled_from(["sha256", "sha1"]), encodable, odd_salts, numbers),
    st.builds(scrypt, encodable, odd_salts, n=numbers, r=numbers, p=numbers),
    st.builds("{}${}${}".format, st.sampled_from(["md5", "sha1", "unsalted_md5"]), odd_salts, st.text("0123abcf$")),
)


@given(unusual_values, passwords)
@many
def test_a_value_with_odd_fields_gets_djangos_verdict(stored, password):
    assert LIKE_THE_REFERENCE.verify(password, stored).valid == django_says(password, stored)


# No NUL: PostgreSQL stores none in text, and argon2's C code takes it for the end of the value.
fragments = st.one_of(
    st.sampled_from(["$", "$$", "!", "=", ",", "\n", " ", "ü", "0", "-", "+", "md5$$", "sha1$$", "$2b$04$", "argon2"]),
    st.text(st.characters(exclude_characters="\0"), max_size=4),
)


@st.composite
def mutated_values(draw: st.DrawFn) -> tuple[str, str]:
    """A password, and a damaged value: cut, spliced with another, or with something put into it."""
    password, stored = draw(genuine_values())
    for _ in range(draw(st.integers(1, 3))):
        start, end = sorted((draw(st.integers(0, len(stored))), draw(st.integers(0, len(stored)))))
        match draw(st.sampled_from(["insert", "replace", "delete", "truncate", "splice"])):
            case "insert":
                stored = stored[:start] + draw(fragments) + stored[start:]
            case "replace":
                stored = stored[:start] + draw(fragments) + stored[start + 1 :]
            case "delete":
                stored = stored[:start] + stored[min(end, start + 3) :]
            case "truncate":
                stored = stored[:end]
            case "splice":
                stored = stored[:start] + draw(genuine_values())[1][end:]
    assume(is_affordable(stored))
    return password, stored


def is_affordable(stored: str) -> bool:
    """Tell whether a value asks for no more work than a test should do, or for more than any library would begin."""
    name, _, body = stored.partition("$")
    if name.startswith("bcrypt"):
        return all(int(cost) <= 5 for cost in re.findall(r"\$2[abxy]\$(\d\d)", body, re.ASCII))
    if name == "argon2":
        return all(int(cost) <= 64 for cost in re.findall(r"[mtp]=(\d+)", body, re.ASCII))
    costs = [small_or_more(each) for each in body.split("$")]
    limit = 4096 if name.startswith("pbkdf2") else 64
    return all(cost <= limit or cost > 2**64 for cost in costs)


def small_or_more(number: str) -> int:
    try:
        return int(number)
    except ValueError:
        return 0


@given(mutated_values())
@many
def test_a_damaged_value_gets_djangos_verdict(damaged):
    password, stored = damaged
    verdict = django_says(password, stored)
    event(f"accepted: {verdict}")
    assert LIKE_THE_REFERENCE.verify(password, stored).valid == verdict


@given(st.text(st.characters()), passwords)
@many
def test_a_value_that_is_just_any_text_gets_djangos_verdict(stored, password):
    assert LIKE_THE_REFERENCE.verify(password, stored).valid == django_says(password, stored)


MALFORMED = {
    "bcrypt-nothing": "bcrypt$",
    "bcrypt-no-salt": "bcrypt$$2b$04$",
    "bcrypt-short-salt": "bcrypt$$2b$04$abc",
    "bcrypt-salt-alone": "bcrypt$$2b$04$abcdefghijklmnopqrstuu",
    "bcrypt-no-rounds": "bcrypt$$2b$$" + "a" * 53,
    "bcrypt-many-rounds": "bcrypt$$2b$99$" + "a" * 53,
    "bcrypt-not-base64": "bcrypt$$2b$04$" + "!" * 53,
    "bcrypt-not-ascii": "bcrypt$$2b$04$" + "ü" * 53,
    "bcrypt_sha256-short-salt": "bcrypt_sha256$$2b$04$abc",
    "argon2-nothing": "argon2$",
    "argon2-bare": "$argon2id$v=19$m=8,t=1,p=1$c2VhbHRzZWFsdA$aGFzaA",
    "argon2-no-hash": "argon2$argon2id$v=19$m=8,t=1,p=1$c2VhbHRzZWFsdA",
    "argon2-huge-time": f"argon2$argon2id$v=19$m=8,t={10**30},p=1$c2VhbHRzZWFsdA$aGFzaA",
    "argon2-no-lanes": "argon2$argon2id$v=19$m=8,t=1,p=0$c2VhbHRzZWFsdA$aGFzaA",
    "argon2-not-ascii": "argon2$argon2id$v=19$m=8,t=1,p=1$ü$aGFzaA",
    "pbkdf2-no-hash": "pbkdf2_sha256$1$salt",
    "scrypt-no-hash": "scrypt$2$salt$1$1",
    "scrypt-one-field-more": "scrypt$2$salt$1$1$hash$more",
    "md5-no-salt": "md5$",
    "sha1-no-salt": "sha1$",
    "unsalted_md5-by-name": "unsalted_md5$$5ebe2294ecd0e0f08eab7690d2a6ee69",
    "name-alone": "pbkdf2_sha256",
    "lone-surrogate": "md5$\udc80$5ebe2294ecd0e0f08eab7690d2a6ee69",
}


@pytest.mark.parametrize("stored", [pytest.param(value, id=name) for name, value in MALFORMED.items()])
def test_a_malformed_value_is_a_failed_login(stored):
    assert not django_says("secret", stored)
    assert not POLICY.verify("secret", stored).valid


@pytest.mark.parametrize("digest", ["", "*0", "a", "ab", "abcdefghijkl!", "übcdefghijklm", "$1$salt$hash"])
def test_a_malformed_crypt_value_is_a_failed_login(digest):
    assert not POLICY.verify("secret", f"crypt$${digest}").valid
