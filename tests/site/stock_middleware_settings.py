"""The shop with Django's own AuthenticationMiddleware in its place."""

from tests.site.settings import *  # noqa: F403
from tests.site.settings import MIDDLEWARE as _MIDDLEWARE

MIDDLEWARE = [
    path.replace("bridge.contrib.django.middleware.Auth", "django.contrib.auth.middleware.Auth") for path in _MIDDLEWARE
]
