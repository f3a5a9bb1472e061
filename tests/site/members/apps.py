"""Configuration of the club's app."""

from django.apps import AppConfig


class MembersConfig(AppConfig):
    """The members, under the label `members`."""

    name = "tests.site.members"
    label = "members"
