"""Tokens that were believed before: what ends them ends them all the same."""

from datetime import UTC, datetime, timedelta

import pytest

from bridge.errors import InvalidToken
from bridge.tokens import KeySet, SigningKey, TokenIssuer, TokenVerifier
from bridge.tokens.keyset import DatedKey, KeyTimes
from bridge.tokens.memory import Memory
from tests.unit.tokens.forging import AUDIENCE, ISSUER, KEY, SECRET

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)
LIFETIME = timedelta(minutes=15)


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def verifier(clock: Clock, keys: KeySet, *, remembers: int = 10) -> TokenVerifier:
    return TokenVerifier(keys=keys, issuer=ISSUER, audience=AUDIENCE, remembers=remembers, clock=clock)


def issued(keys: KeySet, user_id: str = "7", *, lifetime: timedelta = LIFETIME, scope: tuple[str, ...] = ()) -> str:
    issuer = TokenIssuer(keys=keys, issuer=ISSUER, audience=AUDIENCE, lifetime=lifetime)
    return issuer.issue(user_id=user_id, now=NOW, scope=scope)[0]


def test_what_is_remembered_says_what_was_verified():
    keys = KeySet.of_one(KEY)
    token, remembering = issued(keys), verifier(Clock(), keys)

    first = remembering.verify(token)

    assert remembering.verify(token) is first
    assert first == verifier(Clock(), keys, remembers=0).verify(token)


def test_a_remembered_token_ends_when_it_expires():
    clock, keys = Clock(), KeySet.of_one(KEY)
    token, remembering = issued(keys), verifier(clock, keys)
    remembering.verify(token)

    clock.now = NOW + LIFETIME - timedelta(microseconds=1)
    remembering.verify(token)
    clock.now = NOW + LIFETIME

    with pytest.raises(InvalidToken, match="expired"):
        remembering.verify(token)


def test_a_remembered_token_ends_with_its_key():
    """A key that was retired verifies until the longest token has expired; one of longer life it believes no more."""
    retired = DatedKey(SigningKey.load(SECRET, algorithm="HS256"), retired_at=NOW)
    present = DatedKey(SigningKey.load(SECRET[::-1], algorithm="HS256"))
    keys = KeySet((retired, present), times=KeyTimes(longest_token=timedelta(minutes=5)))
    clock = Clock()
    token, remembering = issued(KeySet.of_one(retired.key)), verifier(clock, keys)
    remembering.verify(token)

    clock.now = NOW + timedelta(minutes=7)

    with pytest.raises(InvalidToken, match="signed by no key of ours"):
        remembering.verify(token)


def test_another_key_under_the_same_name_is_another_verifier_and_remembers_nothing():
    keys = KeySet.of_one(KEY)
    token = issued(keys)
    verifier(Clock(), keys).verify(token)

    with pytest.raises(InvalidToken):
        verifier(Clock(), KeySet.of_one(SigningKey.load(SECRET[::-1], algorithm="HS256"))).verify(token)


def test_a_token_that_differs_by_one_character_is_another():
    keys = KeySet.of_one(KEY)
    token, remembering = issued(keys), verifier(Clock(), keys)
    remembering.verify(token)

    with pytest.raises(InvalidToken):
        remembering.verify(f"{token[:-10]}{'A' if token[-10] != 'A' else 'B'}{token[-9:]}")


@pytest.mark.parametrize("token", ["\ud800.a.b", "é.a.b"], ids=ascii)
def test_what_cannot_be_encoded_is_refused_as_before(token: str):
    with pytest.raises(InvalidToken):
        verifier(Clock(), KeySet.of_one(KEY)).verify(token)


def test_a_refresh_token_is_not_remembered_as_an_access_token():
    keys = KeySet.of_one(KEY)
    token, remembering = issued(keys), verifier(Clock(), keys)
    remembering.verify(token)

    with pytest.raises(InvalidToken, match="no refresh token"):
        remembering.verify_refresh(token)


def test_so_many_are_remembered_and_none_that_is_long():
    keys = KeySet.of_one(KEY)
    remembering = verifier(Clock(), keys, remembers=3)
    first = issued(keys, "1")
    kept = remembering.verify(first)
    for user_id in ("2", "3", "4"):
        remembering.verify(issued(keys, user_id))
    long = issued(keys, scope=("s" * 2000,))

    assert remembering.verify(first) is not kept
    assert remembering.verify(long) is not remembering.verify(long)


def test_the_longest_unused_is_forgotten():
    memory: Memory[str] = Memory(most=2)
    memory.keep(b"a", "1")
    memory.keep(b"b", "2")
    memory.recall(b"a")
    memory.keep(b"c", "3")

    assert [memory.recall(name) for name in (b"a", b"b", b"c")] == ["1", None, "3"]
    assert len(memory) == 2


def test_no_key_is_shown_by_what_remembers():
    keys = KeySet.of_one(KEY)
    remembering = verifier(Clock(), keys)
    remembering.verify(issued(keys))

    assert SECRET not in repr(remembering._memory._kept)
