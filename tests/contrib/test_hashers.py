"""The three hashers that Django 5.1 dropped, and those of wrapped values: bridge.contrib.django.hashers."""

import hashlib
from typing import Final

import pytest
from django.contrib.auth.hashers import BasePasswordHasher, check_password, identify_hasher, make_password
from django.contrib.auth.models import User
from django.test import Client

from bridge.contrib.django.hashers import (
    SHA1PasswordHasher,
    UnsaltedMD5PasswordHasher,
    UnsaltedSHA1PasswordHasher,
)
from bridge.passwords.encoded import WRAPPED
from tests.conftest import PASSWORD

SECRET: Final = "lètmein"  # as in Django's own tests
MD5_OF_SECRET: Final = hashlib.md5(SECRET.encode(), usedforsecurity=False).hexdigest()
SHA1_OF_SECRET: Final = hashlib.sha1(SECRET.encode(), usedforsecurity=False).hexdigest()

GOLDEN: Final = {
    # From Django's tests/auth_tests/test_hashers.py, as of 5.0.
    "sha1": "sha1$seasalt$cff36ea83f5706ce9aa7454e63e431fc726b2dc8",
    "unsalted_sha1": "sha1$$6d138ca3ae545631b3abd71a4f076ce759c5700b",
    "unsalted_md5": "88a434c88cca4e900f7874cd98123f43",
    "unsalted_md5_with_its_prefix": "md5$$88a434c88cca4e900f7874cd98123f43",
    # By hashlib.
    "sha1_by_hashlib": "sha1$s$" + hashlib.sha1(b"s" + SECRET.encode(), usedforsecurity=False).hexdigest(),
    "unsalted_sha1_by_hashlib": f"sha1$${SHA1_OF_SECRET}",
    "unsalted_md5_by_hashlib": MD5_OF_SECRET,
}

golden = pytest.mark.parametrize("encoded", GOLDEN.values(), ids=GOLDEN.keys())


@golden
def test_an_old_value_verifies(encoded: str):
    assert check_password(SECRET, encoded)


@golden
@pytest.mark.parametrize("password", ["", "letmein", SECRET + " ", SECRET.upper()], ids=repr)
def test_another_password_does_not(encoded: str, password: str):
    assert not check_password(password, encoded)


@golden
def test_a_value_is_identified_as_ours(encoded: str):
    assert type(identify_hasher(encoded)).__module__ == "bridge.contrib.django.hashers"


@golden
def test_a_value_must_always_be_updated(encoded: str):
    assert identify_hasher(encoded).must_update(encoded)


@golden
def test_a_right_password_asks_for_the_update(encoded: str):
    updated: list[str] = []

    check_password(SECRET, encoded, setter=updated.append)

    assert updated == [SECRET]


@golden
def test_the_summary_shows_nothing_of_the_digest(encoded: str):
    summary = identify_hasher(encoded).safe_summary(encoded)

    assert list(summary.values()) == [identify_hasher(encoded).algorithm]


@pytest.mark.parametrize(
    "encoded",
    [
        pytest.param("sha1", id="a_bare_name"),
        pytest.param("sha1$", id="no_salt_and_no_digest"),
        pytest.param("sha1$salt", id="no_digest"),
        pytest.param("sha1$salt$", id="an_empty_digest"),
        pytest.param(f"sha1$$${SHA1_OF_SECRET}", id="an_empty_salt_and_one_dollar_too_many"),
        pytest.param(f"sha1$${SHA1_OF_SECRET[:-1]}", id="an_empty_salt_and_a_short_digest"),
        pytest.param(f"sha1$${SHA1_OF_SECRET}0", id="an_empty_salt_and_a_long_digest"),
        pytest.param(f"{GOLDEN['sha1']}0", id="a_long_digest"),
        pytest.param(GOLDEN["sha1"][:-1], id="a_short_digest"),
        pytest.param(GOLDEN["sha1"].upper(), id="upper_case"),
        pytest.param(f"sha1$seasalt$${GOLDEN['sha1'].rpartition('$')[2]}", id="a_salt_with_a_dollar"),
        pytest.param("sha1$seasalt$dögest", id="beyond_ascii"),
        pytest.param(f"sha1$${SHA1_OF_SECRET.upper()}", id="unsalted_sha1_in_upper_case"),
        pytest.param(MD5_OF_SECRET.upper(), id="md5_in_upper_case"),
        pytest.param(MD5_OF_SECRET[:-1], id="md5_cut_short"),
        pytest.param("0" * 32, id="another_md5"),
        pytest.param(f"md5$${MD5_OF_SECRET.upper()}", id="prefixed_md5_in_upper_case"),
    ],
)
def test_a_malformed_value_never_matches(encoded: str):
    assert not check_password(SECRET, encoded)


OURS: Final = {
    "sha1": SHA1PasswordHasher(),
    "unsalted_sha1": UnsaltedSHA1PasswordHasher(),
    "unsalted_md5": UnsaltedMD5PasswordHasher(),
}


@pytest.mark.parametrize("hasher", OURS.values(), ids=OURS.keys())
def test_what_a_hasher_encodes_it_verifies(hasher: BasePasswordHasher):
    assert hasher.verify(SECRET, hasher.encode(SECRET, "salt"))


@pytest.mark.parametrize("salt", ["", "s$lt"], ids=["empty", "with_a_dollar"])
def test_salted_sha1_refuses_a_salt_that_could_not_be_read_back(salt: str):
    with pytest.raises(ValueError, match="salt must be provided"):
        SHA1PasswordHasher().encode(SECRET, salt)


@pytest.mark.parametrize("hasher", [*OURS, *WRAPPED])
def test_a_login_through_djangos_form_leaves_argon2(site: Client, ada: User, hasher: str):
    User.objects.update(password=make_password(PASSWORD, hasher=hasher))

    answer = site.post("/accounts/login/", {"username": "ada", "password": PASSWORD})

    assert (answer.status_code, answer["Location"]) == (302, "/accounts/profile/")
    ada.refresh_from_db()
    assert ada.password.startswith("argon2$argon2id$")
    assert check_password(PASSWORD, ada.password, setter=pytest.fail)


def test_a_refused_login_leaves_the_old_value(site: Client, ada: User):
    User.objects.update(password=GOLDEN["sha1"])

    assert site.post("/accounts/login/", {"username": "ada", "password": "wrong"}).status_code == 200

    ada.refresh_from_db()
    assert ada.password == GOLDEN["sha1"]


@pytest.mark.parametrize("stored", ["sha1$", "argon2_md5$", "argon2_pbkdf2_sha256$x$y$argon2id$v=19$m=8,t=1,p=1$c$d"])
def test_a_user_with_a_malformed_value_is_refused_and_not_a_server_error(site: Client, ada: User, stored: str):
    User.objects.update(password=stored)

    assert site.post("/accounts/login/", {"username": "ada", "password": PASSWORD}).status_code == 200
