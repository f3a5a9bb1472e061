"""Old values in argon2, without their passwords: within the column, and only what Django's hashers wrote."""

import hashlib
from collections.abc import Iterator
from typing import Final

import argon2
import pytest
from django.contrib.auth.hashers import BasePasswordHasher, check_password, identify_hasher, make_password
from django.test import override_settings
from django.utils.module_loading import import_string

from bridge.passwords.encoded import WRAPPED, EncodedPassword, unusable_value
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.wrapped import DJANGO_HASHERS, WrappedPassword
from bridge.passwords.wrapping import Unwrappable, Wrapper, Wrapping
from tests.unit.passwords.reference import CHEAP, HASHERS, cheap_policy, django_says, encoders

PASSWORD: Final = "correct horse battery staple"
HEX: Final = "0123456789abcdef" * 4
SHA256: Final = "A" * 43 + "="


@pytest.fixture(autouse=True, scope="module")
def django_with_every_hasher() -> Iterator[None]:
    with override_settings(PASSWORD_HASHERS=HASHERS):
        yield


def wrapped(stored: str) -> str:
    prepared = Wrapper(CHEAP).prepare(stored)
    assert isinstance(prepared, Wrapping)
    return prepared.hash()


OLD: Final = {
    **{name: encoders()[name](PASSWORD, "s" * 22, 2) for name in WRAPPED.values()},
    "short_salt": hashlib.md5(b"a" + PASSWORD.encode(), usedforsecurity=False).hexdigest().join(("md5$a$", "")),
    "prefixed_md5": encoders()["unsalted_md5-prefixed"](PASSWORD, "", 0),
    "salt_beyond_ascii": encoders()["pbkdf2_sha1"](PASSWORD, "sälz 🎩\n", 3),
}

each_old = pytest.mark.parametrize("stored", [pytest.param(value, id=name) for name, value in OLD.items()])


# Verdicts -------------------------------------------------------------------------------------------------------------


@each_old
def test_both_apps_take_the_password_and_no_other_one(stored: str):
    value, policy = wrapped(stored), cheap_policy()

    assert check_password(PASSWORD, value)
    assert policy.verify(PASSWORD, value).valid
    for other in ("", PASSWORD + " ", PASSWORD.upper(), stored, value):
        assert not check_password(other, value)
        assert not policy.verify(other, value).valid


@each_old
def test_either_app_replaces_a_wrapped_value_by_plain_argon2(stored: str):
    value = wrapped(stored)
    asked: list[str] = []

    rehashed = cheap_policy().verify_and_update(PASSWORD, value).rehashed
    check_password(PASSWORD, value, setter=asked.append)

    assert rehashed is not None
    assert EncodedPassword.parse(rehashed).algorithm == "argon2"
    assert asked == [PASSWORD]


@each_old
def test_the_old_value_itself_is_no_password(stored: str):
    """What leaked before stays worthless."""
    value = wrapped(stored)

    assert not django_says(stored, value)
    assert not django_says(stored.rpartition("$")[2], value)


@each_old
def test_nothing_of_the_old_digest_is_left(stored: str):
    assert stored.rpartition("$")[2] not in wrapped(stored)


def test_two_users_with_one_password_have_different_values():
    assert wrapped(OLD["unsalted_md5"]) != wrapped(OLD["unsalted_md5"])


def test_django_needs_no_hasher_of_the_old_algorithm():
    value = wrapped(OLD["pbkdf2_sha256"])

    with override_settings(PASSWORD_HASHERS=[HASHERS[0], DJANGO_HASHERS["argon2_pbkdf2_sha256"]]):
        assert check_password(PASSWORD, value)


@pytest.mark.parametrize("name", WRAPPED)
def test_what_djangos_hasher_encodes_both_apps_verify(name: str):
    with override_settings(PASSWORD_HASHERS=[HASHERS[0], DJANGO_HASHERS[name]]):
        value = make_password(PASSWORD, hasher=name)

        assert check_password(PASSWORD, value)
        assert cheap_policy().verify(PASSWORD, value).valid


