"""Sessions over a re-hash, inside one process: bridge.contrib.django.sessions and its AuthenticationMiddleware."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib import import_module
from typing import Any, Final

import pytest
from asgiref.sync import async_to_sync
from django.conf import settings as site_settings
from django.contrib import auth
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.contrib.sessions.backends.base import SessionBase
from django.contrib.sessions.models import Session
from django.core.exceptions import ImproperlyConfigured
from django.db import DatabaseError, InternalError, OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.transaction import TransactionManagementError
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries, Settings

from bridge.contrib.django.middleware import AuthenticationMiddleware
from bridge.contrib.django.models import PasswordLineage
from tests.conftest import PASSWORD, old_hash
from tests.contrib.conftest import Shop

# The look-up from inside an event loop has a connection of its own, which sees what was committed.
pytestmark = pytest.mark.django_db(transaction=True)

NEW_PASSWORD: Final = "an entirely different set of words"
OLDER_KEY: Final = "an older secret key of the tests, which opened nothing either"
NEWER_KEY: Final = "a newer secret key of the tests, which opens nothing either"
STOCK: Final = "django.contrib.auth.middleware.AuthenticationMiddleware"
OURS: Final = "bridge.contrib.django.middleware.AuthenticationMiddleware"
ENGINES: Final = ("db", "cached_db", "cache", "signed_cookies")
KEYED_ENGINES: Final = ENGINES[:3]
"""Those whose cookie is a key and not the session itself."""


@pytest.fixture
def ada() -> User:
    """A user whose stored value is of the time before argon2."""
    return User.objects.create(username="ada", password=old_hash(PASSWORD))


@pytest.fixture
def engine(request: pytest.FixtureRequest, settings: Settings) -> str:
    name = getattr(request, "param", "db")
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{name}"
    return str(name)


every_engine = pytest.mark.parametrize("engine", ENGINES, indirect=True)
every_keyed_engine = pytest.mark.parametrize("engine", KEYED_ENGINES, indirect=True)


@pytest.fixture
def open_shop(engine: str, shop: Shop, ada: User) -> Shop:
    """The page, in a browser that ada is logged in with."""
    shop.client.force_login(ada)
    return shop


def rehash(user: User) -> None:
    """What a login elsewhere does."""
    elsewhere = User.objects.get(pk=user.pk)
    before = elsewhere.password
    assert elsewhere.check_password(PASSWORD)
    assert elsewhere.password != before


def who(answer: HttpResponse) -> str | None:
    if answer.status_code == 302:
        return None
    assert answer.status_code == 200, answer
    name: str = answer.json()["username"]  # type: ignore[attr-defined]  # Django's test clients add it
    return name


def cookie(shop: Shop) -> str:
    found: Any = shop.client.cookies.get("sessionid")
    return str(found.value) if found else ""


def session(shop: Shop) -> SessionBase:
    store: SessionBase = import_module(site_settings.SESSION_ENGINE).SessionStore(cookie(shop))
    return store


@contextmanager
def lineage_away(error: DatabaseError) -> Iterator[None]:
    """Fail on every connection when lineage is to be read."""

    def fail(execute: Callable[..., Any], sql: str, *given: Any) -> Any:
        if "bridge_password_lineage" in sql:
            raise error
        return execute(sql, *given)

    def watch(connection: BaseDatabaseWrapper, **_: Any) -> None:
        connection.execute_wrappers.append(fail)

    connection_created.connect(watch)
    try:
        with connection.execute_wrapper(fail):
            yield
    finally:
        connection_created.disconnect(watch)


# Over a re-hash -------------------------------------------------------------------------------------------------------


@every_engine
def test_a_session_goes_on_over_a_re_hash(open_shop: Shop, ada: User):
    rehash(ada)

    assert [who(open_shop.get()) for _ in range(3)] == ["ada"] * 3


@every_engine
def test_what_the_session_holds_goes_on_too(open_shop: Shop, ada: User):
    if isinstance(open_shop.client, Client):
        basket = open_shop.client.session
        basket["basket"] = ["mug"]
        basket.save()
        open_shop.client.cookies["sessionid"] = basket.session_key or ""
    rehash(ada)
    open_shop.get()

    assert session(open_shop).get("basket", ["mug"]) == ["mug"]
    assert session(open_shop)[SESSION_KEY] == str(ada.pk)


@every_keyed_engine
def test_a_re_hash_is_no_reason_to_cycle_the_key(open_shop: Shop, ada: User):
    key = cookie(open_shop)
    rehash(ada)
    open_shop.get()

    assert cookie(open_shop) == key


@every_engine
@pytest.mark.parametrize(
    "error",
    [
        OperationalError("terminating connection due to administrator command"),
        InternalError("terminating connection due to idle-in-transaction timeout"),
        DatabaseError("database disk image is malformed"),
        TransactionManagementError("An error occurred in the current transaction"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_session_outlives_a_moment_in_which_the_database_is_away(open_shop: Shop, ada: User, error: DatabaseError):
    """Django deletes the session of whom there is no hash that matches: an error is no such answer."""
    rehash(ada)

    with lineage_away(error), pytest.raises(type(error)):
        open_shop.get()

    assert who(open_shop.get()) == "ada"


@every_engine
def test_the_stored_hash_is_refreshed(open_shop: Shop, ada: User):
    rehash(ada)
    open_shop.get()
    ada.refresh_from_db()

    assert session(open_shop)[HASH_SESSION_KEY] == ada.get_session_auth_hash()


@every_engine
def test_the_second_request_needs_no_lineage_any_more(open_shop: Shop, ada: User):
    rehash(ada)
    open_shop.get()
    PasswordLineage.objects.all().delete()

    assert who(open_shop.get()) == "ada"


@every_engine
def test_a_session_goes_on_over_two_re_hashes_between_which_it_was_not_used(
    open_shop: Shop, ada: User, settings: Settings
):
    rehash(ada)
    settings.PASSWORD_HASHERS = ["tests.contrib.hashers.SaltierArgon2", *settings.PASSWORD_HASHERS]
    rehash(ada)

    assert who(open_shop.get()) == "ada"


@pytest.mark.skipif(not hasattr(auth, "aget_user"), reason="Django has aget_user since 5.0")
@pytest.mark.usefixtures("_queries_off_the_loop")
async def test_django_finds_the_user_on_the_event_loop_itself():
    """Here the loop is this very thread's: the ORM would raise SynchronousOnlyOperation."""
    ada = await User.objects.acreate(username="ada", password=old_hash(PASSWORD))
    request = HttpRequest()
    request.session = import_module(site_settings.SESSION_ENGINE).SessionStore()
    await request.session.aupdate(
        {
            SESSION_KEY: str(ada.pk),
            HASH_SESSION_KEY: ada.get_session_auth_hash(),
            BACKEND_SESSION_KEY: "django.contrib.auth.backends.ModelBackend",
        }
    )
    assert await ada.acheck_password(PASSWORD)

    assert await auth.aget_user(request) == ada


