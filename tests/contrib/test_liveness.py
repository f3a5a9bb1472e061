"""Access tokens of a login that has ended open nothing, wherever they are shown: bridge.contrib.django.liveness."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework_simplejwt.tokens import AccessToken

from bridge.contrib.django.liveness import is_live
from bridge.contrib.django.models import Grant, RevokedToken
from bridge.contrib.ninja import BearerAuth
from tests.conftest import PASSWORD, SIGNING_KEY, old_hash
from tests.contrib.conftest import Shop, bearer, issued, open_at_the_bridge

NOW: Final = datetime.now(UTC)


class Page:
    """A plain view."""

    def __init__(self, client: Client | AsyncClient, path: str) -> None:
        self.shop = Shop(client, path)

    def opens_to(self, token: str) -> bool:
        answer: Any = self.shop.get(Authorization=bearer(token))
        assert answer.status_code in (200, 302)
        return bool(answer.status_code == 200 and answer.json()["username"] == "ada")


class Api:
    """A view of Django REST framework's."""

    def opens_to(self, token: str) -> bool:
        answer: Any = Client().get("/api/me/", headers={"Authorization": bearer(token)})
        assert answer.status_code in (200, 401), answer.content
        return bool(answer.status_code == 200 and answer.json()["username"] == "ada")


class Ninja:
    """django-ninja's question, whatever view is behind it."""

    def opens_to(self, token: str) -> bool:
        request = RequestFactory().get("/", headers={"Authorization": bearer(token)})
        user = BearerAuth()(request)
        assert user is None or request.user == user
        return user is not None and user.get_username() == "ada"


DOORS: Final[dict[str, Callable[[], Page | Api | Ninja]]] = {
    "sync_view": lambda: Page(Client(), "/whoami/"),
    "async_view": lambda: Page(AsyncClient(), "/whoami/async/"),
    "rest_framework": Api,
    "ninja": Ninja,
}


@pytest.fixture(params=DOORS.values(), ids=list(DOORS))
def door(request: pytest.FixtureRequest) -> Page | Api | Ninja:
    made: Page | Api | Ninja = request.param()
    return made


def of_site(user: User, **claims: Any) -> str:
    """An access token as SimpleJWT signs it, with more in it."""
    token = AccessToken.for_user(user)
    for name, value in claims.items():
        token[name] = value
    return str(token)


def end(grant: Grant) -> None:
    Grant.objects.filter(pk=grant.pk).update(ended_at=datetime.now(UTC), ended_by="logout")


@pytest.fixture
def grant(ada: User) -> Grant:
    return open_at_the_bridge(ada)


@pytest.fixture(params=[issued, None], ids=["of_the_bridge", "of_the_site"])
def token(request: pytest.FixtureRequest, ada: User, grant: Grant) -> str:
    """An access token of the grant, of either app."""
    return issued(ada.pk, session_id=grant.pk) if request.param else of_site(ada, sid=grant.pk)


def test_a_token_of_a_live_login_opens(door: Page, token: str):
    assert door.opens_to(token)


def test_a_token_of_the_bridge_that_is_limited_to_a_scope_opens_nothing(door: Page, ada: User, grant: Grant):
    """No view of Django's asks for a scope, so that the token would open all of them."""
    assert not door.opens_to(issued(ada.pk, session_id=grant.pk, scope=("orders:read",)))


@pytest.mark.parametrize("scope", [["orders:read"], 7, None, " "], ids=ascii)
def test_nor_does_one_whose_scope_cannot_be_read(door: Page, ada: User, scope: object):
    payload = jwt.decode(issued(ada.pk), options={"verify_signature": False})

    assert not door.opens_to(jwt.encode({**payload, "scope": scope}, SIGNING_KEY))


def test_what_the_site_means_by_a_scope_is_its_own_business(door: Page, ada: User):
    assert door.opens_to(of_site(ada, scope="orders:read"))


def test_a_token_of_an_ended_login_opens_nothing(door: Page, token: str, grant: Grant):
    end(grant)

    assert not door.opens_to(token)


def test_the_end_of_another_login_is_none_of_its(door: Page, token: str, ada: User):
    end(open_at_the_bridge(ada))

    assert door.opens_to(token)


@pytest.mark.parametrize("new", ["an entirely different set of words", PASSWORD], ids=["another", "the_same_again"])
def test_a_changed_password_closes_at_once(door: Page, token: str, ada: User, new: str):
    ada.set_password(new)
    ada.save()

    assert not door.opens_to(token)


def test_a_silent_re_hash_closes_nothing(door: Page, ada: User):
    ada.password = old_hash(PASSWORD)
    ada.save()
    token = issued(ada.pk, session_id=open_at_the_bridge(ada).pk)

    assert ada.check_password(PASSWORD)

    assert User.objects.get(pk=ada.pk).password.startswith("argon2$")
    assert door.opens_to(token)


