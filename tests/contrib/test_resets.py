"""What wrapping and expiring in bulk mean for Django's password resets."""

from django.contrib.auth.forms import PasswordResetForm
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.auth.tokens import default_token_generator

from bridge.passwords.encoded import unusable_value
from tests.conftest import PASSWORD


def test_a_pending_link_ends_with_the_stored_value(ada: User):
    token = default_token_generator.make_token(ada)

    ada.password = make_password(PASSWORD, hasher="argon2_pbkdf2_sha256")

    assert not default_token_generator.check_token(ada, token)


def test_djangos_form_mails_whoever_was_wrapped_and_nobody_who_was_expired(ada: User, grace: User):
    User.objects.filter(pk=ada.pk).update(password=make_password(PASSWORD, hasher="argon2_pbkdf2_sha256"))
    User.objects.filter(pk=grace.pk).update(password=unusable_value(), email=ada.email)

    assert list(PasswordResetForm().get_users(ada.email)) == [ada]


def test_a_link_of_the_sites_own_works_for_an_expired_user(ada: User):
    ada.password = unusable_value()

    assert default_token_generator.check_token(ada, default_token_generator.make_token(ada))
