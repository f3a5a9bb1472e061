"""What a bridge is composed of follows the site's profile: bridge.web.composition."""

from dataclasses import replace
from datetime import timedelta

import pytest

from bridge.contrib.django.describing import describe_site
from bridge.profile import SimpleJwtProfile
from bridge.web.composition import longest_unused
from tests.conftest import settings_for


@pytest.mark.parametrize(
    ("site_days", "expected"),
    [pytest.param(1, 14, id="the_bridges"), pytest.param(30, 30, id="the_sites")],
)
def test_a_login_may_rest_as_long_as_either_apps_refresh_tokens_live(site_days: int, expected: int):
    """Grants are kept, and lineage is, for as long."""
    simple_jwt = SimpleJwtProfile(refresh_token_lifetime=site_days * 86_400)
    profile = replace(describe_site(), simple_jwt=simple_jwt)

    assert longest_unused(settings_for("sqlite:///unused"), profile) == timedelta(days=expected)


def test_and_as_long_as_its_sessions_may():
    profile = describe_site()
    profile = replace(profile, sessions=replace(profile.sessions, cookie_age=40 * 86_400))

    assert longest_unused(settings_for("sqlite:///unused"), profile) == timedelta(days=40)


@pytest.mark.parametrize("profile", [None, replace(describe_site(), simple_jwt=None)], ids=["no_site", "no_simple_jwt"])
def test_without_simple_jwt_only_the_bridges_count(profile: object):
    assert longest_unused(settings_for("sqlite:///unused"), profile) == timedelta(days=14)  # type: ignore[arg-type]
