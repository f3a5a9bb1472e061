"""What Django loads when the app is installed."""

from typing import Any

from django.apps import AppConfig, apps
from django.core import checks
from django.db import router
from django.db.models.signals import post_migrate

from bridge.contrib.django.tables import is_there

__all__ = ["BridgeConfig"]


class BridgeConfig(AppConfig):
    """Connects the app to the site: nothing happens before ``ready``."""

    name = "bridge.contrib.django"
    label = "bridge"
    verbose_name = "FastAPI migration bridge"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register checks, publish the profile after each migrate, and take part in what both apps must agree on."""
        if not _has_users():
            return  # `bridge migrate` runs these migrations without a site
        # The site's models are loaded only now.
        from django.contrib.auth import get_user_model  # noqa: PLC0415

        from bridge.contrib.django import sessions, signals, upgrades  # noqa: PLC0415
        from bridge.contrib.django.checks import check_site  # noqa: PLC0415

        checks.register(check_site, checks.Tags.security)
        post_migrate.connect(_publish_profile, sender=self, dispatch_uid="bridge.publish_profile")
        signals.connect()
        sessions.accept_superseded_hashes(get_user_model())
        upgrades.write_lineage_on_upgrade(get_user_model())
        if apps.is_installed("allauth.mfa"):
            from bridge.contrib.django.second_factors import share_used_codes  # noqa: PLC0415  # likewise

            share_used_codes()


def _has_users() -> bool:
    from django.conf import settings  # noqa: PLC0415  # Django forbids settings before the apps are loaded

    return "django.contrib.auth" in settings.INSTALLED_APPS


def _publish_profile(*, using: str, **_: Any) -> None:
    # They need the models.
    from bridge.contrib.django.models import SiteProfile  # noqa: PLC0415
    from bridge.contrib.django.publishing import publish_profile  # noqa: PLC0415

    # The signal is sent for every app and every database, and on the way back to nothing, too.
    if router.allow_migrate_model(using, SiteProfile) and is_there(SiteProfile, using=using):
        publish_profile(using=using)