BROKEN: Final = {
    "name_alone": "argon2_md5",
    "nothing_within": "argon2_md5$",
    "no_phc": "argon2_md5$salt",
    "no_salt": "argon2_md5$" + wrapped(OLD["md5"]).split("$", 2)[2],
    "a_salt_too_many": wrapped(OLD["md5"]).replace("argon2_md5$", "argon2_md5$salt$"),
    "a_salt_where_none_belongs": wrapped(OLD["unsalted_md5"]).replace("argon2_unsalted_md5$", "argon2_unsalted_md5$s$"),
    "of_another_algorithm": wrapped(OLD["md5"]).replace("argon2_md5$", "argon2_sha1$"),
    "other_rounds": wrapped(OLD["pbkdf2_sha256"]).replace("$2$", "$3$"),
    "no_rounds": wrapped(OLD["pbkdf2_sha256"]).replace("$2$", "$$"),
    "rounds_in_words": wrapped(OLD["pbkdf2_sha256"]).replace("$2$", "$two$"),
    "minus_rounds": wrapped(OLD["pbkdf2_sha256"]).replace("$2$", "$-2$"),
    "endless_rounds": wrapped(OLD["pbkdf2_sha256"]).replace("$2$", f"${'9' * 40}$"),
    "another_variant": wrapped(OLD["md5"]).replace("argon2id", "argon2i"),
    "no_argon2": wrapped(OLD["md5"]).replace("argon2id", "scrypt"),
    "cut_short": wrapped(OLD["md5"])[:-1],
    "a_letter_more": wrapped(OLD["md5"]) + "A",
}


@pytest.mark.parametrize("stored", [pytest.param(value, id=name) for name, value in BROKEN.items()])
def test_a_malformed_value_matches_nothing_and_raises_at_neither_app(stored: str):
    assert not check_password(PASSWORD, stored)
    assert not cheap_policy().verify(PASSWORD, stored).valid


# What Django's admin and checks ask of a hasher -----------------------------------------------------------------------


@pytest.mark.parametrize("name", WRAPPED)
def test_the_hasher_that_a_site_is_told_to_list_is_the_one_of_that_name(name: str):
    assert import_string(DJANGO_HASHERS[name]).algorithm == name


@pytest.mark.parametrize("name", WRAPPED)
def test_a_summary_shows_costs_and_neither_salt_nor_hash(name: str):
    value = wrapped(OLD[WRAPPED[name]])
    hasher: BasePasswordHasher = identify_hasher(value)

    summary = hasher.safe_summary(value)

    assert (summary["algorithm"], summary["memory cost"]) == (name, CHEAP.memory_cost)
    assert ("iterations" in summary) == ("pbkdf2" in name)
    assert not [part for part in value.split("$")[-2:] if part in str(summary)]
    assert "s" * 22 not in str(summary)


@pytest.mark.parametrize("name", WRAPPED)
def test_a_hasher_names_the_parts_of_a_value(name: str):
    decoded = identify_hasher(wrapped(OLD[WRAPPED[name]])).decode(wrapped(OLD[WRAPPED[name]]))

    assert (decoded["algorithm"], decoded["time_cost"]) == (name, CHEAP.time_cost)
    assert decoded["inner_salt"] == ("" if "unsalted" in name else "s" * 22)


# Lengths --------------------------------------------------------------------------------------------------------------

STOCK: Final = Argon2Parameters()


