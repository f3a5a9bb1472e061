"""Bearer tokens in django-ninja: bridge.contrib.ninja. What opens nothing is held in test_liveness."""

from typing import Final

import pytest
from django.contrib.auth.models import User
from django.test import AsyncClient, Client
from pytest_django import Settings

from bridge.contrib.django.models import Grant
from tests.contrib.conftest import Shop, bearer, issued, open_at_the_bridge

VIEWS: Final = {"sync": "/ninja/sync", "async": "/ninja/async", "async_view_and_class": "/ninja/async/async"}
SERVERS: Final = {"wsgi": Client, "asgi": AsyncClient}


@pytest.fixture(params=VIEWS.values(), ids=list(VIEWS))
def path(request: pytest.FixtureRequest) -> str:
    view: str = request.param
    return view


@pytest.fixture(params=SERVERS.values(), ids=list(SERVERS))
def api(request: pytest.FixtureRequest, settings: Settings, path: str) -> Shop:
    """One view under one kind of server, and nothing of the bridge's but the class."""
    settings.ROOT_URLCONF = "tests.site.ninja_urls"
    settings.MIDDLEWARE = [name for name in settings.MIDDLEWARE if "BearerToken" not in name]
    return Shop(request.param(enforce_csrf_checks=True), path)


@pytest.mark.parametrize("method", ["get", "post"])
def test_a_token_opens_the_view(api: Shop, ada: User, method: str):
    answer = getattr(api, method)(Authorization=bearer(issued(ada.pk, session_id=open_at_the_bridge(ada).pk)))

    assert (answer.status_code, answer.json()) == (200, {"username": "ada", "auth": "ada"})


def test_without_one_it_stays_closed(api: Shop, ada: User):
    assert api.get().status_code == 401


def test_a_session_does_not_stand_in_for_one(api: Shop, ada: User):
    api.client.force_login(ada)

    assert api.get().status_code == 401


def test_the_token_of_an_ended_login_does_not_open(api: Shop, ada: User):
    token = issued(ada.pk, session_id=open_at_the_bridge(ada).pk)
    Grant.objects.update(ended_at="2026-01-01T00:00:00Z")

    assert api.get(Authorization=bearer(token)).status_code == 401
