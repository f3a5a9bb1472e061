"""Lineage: which sessions may go on after a re-hash."""

from dataclasses import fields
from datetime import UTC, datetime
from typing import Final

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.sessions.auth_hash import session_auth_hash
from bridge.sessions.lineage import LineageLink, lineage_digest, links_between, value_digest

SECRETS: Final = ("the key in use", "the key before", "the key before that")
OLD: Final = "pbkdf2_sha256$1000$salt$hash"
NEW: Final = "argon2$argon2id$v=19$m=64,t=1,p=1$salt$hash"
UNTIL: Final = datetime(2026, 12, 4, 12, 0, tzinfo=UTC)


def links(old: str = OLD, new: str = NEW, secrets: tuple[str, ...] = SECRETS) -> list[LineageLink]:
    return list(links_between(old, new, user_id="1", secrets=secrets, expires_at=UNTIL))


def test_the_fallback_keys_hashes_are_djangos():
    with override_settings(SECRET_KEY=SECRETS[0], SECRET_KEY_FALLBACKS=list(SECRETS[1:])):
        stock = User.get_session_auth_fallback_hash
        expected = list(getattr(stock, "without_lineage", stock)(User(password=OLD)))

    assert [link.old_auth_hash for link in links()[1:]] == expected


def test_there_is_a_link_for_the_old_values_sessions_under_every_key():
    assert [link.old_auth_hash for link in links()] == [session_auth_hash(OLD, secret=secret) for secret in SECRETS]


def test_a_link_names_both_values_under_its_key():
    assert [(link.old_digest, link.new_digest) for link in links()] == [
        (lineage_digest(OLD, secret=secret), lineage_digest(NEW, secret=secret)) for secret in SECRETS
    ]


def test_no_two_keys_name_a_value_alike():
    assert len({link.new_digest for link in links()}) == len(SECRETS)


def test_a_link_is_its_users_and_ends():
    assert {(link.user_id, link.expires_at) for link in links()} == {("1", UNTIL)}


def test_links_of_one_value_after_another_meet_under_each_key():
    assert [link.new_digest for link in links(OLD, NEW)] == [link.old_digest for link in links(NEW, "next")]


@pytest.mark.parametrize("value", [OLD, NEW])
def test_no_value_and_no_key_can_be_read_from_a_link(value: str):
    shown = repr([getattr(link, each.name) for link in links() for each in fields(LineageLink)])

    assert value not in shown
    assert not [secret for secret in SECRETS if secret in shown]


def test_what_a_link_holds_fits_the_columns():
    held = [text for link in links() for text in (link.old_auth_hash, link.old_digest, link.new_digest)]
    assert {len(text) for text in held} == {64}


@given(st.text(), st.text())
@settings(deadline=None, derandomize=True, database=None)
def test_digests_tell_values_apart(one: str, other: str):
    assert (value_digest(one) == value_digest(other)) == (one == other)
