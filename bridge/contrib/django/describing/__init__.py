"""Describes this site to the bridge: one module for each part of ``bridge.profile``."""

import django
from django.conf import settings
from django.contrib.auth import get_user_model
from django.utils import timezone

from bridge.contrib.django.conf import secret_keys
from bridge.contrib.django.describing.axes import axes
from bridge.contrib.django.describing.logins import login_rules
from bridge.contrib.django.describing.passwords import hasher
from bridge.contrib.django.describing.second_factors import second_factors
from bridge.contrib.django.describing.sessions import csrf, sessions
from bridge.contrib.django.describing.tokens import bearer, simple_jwt
from bridge.contrib.django.describing.urls import urls
from bridge.contrib.django.describing.users import user_table
from bridge.profile import SiteProfile, fingerprint

__all__ = ["describe_site"]


def describe_site() -> SiteProfile:
    """Read everything that the bridge must know from settings and the user model."""
    return SiteProfile(
        published_at=timezone.now() if settings.USE_TZ else timezone.make_aware(timezone.now()),
        django_version=django.get_version(),
        user_table=user_table(),
        hashers=tuple(hasher(path) for path in settings.PASSWORD_HASHERS),
        validators=tuple(dict(each) for each in settings.AUTH_PASSWORD_VALIDATORS),
        secret_key_fingerprint=fingerprint(secret_keys()[0]),
        secret_key_fallback_fingerprints=tuple(fingerprint(key) for key in secret_keys()[1:]),
        login_rules=tuple(login_rules(get_user_model())),
        second_factors=second_factors(),
        axes=axes(),
        sessions=sessions(get_user_model()),
        csrf=csrf(),
        time_zone=None if settings.USE_TZ else settings.TIME_ZONE,
        bearer=bearer(),
        simple_jwt=simple_jwt(),
        urls=urls(),
    )
