"""Registration, password change and profile update, by the site's own rules."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from bridge.errors import ConfigurationError
from bridge.passwords.policy import PasswordPolicy, Verification
from bridge.passwords.pool import HashingPool
from bridge.passwords.validation import PasswordRules, email_error, username_error
from bridge.services.clock import Clock
from bridge.services.login import normalised
from bridge.store.text import is_storable
from bridge.store.users import EDITABLE, StoredUser, Users

__all__ = [
    "Accounts",
    "Invalid",
    "PasswordChanged",
    "Registered",
    "Updated",
    "UsernameTaken",
    "WrongPassword",
]

Errors = Mapping[str, list[str]]


@dataclass(frozen=True, slots=True)
class Registered:
    """A new user."""

    user: StoredUser


@dataclass(frozen=True, slots=True)
class Updated:
    """A user with their new texts."""

    user: StoredUser


@dataclass(frozen=True, slots=True)
class PasswordChanged:
    """The new password is in force."""


@dataclass(frozen=True, slots=True)
class UsernameTaken:
    """Somebody has it, perhaps in other case."""


@dataclass(frozen=True, slots=True)
class WrongPassword:
    """The current password is another, or was changed meanwhile."""


@dataclass(frozen=True, slots=True)
class Invalid:
    """The site's rules say no.

    Attributes:
        errors: what is wrong, by field.
    """

    errors: Errors


class Accounts:
    """Writes users.

    Args:
        rules: AUTH_PASSWORD_VALIDATORS; None where they cannot be loaded here.
        site_takes_argon2: whether a password written by the bridge could be used at the site.
    """

    def __init__(
        self,
        *,
        users: Users,
        policy: PasswordPolicy,
        pool: HashingPool,
        rules: PasswordRules | None,
        site_takes_argon2: bool,
        clock: Clock,
    ) -> None:
        self._users = users
        self._policy = policy
        self._pool = pool
        self._rules = rules
        self._site_takes_argon2 = site_takes_argon2
        self._clock = clock

    async def register(
        self, *, username: str, password: str, texts: Mapping[str, str]
    ) -> Registered | UsernameTaken | Invalid:
        """Create an ordinary user.

        Raises:
            ConfigurationError: passwords cannot be written here now, see ``Accounts``.
            HashingUnavailable: too many are logging in.
            ConstraintViolated: the site's user table demands more than Django's own columns.
        """
        name = normalised(username)
        errors = self._text_errors(texts) | self._username_errors(name)
        errors |= self._password_errors(password, {"username": name, **texts}, field="password")
        if errors:
            return Invalid(errors)
        encoded = await self._pool.run(partial(self._policy.hash, password))
        user = await self._users.create(username=name, encoded=encoded, texts=texts, now=self._clock())
        return UsernameTaken() if user is None else Registered(user)

    async def change_password(
        self, user_id: str, *, current: str, new: str
    ) -> PasswordChanged | WrongPassword | Invalid:
        """Replace a user's password, provided that they know the current one.

        Raises:
            ConfigurationError: as in ``register``.
            HashingUnavailable: too many are logging in.
        """
        user = await self._users.with_password(user_id)
        if user is None or not is_storable(current):
            return WrongPassword()
        errors = self._password_errors(new, _texts(user), field="new_password")
        verdict = await self._verify(current, user)
        if not verdict.valid:
            return WrongPassword()
        if errors:
            return Invalid(errors)
        encoded = await self._pool.run(partial(self._policy.hash, new))
        if await self._users.replace_password(user, encoded=encoded):
            return PasswordChanged()
        return await self._change_after_all(user_id, current=current, encoded=encoded)

    async def _verify(self, password: str, user: StoredUser) -> Verification:
        slots = self._policy.slots(user.encoded)
        return await self._pool.run(partial(self._policy.verify, password, user.encoded), slots=slots)

    async def _change_after_all(self, user_id: str, *, current: str, encoded: str) -> PasswordChanged | WrongPassword:
        """Try once more: a login elsewhere may have re-hashed the same password meanwhile."""
        user = await self._users.with_password(user_id)
        if user is None:
            return WrongPassword()
        verdict = await self._verify(current, user)
        written = verdict.valid and await self._users.replace_password(user, encoded=encoded)
        return PasswordChanged() if written else WrongPassword()

    async def update(self, user: StoredUser, changes: Mapping[str, str]) -> Updated | Invalid | None:
        """Change a user's own texts; None if the user is gone."""
        errors = self._text_errors(changes)
        if errors:
            return Invalid(errors)
        changed = await self._users.update(user.id, changes) if changes else user
        return None if changed is None else Updated(changed)

    def _text_errors(self, texts: Mapping[str, str]) -> dict[str, list[str]]:
        found = {name: self._text_error(name, value) for name, value in texts.items()}
        return {name: [error] for name, error in found.items() if error}

    def _text_error(self, name: str, value: str) -> str | None:
        if name not in self._users.editable:
            return "This field cannot be set."
        return self._size_error(name, value) or (email_error(value) if name == "email" else None)

    def _username_errors(self, username: str) -> dict[str, list[str]]:
        column, rule = ("email", email_error) if self._users.logs_in_by_email else ("username", username_error)
        error = (
            self._size_error(column, username) or rule(username) or (None if username else "This field is required.")
        )
        return {"username": [error]} if error else {}

    def _size_error(self, name: str, value: str) -> str | None:
        limit = self._users.limit(name)
        if not is_storable(value):
            return "Null characters are not allowed."
        if limit is not None and len(value) > limit:
            return f"Ensure this value has at most {limit} characters."
        return None

    def _password_errors(self, password: str, attributes: Mapping[str, str], *, field: str) -> dict[str, list[str]]:
        if not self._site_takes_argon2:
            raise ConfigurationError(
                "The Django site does not take argon2 passwords yet",
                cure="Set or change passwords at the site until `bridge doctor` finds it safe.",
            )
        if self._rules is None:
            raise ConfigurationError(
                "The site's password validators cannot be loaded here",
                cure="Install the package that holds them where the bridge runs, or change passwords at the site.",
            )
        if not is_storable(password):
            return {field: ["Null characters are not allowed."]}
        found = self._rules.errors(password, attributes)
        return {field: found} if found else {}


def _texts(user: StoredUser) -> dict[str, str]:
    return {"username": user.username, **{name: getattr(user, name) for name in EDITABLE}}
