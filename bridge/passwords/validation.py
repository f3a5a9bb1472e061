"""The site's rules for new passwords and usernames, run by Django's own validators outside the site."""

import json
from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from django.contrib.auth.password_validation import get_password_validators
from django.contrib.auth.validators import UnicodeUsernameValidator
from django.core.exceptions import FieldDoesNotExist, ValidationError
from django.core.validators import validate_email

from bridge.errors import ConfigurationError

__all__ = ["PasswordRules", "email_error", "username_error"]

# By name, not by module: that one holds functions as well, which would run whatever their arguments name.
_DJANGO_OWN: Final = frozenset(
    f"django.contrib.auth.password_validation.{name}"
    for name in (
        "UserAttributeSimilarityValidator",
        "MinimumLengthValidator",
        "CommonPasswordValidator",
        "NumericPasswordValidator",
    )
)


class PasswordRules:
    """AUTH_PASSWORD_VALIDATORS of the site profile.

    Args:
        configured: the setting as the site has it.
        allowed: dotted paths that may be loaded besides Django's own. The profile is a row in a database, and whoever
            writes it must not choose what runs here.

    Raises:
        ConfigurationError: a validator of the site's own is not allowed here, or cannot be loaded.
    """

    def __init__(self, configured: Sequence[Mapping[str, Any]], *, allowed: Collection[str] = ()) -> None:
        for name in (str(each.get("NAME")) for each in configured):
            if name not in allowed and name not in _DJANGO_OWN:
                raise ConfigurationError(
                    "A password validator of the site is not allowed here",
                    cure="List its dotted path in BRIDGE_PASSWORD_VALIDATORS, and install it where the bridge runs.",
                )
        try:
            self._validators = [_loaded(json.dumps(each, sort_keys=True)) for each in configured]
        except Exception as exc:
            # The site's own code runs at import, and may want anything that is not here.
            raise ConfigurationError(
                "A password validator of the site cannot be loaded here",
                cure="Install the package that holds it where the bridge runs.",
            ) from exc

    def errors(self, password: str, attributes: Mapping[str, str]) -> list[str]:
        """Give what the validators say against a new password; ``attributes`` are the user's own texts."""
        user = _UserTexts(attributes)
        found: list[str] = []
        for validator in self._validators:
            try:
                validator.validate(password, user)  # they read attributes by name only
            except ValidationError as exc:
                found.extend(exc.messages)
        return found


@lru_cache(maxsize=32)
def _loaded(configured: str) -> Any:
    """Load one validator, once as the site does: Django's list of common passwords takes ten milliseconds to read."""
    [validator] = get_password_validators([json.loads(configured)])
    return validator


def username_error(username: str) -> str | None:
    """Give what Django's ``AbstractUser`` says against a username."""
    return _error_of(UnicodeUsernameValidator(), username)


def email_error(email: str) -> str | None:
    """Give what Django's ``EmailField`` says against an address; an empty one is fine."""
    return _error_of(validate_email, email) if email else None


def _error_of(validate: Any, value: str) -> str | None:
    try:
        validate(value)
    except ValidationError as exc:
        return " ".join(exc.messages)
    return None


class _UserTexts:
    """Stands in for a user where a validator compares the password with the user's attributes by name."""

    def __init__(self, attributes: Mapping[str, str]) -> None:
        self.__dict__.update(attributes)
        self._meta = self

    def get_field(self, name: str) -> Any:
        """Have no field, upon which Django names the attribute itself."""
        raise FieldDoesNotExist(name)
