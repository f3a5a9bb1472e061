"""A session ends with its grants whatever engine keeps it: bridge.contrib.django.joining and the middleware's look."""

from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Final

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction
from django.conf import settings as site_settings
from django.contrib import auth
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.middleware import SessionMiddleware
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from pytest_django import Settings

from bridge.contrib.django.ending import end_grant
from bridge.contrib.django.joining import session_name
from bridge.contrib.django.middleware import AuthenticationMiddleware
from bridge.contrib.django.models import Grant
from bridge.sessions.naming import NAME_KEY, is_name
from bridge.tokens import EndedBy
from tests.conftest import PASSWORD
from tests.contrib.conftest import Shop, bearer, issued, open_at_the_bridge

# Async views look from a thread of their own, which sees what was committed.
pytestmark = pytest.mark.django_db(transaction=True)

ENGINES: Final = ("db", "cached_db", "cache", "signed_cookies")
NEW_PASSWORD: Final = "an entirely different set of words"


@pytest.fixture
def engine(request: pytest.FixtureRequest, settings: Settings) -> str:
    name = getattr(request, "param", "db")
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{name}"
    return str(name)


every_engine = pytest.mark.parametrize("engine", ENGINES, indirect=True)
every_engine_that_asks = pytest.mark.parametrize("engine", ENGINES[1:], indirect=True)
in_cookies = pytest.mark.parametrize("engine", ["signed_cookies"], indirect=True)


@pytest.fixture
def open_shop(engine: str, shop: Shop, ada: User) -> Shop:
    """The page, in a browser that ada is logged in with."""
    shop.client.force_login(ada)
    return shop


@pytest.fixture
def browser(engine: str, ada: User) -> Client:
    """A browser that ada is logged in with."""
    site = Client()
    site.force_login(ada)
    return site


def session_of(site: Any) -> SessionBase:
    found = site.cookies.get("sessionid")
    store: SessionBase = import_module(site_settings.SESSION_ENGINE).SessionStore(found.value if found else None)
    return store


def joined(user: User, site: Any) -> Grant:
    """What POST /auth/session leaves behind."""
    grant = open_at_the_bridge(user)
    grant.session_key = session_name(session_of(site))
    assert grant.session_key
    grant.save()
    return grant


def end_at_the_bridge(grant: Grant, *, by: str = "logout") -> None:
    """What a logout there does to the database."""
    Grant.objects.filter(pk=grant.pk).update(ended_at=datetime.now(UTC), ended_by=by)
    Session.objects.filter(session_key=grant.session_key).delete()


def page(answer: HttpResponse) -> str | None:
    name: str | None = answer.json()["username"] if answer.status_code == 200 else None  # type: ignore[attr-defined]
    return name


def who(site: Client) -> str | None:
    answer: Any = site.get("/whoami/")
    return page(answer)


def log_in(site: Client, username: str) -> None:
    assert site.post("/accounts/login/", {"username": username, "password": PASSWORD}).status_code == 302


def exchange(site: Client, grant: Grant) -> None:
    token = issued(grant.user_id, session_id=grant.pk)
    assert site.post(reverse("bridge:session"), headers={"Authorization": bearer(token)}).status_code == 204


# What ends at the bridge ends here ------------------------------------------------------------------------------------


@every_engine
def test_a_logout_at_the_bridge_ends_the_session(open_shop: Shop, ada: User):
    grant = joined(ada, open_shop.client)
    assert page(open_shop.get()) == "ada"

    end_at_the_bridge(grant)

    assert [page(open_shop.get()) for _ in range(2)] == [None, None]
    assert open_shop.client.cookies["sessionid"].value == ""


@every_engine
@pytest.mark.parametrize("by", ["revoked", "reuse"])
def test_whatever_else_ends_a_grant_does_as_well(browser: Client, ada: User, by: str):
    end_at_the_bridge(joined(ada, browser), by=by)

    assert who(browser) is None


@every_engine
def test_a_cookie_that_somebody_kept_opens_nothing_either(browser: Client, ada: User):
    grant = joined(ada, browser)
    kept = browser.cookies["sessionid"].value
    end_at_the_bridge(grant)
    who(browser)

    browser.cookies["sessionid"] = kept

    assert who(browser) is None


@every_engine
def test_another_session_of_the_user_goes_on(browser: Client, ada: User):
    elsewhere = Client()
    elsewhere.force_login(ada)
    end_at_the_bridge(joined(ada, elsewhere))

    assert (who(browser), who(elsewhere)) == ("ada", None)


@every_engine
def test_another_grant_of_the_session_goes_on(browser: Client, ada: User):
    """Any end but a logout leaves the others alone; each was opened by a request of its own."""
    other = joined(ada, browser)
    end_at_the_bridge(joined(ada, browser), by="revoked")
    assert who(browser) is None

    assert list(Grant.objects.filter(ended_at=None)) == [other]


