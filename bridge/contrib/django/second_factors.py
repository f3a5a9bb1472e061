"""Lets no code of allauth's TOTP pass twice, once at each app.

django-otp keeps the used time step with its device, where both apps see it. allauth keeps used codes in the site's
cache, which the bridge cannot see: here its authenticator takes part in what the bridge remembers.
"""

import functools
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from django.db import DatabaseError, connections, router, transaction

from bridge.contrib.django.describing.second_factors import second_factors
from bridge.contrib.django.models import SecondFactor
from bridge.second_factors.totp import Totp

__all__ = ["share_used_codes"]

_logger: Final = logging.getLogger(__name__)
# `ON CONFLICT … WHERE` is the same on both databases: of two apps at once, one writes.
_CLAIM: Final = (
    "INSERT INTO bridge_second_factor (user_id, last_step, failures) VALUES (%s, %s, 0)"
    " ON CONFLICT (user_id) DO UPDATE SET last_step = excluded.last_step"
    " WHERE bridge_second_factor.last_step < excluded.last_step"
)


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
    except DatabaseError:
        _logger.warning("used code not shared with the bridge", exc_info=True)
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