# What ends sessions ---------------------------------------------------------------------------------------------------


def to_another(user: User) -> None:
    user.set_password(NEW_PASSWORD)
    user.save()


def to_the_same(user: User) -> None:
    user.set_password(PASSWORD)
    user.save()


def by_sql(user: User) -> None:
    User.objects.filter(pk=user.pk).update(password=make_password(NEW_PASSWORD))


CHANGES: Final[dict[str, Callable[[User], None]]] = {
    "to_another": to_another,
    "to_the_same": to_the_same,
    "by_sql": by_sql,
}
every_change = pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())


@every_engine
@every_change
def test_a_change_of_the_password_ends_the_session(open_shop: Shop, ada: User, change: Callable[[User], None]):
    change(ada)

    assert who(open_shop.get()) is None
    assert cookie(open_shop) == ""


@every_change
def test_a_change_after_a_re_hash_ends_the_session(open_shop: Shop, ada: User, change: Callable[[User], None]):
    rehash(ada)
    change(ada)

    assert who(open_shop.get()) is None
    assert not Session.objects.exists()


@pytest.mark.parametrize("password", [PASSWORD, NEW_PASSWORD], ids=["the_same", "another"])
def test_a_re_hash_after_a_change_brings_no_session_back(open_shop: Shop, ada: User, password: str):
    rehash(ada)
    User.objects.update(password=old_hash(password))
    assert User.objects.get().check_password(password)

    assert who(open_shop.get()) is None


