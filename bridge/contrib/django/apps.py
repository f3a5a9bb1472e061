"""What Django loads when the app is installed."""

from typing import Any

from django.apps import AppConfig
from django.core import checks
from django.db.models.signals import post_migrate

__all__ = ["BridgeConfig"]


class BridgeConfig(AppConfig):
    """Connects the app to the site: nothing happens before ``ready``."""

    name = "bridge.contrib.django"
    label = "bridge"
    verbose_name = "FastAPI migration bridge"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register checks, publish the profile after each migrate, count logins."""
        # The site's models are loaded only now.
        from bridge.contrib.django import signals  # noqa: PLC0415
        from bridge.contrib.django.checks import check_password_hashers  # noqa: PLC0415

        checks.register(check_password_hashers, checks.Tags.security)
        post_migrate.connect(_publish_profile, sender=self, dispatch_uid="bridge.publish_profile")
        signals.connect()


def _publish_profile(*, using: str, **_: Any) -> None:
    from django.conf import settings  # noqa: PLC0415

    from bridge.contrib.django.publishing import publish_profile  # noqa: PLC0415

    # `bridge migrate` runs these migrations without a site: there is nothing to tell.
    if "django.contrib.auth" in settings.INSTALLED_APPS:
        publish_profile(using=using)