def test_a_change_after_a_re_hash_closes_all_the_same(door: Page, ada: User):
    ada.password = old_hash(PASSWORD)
    ada.save()
    token = issued(ada.pk, session_id=open_at_the_bridge(ada).pk)
    ada.check_password(PASSWORD)

    ada.set_password(PASSWORD)
    ada.save()

    assert not door.opens_to(token)


def test_a_login_of_an_earlier_secret_key_goes_on(door: Page, token: str, settings: Settings):
    settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
    settings.SECRET_KEY = "the secret key after its rotation, which opens nothing either"

    assert door.opens_to(token)


def test_a_secret_key_that_is_withdrawn_takes_its_logins(door: Page, token: str, settings: Settings):
    settings.SECRET_KEY = "the secret key after its rotation, which opens nothing either"

    assert not door.opens_to(token)


def test_a_token_of_the_bridge_whose_login_is_unknown_opens_nothing(door: Page, ada: User):
    assert not door.opens_to(issued(ada.pk, session_id="unknown"))


def test_a_token_of_the_bridge_with_somebody_elses_login_opens_nothing(door: Page, ada: User, grace: User):
    assert not door.opens_to(issued(ada.pk, session_id=open_at_the_bridge(grace).pk))


def test_a_token_of_the_bridge_without_a_login_opens(door: Page, ada: User):
    """Where the bridge's database could not keep one."""
    assert door.opens_to(issued(ada.pk))


def test_a_token_of_the_site_with_a_session_of_somebody_elses_making_opens(door: Page, ada: User):
    """Allauth's tokens name its own sessions as ``sid``."""
    assert door.opens_to(of_site(ada, sid="h2k5xq0c1v8w9e7r6t4y3u"))


def revoke(token: str, user: User) -> None:
    claims = jwt.decode(token, options={"verify_signature": False})
    later = NOW + timedelta(hours=1)
    RevokedToken.objects.create(token_id=claims["jti"], user_id=str(user.pk), expires_at=later, revoked_at=NOW)


def test_a_revoked_token_opens_nothing_though_its_login_lives(door: Page, token: str, ada: User):
    revoke(token, ada)

    assert not door.opens_to(token)


@pytest.mark.parametrize("claims", [{}, {"sid": "somebody's own"}], ids=["without_sid", "with_a_foreign_sid"])
def test_a_revoked_token_of_the_site_opens_nothing(door: Page, ada: User, claims: dict[str, Any]):
    token = of_site(ada, **claims)
    revoke(token, ada)

    assert not door.opens_to(token)


@pytest.mark.parametrize("claim", ["sid", "jti"])
@pytest.mark.parametrize("value", ["nul\0", "\ud800", "x" * 256], ids=["nul", "surrogate", "too_long"])
def test_what_no_row_can_hold_opens_nothing(door: Page, ada: User, claim: str, value: str):
    assert not door.opens_to(of_site(ada, **{claim: value}))


def test_an_ended_login_waives_no_csrf_check(strict_shop: Shop, ada: User, token: str, grant: Grant):
    end(grant)
    strict_shop.client.force_login(ada)

    assert strict_shop.post(Authorization=bearer(token)).status_code == 403


# What it costs --------------------------------------------------------------------------------------------------------


def ask(token: str) -> HttpResponse:
    return Client().get("/whoami/", headers={"Authorization": bearer(token)})  # type: ignore[return-value]


def test_a_login_is_looked_at_in_the_block_lists_query(
    ada: User, token: str, django_assert_num_queries: DjangoAssertNumQueries
):
    ask(token)

    with django_assert_num_queries(2):  # the user; the login and the block list
        assert ask(token).status_code == 200


def test_a_foreign_session_costs_one_query_more(ada: User, django_assert_num_queries: DjangoAssertNumQueries):
    token = of_site(ada, sid="somebody's own")
    ask(token)

    with django_assert_num_queries(3):
        assert ask(token).status_code == 200


def test_the_api_costs_one_query_more_than_simple_jwts(
    ada: User, token: str, django_assert_num_queries: DjangoAssertNumQueries, settings: Settings
):
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "BearerToken" not in path]
    headers = {"Authorization": bearer(token)}
    Client().get("/api/me/", headers=headers)

    with django_assert_num_queries(2):
        assert Client().get("/api/me/", headers=headers).status_code == 200


# For the site's own code ----------------------------------------------------------------------------------------------


def test_a_live_login_is_said_to_live(ada: User, grant: Grant):
    assert is_live(ada, grant.pk)


def test_an_ended_an_expired_and_an_unknown_one_are_not(ada: User, grace: User, grant: Grant):
    ended, expired, of_another = open_at_the_bridge(ada), open_at_the_bridge(ada), open_at_the_bridge(grace)
    end(ended)
    Grant.objects.filter(pk=expired.pk).update(expires_at=NOW)

    assert not any(is_live(ada, sid) for sid in (ended.pk, expired.pk, of_another.pk, "unknown", "nul\0", ""))


def test_one_of_a_changed_password_is_not(ada: User, grant: Grant):
    ada.set_password("another")

    assert not is_live(ada, grant.pk)
