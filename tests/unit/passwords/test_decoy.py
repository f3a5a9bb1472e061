"""Made-up values that cost what the user table's own cost."""

import time

import pytest

from bridge.passwords.decoy import (
    algorithm_and_cost,
    costliest_decoys,
    decoy_value,
    highest_costs,
    is_without_cost,
    with_wraps,
)
from bridge.passwords.encoded import EncodedPassword
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.policy import PasswordPolicy, Verification

FOUND = [
    ("pbkdf2_sha256", "12"),
    ("pbkdf2_sha256", "9"),
    ("pbkdf2_sha1", "1"),
    ("bcrypt", "04"),
    ("bcrypt_sha256", "4"),
    ("scrypt", "16"),
    ("argon2", "m=8,t=1,p=1"),
    ("md5", ""),
    ("unusable", ""),
    ("pbkdf2_sha1", "9" * 11),
    ("unknown", "7"),
    ("argon2_pbkdf2_sha256", "5"),
    ("argon2_pbkdf2_sha1", "6"),
    ("argon2_md5", ""),
]
ARGON2 = decoy_value(Argon2Parameters(memory_cost=8, time_cost=1, parallelism=1))


def test_there_is_one_for_the_highest_cost_of_each_algorithm_that_costs_something():
    decoys = list(costliest_decoys(highest_costs(FOUND), argon2=ARGON2))

    begins = ["pbkdf2_sha256$12$", "pbkdf2_sha1$1$", "bcrypt$$2b$04$", "bcrypt_sha256$$2b$04$", "scrypt$16$"]
    begins += ["argon2_pbkdf2_sha256$5$", "argon2_pbkdf2_sha1$6$"]
    assert [each[: len(start)] for each, start in zip(decoys, begins, strict=True)] == begins


def test_each_is_checked_to_the_end_and_nobodys_password():
    policy = PasswordPolicy()

    for decoy in costliest_decoys(highest_costs(FOUND), argon2=ARGON2):
        algorithm = decoy.partition("$")[0]
        assert policy.verifies(decoy)
        assert policy._hashers[algorithm].verify(b"", EncodedPassword.parse(decoy)) is False  # and raises nothing
        assert policy.verify("", decoy) == Verification(valid=False, algorithm=algorithm)


def test_a_wrapped_one_costs_its_rounds_and_the_sites_argon2():
    policy, dear = PasswordPolicy(), decoy_value(Argon2Parameters(memory_cost=65_536, time_cost=2, parallelism=1))

    def seconds(rounds: int, argon2: str) -> float:
        (decoy,) = costliest_decoys({"argon2_pbkdf2_sha256": rounds}, argon2=argon2)
        began = time.perf_counter()
        policy.verify("", decoy)
        return time.perf_counter() - began

    cheap = min(seconds(1, ARGON2) for _ in range(3))  # each of the others does hundreds of times the work
    assert seconds(100_000, ARGON2) > 3 * cheap
    assert seconds(1, dear) > 3 * cheap


@pytest.mark.parametrize(
    ("highest", "listed", "wraps"),
    [
        ({"pbkdf2_sha256": 7}, ["argon2_pbkdf2_sha256"], {"argon2_pbkdf2_sha256": 7}),
        ({"pbkdf2_sha1": 7, "argon2_pbkdf2_sha1": 8}, ["argon2_pbkdf2_sha1"], {"argon2_pbkdf2_sha1": 8}),
        ({"pbkdf2_sha1": 9, "argon2_pbkdf2_sha1": 8}, ["argon2_pbkdf2_sha1"], {"argon2_pbkdf2_sha1": 9}),
        ({"pbkdf2_sha256": 7, "bcrypt": 4}, ["pbkdf2_sha256", "bcrypt", "argon2_pbkdf2_sha1"], {}),
        ({"pbkdf2_sha256": 7}, [], {}),
    ],
    ids=["not wrapped yet", "wrapped at more", "wrapped at less", "no hasher for it", "a site that has not said"],
)
def test_what_a_wrap_would_make_counts_where_the_site_would_verify_it(
    highest: dict[str, int], listed: list[str], wraps: dict[str, int]
):
    assert with_wraps(highest, listed=listed) == highest | wraps


@pytest.mark.parametrize(
    ("algorithm", "cost", "is_without"),
    [
        ("argon2_pbkdf2_sha256", "", True),
        ("argon2_pbkdf2_sha1", "", True),
        ("argon2_pbkdf2_sha256", "36000", False),
        ("argon2_md5", "", False),
        ("md5", "", False),
        ("pbkdf2_sha256", "", False),
    ],
)
def test_wrapped_values_of_old_hashes_with_rounds_have_a_cost(algorithm: str, cost: str, *, is_without: bool):
    assert is_without_cost(algorithm, cost) is is_without


@pytest.mark.parametrize(
    ("stored", "found"),
    [
        ("pbkdf2_sha256$720000$salt$hash", ("pbkdf2_sha256", "720000")),
        ("bcrypt_sha256$$2b$12$salthash", ("bcrypt_sha256", "12")),
        ("bcrypt$$2a$09$salthash", ("bcrypt", "09")),
        ("scrypt$16384$salt$8$5$hash", ("scrypt", "16384")),
        ("argon2$argon2id$v=19$m=8,t=1,p=1$salt$hash", ("argon2", "")),
        ("argon2_pbkdf2_sha1$36000$salt$argon2id$v=19$m=8,t=1,p=1$salt$hash", ("argon2_pbkdf2_sha1", "36000")),
        ("argon2_md5$salt$argon2id$v=19$m=8,t=1,p=1$salt$hash", ("argon2_md5", "")),
        ("!unusable", ("", "")),
        ("", ("", "")),
    ],
)
def test_a_stored_value_names_its_cost(stored: str, found: tuple[str, str]):
    assert algorithm_and_cost(stored) == found