def lengths(stored: str, target: Argon2Parameters = STOCK) -> tuple[int, int] | None:
    prepared = Wrapper(target).prepare(stored)
    return (prepared.salt_length, prepared.hash_length) if isinstance(prepared, Wrapping) else None


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param(f"pbkdf2_sha256$36000${'s' * 12}${SHA256}", (16, 24), id="of_django_1.11"),
        pytest.param(f"pbkdf2_sha256$260000${'s' * 22}${SHA256}", (16, 16), id="of_django_3.2"),
        pytest.param(f"pbkdf2_sha256$1200000${'s' * 22}${SHA256}", (16, 16), id="of_django_6.0"),
        pytest.param(f"pbkdf2_sha256$99999999${'s' * 22}${SHA256}", (8, 16), id="more_rounds"),
        pytest.param(f"pbkdf2_sha256$1000000${'s' * 33}${SHA256}", (8, 16), id="a_salt_of_192_bits"),
        pytest.param(f"pbkdf2_sha256$1000000${'s' * 34}${SHA256}", None, id="too_long_a_salt"),
        pytest.param(f"md5${'s' * 22}${HEX[:32]}", (16, 24), id="md5"),
        pytest.param(f"sha1${'s' * 5}${HEX[:40]}", (16, 32), id="sha1"),
        pytest.param(HEX[:32], (16, 32), id="unsalted"),
    ],
)
def test_argon2_gets_what_room_the_column_leaves(stored: str, expected: tuple[int, int] | None):
    assert lengths(stored) == expected


@pytest.mark.parametrize("digits", range(1, 9))
@pytest.mark.parametrize("salt", range(12, 29))
def test_every_length_of_djangos_salts_and_rounds_fits(digits: int, salt: int):
    assert lengths(f"pbkdf2_sha256${'9' * digits}${'s' * salt}${SHA256}") is not None


@pytest.mark.parametrize("salt", [1, 12, 22, 30, 33])
@pytest.mark.parametrize("memory", [8, 102_400])
def test_a_wrapped_value_is_as_long_as_was_reckoned_and_fits_the_column(salt: int, memory: int):
    target = Argon2Parameters(time_cost=1, memory_cost=memory, parallelism=1)
    prepared = Wrapper(target).prepare(f"pbkdf2_sha256$1000000${'s' * salt}${SHA256}")
    assert isinstance(prepared, Wrapping)

    value = prepared.hash()

    found = argon2.extract_parameters(WrappedPassword.parse(value).argon2.removeprefix("argon2"))
    assert len(value) <= 128
    assert (found.salt_len, found.hash_len) == (prepared.salt_length, prepared.hash_length)
    assert (found.memory_cost, found.type, found.version) == (memory, argon2.Type.ID, 19)


def test_a_narrower_column_is_respected():
    assert Wrapper(STOCK, limit=100).prepare(OLD["pbkdf2_sha256"]) == Unwrappable("too-long")


# What is left alone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param("", id="empty"),
        pytest.param(unusable_value(), id="unusable"),
        pytest.param(encoders()["argon2"](PASSWORD, "s" * 22, 1), id="argon2"),
        pytest.param(encoders()["bcrypt"](PASSWORD, "", 1), id="bcrypt"),
        pytest.param(wrapped(OLD["md5"]), id="wrapped_before"),
        pytest.param(f"pbkdf2_sha256$+1$salt${SHA256}", id="signed_rounds"),
        pytest.param(f"pbkdf2_sha256$٢$salt${SHA256}", id="rounds_beyond_ascii"),
        pytest.param(f"pbkdf2_sha256$1$$${SHA256}", id="no_salt"),
        pytest.param(f"pbkdf2_sha256$1$salt${SHA256}$", id="a_part_too_many"),
        pytest.param("pbkdf2_sha256$1$salt$AAAA", id="a_short_digest"),
        pytest.param(f"md5$salt${HEX[:32].upper()}", id="upper_case"),
        pytest.param(f"sha1$salt${HEX[:39]}", id="sha1_cut_short"),
        pytest.param("z" * 32, id="no_hex"),
    ],
)
def test_what_is_no_old_value_of_djangos_is_not_wrapped(stored: str):
    assert Wrapper(CHEAP).prepare(stored) == Unwrappable("malformed")


def test_an_unusable_value_is_as_djangos():
    made = [unusable_value() for _ in range(20)]

    assert len(set(made)) == 20
    assert {len(each) for each in made} == {len(make_password(None))}
    assert all(each[0] == "!" and each[1:].isalnum() for each in made)


def test_no_stored_value_is_in_the_repr_of_its_wrapping():
    prepared = Wrapper(CHEAP).prepare(OLD["md5"])

    assert OLD["md5"] not in repr(prepared)
    assert OLD["md5"].rpartition("$")[2] not in repr(prepared)
