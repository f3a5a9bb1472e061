"""System checks: what `bridge doctor` finds unsafe, said by ``manage.py check`` as well."""

from collections.abc import Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.core import checks

from bridge.contrib.django.publishing import describe_site

__all__ = ["check_password_hashers"]

_IDS: Final = {
    "argon2-missing": "bridge.E001",
    "argon2-not-first": "bridge.E002",
    "argon2-not-installed": "bridge.E003",
}


def check_password_hashers(
    app_configs: Sequence[AppConfig] | None, **_: Any
) -> list[checks.CheckMessage]:
    """Say what would lock upgraded users out of this site or undo the upgrade."""
    if app_configs is not None and all(config.label != "bridge" for config in app_configs):
        return []
    return [
        checks.Warning(found.message, hint=found.cure, id=_IDS[found.code]) for found in describe_site().findings()
    ]