@every_engine
def test_a_login_over_a_session_that_has_ended_holds(browser: Client, ada: User):
    """Django lets the same user's login go on with the session that is open."""
    end_at_the_bridge(joined(ada, browser))

    log_in(browser, "ada")

    assert [who(browser) for _ in range(2)] == ["ada"] * 2


@every_engine
def test_so_does_an_exchange(browser: Client, ada: User):
    end_at_the_bridge(joined(ada, browser))

    exchange(browser, open_at_the_bridge(ada))

    assert [who(browser) for _ in range(2)] == ["ada"] * 2


@in_cookies
def test_a_grant_that_the_new_password_ended_leaves_the_session_that_changed_it(browser: Client, ada: User):
    """Its cookie keeps the name. Sessions of the old password end by their hash."""
    elsewhere = Client()
    elsewhere.cookies["sessionid"] = browser.cookies["sessionid"].value
    grant = joined(ada, browser)
    passwords = {"old_password": PASSWORD, "new_password1": NEW_PASSWORD, "new_password2": NEW_PASSWORD}
    assert browser.post("/accounts/password_change/", passwords).status_code == 302

    end_at_the_bridge(grant, by="password")

    assert (who(browser), who(elsewhere)) == ("ada", None)


# What ends here ends at the bridge ------------------------------------------------------------------------------------


@every_engine
def test_a_logout_ends_the_grants_that_are_joined(browser: Client, ada: User):
    for _ in range(2):
        joined(ada, browser)

    browser.post("/accounts/logout/")

    assert set(Grant.objects.values_list("ended_by", flat=True)) == {"logout"}


@every_engine
def test_a_login_of_somebody_else_does_as_well(browser: Client, ada: User, grace: User):
    joined(ada, browser)

    log_in(browser, "grace")

    assert who(browser) == "grace"
    assert Grant.objects.get().ended_by == "logout"


@every_engine
def test_a_login_of_the_same_user_and_a_page_that_writes_to_the_session_do_not(browser: Client, ada: User):
    joined(ada, browser)

    log_in(browser, "ada")
    session = session_of(browser)
    session["basket"] = ["mug"]
    session.save()
    browser.cookies["sessionid"] = session.session_key or ""
    who(browser)

    assert Grant.objects.get().ended_at is None


def let_expire(site: Any, engine: str) -> None:
    if engine == "signed_cookies":
        site.cookies["sessionid"] = "expired:and:signed"
    else:
        session_of(site).delete()


def add_to_basket(request: HttpRequest) -> HttpResponse:
    request.session["basket"] = ["mug"]
    return HttpResponse()


async def add_to_basket_async(request: HttpRequest) -> HttpResponse:
    await request.session.aset("basket", ["mug"])
    return HttpResponse()


