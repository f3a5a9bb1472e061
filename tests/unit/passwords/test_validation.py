"""The site's rules for new passwords, as its profile tells them."""

from typing import Any, Final

import pytest
from django.core.exceptions import ValidationError

from bridge.errors import ConfigurationError
from bridge.passwords.validation import PasswordRules

NAME: Final = f"{__name__}.Forbidding"
COMMON: Final = {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"}


class Forbidding:
    """A validator of a site's own."""

    loaded: Final[list[str]] = []

    def __init__(self, word: str) -> None:
        self.word = word
        self.loaded.append(word)

    def validate(self, password: str, user: Any = None) -> None:
        if self.word in password:
            raise ValidationError(f"Without {self.word}, please.")


def rules(*words: str) -> PasswordRules:
    return PasswordRules([COMMON, *({"NAME": NAME, "OPTIONS": {"word": each}} for each in words)], allowed=[NAME])


def test_what_the_next_profile_says_as_well_is_not_loaded_again():
    for _ in range(2):
        assert rules("loaded once").errors("loaded once, and seen", {}) == ["Without loaded once, please."]

    assert Forbidding.loaded.count("loaded once") == 1


def test_each_configuration_is_a_validator_of_its_own():
    assert rules("tea", "milk").errors("milk with tea", {}) == ["Without tea, please.", "Without milk, please."]
    assert rules("milk").errors("milk with tea", {}) == ["Without milk, please."]


def test_what_is_loaded_is_not_allowed_by_that():
    rules("sugar")

    with pytest.raises(ConfigurationError, match="not allowed here"):
        PasswordRules([{"NAME": NAME, "OPTIONS": {"word": "sugar"}}])
