"""What the policy writes, what it replaces, and what it leaves alone."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version

import argon2
import bcrypt
import pytest
from django.contrib.auth.hashers import Argon2PasswordHasher, make_password, verify_password
from django.test import override_settings
from passlib.exc import PasswordSizeError
from passlib.hash import des_crypt, django_pbkdf2_sha256
from pwdlib.hashers.argon2 import Argon2Hasher as PwdlibArgon2Hasher

from bridge.passwords.decoy import decoy_value
from bridge.passwords.encoded import ALGORITHMS, WRAPPED, EncodedPassword
from bridge.passwords.parameters import Argon2Parameters
from bridge.passwords.policy import PasswordPolicy, Verification
from bridge.store.users import StoredUser
from tests.unit.passwords.reference import CHEAP, HASHERS, CheapArgon2, cheap_policy, encoders

PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True, scope="module")
def django_with_every_hasher() -> Iterator[None]:
    with override_settings(PASSWORD_HASHERS=HASHERS):
        yield


@pytest.fixture
def policy() -> PasswordPolicy:
    return cheap_policy()


def phc(
    *,
    salt: bytes = b"s" * 22,
    length: int = 32,
    kind: argon2.Type = argon2.Type.ID,
    version: int = 19,
    costs: tuple[int, int, int] = (CHEAP.time_cost, CHEAP.memory_cost, CHEAP.parallelism),
) -> str:
    """An argon2 value of ``PASSWORD`` that differs from the target as asked."""
    encoded = argon2.low_level.hash_secret(PASSWORD.encode(), salt, *costs, length, kind, version)
    return "argon2" + encoded.decode()


# What it writes -------------------------------------------------------------------------------------------------------


def test_django_takes_a_new_hash_and_leaves_it_alone(policy: PasswordPolicy):
    assert verify_password(PASSWORD, policy.hash(PASSWORD)) == (True, False)


def test_stock_django_takes_a_hash_of_the_default_parameters_and_leaves_it_alone():
    encoded = PasswordPolicy().hash(PASSWORD)

    with override_settings(PASSWORD_HASHERS=["django.contrib.auth.hashers.Argon2PasswordHasher"]):
        assert verify_password(PASSWORD, encoded) == (True, False)


def test_the_default_parameters_are_stock_djangos():
    stock = Argon2PasswordHasher()

    assert Argon2Parameters() == Argon2Parameters(
        time_cost=stock.time_cost,
        memory_cost=stock.memory_cost,
        parallelism=stock.parallelism,
        salt_length=Argon2Parameters.salt_length_for(stock.salt_entropy),
    )


def test_a_hash_has_the_length_of_djangos_own_and_fits_the_column():
    encoded = PasswordPolicy().hash(PASSWORD)

    assert len(encoded) == len(Argon2PasswordHasher().encode(PASSWORD, "s" * 22)) == 112
    assert len(encoded) <= 128


@pytest.mark.parametrize(
    "target",
    [CHEAP, Argon2Parameters(salt_length=8), Argon2Parameters(memory_cost=64, salt_length=23)],
    ids=["cheap", "short-salt", "longer-salt"],
)
def test_the_length_of_a_hash_is_known_beforehand(target: Argon2Parameters):
    assert len(PasswordPolicy(target=target).hash(PASSWORD)) == target.encoded_length


def test_the_default_length_is_known_beforehand():
    assert Argon2Parameters().encoded_length == 112


def test_a_hash_names_the_targets_costs(policy: PasswordPolicy):
    assert policy.hash(PASSWORD).startswith("argon2$argon2id$v=19$m=8,t=1,p=1$")


def test_two_hashes_of_a_password_differ(policy: PasswordPolicy):
    assert policy.hash(PASSWORD) != policy.hash(PASSWORD)


def test_a_password_that_utf8_cannot_express_is_not_hashed(policy: PasswordPolicy):
    with pytest.raises(ValueError, match="surrogates"):
        policy.hash("\ud800")


@pytest.mark.parametrize("entropy", [1, 64, 128, 131, 256])
def test_a_salt_has_the_letters_that_django_asks_for(entropy: int):
    class Site(CheapArgon2):
        salt_entropy = entropy

    assert Argon2Parameters.salt_length_for(entropy) == len(Site().salt())


# What it replaces -----------------------------------------------------------------------------------------------------

ARGON2_VALUES = {
    "as-the-target": phc(),
    "more-time": phc(costs=(2, 8, 1)),
    "more-memory": phc(costs=(1, 16, 1)),
    "more-lanes": phc(costs=(1, 16, 2)),
    "less-memory-than-stock": phc(costs=(2, 1024, 8)),
    "salt-of-8-bytes": phc(salt=b"s" * 8),
    "salt-of-16-bytes": phc(salt=b"s" * 16),
    "salt-of-21-bytes": phc(salt=b"s" * 21),
    "salt-of-23-bytes": phc(salt=b"s" * 23),
    "salt-of-32-bytes": phc(salt=b"s" * 32),
    "salt-not-ascii": phc(salt=b"\xff" * 22),
    "hash-of-16-bytes": phc(length=16),
    "hash-of-64-bytes": phc(length=64),
    "argon2i": phc(kind=argon2.Type.I),
    "argon2d": phc(kind=argon2.Type.D),
    "version-16": phc(version=16),
}


@pytest.mark.parametrize("stored", [pytest.param(value, id=name) for name, value in ARGON2_VALUES.items()])
def test_an_argon2_value_is_replaced_exactly_where_django_would(policy: PasswordPolicy, stored: str):
    assert (True, policy.must_update(stored)) == verify_password(PASSWORD, stored)


FORMATS = [
    "pbkdf2_sha256", "pbkdf2_sha1", "bcrypt_sha256", "bcrypt", "scrypt", "md5", "sha1",
    "unsalted_md5", "unsalted_md5-prefixed", "unsalted_sha1", *WRAPPED,
]  # fmt: skip


@pytest.mark.parametrize("name", FORMATS)
def test_a_value_of_another_algorithm_is_replaced_as_django_would(policy: PasswordPolicy, name: str):
    stored = encoders()[name](PASSWORD, "s" * 22, 2)

    assert verify_password(PASSWORD, stored) == (True, True)
    assert policy.must_update(stored)


@pytest.mark.parametrize("name", FORMATS)
def test_the_replacement_is_what_django_would_write(policy: PasswordPolicy, name: str):
    verdict = policy.verify_and_update(PASSWORD, encoders()[name](PASSWORD, "salt", 2))

    assert verdict.valid
    assert verdict.rehashed is not None
    assert verify_password(PASSWORD, verdict.rehashed) == (True, False)


def test_a_current_value_has_no_replacement(policy: PasswordPolicy):
    current = make_password(PASSWORD)

    assert policy.verify_and_update(PASSWORD, current) == Verification(valid=True, algorithm="argon2")


def test_a_wrong_password_has_no_replacement(policy: PasswordPolicy):
    old = make_password(PASSWORD, hasher="pbkdf2_sha256")

    assert policy.verify_and_update("wrong", old) == Verification(valid=False, algorithm="pbkdf2_sha256")


def test_verifying_alone_never_makes_a_replacement(policy: PasswordPolicy):
    assert policy.verify(PASSWORD, make_password(PASSWORD, hasher="pbkdf2_sha256")).rehashed is None


# Algorithms that do not read the whole password -----------------------------------------------------------------------


def bcrypt_value(password: str) -> str:
    return encoders()["bcrypt"](password, "", 0)


def crypt_value(password: str) -> str:
    return f"crypt$${des_crypt.using(salt='ab').hash(password.encode()[:8])}"


@pytest.mark.parametrize(
    ("encode", "reads"), [pytest.param(bcrypt_value, 72, id="bcrypt"), pytest.param(crypt_value, 8, id="crypt")]
)
class TestAnAlgorithmWithALimit:
    def test_a_longer_password_verifies(self, policy: PasswordPolicy, encode: Callable[[str], str], reads: int):
        assert policy.verify("x" * reads + "tail", encode("x" * reads)).valid

    def test_a_longer_password_is_not_re_hashed(self, policy: PasswordPolicy, encode: Callable[[str], str], reads: int):
        assert policy.verify_and_update("x" * (reads + 1), encode("x" * reads)).rehashed is None

    def test_the_limit_counts_bytes(self, policy: PasswordPolicy, encode: Callable[[str], str], reads: int):
        verdict = policy.verify_and_update("x" * (reads - 1) + "ü", encode("x" * (reads - 1) + "ü"))

        assert verdict.valid
        assert verdict.rehashed is None

    def test_a_password_of_just_that_length_is_re_hashed(
        self, policy: PasswordPolicy, encode: Callable[[str], str], reads: int
    ):
        assert policy.verify_and_update("x" * reads, encode("x" * reads)).rehashed is not None


def test_bcrypt_sha256_reads_every_byte(policy: PasswordPolicy):
    stored = encoders()["bcrypt_sha256"]("x" * 100, "", 0)

    assert not policy.verify("x" * 99, stored).valid
    assert policy.verify_and_update("x" * 100, stored).rehashed is not None


# What never verifies --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["argon2", *FORMATS])
def test_a_value_of_an_algorithm_that_the_site_does_not_accept_never_verifies(name: str):
    stored = encoders()[name](PASSWORD, "longsalt", 2)
    algorithm = EncodedPassword.parse(stored).algorithm
    strict = cheap_policy(accepted=set(ALGORITHMS) - {algorithm})

    assert strict.verify_and_update(PASSWORD, stored) == Verification(valid=False, algorithm=algorithm)
    assert not strict.verifies(stored)


HOPELESS = {
    "empty": "",
    "unusable": make_password(None),
    "unusable-and-otherwise-valid": "!" + "5ebe2294ecd0e0f08eab7690d2a6ee69"[1:],
    "bang": "!",
    "unknown-algorithm": "whirlpool$salt$5ebe2294",
    "bare-argon2": phc().removeprefix("argon2"),
    "plain-text": PASSWORD,
    "wordpress": "$P$B55D6LjfHDkINU5wF.v2BuuzO0/XPk/",
    "upper-case-name": "MD5$salt$5ebe2294",
    "leading-space": " md5$salt$5ebe2294",
}


@pytest.mark.parametrize("password", ["", PASSWORD, "!", "secret"])
@pytest.mark.parametrize("stored", [pytest.param(value, id=name) for name, value in HOPELESS.items()])
def test_a_value_without_a_hasher_verifies_no_password_and_is_never_replaced(
    policy: PasswordPolicy, stored: str, password: str
):
    assert policy.verify_and_update(password, stored) == Verification(valid=False, algorithm=None)
    assert not policy.verifies(stored)
    assert not policy.must_update(stored)


# What is not shown ----------------------------------------------------------------------------------------------------


def test_a_stored_password_is_not_in_its_repr():
    assert phc() not in repr(EncodedPassword.parse(phc()))
    assert "argon2" in repr(EncodedPassword.parse(phc()))


def test_neither_password_nor_hash_is_in_the_repr_of_a_verdict(policy: PasswordPolicy):
    verdict = policy.verify_and_update(PASSWORD, make_password(PASSWORD, hasher="pbkdf2_sha256"))

    assert verdict.rehashed is not None
    assert repr(verdict) == "Verification(valid=True, algorithm='pbkdf2_sha256')"


def test_the_stored_password_is_not_in_a_users_repr():
    user = StoredUser(
        id="1",
        key=1,
        username="ada",
        email="",
        first_name="",
        last_name="",
        is_active=True,
        is_staff=False,
        is_superuser=False,
        date_joined=datetime(2020, 1, 1, tzinfo=UTC),
        last_login=None,
        encoded=phc(),
    )

    assert "argon2" not in repr(user)
    assert "ada" in repr(user)


# Memory ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stored", "slots"),
    [
        ("argon2$argon2id$v=19$m=102400,t=2,p=8$c2FsdHNhbHQ$AAAA", 1),
        ("argon2$argon2id$v=19$m=102401,t=2,p=8$c2FsdHNhbHQ$AAAA", 2),
        ("argon2$argon2i$m=1048576,t=2,p=8$c2FsdHNhbHQ$AAAA", 11),
        ("argon2_pbkdf2_sha256$9$salt$argon2id$v=19$m=204800,t=2,p=8$c2FsdHNhbHQ$AAAA", 2),
        ("pbkdf2_sha256$1000000$salt$hash", 1),
        ("unknown$argon2id$v=19$m=1048576,t=2,p=8$c2FsdHNhbHQ$AAAA", 1),
        ("!", 1),
    ],
)
def test_a_check_takes_slots_by_its_memory(policy: PasswordPolicy, stored: str, slots: int):
    assert policy.slots(stored) == slots


def test_a_site_whose_own_argon2_takes_more_has_larger_slots():
    policy = PasswordPolicy(target=Argon2Parameters(memory_cost=204_800))

    assert policy.slots("argon2$argon2id$v=19$m=204801,t=2,p=8$c2FsdHNhbHQ$AAAA") == 2
    assert policy.slots("argon2$argon2id$v=19$m=204800,t=2,p=8$c2FsdHNhbHQ$AAAA") == 1


# Decoys ---------------------------------------------------------------------------------------------------------------

TARGETS = [
    pytest.param(Argon2Parameters(), id="stock"),
    pytest.param(CHEAP, id="cheap"),
    pytest.param(Argon2Parameters(time_cost=3, memory_cost=64, parallelism=4, salt_length=11), id="of-the-sites-own"),
]


@pytest.mark.parametrize("target", TARGETS)
def test_a_decoy_costs_what_a_real_value_does(target: Argon2Parameters):
    decoy, real = decoy_value(target), PasswordPolicy(target=target).hash(PASSWORD)

    assert argon2.extract_parameters(decoy.removeprefix("argon2")) == argon2.extract_parameters(
        real.removeprefix("argon2")
    )
    assert len(decoy) == len(real)


def test_a_decoy_is_worth_verifying(policy: PasswordPolicy):
    assert policy.verifies(decoy_value(CHEAP))
    assert not policy.must_update(decoy_value(CHEAP))


def test_verifying_a_decoy_does_the_work_instead_of_refusing_the_value():
    decoy = decoy_value(CHEAP).removeprefix("argon2")

    with pytest.raises(argon2.exceptions.VerifyMismatchError):
        argon2.PasswordHasher().verify(decoy, PASSWORD)


@pytest.mark.parametrize("password", ["", PASSWORD, "secret"])
def test_a_decoy_matches_no_password(policy: PasswordPolicy, password: str):
    assert policy.verify_and_update(password, decoy_value(CHEAP)) == Verification(valid=False, algorithm="argon2")


def test_no_decoy_is_like_another():
    assert decoy_value(CHEAP) != decoy_value(CHEAP)


# Facts about the libraries that the code leans on ---------------------------------------------------------------------


def test_pwdlibs_default_salt_makes_django_replace_the_value():
    pwdlib = PwdlibArgon2Hasher(CHEAP.time_cost, CHEAP.memory_cost, CHEAP.parallelism)

    assert verify_password(PASSWORD, "argon2" + pwdlib.hash(PASSWORD)) == (True, True)


def test_passlibs_django_handler_raises_on_a_long_password_that_django_accepts():
    password = "p" * 4097
    stored = make_password(password, hasher="pbkdf2_sha256")

    with pytest.raises(PasswordSizeError):
        django_pbkdf2_sha256.verify(password, stored)
    assert verify_password(password, stored)[0]


def test_passlibs_django_handler_raises_on_a_salt_that_django_accepts():
    stored = encoders()["pbkdf2_sha256"](PASSWORD, "a salt", 2)

    with pytest.raises(ValueError, match="salt"):
        django_pbkdf2_sha256.verify(PASSWORD, stored)
    assert verify_password(PASSWORD, stored)[0]


@pytest.mark.skipif(int(version("bcrypt").partition(".")[0]) < 5, reason="bcrypt before 5 truncates by itself")
def test_bcrypt_5_raises_beyond_72_bytes():
    with pytest.raises(ValueError, match="72 bytes"):
        bcrypt.checkpw(b"x" * 73, bcrypt_value("x" * 72).removeprefix("bcrypt$").encode())
