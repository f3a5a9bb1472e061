"""Who has a second factor, the twin of the bridge's ``store.second_factors``; and that no code passes twice.

django-otp keeps the used time step with its device, where both apps see it. allauth keeps used codes in the site's
cache, which the bridge cannot see: here its TOTP authenticator takes part in what the bridge remembers.
"""

import functools
import logging
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final

from django.apps import apps
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import DatabaseError, connections, router, transaction

from bridge.contrib.django.database_errors import kind_of
from bridge.contrib.django.describing.second_factors import second_factors
from bridge.contrib.django.liveness import database
from bridge.contrib.django.models import SecondFactor
from bridge.second_factors.totp import Totp

__all__ = ["has_second_factor", "share_used_codes"]

_logger: Final = logging.getLogger(__name__)
# SQL outside the store, on Django's own connection, for what its models cannot say: of two apps at once, one writes.
# Both databases have `ON CONFLICT … WHERE`.
_CLAIM: Final = (
    "INSERT INTO bridge_second_factor (user_id, last_step, failures) VALUES (%s, %s, 0)"
    " ON CONFLICT (user_id) DO UPDATE SET last_step = excluded.last_step"
    " WHERE bridge_second_factor.last_step < excluded.last_step"
)


def has_second_factor(user: AbstractBaseUser) -> bool:
    """Tell whether the bridge's login would ask a user for more than the password: one query for each kind of factor.

    Raises:
        django.db.DatabaseError: the tables cannot be read. Nobody is let in unasked.
    """
    return any(rows.exists() for rows in _second_factors_of(user))


def _second_factors_of(user: AbstractBaseUser) -> Iterator[Any]:
    if apps.is_installed("django_otp"):
        from django_otp import device_classes  # noqa: PLC0415  # only where it is installed

        for model in device_classes():
            yield _rows_of(model, user).filter(confirmed=True)
    if apps.is_installed("allauth.mfa"):
        # allauth asks nobody who has recovery codes and nothing to recover (`allauth.mfa.stages`).
        yield _rows_of(apps.get_app_config("mfa").get_model("Authenticator"), user).exclude(type="recovery_codes")


def _rows_of(model: Any, user: AbstractBaseUser) -> Any:
    return model._base_manager.using(database()).filter(user=user.pk)  # noqa: SLF001  # documented; filters nothing


def share_used_codes() -> None:
    """Extend allauth's TOTP authenticator; a second time changes nothing."""
    totp = _totp_class()
    if totp is None or hasattr(totp.validate_code, "shares_used_codes"):
        return
    totp.validate_code = _sharing(totp.validate_code)


def _totp_class() -> Any:
    try:
        from allauth.mfa.totp.internal.auth import TOTP  # noqa: PLC0415  # only where it is installed
    except ImportError:
        try:
            from allauth.mfa.totp import TOTP  # noqa: PLC0415  # before 64.0
        except ImportError:
            return None
    return TOTP


def _sharing(validate: Callable[[Any, str], bool]) -> Callable[[Any, str], bool]:
    @functools.wraps(validate)
    def validate_code(self: Any, code: str) -> bool:
        return validate(self, code) and _claim(self.instance, code)

    validate_code.shares_used_codes = True  # type: ignore[attr-defined]
    return validate_code


def _claim(authenticator: Any, code: str) -> bool:
    """Use a code's time step up; False if a code of it, or of a later one, was taken before."""
    using = router.db_for_write(SecondFactor)
    try:
        step = _step(authenticator, code)
        if step is None:
            return True  # it was valid by other rules than a clock's
        with transaction.atomic(using=using), connections[using].cursor() as cursor:
            cursor.execute(_CLAIM, [str(authenticator.user_id), step])
            return bool(cursor.rowcount == 1)
    except DatabaseError as exc:
        _logger.warning("used code not shared with the bridge: %s", kind_of(exc))
        return True


def _step(authenticator: Any, code: str) -> int | None:
    profile = second_factors().allauth
    if profile is None or not profile.codes_can_be_verified:
        return None
    try:
        generator = Totp.of_base32(
            authenticator.data["secret"],
            period=profile.totp_period,
            digits=profile.totp_digits,
            tolerance=profile.totp_tolerance,
        )
    except (KeyError, TypeError, ValueError):
        return None
    match = generator.match(code, now=datetime.now(UTC))
    return None if match is None else match.step
