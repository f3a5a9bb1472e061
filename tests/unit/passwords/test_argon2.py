"""Argon2 on one thread and in memory that is kept gives what argon2-cffi gives."""

import resource
import sys
import threading
import time

import argon2
import pytest
from argon2 import Parameters, Type
from argon2.low_level import hash_secret

from bridge.passwords.argon2 import _memory, encode, verify

SECRET, SALT = "Pässwort\0".encode(), b"sixteen bytes..."
GOOD = "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$"


def costs(memory: int, *, lanes: int = 1, kind: Type = Type.ID, version: int = 19, length: int = 32) -> Parameters:
    return Parameters(
        type=kind,
        version=version,
        salt_len=len(SALT),
        hash_len=length,
        time_cost=2,
        memory_cost=memory,
        parallelism=lanes,
    )


@pytest.mark.parametrize(
    "parameters",
    [
        costs(64),
        costs(1000, lanes=8),
        costs(100, lanes=3, kind=Type.I, length=4),
        costs(100, lanes=2, kind=Type.D, version=16, length=65),
    ],
    ids=["id", "lanes", "i", "d_of_the_version_before"],
)
def test_a_value_is_the_one_of_argon2_cffi(parameters: Parameters):
    value = encode(SECRET, SALT, parameters)

    assert value.encode() == hash_secret(
        SECRET,
        SALT,
        time_cost=parameters.time_cost,
        memory_cost=parameters.memory_cost,
        parallelism=parameters.parallelism,
        hash_len=parameters.hash_len,
        type=parameters.type,
        version=parameters.version,
    )
    assert verify(SECRET, value)
    assert not verify(SECRET + b".", value)


def test_a_value_that_names_no_version_is_of_the_one_before():
    value = encode(SECRET, SALT, costs(64, version=16)).replace("$v=16", "")

    assert argon2.PasswordHasher().verify(value, SECRET)
    assert verify(SECRET, value)


@pytest.mark.parametrize(
    "change",
    [
        ("m=64", "m=064"),
        ("m=64", "m=+64"),
        ("m=64", "m=7"),
        ("m=64", "m=4294967295"),
        ("m=64", "m=4294967360"),
        ("t=2", "t=0"),
        ("p=1", "p=0"),
        ("$v=19", "$v=16"),
        ("id$", "$"),
        ("id$", "x$"),
        ("Lg$", "Lh$"),
        ("Lg$", "Lg==$"),
        ("c2l4dGVlbiBieXRlcy4uLg$", "c2l4dGU$"),
        ("c2l4dGVlbiBieXRlcy4uLg$", "c2l4dGVlbiBieXRlcy4uL$"),
        ("$m=", "$\n"),
        ("$argon2", "argon2"),
    ],
    ids=lambda change: f"{change[0]!r}_to_{change[1]!r}",
)
def test_a_value_that_is_not_as_it_was_written_is_refused_as_by_libargon2(change: tuple[str, str]):
    value = encode(SECRET, SALT, costs(64))
    changed = value.replace(*change)
    assert changed != value

    with pytest.raises((argon2.exceptions.VerificationError, argon2.exceptions.InvalidHashError)):
        argon2.PasswordHasher().verify(changed, SECRET)
    assert not said(changed)


def said(value: str) -> bool:
    try:
        return verify(SECRET, value)
    except (ValueError, OverflowError):
        return False


def test_a_line_feed_behind_a_value_is_no_part_of_it():
    assert not said(encode(SECRET, SALT, costs(64)) + "\n")


def test_all_lanes_are_filled_by_the_thread_that_asks():
    of_all, of_this = time.process_time(), time.thread_time()
    encode(SECRET, SALT, costs(8192, lanes=8))

    assert time.thread_time() - of_this > (time.process_time() - of_all) / 2


@pytest.mark.skipif(sys.platform != "linux", reason="other systems count otherwise")
def test_memory_is_faulted_in_once_and_holds_nothing_between_hashes():
    parameters = costs(16 * 1024)
    encode(SECRET, SALT, parameters)
    before = resource.getrusage(resource.RUSAGE_THREAD).ru_minflt

    encode(SECRET, SALT, parameters)

    assert resource.getrusage(resource.RUSAGE_THREAD).ru_minflt - before < 1000, "it has 4,096 pages"
    assert _memory.region is not None
    assert not _memory.region[:].strip(b"\0")


def test_what_is_more_than_djangos_argon2_needs_is_given_back():
    encode(SECRET, SALT, costs(64))
    assert _memory.region is not None

    encode(SECRET, SALT, costs(129 * 1024))

    assert _memory.region is None


def test_each_thread_has_memory_of_its_own():
    found: list[bool] = []
    encode(SECRET, SALT, costs(64))

    other = threading.Thread(target=lambda: found.append(_memory.region is None))
    other.start()
    other.join()

    assert found == [True]