@every_engine
def test_a_link_that_has_expired_ends_the_session(open_shop: Shop, ada: User):
    rehash(ada)
    PasswordLineage.objects.update(expires_at=timezone.now() - timedelta(seconds=1))

    assert who(open_shop.get()) is None


@pytest.mark.parametrize("longest", ["sessions", "tokens_of_the_bridge", "tokens_of_the_site"])
def test_a_link_lives_as_long_as_whatever_hangs_on_the_old_value(ada: User, settings: Settings, longest: str):
    lives = dict.fromkeys(("sessions", "tokens_of_the_bridge", "tokens_of_the_site"), 60) | {longest: 4711}
    settings.SESSION_COOKIE_AGE = lives["sessions"]
    settings.BRIDGE = {"REFRESH_TOKEN_LIFETIME": lives["tokens_of_the_bridge"]}
    settings.SIMPLE_JWT = {"REFRESH_TOKEN_LIFETIME": timedelta(seconds=lives["tokens_of_the_site"])}
    before = timezone.now()
    rehash(ada)

    age = PasswordLineage.objects.get().expires_at - before
    assert timedelta(seconds=4711) <= age < timedelta(seconds=4711 + 60)


@every_engine
def test_a_superseded_hash_opens_nothing_for_another_user(open_shop: Shop, ada: User, grace: User, engine: str):
    stolen = ada.get_session_auth_hash()
    rehash(ada)
    forged = session(open_shop)
    forged[SESSION_KEY] = str(grace.pk)
    forged.save()
    assert forged[HASH_SESSION_KEY] == stolen
    open_shop.client.cookies["sessionid"] = forged.session_key or ""

    assert who(open_shop.get()) is None


@every_engine
def test_a_deactivated_user_is_out_whatever_lineage_says(open_shop: Shop, ada: User):
    rehash(ada)
    User.objects.update(is_active=False)

    assert who(open_shop.get()) is None


# Keys -----------------------------------------------------------------------------------------------------------------


@every_keyed_engine
@pytest.mark.parametrize("middleware", [OURS, STOCK], ids=["ours", "stock"])
def test_a_rotated_secret_key_still_cycles_the_sessions_key(
    open_shop: Shop, ada: User, settings: Settings, middleware: str
):
    settings.MIDDLEWARE = [middleware if path == OURS else path for path in settings.MIDDLEWARE]
    key = cookie(open_shop)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEWER_KEY, [settings.SECRET_KEY]

    assert who(open_shop.get()) == "ada"
    assert cookie(open_shop) not in ("", key)
    assert session(open_shop)[HASH_SESSION_KEY] == ada.get_session_auth_hash()
    assert who(open_shop.get()) == "ada"


