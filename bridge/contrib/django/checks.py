"""System checks: what `bridge doctor` finds unsafe about the site, ``manage.py check`` says as well."""

from collections.abc import Sequence
from typing import Any, Final

from django.apps import AppConfig
from django.core import checks

from bridge.contrib.django.conf import token_verifier
from bridge.contrib.django.publishing import describe_site
from bridge.errors import ConfigurationError

__all__ = ["check_site"]

# Warnings: the site works as it is, and the bridge leaves the hashes alone until they are gone.
_WARNINGS: Final = {
    "argon2-missing": "bridge.W001",
    "argon2-not-first": "bridge.W002",
    "argon2-not-installed": "bridge.W003",
    "argon2-other-parameters": "bridge.W004",
    "password-column": "bridge.W005",
    "session-hash-custom": "bridge.W006",
    "password-check-custom": "bridge.W007",
    "session-middleware": "bridge.W008",
    "check-revoke-token": "bridge.W009",
}
_SIGNING_KEY: Final = "bridge.E001"


def check_site(app_configs: Sequence[AppConfig] | None, **_: Any) -> list[checks.CheckMessage]:
    """Say what would lock upgraded users out of this site, log them out, or undo the upgrade."""
    if app_configs is not None and all(config.label != "bridge" for config in app_configs):
        return []
    warnings = (
        checks.Warning(found.message, hint=found.cure, id=_WARNINGS[found.code]) for found in describe_site().findings()
    )
    return [*_check_signing_key(), *warnings]


def _check_signing_key() -> list[checks.CheckMessage]:
    try:
        token_verifier()
    except ConfigurationError as exc:
        return [checks.Error(str(exc.args[0]), hint=exc.cure, id=_SIGNING_KEY)]
    return []
