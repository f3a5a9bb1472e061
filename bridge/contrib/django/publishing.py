"""Publishes what this site says of itself."""

import json
from datetime import timedelta
from typing import Final

from django.conf import settings
from django.utils import timezone

from bridge.contrib.django.describing import describe_site
from bridge.contrib.django.models import SiteProfile as SiteProfileRow
from bridge.profile import SiteProfile

__all__ = ["as_json", "publish_profile", "renew_profile"]

_RENEWAL: Final = timedelta(days=1)


def publish_profile(*, using: str = "default") -> SiteProfile:
    """Write the site profile's one row and give what was written."""
    profile = describe_site()
    published_at = profile.published_at if settings.USE_TZ else timezone.make_naive(profile.published_at)
    SiteProfileRow.objects.using(using).update_or_create(
        id=1, defaults={"document": as_json(profile), "published_at": published_at}
    )
    return profile


def as_json(profile: SiteProfile) -> str:
    """Give the stored form; options of validators that JSON does not know, such as paths, as text."""
    return json.dumps(profile.to_document(), default=str)


def renew_profile() -> None:
    """Publish again what is more than a day old: what runs may be other than what last migrated.

    By age alone, so that two processes of different settings do not take turns at every login.
    """
    if not SiteProfileRow.objects.filter(published_at__gt=timezone.now() - _RENEWAL).exists():
        publish_profile()
