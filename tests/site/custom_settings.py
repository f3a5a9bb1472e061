"""The shop as the club runs it: with a user model of its own."""

from tests.site.settings import *  # noqa: F403
from tests.site.settings import INSTALLED_APPS as _APPS
from tests.site.settings import SIMPLE_JWT as _SIMPLE_JWT

INSTALLED_APPS = ["tests.site.members", *_APPS]
AUTH_USER_MODEL = "members.Member"
ROOT_URLCONF = "tests.site.members.urls"
SIMPLE_JWT = {**_SIMPLE_JWT, "USER_ID_FIELD": "uid"}
