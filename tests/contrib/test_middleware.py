"""Bearer tokens in the site's plain views: bridge.contrib.django.middleware.BearerTokenMiddleware."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
import pytest
from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from pytest_django import DjangoAssertNumQueries, Settings
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.tokens import AccessToken, RefreshToken

from bridge.contrib.django.models import Activity, RevokedToken
from bridge.errors import ConfigurationError
from tests.conftest import PASSWORD
from tests.contrib.conftest import LIFETIME, Shop, bearer, issued

ANOTHER_KEY: Final = "a signing key of somebody else altogether, and long enough"


def is_sent_to_log_in(answer: HttpResponse) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith("/accounts/login/")


def username(answer: Any) -> str:
    assert answer.status_code == 200, answer
    name: str = answer.json()["username"]
    return name


# Tokens that open -----------------------------------------------------------------------------------------------------


def test_a_token_of_the_bridge_opens_the_page(shop: Shop, ada: User):
    assert username(shop.get(Authorization=bearer(issued(ada.pk)))) == "ada"


def test_a_token_of_the_bridge_is_enough_to_post(shop: Shop, ada: User):
    answer = shop.post(Authorization=bearer(issued(ada.pk)))

    assert username(answer) == "ada"
    assert answer.json()["method"] == "POST"  # type: ignore[attr-defined]  # Django's test clients add it


@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
def test_the_scheme_is_read_in_any_case(shop: Shop, ada: User, scheme: str):
    assert username(shop.get(Authorization=f"{scheme} {issued(ada.pk)}")) == "ada"


def test_a_simple_jwt_token_of_the_site_opens_the_page(shop: Shop, site: Client, ada: User):
    pair = site.post("/api/token/", {"username": "ada", "password": PASSWORD}).json()

    assert username(shop.get(Authorization=bearer(pair["access"]))) == "ada"


def test_a_token_opens_while_others_are_revoked(shop: Shop, ada: User):
    revoke(issued(ada.pk), ada)

    assert username(shop.get(Authorization=bearer(issued(ada.pk)))) == "ada"


def test_a_token_beats_the_session_cookie(shop: Shop, ada: User, grace: User):
    shop.client.force_login(grace)

    assert username(shop.get(Authorization=bearer(issued(ada.pk)))) == "ada"


def test_a_request_with_a_token_leaves_the_session_as_it_was(shop: Shop, ada: User, grace: User):
    shop.client.force_login(grace)
    shop.get(Authorization=bearer(issued(ada.pk)))

    assert username(shop.get()) == "grace"


def test_a_request_with_a_token_opens_no_session(shop: Shop, ada: User):
    shop.get(Authorization=bearer(issued(ada.pk)))

    assert "sessionid" not in shop.client.cookies


def test_a_request_with_a_token_is_not_a_login(shop: Shop, ada: User):
    shop.get(Authorization=bearer(issued(ada.pk)))

    assert not Activity.objects.exists()
    assert User.objects.get(pk=ada.pk).last_login is None


# Tokens that do not ---------------------------------------------------------------------------------------------------


def refresh_token(user: User) -> str:
    return str(RefreshToken.for_user(user))


REFUSED: Final[dict[str, Callable[[User], str]]] = {
    "garbage": lambda _: "Bearer garbage",
    "three_parts_of_garbage": lambda _: "Bearer a.b.c",
    "beyond_ascii": lambda _: "Bearer tök.én.ÿ",
    "far_too_long": lambda _: f"Bearer {'a' * 10_000}",
    "empty": lambda _: "",
    "no_token": lambda _: "Bearer",
    "an_empty_token": lambda _: "Bearer ",
    "no_scheme": lambda user: issued(user.pk),
    "another_scheme": lambda user: f"Token {issued(user.pk)}",
    "basic": lambda _: "Basic YWRhOnNlY3JldA==",
    "two_words": lambda user: f"Bearer {issued(user.pk)} {issued(user.pk)}",
    "a_comma_list": lambda user: f"Bearer {issued(user.pk)}, Bearer {issued(user.pk)}",
    "cut_short": lambda user: f"Bearer {issued(user.pk)[:-1]}",
    "expired": lambda user: bearer(issued(user.pk, age=LIFETIME + timedelta(seconds=1))),
    "issued_in_the_future": lambda user: bearer(issued(user.pk, age=-timedelta(minutes=5))),
    "another_key": lambda user: bearer(issued(user.pk, key=ANOTHER_KEY)),
    "another_issuer": lambda user: bearer(issued(user.pk, issuer="somebody")),
    "another_audience": lambda user: bearer(issued(user.pk, audience="somebody")),
    "a_refresh_token": lambda user: bearer(refresh_token(user)),
    "nobodys": lambda user: bearer(issued(user.pk + 1)),
    "a_user_id_that_is_no_number": lambda _: bearer(issued("ada")),
    "a_user_id_beyond_the_columns_range": lambda _: bearer(issued(10**30)),
    "an_empty_user_id": lambda _: bearer(issued("")),
}


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED.keys())
def test_a_header_that_is_not_to_be_believed_is_anonymous(shop: Shop, ada: User, header: Callable[[User], str]):
    assert is_sent_to_log_in(shop.get(Authorization=header(ada)))


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED.keys())
def test_a_header_that_is_not_to_be_believed_takes_no_session_away(
    shop: Shop, ada: User, grace: User, header: Callable[[User], str]
):
    shop.client.force_login(grace)

    assert username(shop.get(Authorization=header(ada))) == "grace"


def test_an_unsigned_token_is_anonymous(shop: Shop, ada: User):
    payload = jwt.decode(issued(ada.pk), options={"verify_signature": False})
    unsigned = jwt.encode(payload, "", algorithm="none")

    assert is_sent_to_log_in(shop.get(Authorization=bearer(unsigned)))


def revoke(token: str, user: User) -> None:
    claims = jwt.decode(token, options={"verify_signature": False})
    now = datetime.now(UTC)
    RevokedToken.objects.create(token_id=claims["jti"], user_id=str(user.pk), expires_at=now + LIFETIME, revoked_at=now)


def test_a_revoked_token_is_anonymous(shop: Shop, ada: User):
    token = issued(ada.pk)
    revoke(token, ada)

    assert is_sent_to_log_in(shop.get(Authorization=bearer(token)))


def test_a_revoked_simple_jwt_token_is_anonymous_too(shop: Shop, ada: User):
    token = str(AccessToken.for_user(ada))
    revoke(token, ada)

    assert is_sent_to_log_in(shop.get(Authorization=bearer(token)))


def test_a_token_of_an_inactive_user_is_anonymous(shop: Shop, ada: User):
    User.objects.update(is_active=False)

    assert is_sent_to_log_in(shop.get(Authorization=bearer(issued(ada.pk))))


def test_a_token_of_a_deleted_user_is_anonymous(shop: Shop, ada: User):
    token = issued(ada.pk)
    ada.delete()

    assert is_sent_to_log_in(shop.get(Authorization=bearer(token)))


# CSRF -----------------------------------------------------------------------------------------------------------------


def test_a_valid_token_waives_the_csrf_check(strict_shop: Shop, ada: User):
    assert username(strict_shop.post(Authorization=bearer(issued(ada.pk)))) == "ada"


def test_a_valid_token_waives_the_csrf_check_where_a_session_is_sent_as_well(strict_shop: Shop, ada: User, grace: User):
    strict_shop.client.force_login(grace)

    assert username(strict_shop.post(Authorization=bearer(issued(ada.pk)))) == "ada"


def test_a_session_alone_needs_the_csrf_token(strict_shop: Shop, ada: User):
    strict_shop.client.force_login(ada)

    assert strict_shop.post().status_code == 403


@pytest.mark.parametrize("header", REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_header_waives_nothing(strict_shop: Shop, ada: User, header: Callable[[User], str]):
    strict_shop.client.force_login(ada)

    assert strict_shop.post(Authorization=header(ada)).status_code == 403


def test_a_revoked_token_waives_nothing(strict_shop: Shop, ada: User):
    token = issued(ada.pk)
    revoke(token, ada)
    strict_shop.client.force_login(ada)

    assert strict_shop.post(Authorization=bearer(token)).status_code == 403


def test_the_waiver_ends_with_the_request(strict_shop: Shop, ada: User):
    strict_shop.client.force_login(ada)
    strict_shop.post(Authorization=bearer(issued(ada.pk)))

    assert strict_shop.post().status_code == 403


# Costs ----------------------------------------------------------------------------------------------------------------


def test_without_the_header_an_anonymous_request_costs_no_query(
    shop: Shop, django_assert_num_queries: DjangoAssertNumQueries
):
    with django_assert_num_queries(0):
        assert is_sent_to_log_in(shop.get())


def test_without_the_header_a_session_costs_what_it_costs_in_plain_django(
    shop: Shop, ada: User, django_assert_num_queries: DjangoAssertNumQueries
):
    shop.client.force_login(ada)

    with django_assert_num_queries(2):  # the session and its user
        assert username(shop.get()) == "ada"


def test_a_token_costs_the_block_list_and_the_user(
    shop: Shop, ada: User, django_assert_num_queries: DjangoAssertNumQueries
):
    header = bearer(issued(ada.pk))

    with django_assert_num_queries(2):
        assert username(shop.get(Authorization=header)) == "ada"


@pytest.mark.parametrize("header", ["Bearer garbage", "Basic YWRhOnNlY3JldA=="], ids=["garbage", "basic"])
def test_a_header_that_no_key_of_ours_signed_costs_no_query(
    shop: Shop, header: str, django_assert_num_queries: DjangoAssertNumQueries
):
    with django_assert_num_queries(0):
        shop.get(Authorization=header)


# Django REST framework -----------------------------------------------------------------------------------------------


def test_unmodified_simple_jwt_takes_a_token_of_the_bridge(ada: User):
    request: Any = RequestFactory().get("/", headers={"Authorization": bearer(issued(ada.pk))})

    found = JWTAuthentication().authenticate(request)

    assert found is not None
    assert found[0] == ada


def test_so_does_the_apps_class(site: Client, ada: User):
    assert username(site.get("/api/me/", headers={"Authorization": bearer(issued(ada.pk))})) == "ada"


def test_the_api_still_refuses_a_token_of_another_key(site: Client, ada: User):
    answer = site.get("/api/me/", headers={"Authorization": bearer(issued(ada.pk, key=ANOTHER_KEY))})

    assert answer.status_code == 401


def test_the_api_still_takes_a_session(site: Client, ada: User):
    site.force_login(ada)

    assert username(site.get("/api/me/")) == "ada"


# Settings -------------------------------------------------------------------------------------------------------------


def ask_with(token: str) -> HttpResponse:
    """A request to a site that starts with the settings as they are now."""
    return Client().get("/whoami/", headers={"Authorization": bearer(token)})  # type: ignore[return-value]


def test_the_site_may_name_another_issuer_and_audience(settings: Settings, ada: User):
    settings.BRIDGE = {"ISSUER": "https://id.example", "AUDIENCE": "shop"}

    assert username(ask_with(issued(ada.pk, issuer="https://id.example", audience="shop"))) == "ada"
    assert is_sent_to_log_in(ask_with(issued(ada.pk)))


def test_the_site_may_name_a_key_apart_from_simple_jwts(settings: Settings, ada: User):
    settings.BRIDGE = {"SIGNING_KEY": ANOTHER_KEY}

    assert username(ask_with(issued(ada.pk, key=ANOTHER_KEY))) == "ada"
    assert is_sent_to_log_in(ask_with(issued(ada.pk)))


def test_without_simple_jwt_the_key_is_the_secret_key(settings: Settings, ada: User):
    del settings.SIMPLE_JWT

    assert username(ask_with(issued(ada.pk, key=settings.SECRET_KEY))) == "ada"


def test_where_simple_jwt_demands_issuer_and_audience_so_does_the_page(settings: Settings, ada: User):
    settings.SIMPLE_JWT = {**settings.SIMPLE_JWT, "ISSUER": "https://shop.example", "AUDIENCE": "shop"}
    claims: dict[str, Any] = AccessToken.for_user(ada).payload
    key = settings.SIMPLE_JWT["SIGNING_KEY"]

    own = jwt.encode({**claims, "iss": "https://shop.example", "aud": "shop"}, key)

    assert username(ask_with(own)) == "ada"
    assert is_sent_to_log_in(ask_with(jwt.encode(claims, key)))


def test_a_key_that_is_too_weak_is_said_before_the_first_answer(settings: Settings):
    settings.SIMPLE_JWT = {"SIGNING_KEY": "short"}

    with pytest.raises(ConfigurationError, match="shorter than 32 bytes"):
        Client().get("/")


@pytest.mark.usefixtures("_queries_off_the_loop")
@pytest.mark.django_db(transaction=True)
async def test_no_query_runs_on_the_event_loop():
    """Here the loop is this very thread's: the ORM would raise SynchronousOnlyOperation."""
    ada = await User.objects.acreate(username="ada")

    answer = await AsyncClient().get("/whoami/async/", headers={"Authorization": bearer(issued(ada.pk))})

    assert answer.json() == {"username": "ada", "method": "GET"}
