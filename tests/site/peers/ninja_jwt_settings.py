"""django-ninja with ninja-jwt, which reads SIMPLE_JWT as well."""

from tests.site.peers.settings import *  # noqa: F403
from tests.site.peers.settings import INSTALLED_APPS as _APPS

INSTALLED_APPS = [*_APPS, "ninja_extra", "ninja_jwt"]
ROOT_URLCONF = "tests.site.peers.ninja_jwt_urls"