@every_engine
def test_a_session_of_an_older_key_goes_on_over_a_re_hash(open_shop: Shop, ada: User, settings: Settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEWER_KEY, [settings.SECRET_KEY]
    rehash(ada)

    assert [who(open_shop.get()) for _ in range(2)] == ["ada"] * 2


@every_engine
def test_a_key_that_is_rotated_after_the_re_hash_ends_no_session(open_shop: Shop, ada: User, settings: Settings):
    rehash(ada)
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEWER_KEY, [settings.SECRET_KEY]

    assert who(open_shop.get()) == "ada"


@every_engine
def test_a_key_that_is_withdrawn_ends_sessions_that_it_made(open_shop: Shop, ada: User, settings: Settings):
    """Sessions in a bare cache are not signed: there the auth hash alone hangs on the key."""
    rehash(ada)
    settings.SECRET_KEY = NEWER_KEY

    assert who(open_shop.get()) is None


@every_engine
def test_a_fallback_that_is_withdrawn_ends_sessions_that_it_made(open_shop: Shop, ada: User, settings: Settings):
    settings.SECRET_KEY, settings.SECRET_KEY_FALLBACKS = NEWER_KEY, [settings.SECRET_KEY]
    rehash(ada)
    settings.SECRET_KEY_FALLBACKS = []

    assert who(open_shop.get()) is None


# Costs ----------------------------------------------------------------------------------------------------------------

HAPPY_QUERIES: Final = {"db": 2, "cached_db": 1, "cache": 1, "signed_cookies": 1}
MORE_QUERIES: Final = {"db": 0, "cached_db": 1, "cache": 1, "signed_cookies": 1}
"""With the app's middleware: whether a grant of the session has ended, where no row goes with it."""


@every_engine
@pytest.mark.parametrize("middleware", [OURS, STOCK], ids=["ours", "stock"])
def test_a_session_costs_what_it_costs_in_plain_django_and_one_query_where_there_may_be_a_copy_of_it(
    open_shop: Shop,
    engine: str,
    settings: Settings,
    django_assert_num_queries: DjangoAssertNumQueries,
    middleware: str,
):
    settings.MIDDLEWARE = [middleware if path == OURS else path for path in settings.MIDDLEWARE]
    open_shop.get()

    with django_assert_num_queries(HAPPY_QUERIES[engine] + (MORE_QUERIES[engine] if middleware == OURS else 0)):
        assert who(open_shop.get()) == "ada"


def test_lineage_is_asked_once_a_session_and_re_hash(engine: str, ada: User):
    browser = Shop(Client(), "/whoami/")
    browser.client.force_login(ada)
    rehash(ada)

    asked = []
    for _ in range(3):
        with CaptureQueriesContext(connection) as queries:
            assert who(browser.get()) == "ada"
        asked.append(sum("bridge_password_lineage" in query["sql"] for query in queries))

    assert asked == [1, 0, 0]


def test_the_look_up_inside_an_event_loop_leaves_no_connection_open(ada: User):
    async def on_the_loop() -> list[str]:
        return list(ada.get_session_auth_fallback_hash())

    opened: list[BaseDatabaseWrapper] = []

    def note(connection: BaseDatabaseWrapper, **_: Any) -> None:
        opened.append(connection)

    connection_created.connect(note)
    try:
        async_to_sync(on_the_loop)()
    finally:
        connection_created.disconnect(note)

    assert [connection.connection for connection in opened] == [None]


def test_a_view_that_does_not_ask_for_the_user_costs_no_query(
    engine: str, ada: User, django_assert_num_queries: DjangoAssertNumQueries
):
    browser = Client()
    browser.force_login(ada)
    rehash(ada)

    with django_assert_num_queries(0):
        assert browser.get("/static/missing.css").status_code == 404


# The middleware by itself ---------------------------------------------------------------------------------------------


def test_without_sessions_the_middleware_says_so_as_djangos_does():
    with pytest.raises(ImproperlyConfigured, match="session middleware"):
        AuthenticationMiddleware(lambda _: HttpResponse()).process_request(HttpRequest())


def test_the_sessions_own_ways_are_back_once_the_user_is_known(engine: str, ada: User):
    request: Any = HttpRequest()
    request.session = import_module(site_settings.SESSION_ENGINE).SessionStore()
    AuthenticationMiddleware(lambda _: HttpResponse()).process_request(request)
    assert request.user.is_anonymous

    request.session.cycle_key()

    assert Session.objects.get().session_key == request.session.session_key


@pytest.mark.parametrize("kind", [Client, AsyncClient])
def test_a_login_over_an_open_session_gives_it_a_new_key(engine: str, ada: User, grace: User, kind: type[Any]):
    """Against session fixation, as ever."""
    client = kind()
    client.force_login(ada)
    before = client.cookies["sessionid"].value
    client.force_login(grace)

    assert client.cookies["sessionid"].value != before


# Before the site's migrate --------------------------------------------------------------------------------------------


@pytest.fixture
def _no_lineage_table(ada: User) -> Any:
    with connection.schema_editor() as editor:
        editor.delete_model(PasswordLineage)
    yield
    with connection.schema_editor() as editor:
        editor.create_model(PasswordLineage)


@pytest.mark.usefixtures("_no_lineage_table")
def test_without_its_table_sessions_go_on(open_shop: Shop):
    assert who(open_shop.get()) == "ada"


@pytest.mark.usefixtures("_no_lineage_table")
def test_without_its_table_a_session_of_another_value_ends_as_in_plain_django(open_shop: Shop, ada: User):
    """As between the deployment of the app and the site's migrate: the answer is a login page, not an error."""
    by_sql(ada)

    assert who(open_shop.get()) is None
