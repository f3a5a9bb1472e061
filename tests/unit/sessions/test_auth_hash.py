"""The hash of the password that a session carries."""

import pytest
from django.contrib.auth.models import User
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.sessions.auth_hash import is_auth_hash_of, session_auth_hash
from tests.session_vectors import ENCODED, SECRET_KEY, SessionVector, each_vector


@each_vector()
def test_every_djangos_hash_is_the_passwords(vector: SessionVector):
    assert is_auth_hash_of(ENCODED, vector.auth_hash, secrets=[SECRET_KEY])


@each_vector()
def test_a_fallback_key_does_as_well(vector: SessionVector):
    assert is_auth_hash_of(ENCODED, vector.auth_hash, secrets=["the key in use now", SECRET_KEY])


@each_vector()
def test_another_key_does_not(vector: SessionVector):
    assert not is_auth_hash_of(ENCODED, vector.auth_hash, secrets=["the key in use now"])


@each_vector()
def test_another_value_of_the_same_password_does_not(vector: SessionVector):
    assert not is_auth_hash_of(ENCODED.replace("seasalt", "pepper"), vector.auth_hash, secrets=[SECRET_KEY])


@pytest.mark.parametrize("given_hash", ["", "ü", "\ud800", "0" * 64, "\0"], ids=ascii)
def test_what_is_no_hash_does_not(given_hash: str):
    assert not is_auth_hash_of(ENCODED, given_hash, secrets=[SECRET_KEY])


@given(st.text(), st.text(min_size=1))
@settings(deadline=None, derandomize=True, database=None)
def test_it_is_what_the_running_django_derives(encoded: str, secret: str):
    with override_settings(SECRET_KEY=secret):
        expected = User(password=encoded).get_session_auth_hash()

    assert session_auth_hash(encoded, secret=secret) == expected
