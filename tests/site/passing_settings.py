"""The shop, with views for every kind of answer that must pass through the bridge as it is."""

from tests.site.settings import *  # noqa: F403

ROOT_URLCONF = "tests.site.passing_urls"
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