def log_ada_in(request: HttpRequest) -> HttpResponse:
    login(request, User.objects.get(username="ada"), backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


def log_grace_in(request: HttpRequest) -> HttpResponse:
    login(request, User.objects.get(username="grace"), backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


async def log_grace_in_async(request: HttpRequest) -> HttpResponse:
    user = await User.objects.aget(username="grace")
    await auth.alogin(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return HttpResponse()


def ask(site: Client, view: Any) -> str:
    """Ask a view behind both middlewares, on an event loop if it is for one; give the new cookie."""
    request = HttpRequest()
    request.COOKIES["sessionid"] = site.cookies["sessionid"].value
    answering: Any = SessionMiddleware(AuthenticationMiddleware(view))
    answer = async_to_sync(answering)(request) if iscoroutinefunction(view) else answering(request)
    return str(answer.cookies["sessionid"].value)


on_the_loop = pytest.mark.skipif(not hasattr(auth, "alogin"), reason="Django's sessions are async since 5.1")
writing = pytest.mark.parametrize(
    "view",
    [add_to_basket, pytest.param(add_to_basket_async, marks=on_the_loop), log_ada_in],
    ids=["write", "write_async", "login"],
)


@every_engine
@writing
def test_a_session_that_expired_ends_no_grant_whatever_takes_its_place(
    browser: Client, ada: User, engine: str, view: Any
):
    former = browser.cookies["sessionid"].value
    joined(ada, browser)
    let_expire(browser, engine)

    assert ask(browser, view) not in ("", former)
    assert Grant.objects.get().ended_at is None


@every_engine
@pytest.mark.parametrize(
    "view", [log_grace_in, pytest.param(log_grace_in_async, marks=on_the_loop)], ids=["sync", "async"]
)
def test_one_that_lives_and_is_left_does(browser: Client, ada: User, grace: User, view: Any):
    joined(ada, browser)

    ask(browser, view)

    assert Grant.objects.get().ended_by == "logout"


@every_engine
def test_so_does_one_that_was_loaded_before_the_middleware(browser: Client, ada: User, grace: User):
    joined(ada, browser)

    def looking_first(request: HttpRequest) -> HttpResponse:
        request.session.get("basket")
        return AuthenticationMiddleware(log_grace_in)(request)  # type: ignore[return-value]

    request = HttpRequest()
    request.COOKIES["sessionid"] = browser.cookies["sessionid"].value
    SessionMiddleware(looking_first)(request)

    assert Grant.objects.get().ended_by == "logout"


@in_cookies
def test_a_cookie_that_somebody_kept_over_a_logout_opens_nothing(browser: Client, ada: User):
    joined(ada, browser)
    kept = browser.cookies["sessionid"].value
    browser.post("/accounts/logout/")

    browser.cookies["sessionid"] = kept

    assert who(browser) is None


@every_engine
def test_an_exchanged_token_and_its_session_end_together(engine: str, ada: User):
    by_token, by_session = Client(), Client()
    grants = [open_at_the_bridge(ada), open_at_the_bridge(ada)]
    exchange(by_token, grants[0])
    exchange(by_session, grants[1])

    end_at_the_bridge(Grant.objects.get(pk=grants[0].pk))
    by_session.post("/accounts/logout/")

    assert (who(by_token), who(by_session)) == (None, None)
    assert not Grant.objects.filter(ended_at=None).exists()


@every_engine
def test_a_second_session_of_a_grant_leaves_none_that_would_not_end_with_it(engine: str, ada: User):
    first, second = Client(), Client()
    grant = open_at_the_bridge(ada)
    exchange(first, grant)
    exchange(second, grant)
    assert who(second) == "ada"

    end_grant(grant.pk, user_id=grant.user_id, by=EndedBy.LOGOUT)

    assert (who(first), who(second)) == (None, None)


# Names ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("engine", ENGINES[:3], indirect=True)
def test_a_session_that_is_kept_is_known_by_its_key(browser: Client):
    session = session_of(browser)

    assert session_name(session) == browser.cookies["sessionid"].value
    assert NAME_KEY not in session


@in_cookies
def test_one_that_is_its_own_cookie_is_given_a_name_of_its_own(browser: Client, ada: User):
    elsewhere = Client()
    elsewhere.force_login(ada)
    names = {session_name(session_of(each)) for each in (browser, elsewhere)}

    assert len(names) == 2
    assert all(is_name(name) for name in names)


@in_cookies
def test_one_of_before_the_app_is_given_one_by_the_next_login(browser: Client, ada: User):
    session = session_of(browser)
    del session[NAME_KEY]
    session.save()
    browser.cookies["sessionid"] = session.session_key or ""
    assert who(browser) == "ada"

    log_in(browser, "ada")

    assert session_name(session_of(browser))


@in_cookies
def test_a_login_that_opens_no_session_gives_none(engine: str, ada: User):
    """Token views of other packages tell of their logins by the same signal."""
    request: Any = HttpRequest()
    request.session = import_module(site_settings.SESSION_ENGINE).SessionStore()

    user_logged_in.send(sender=User, request=request, user=ada)

    assert request.session.is_empty()


@pytest.mark.parametrize("request_", [None, HttpRequest()], ids=["no_request", "no_session"])
def test_nor_is_one_needed(ada: User, request_: HttpRequest | None):
    user_logged_in.send(sender=User, request=request_, user=ada)
    user_logged_out.send(sender=User, request=request_, user=ada)


@in_cookies
@pytest.mark.parametrize("value", ["", "x" * 32, "0" * 33, "0" * 32 + "\n", 7, None, ["0" * 32]], ids=ascii)
def test_what_stands_there_otherwise_is_no_name(browser: Client, value: Any):
    session = session_of(browser)
    session[NAME_KEY] = value

    assert session_name(session) == ""


@pytest.mark.parametrize("key", ["", "x" * 41, "x\0" * 8, "\udc80" * 8], ids=ascii)
def test_a_key_that_no_grant_could_hold_is_none_either(engine: str, key: str):
    store = import_module(site_settings.SESSION_ENGINE).SessionStore(key)

    assert session_name(store) == ""


# Costs ----------------------------------------------------------------------------------------------------------------


def questions(shop: Shop) -> int:
    with CaptureQueriesContext(connection) as queries:
        shop.get()
    return sum("bridge_grant" in query["sql"] for query in queries)


@every_engine
def test_who_is_asking_costs_one_question_where_the_row_is_not_all_there_is(open_shop: Shop, engine: str):
    assert questions(open_shop) == (0 if engine == "db" else 1)


@every_engine
def test_nobody_costs_none(engine: str, shop: Shop):
    assert questions(shop) == 0


@every_engine_that_asks
def test_a_page_that_does_not_ask_for_the_user_costs_none(browser: Client):
    with CaptureQueriesContext(connection) as queries:
        browser.get("/static/missing.css")

    assert len(queries) == 0


# When it cannot be told -----------------------------------------------------------------------------------------------


@every_engine_that_asks
def test_a_question_that_is_not_answered_keeps_everybody_out(browser: Client):
    with connection.cursor() as cursor:
        cursor.execute("ALTER TABLE bridge_grant RENAME COLUMN ended_by TO ended_otherwise")
    try:
        with pytest.raises(DatabaseError):
            who(browser)
    finally:
        with connection.cursor() as cursor:
            cursor.execute("ALTER TABLE bridge_grant RENAME COLUMN ended_otherwise TO ended_by")
