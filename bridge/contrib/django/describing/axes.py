"""django-axes; it is not imported where it is not installed."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from django.apps import apps
from django.conf import settings
from django.utils.module_loading import import_string

from bridge.profile import AxesProfile
from bridge.profile.axes import LOCKOUT_PARAMETERS

__all__ = ["axes"]

_FLAGS: Final = (
    "enabled",
    "lock_out_at_failure",
    "reset_on_success",
    "reset_cool_off_on_failure_during_lockout",
    "disable_access_log",
    "enable_access_failure_log",
    "use_attempt_expiration",
    "only_admin_site",
    "never_lockout_whitelist",
    "only_whitelist",
)
_CALLABLES: Final = ("WHITELIST_CALLABLE", "USERNAME_CALLABLE", "CLIENT_IP_CALLABLE")


def axes() -> AxesProfile | None:
    """Describe axes; None where it is not installed."""
    if not apps.is_installed("axes"):
        return None
    cool_off = _cool_off()
    limit, parameters = _setting("FAILURE_LIMIT", 3), _setting("LOCKOUT_PARAMETERS", ["ip_address"])
    log_limit = _setting("ACCESS_FAILURE_LOG_PER_USER_LIMIT", 1000)
    default = AxesProfile()
    return AxesProfile(
        **{name: bool(_setting(name.upper(), getattr(default, name))) for name in _FLAGS},
        failure_limit=limit if isinstance(limit, int) else default.failure_limit,
        cool_off_seconds=cool_off.total_seconds() if isinstance(cool_off, timedelta) else None,
        lockout_parameters=_combinations(parameters) if _is_known(parameters) else default.lockout_parameters,
        access_failure_log_per_user_limit=log_limit if isinstance(log_limit, int) else None,
        ip_whitelist=tuple(str(each) for each in _setting("IP_WHITELIST", None) or ()),
        ip_blacklist=tuple(str(each) for each in _setting("IP_BLACKLIST", None) or ()),
        has_expirations=_has_expirations(),
        not_honoured=tuple(_not_honoured(cool_off, limit, parameters)),
    )


def _setting(name: str, default: Any) -> Any:
    # axes writes its defaults into the settings when it is loaded.
    return getattr(settings, f"AXES_{name}", default)


def _not_honoured(cool_off: Any, limit: Any, parameters: Any) -> Iterator[str]:
    if not _is_database_handler():
        yield "AXES_HANDLER is not the database handler"
    if not isinstance(limit, int):
        yield "AXES_FAILURE_LIMIT is code"
    if cool_off is not None and not isinstance(cool_off, timedelta):
        yield "AXES_COOLOFF_TIME is code"
    if not _is_known(parameters):
        yield "AXES_LOCKOUT_PARAMETERS are code, or others than username, ip_address and user_agent"
    yield from (f"AXES_{name} is code" for name in _CALLABLES if _setting(name, None) is not None)
    attempt = apps.get_app_config("axes").get_model("AccessAttempt")._meta  # noqa: SLF001  # Django documents the Model._meta API
    if {"username", "ip_address", "user_agent"} not in [set(each) for each in attempt.unique_together]:
        yield "this version of axes keeps more than one row of a client"


def _is_database_handler() -> bool:
    from axes.handlers.database import AxesDatabaseHandler  # noqa: PLC0415  # only where it is installed

    return import_string(_setting("HANDLER", "axes.handlers.database.AxesDatabaseHandler")) is AxesDatabaseHandler


def _cool_off() -> Any:
    """Give AXES_COOLOFF_TIME as a duration, if it is one (``axes.helpers.get_cool_off``)."""
    given = _setting("COOLOFF_TIME", None)
    return timedelta(hours=given) if isinstance(given, int | float) else given


def _is_known(parameters: Any) -> bool:
    if not isinstance(parameters, list | tuple) or not parameters:
        return False
    return all(name in LOCKOUT_PARAMETERS for each in _combinations(parameters) for name in each)


def _combinations(parameters: Any) -> tuple[tuple[str, ...], ...]:
    return tuple((each,) if isinstance(each, str) else tuple(each) for each in parameters)


def _has_expirations() -> bool:
    return any(model.__name__ == "AccessAttemptExpiration" for model in apps.get_app_config("axes").get_models())
