"""A bearer token for a session, and how both end together: bridge.contrib.django.views."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth import BACKEND_SESSION_KEY
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.test import AsyncClient, Client
from django.urls import reverse
from pytest_django import Settings
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken
from rest_framework_simplejwt.tokens import AccessToken

from bridge.contrib.django.ending import end_grant
from bridge.contrib.django.models import Grant
from bridge.tokens import EndedBy
from tests.conftest import PASSWORD, old_hash
from tests.contrib.conftest import LIFETIME, awaiting, bearer, issued, open_at_the_bridge, refresh_token_of

MODEL_BACKEND: Final = "django.contrib.auth.backends.ModelBackend"


class Nobody(ModelBackend):
    """Lets people in whom it cannot find again."""

    def get_user(self, user_id: Any) -> Any:
        return None


@pytest.fixture
def grant(ada: User) -> Grant:
    return open_at_the_bridge(ada)


@pytest.fixture
def token(ada: User, grant: Grant) -> str:
    return issued(ada.pk, session_id=grant.pk)


def exchange(site: Client, token: str | None, **headers: str) -> Any:
    given = headers if token is None else {"Authorization": bearer(token), **headers}
    return site.post(reverse("bridge:session"), headers=given)


def who(site: Client) -> str | None:
    answer: Any = site.get("/whoami/")
    return answer.json()["username"] if answer.status_code == 200 else None


def key_of(site: Client) -> str:
    return site.cookies["sessionid"].value


# Opening --------------------------------------------------------------------------------------------------------------


def test_a_token_is_exchanged_for_a_session(site: Client, token: str):
    answer = exchange(site, token)

    assert (answer.status_code, answer.content, answer["Cache-Control"]) == (204, b"", "no-store")
    assert who(site) == "ada"


def test_the_grant_knows_its_session(site: Client, token: str):
    exchange(site, token)

    assert Grant.objects.get().session_key == key_of(site)


def test_a_login_at_the_site_itself_can_be_exchanged_too(site: Client, ada: User):
    pair = site.post("/api/token/", {"username": "ada", "password": PASSWORD}).json()

    assert exchange(site, pair["access"]).status_code == 204
    assert who(site) == "ada"


def test_no_csrf_token_is_needed(token: str):
    site = Client(enforce_csrf_checks=True)

    assert exchange(site, token).status_code == 204


def test_nor_the_apps_middleware(site: Client, token: str, settings: Settings):
    settings.MIDDLEWARE = [path for path in settings.MIDDLEWARE if "BearerToken" not in path]

    assert exchange(Client(enforce_csrf_checks=True), token).status_code == 204


def test_a_session_key_that_somebody_has_planted_is_not_kept(site: Client, token: str):
    planted = site.session
    planted["basket"] = ["mug"]
    planted.save()

    exchange(site, token)

    assert key_of(site) != planted.session_key
    assert not Session.objects.filter(session_key=planted.session_key).exists()
    assert site.session["basket"] == ["mug"]


def test_a_session_of_somebody_else_is_left_behind(site: Client, token: str, grace: User):
    site.force_login(grace)
    theirs = site.session
    theirs["basket"] = ["mug"]
    theirs.save()

    exchange(site, token)

    assert who(site) == "ada"
    assert "basket" not in site.session
    assert Grant.objects.get().session_key == key_of(site)


def test_the_csrf_token_is_a_new_one(site: Client, token: str):
    site.get("/accounts/login/")
    before = site.cookies["csrftoken"].value

    exchange(site, token)

    assert site.cookies["csrftoken"].value != before


def test_the_session_is_of_the_first_backend_that_finds_the_user(site: Client, token: str, settings: Settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Nobody", MODEL_BACKEND]

    exchange(site, token)

    assert site.session[BACKEND_SESSION_KEY] == MODEL_BACKEND
    assert who(site) == "ada"


def test_without_such_a_backend_there_is_no_session(site: Client, token: str, settings: Settings):
    settings.AUTHENTICATION_BACKENDS = [f"{__name__}.Nobody"]

    assert exchange(site, token).status_code == 401


@pytest.mark.parametrize("engine", ["cache", "cached_db", "file", "signed_cookies"])
def test_sessions_may_be_kept_elsewhere(site: Client, token: str, settings: Settings, engine: str):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"

    exchange(site, token)
    assert who(site) == "ada"

    grant = Grant.objects.get()
    end_grant(grant.pk, user_id=grant.user_id, by=EndedBy.LOGOUT)
    assert who(site) is None


# What opens none ------------------------------------------------------------------------------------------------------


REFUSED: Final[dict[str, Callable[[User, Grant], str]]] = {
    "garbage": lambda ada, grant: "garbage",
    "a_refresh_token": lambda ada, grant: refresh_token_of(grant),
    "an_expired_one": lambda ada, grant: issued(ada.pk, session_id=grant.pk, age=LIFETIME + timedelta(seconds=1)),
    "one_that_is_limited_to_a_scope": lambda ada, grant: issued(ada.pk, session_id=grant.pk, scope=("orders:read",)),
    "one_without_a_grant": lambda ada, grant: issued(ada.pk),
    "one_of_an_unknown_grant": lambda ada, grant: issued(ada.pk, session_id="unknown"),
    "one_of_the_site_without_a_grant": lambda ada, grant: str(AccessToken.for_user(ada)),
    "one_of_another_user": lambda ada, grant: issued(ada.pk + 1, session_id=grant.pk),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=list(REFUSED))
def test_any_other_token_is_refused(site: Client, ada: User, grant: Grant, make: Callable[[User, Grant], str]):
    answer = exchange(site, make(ada, grant))

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, 'Bearer error="invalid_token"')
    assert answer["Cache-Control"] == "no-store"
    assert "sessionid" not in site.cookies


def test_a_token_of_the_site_with_a_foreign_session_is_refused(site: Client, ada: User):
    token = AccessToken.for_user(ada)
    token["sid"] = "somebody's own"

    assert exchange(site, str(token)).status_code == 401


def test_a_token_of_the_site_that_is_limited_to_a_scope_is_refused(site: Client, ada: User, grant: Grant):
    token = AccessToken.for_user(ada)
    token["sid"], token["scope"] = grant.pk, "orders:read"

    assert exchange(site, str(token)).status_code == 401


@pytest.mark.parametrize("change", ["ended_at", "expires_at"])
def test_a_grant_that_is_none_any_more_is_refused(site: Client, token: str, change: str):
    Grant.objects.update(**{change: datetime.now(UTC)})

    assert exchange(site, token).status_code == 401


def test_a_grant_of_a_changed_password_is_refused(site: Client, ada: User, token: str):
    ada.set_password("another")
    ada.save()

    assert exchange(site, token).status_code == 401


def test_a_session_alone_is_refused(site: Client, ada: User):
    site.force_login(ada)

    answer = exchange(site, None)

    assert (answer.status_code, answer["WWW-Authenticate"]) == (401, "Bearer")


@pytest.mark.parametrize("field", ["token", "access_token", "access", "Authorization"])
def test_a_token_in_a_form_a_query_or_a_cookie_is_refused(site: Client, token: str, field: str):
    site.cookies[field] = token

    answer = site.post(f"{reverse('bridge:session')}?{field}={token}", {field: token})

    assert answer.status_code == 401


@pytest.mark.parametrize("method", ["get", "head", "put", "delete"])
def test_only_post_is_answered(site: Client, token: str, method: str):
    answer = getattr(site, method)(reverse("bridge:session"), headers={"Authorization": bearer(token)})

    assert answer.status_code == 405


# Ending together ------------------------------------------------------------------------------------------------------


def access_opens(site: Client, token: str) -> bool:
    return Client().get("/api/me/", headers={"Authorization": bearer(token)}).status_code == 200


def test_logging_out_at_the_site_ends_the_grant(site: Client, token: str, grant: Grant):
    exchange(site, token)

    site.post("/accounts/logout/")

    assert Grant.objects.get().ended_by == "logout"
    assert not access_opens(site, token)


def test_and_its_refresh_token(site: Client, ada: User):
    pair = site.post("/api/token/", {"username": "ada", "password": PASSWORD}).json()
    exchange(site, pair["access"])

    site.post("/accounts/logout/")

    assert BlacklistedToken.objects.get().token.token == pair["refresh"]
    assert site.post("/api/token/refresh/", {"refresh": pair["refresh"]}).status_code == 401


def test_logging_out_of_another_session_does_not(site: Client, token: str, ada: User):
    exchange(site, token)
    elsewhere = Client()
    elsewhere.force_login(ada)

    elsewhere.post("/accounts/logout/")

    assert access_opens(site, token)
    assert who(site) == "ada"


def test_logging_out_without_a_session_ends_no_grant(site: Client, token: str):
    assert site.post("/accounts/logout/").status_code == 302

    assert access_opens(site, token)


def log_in(site: Client, username: str) -> None:
    assert site.post("/accounts/login/", {"username": username, "password": PASSWORD}).status_code == 302


def test_a_login_of_somebody_else_over_the_session_ends_the_grant(site: Client, token: str, grace: User):
    exchange(site, token)

    log_in(site, "grace")

    assert who(site) == "grace"
    assert Grant.objects.get().ended_by == "logout"
    assert not access_opens(site, token)


def test_an_exchange_for_somebody_else_over_the_session_ends_only_the_former_grant(
    site: Client, token: str, grant: Grant, grace: User
):
    exchange(site, token)
    theirs = open_at_the_bridge(grace)

    exchange(site, issued(grace.pk, session_id=theirs.pk))

    assert who(site) == "grace"
    assert list(Grant.objects.filter(ended_at=None)) == [theirs]


def test_a_login_after_a_re_hash_ends_the_grant_of_the_session_that_it_leaves(site: Client, ada: User):
    User.objects.update(password=old_hash(PASSWORD))
    ada.refresh_from_db()
    token = issued(ada.pk, session_id=open_at_the_bridge(ada).pk)
    exchange(site, token)
    before = key_of(site)

    log_in(site, "ada")

    assert key_of(site) != before
    assert not access_opens(site, token)


def test_a_session_that_has_expired_is_no_logout(site: Client, token: str):
    exchange(site, token)
    Session.objects.update(expire_date=datetime(2020, 1, 1, tzinfo=UTC))

    assert who(site) is None

    assert access_opens(site, token)


def test_under_asgi_too(ada: User, grace: User, token: str):
    site = AsyncClient()
    post = async_to_sync(awaiting(site.post))
    assert post(reverse("bridge:session"), headers={"Authorization": bearer(token)}).status_code == 204

    post("/accounts/login/", {"username": "grace", "password": PASSWORD})

    assert Grant.objects.get().ended_by == "logout"


@pytest.mark.parametrize("path", ["/whoami/", "/accounts/login/", "/no-such-page/", "/whoami/async/"])
def test_a_plain_request_ends_nothing(site: Client, token: str, path: str):
    exchange(site, token)

    site.get(path)

    assert access_opens(site, token)
    assert who(site) == "ada"


def test_nor_does_a_login_of_the_same_user_that_keeps_the_session(site: Client, token: str, ada: User):
    exchange(site, token)

    log_in(site, "ada")

    assert access_opens(site, token)


def test_a_grant_that_ends_takes_its_session(site: Client, ada: User, token: str, grant: Grant):
    exchange(site, token)

    assert end_grant(grant.pk, user_id=str(ada.pk), by=EndedBy.LOGOUT)

    assert who(site) is None
    assert not Session.objects.exists()


def test_a_logout_takes_what_else_of_the_user_is_joined_to_the_session(ada: User, grace: User):
    grants = [open_at_the_bridge(user) for user in (ada, ada, ada, grace, ada, ada)]
    for grant, key in zip(grants, ["a", "a", "b", "a", "", ""], strict=True):
        Grant.objects.filter(pk=grant.pk).update(session_key=key)
        OutstandingToken.objects.create(
            user_id=grant.user_id, jti=grant.current_token_id, token="", expires_at=grant.expires_at
        )

    assert end_grant(grants[0].pk, user_id=str(ada.pk), by=EndedBy.LOGOUT)
    assert end_grant(grants[4].pk, user_id=str(ada.pk), by=EndedBy.LOGOUT)

    over = [grants[place] for place in (0, 1, 4)]
    assert set(Grant.objects.filter(ended_by="logout")) == set(over)
    spent = BlacklistedToken.objects.values_list("token__jti", flat=True)
    assert set(spent) == {grant.current_token_id for grant in over}


@pytest.mark.parametrize("engine", ["db", "cached_db", "cache", "signed_cookies"])
def test_what_is_joined_to_a_session_ends_with_the_one_that_takes_its_place(
    site: Client, ada: User, token: str, settings: Settings, engine: str
):
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{engine}"
    exchange(site, token)
    other, anywhere = open_at_the_bridge(ada), open_at_the_bridge(ada)
    Grant.objects.filter(pk=other.pk).update(session_key=Grant.objects.exclude(session_key="").get().session_key)

    elsewhere = Client()
    exchange(elsewhere, token)
    elsewhere.post("/accounts/logout/")

    assert Grant.objects.get(ended_at=None) == anywhere


def test_another_end_leaves_them(ada: User):
    grants = [open_at_the_bridge(ada) for _ in range(2)]
    Grant.objects.update(session_key="a")

    assert end_grant(grants[0].pk, user_id=str(ada.pk), by=EndedBy.REUSE)

    assert Grant.objects.get(ended_at=None) == grants[1]


def test_a_logout_of_what_has_ended_before_takes_nothing_with_it(ada: User):
    grants = [open_at_the_bridge(ada) for _ in range(2)]
    Grant.objects.update(session_key="a")
    end_grant(grants[0].pk, user_id=str(ada.pk), by=EndedBy.REUSE)

    assert not end_grant(grants[0].pk, user_id=str(ada.pk), by=EndedBy.LOGOUT)

    assert Grant.objects.get(ended_at=None) == grants[1]


@pytest.mark.django_db(transaction=True)
def test_where_the_sessions_row_cannot_be_deleted_its_grant_goes_on(site: Client, ada: User, token: str, grant: Grant):
    exchange(site, token)
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE django_session RENAME COLUMN expire_date TO expires_otherwise")
    try:
        with pytest.raises(DatabaseError):
            end_grant(grant.pk, user_id=str(ada.pk), by=EndedBy.LOGOUT)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE django_session RENAME COLUMN expires_otherwise TO expire_date")

    assert Grant.objects.get().ended_at is None


def test_it_ends_only_once(ada: User, grant: Grant):
    assert end_grant(grant.pk, user_id=str(ada.pk), by=EndedBy.LOGOUT)

    assert not end_grant(grant.pk, user_id=str(ada.pk), by=EndedBy.REUSE)
    assert Grant.objects.get().ended_by == "logout"


def test_nobody_ends_somebody_elses(ada: User, grace: User, grant: Grant):
    assert not end_grant(grant.pk, user_id=str(grace.pk), by=EndedBy.LOGOUT)

    assert Grant.objects.get().ended_at is None


def test_logging_out_by_refresh_token_ends_the_session(site: Client, ada: User):
    pair = site.post("/api/token/", {"username": "ada", "password": PASSWORD}).json()
    exchange(site, pair["access"])

    site.post("/api/token/blacklist/", {"refresh": pair["refresh"]})

    assert who(site) is None


def test_a_second_session_of_a_grant_takes_the_place_of_the_first(site: Client, token: str):
    elsewhere = Client()
    exchange(site, token)
    exchange(elsewhere, token)

    assert (who(site), who(elsewhere)) == (None, "ada")
    assert Grant.objects.get().session_key == key_of(elsewhere)


def test_a_browser_may_ask_again(site: Client, token: str):
    exchange(site, token)
    exchange(site, token)

    assert who(site) == "ada"
    assert Grant.objects.get().session_key == key_of(site)


@pytest.fixture
def without_our_table(transactional_db: None) -> Iterator[None]:
    """The app is installed, and its migrations are yet to run."""
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE bridge_grant RENAME TO bridge_grant_to_come")
    yield
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE bridge_grant_to_come RENAME TO bridge_grant")


@pytest.mark.usefixtures("without_our_table")
def test_before_the_migrations_one_can_log_out_all_the_same(site: Client, ada: User):
    site.force_login(ada)

    assert site.post("/accounts/logout/").status_code == 302

    assert who(site) is None


@pytest.mark.usefixtures("without_our_table")
def test_and_log_in_over_an_open_session(site: Client, ada: User, grace: User, caplog: pytest.LogCaptureFixture):
    site.force_login(ada)

    log_in(site, "grace")

    assert who(site) == "grace"
    assert "grants of a session not ended: OperationalError" in caplog.messages
