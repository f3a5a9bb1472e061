"""What the site answers and what its views demand: bridge.contrib.django.describing.urls."""

import sys
from collections.abc import Iterator
from typing import Any, Final

import django
import pytest
from django.contrib.admin import AdminSite
from django.urls import Resolver404, path, resolve
from django.utils.translation import override
from django.views.decorators.http import require_POST
from pytest_django import Settings

from bridge.contrib.django.describing import describe_site
from bridge.contrib.django.describing.urls import urls
from bridge.contrib.django.publishing import publish_profile
from bridge.cutover.demands import Demands
from bridge.cutover.matching import LegacyTable
from bridge.cutover.operations import METHODS
from bridge.profile import LegacyEndpoint, UrlInventory
from bridge.profile.urls import MOST_ENDPOINTS

VIEWS: Final = "tests.site.inventory_views"
ANYBODY: Final = Demands()
LOGIN: Final = Demands(login=True)
STAFF: Final = Demands(login=True, staff=True)
ANY_METHOD: Final = ()
BOTH: Final = ("GET", "POST")


@pytest.fixture
def every_kind(settings: Settings) -> Settings:
    """The site with a view and a path of every kind."""
    settings.ROOT_URLCONF = "tests.site.inventory_urls"
    settings.LANGUAGES = [("en", "English"), ("de", "German")]
    settings.LANGUAGE_CODE = "en"
    return settings


def told(name: str) -> dict[tuple[str, ...], Demands]:
    """The demands of the view of a name, by the methods that they are for."""
    return {each.methods: each.demands for each in urls().endpoints if each.name == name}


def one(name: str) -> LegacyEndpoint:
    [found] = [each for each in urls().endpoints if each.name == name]
    return found


def permission(*names: str) -> Demands:
    return Demands(login=True, permissions=frozenset(names))


def unknown(*names: str, login: bool | None = None) -> Demands:
    return Demands(login=login, unknown=tuple(f"{VIEWS}.{name}" for name in names))


# Demands --------------------------------------------------------------------------------------------------------------

FUNCTIONS: Final = {
    "plain": {ANY_METHOD: ANYBODY},
    "get": {("GET",): ANYBODY},
    "post": {("POST",): ANYBODY},
    "safe": {("GET",): ANYBODY},
    "methods": {("PUT", "DELETE"): ANYBODY},
    "methods_of_both": {("POST",): ANYBODY},
    "login": {ANY_METHOD: LOGIN},
    "login_with_arguments": {ANY_METHOD: LOGIN},
    "login_below_others": {ANY_METHOD: LOGIN},
    "staff": {ANY_METHOD: STAFF},
    "permission": {ANY_METHOD: permission("auth.view_group")},
    "permissions": {ANY_METHOD: permission("auth.view_group", "auth.add_group")},
    "own_test": {ANY_METHOD: unknown("is_customer")},
    "own_test_and_login": {ANY_METHOD: unknown("is_customer", login=True)},
    "own_decorator": {ANY_METHOD: unknown("ours")},
    "own_decorator_over_login": {ANY_METHOD: unknown("ours", login=True)},
    "own_decorator_without_wraps": {ANY_METHOD: unknown("ours_without_wraps")},
    "own_object": {ANY_METHOD: unknown("OurObject")},
    "own_middleware": {ANY_METHOD: unknown("OurMiddleware")},
    "csrf_exempt": {ANY_METHOD: LOGIN},
}
CLASSES: Final = {
    "both": {BOTH: ANYBODY},
    "only_get": {("GET",): ANYBODY},
    "only_dispatch": {ANY_METHOD: unknown("OnlyDispatch.dispatch")},
    "template": {("GET",): ANYBODY},
    "login_mixin": {BOTH: LOGIN},
    "login_mixin_too_late": {BOTH: ANYBODY},
    "permission_mixin": {BOTH: permission("auth.view_group")},
    "permission_in_as_view": {BOTH: permission("auth.add_group")},
    "own_permission": {BOTH: unknown("OwnPermission.has_permission")},
    "own_test_mixin": {BOTH: unknown("OwnTest.test_func", login=True)},
    "decorated_dispatch": {BOTH: LOGIN},
    "own_decorated_dispatch": {BOTH: unknown("ours")},
    "decorated_method": {("GET",): ANYBODY, ("POST",): permission("auth.add_group")},
    "own_dispatch": {BOTH: unknown("OwnDispatch.dispatch", login=True)},
    "login_around_class": {BOTH: LOGIN},
    "staff_around_login": {BOTH: STAFF},
    "feed": {ANY_METHOD: ANYBODY},
}
API: Final = {
    "api_open": {BOTH: ANYBODY},
    "api_default": {("GET",): LOGIN},
    "api_login": {BOTH: LOGIN},
    "api_staff": {BOTH: STAFF},
    "api_read_only": {("GET",): ANYBODY, ("POST",): LOGIN},
    "api_own": {BOTH: unknown("OwnRule", login=True)},
    "api_own_for_objects": {BOTH: unknown("OwnRuleForObjects", login=True)},
    "api_and": {BOTH: STAFF},
    "api_or": {BOTH: Demands(login=None, unknown=(f"(rest_framework.permissions.IsAdminUser or {VIEWS}.OwnRule)",))},
    "api_not": {BOTH: Demands(login=None, unknown=("not rest_framework.permissions.IsAuthenticated",))},
    "api_own_hook": {BOTH: unknown("OwnHook.get_permissions")},
    "api_groups": {("GET",): LOGIN, ("POST",): permission("auth.add_group")},
    "api_group": {
        ("GET",): LOGIN,
        ("PUT", "PATCH"): permission("auth.change_group"),
        ("DELETE",): permission("auth.delete_group"),
    },
    "api_readable_groups": {("GET",): ANYBODY, ("POST",): permission("auth.add_group")},
    "api_some_groups": {("GET",): Demands(login=None, unknown=("rest_framework.permissions.DjangoModelPermissions",))},
    "api_status": {("GET",): ANYBODY, ("POST",): LOGIN},
    "api_function": {("GET", "PUT"): LOGIN},
    "api_function_with_decorator": {("POST",): permission("auth.add_group")},
    "team-freeze": {("POST",): STAFF},
    "api-root": {("GET",): LOGIN},
}


@pytest.mark.parametrize(("name", "demands"), (FUNCTIONS | CLASSES | API).items(), ids=list(FUNCTIONS | CLASSES | API))
def test_what_a_view_demands_is_told_by_its_methods(
    every_kind: Settings, name: str, demands: dict[tuple[str, ...], Demands]
):
    # The router has its own with and without a suffix.
    assert told(name) == demands


ACTIONS: Final = {
    "api_groups": {("GET",): ("list",), ("POST",): ("create",)},
    "api_group": {("GET",): ("retrieve",), ("PUT", "PATCH"): ("update", "partial_update"), ("DELETE",): ("destroy",)},
    "api_status": {("GET",): ("list",), ("POST",): ("create",)},
    "team-freeze": {("POST",): ("freeze",)},
    "api_open": {BOTH: ()},
    "api_function": {("GET", "PUT"): ()},
    "both": {BOTH: ()},
    "plain": {ANY_METHOD: ()},
}


@pytest.mark.parametrize(("name", "actions"), ACTIONS.items(), ids=list(ACTIONS))
def test_a_viewset_tells_the_action_of_each_method_and_no_other_view_has_any(
    every_kind: Settings, name: str, actions: dict[tuple[str, ...], tuple[str, ...]]
):
    assert {each.methods: each.actions for each in urls().endpoints if each.name == name} == actions


def test_a_decorator_that_lets_some_methods_pass_leaves_the_actions_of_these(settings: Settings):
    from tests.site.inventory_views import Groups  # noqa: PLC0415  # it needs the site's settings

    view = require_POST(Groups.as_view({"get": "list", "post": "create"}))
    settings.ROOT_URLCONF = urlconf(path("groups/", view))

    assert [(each.methods, each.actions) for each in urls().endpoints] == [(("POST",), ("create",))]


def test_an_action_that_the_viewset_does_not_have_is_none_and_hides_nothing(settings: Settings):
    from tests.site.inventory_views import Groups  # noqa: PLC0415  # it needs the site's settings

    views = [Groups.as_view({"get": "nowhere"}), Groups.as_view({"get": "nowhere", "post": "create"})]
    settings.ROOT_URLCONF = urlconf(*(path(f"{place}/", require_POST(view)) for place, view in enumerate(views)))

    assert [each.actions for each in urls().endpoints] == [(), ("create",)]


@pytest.mark.parametrize(
    ("name", "view", "kind"),
    [
        ("login_below_others", f"{VIEWS}.plain", "view"),
        ("feed", "django.contrib.syndication.views.Feed", "view"),
        ("staff_around_login", f"{VIEWS}.Login", "class"),
        ("api_status", f"{VIEWS}.Status", "drf"),
        ("api_function", f"{VIEWS}.api_function", "drf"),
        ("admin:index", "django.contrib.admin.sites.AdminSite.index", "admin"),
        ("admin:login", "django.contrib.admin.sites.AdminSite.login", "admin"),
        ("admin-view", f"{VIEWS}.plain", "admin"),
    ],
    ids=lambda value: value,
)
def test_a_view_is_known_by_its_dotted_name_and_kind(every_kind: Settings, name: str, view: str, kind: str):
    found = next(each for each in urls().endpoints if each.name == name)

    assert (found.view, found.kind) == (view, kind)


@pytest.mark.parametrize(("name", "is_exempt"), [("csrf_exempt", True), ("login", False), ("api_function", True)])
def test_a_view_that_django_checks_no_csrf_for_is_told(every_kind: Settings, name: str, *, is_exempt: bool):
    assert one(name).csrf_exempt is is_exempt


def test_an_admin_sites_views_are_for_staff(every_kind: Settings):
    assert (one("admin:index").demands, one("admin-view").demands) == (STAFF, STAFF)
    assert one("admin:login").demands == ANYBODY


def test_an_admin_site_with_a_rule_of_its_own_is_not_guessed_at(settings: Settings):
    settings.ROOT_URLCONF = urlconf(path("admin/", _OpenAdmin().urls))

    assert told("admin:index") == {ANY_METHOD: Demands.told_by_nobody(f"{__name__}._OpenAdmin.has_permission")}


class _OpenAdmin(AdminSite):
    def has_permission(self, request: Any) -> bool:
        return True


def test_what_a_models_admin_asks_for_only_its_author_can_tell(every_kind: Settings):
    asked = one("admin:auth_group_changelist").demands

    assert (asked.staff, asked.unknown) == (True, ("django.contrib.auth.admin.GroupAdmin.has_*_permission",))


@pytest.mark.skipif(django.VERSION < (5, 1), reason="LoginRequiredMiddleware came with Django 5.1")
def test_the_middleware_that_demands_logins_counts_but_where_a_view_says_otherwise(every_kind: Settings):
    every_kind.MIDDLEWARE = [*every_kind.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

    assert told("plain") == {ANY_METHOD: LOGIN}
    assert told("both") == {BOTH: LOGIN}
    assert one("admin:login").demands == ANYBODY  # login_not_required


# Ninja ----------------------------------------------------------------------------------------------------------------


def test_the_operations_of_ninja_are_told(settings: Settings):
    settings.ROOT_URLCONF = "tests.site.ninja_urls"

    found = {each.template: each for each in urls().endpoints if each.kind == "ninja"}

    both = found["/ninja/async/async"]
    assert (both.methods, both.demands, both.view) == (BOTH, LOGIN, "tests.site.ninja_urls.async_view_and_class")
    assert found["/ninja/sync"].demands == LOGIN


# Paths ----------------------------------------------------------------------------------------------------------------

TEMPLATES: Final = {
    "items:items": ["/orders/{order}/items/"],
    "items:item": ["/orders/{order}/items/{item}/"],
    "of-user:item": ["/users/{item}/{order}/{item}/"],
    "even": ["/even/{number}/"],
    "file": ["/files/{name}"],
    "leaf": ["/tree/{above}/leaf/"],
    "uuid": ["/ids/{id}.json"],
    "old": ["/old/"],
    "old_year": ["/old/{year}/"],
    "old_positional": ["/old/{_0}-{_1}/"],
    "old_optional": ["/old/page", "/old/page/{page}"],
    "old_choice": ["/old/{_}"],
    "same-name-twice": ["/shops/{shop}/{shop}/"],
    "greeting": ["/greeting/", "/{language}/greeting/"],
    "always": ["/{language}/always/"],
    "translated": ["/translated/"],
    "catch-all": ["/{rest}.html"],
}


@pytest.mark.parametrize(("name", "templates"), TEMPLATES.items(), ids=list(TEMPLATES))
def test_a_pattern_has_a_template_from_the_root(every_kind: Settings, name: str, templates: list[str]):
    assert [each.template for each in urls().endpoints if each.name == name] == templates


PATHS: Final = (
    "/",
    "/views/plain/",
    "/views/plain",
    "/views/plain/more/",
    "/orders/7/items/",
    "/orders/7/items/8/",
    "/orders/seven/items/",
    "/users/ada/7/",
    "/users/ada/7/8/",
    "/even/12/",
    "/even/13/",
    "/files/a/b/c.txt",
    "/files/",
    "/tree/a/b/leaf/",
    "/tree/leaf/",
    "/tree/a/leaf/leaf/",
    "/ids/3f2504e0-4f89-11d3-9a0c-0305e82c3301.json",
    "/ids/3f2504e0.json",
    "/ids/3f2504e0-4f89-11d3-9a0c-0305e82c3301xjson",
    "/nameless/",
    "/old/",
    "/old",
    "/old/2026/",
    "/old/2026/\n",
    "/old/20261/",
    "/old/1-2/",
    "/old/page",
    "/old/page/",
    "/old/page/7",
    "/old/page/7/",
    "/old/first/",
    "/old/second/",
    "/old/third/",
    "/old/it/is/anywhere/",
    "/old/it/is/anywhere/or/so",
    "/old/open",
    "/old/opened",
    "/shops/one/two/",
    "/api/teams/",
    "/api/teams/7/",
    "/api/teams.json",
    "/api/teams/7.json",
    "/api/teams/7/freeze/",
    "/admin/",
    "/admin/auth/",
    "/admin/auth/group/",
    "/admin/auth/group/7/change/",
    "/admin/auth/group/7/",
    "/admin/what/ever",
    "/greeting/",
    "/en/greeting/",
    "/always/",
    "/en/always/",
    "/fr/always/",
    "/translated/",
    "/some/page.html",
    "/some/page.html\n",
    "/übersicht.html",
    "/nowhere/",
)


def resolved(way: str) -> tuple[str, str] | None:
    """What Django itself resolves a path to: the pattern's name, and the view's."""
    try:
        with override("en"):
            found = resolve(way)
    except Resolver404:
        return None
    return found.view_name if found.url_name else "", found.route


@pytest.mark.parametrize("way", PATHS)
def test_a_path_is_found_where_django_finds_it(every_kind: Settings, way: str):
    inventory = urls().endpoints
    found = LegacyTable(inventory).find("GET", way) or LegacyTable(inventory).find("POST", way)

    expected = resolved(way)
    by_shape = {operation.shape: each.name for each in reversed(inventory) for operation in each.operations()}
    # A language that is not the one in use is a 404 of Django's, and still a path of that view.
    assert (None if found is None else by_shape[found]) == (None if expected is None else expected[0])


UNSAFE: Final = ("old_two_anchors", "old_backreference", "old_repeated_repetition", "three_wildcards")


@pytest.mark.parametrize("name", UNSAFE)
def test_an_expression_that_cannot_be_joined_or_could_run_for_hours_is_left_out(every_kind: Settings, name: str):
    assert [each.regex for each in urls().endpoints if each.name == name] == [""] * len(told(name))


def test_other_languages_paths_are_a_views_as_well(every_kind: Settings):
    table = LegacyTable(urls().endpoints)

    assert table.find("GET", "/de/greeting/") == table.find("GET", "/greeting/") == "GET /greeting/"
    assert table.find("GET", "/de/always/") == "GET /{}/always/"


def test_of_two_patterns_for_a_path_the_first_counts_whatever_the_method(settings: Settings):
    from tests.site import inventory_views  # noqa: PLC0415  # it needs the site's settings

    views = inventory_views.FUNCTIONS
    settings.ROOT_URLCONF = urlconf(path("x/", views["get"]), path("<str:any>/", views["post"]))
    table = LegacyTable(urls().endpoints)

    assert (table.find("POST", "/x/"), table.find("POST", "/y/")) == (None, "POST /{}/")


def urlconf(*patterns: Any) -> Any:
    """A URLconf of those patterns; Django takes an object as well as a module's name."""
    return _Urlconf(patterns)


class _Urlconf:
    def __init__(self, patterns: tuple[Any, ...]) -> None:
        self.urlpatterns = list(patterns)


# Robustness -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def broken_urlconf(settings: Settings) -> Iterator[str]:
    """A URLconf that cannot be imported."""
    settings.ROOT_URLCONF = "tests.site.no_such_urls"
    yield settings.ROOT_URLCONF
    sys.modules.pop(settings.ROOT_URLCONF, None)


def test_a_urlconf_that_cannot_be_imported_stops_no_profile(broken_urlconf: str):
    published = publish_profile()

    assert published.urls == UrlInventory(shortcoming="its URLconf could not be read (ModuleNotFoundError)")


def test_a_urlconf_that_cannot_be_imported_is_a_finding(broken_urlconf: str):
    assert [each.code for each in describe_site().findings()] == ["urls-unlisted"]


def test_without_a_urlconf_nothing_is_answered_and_nothing_missing(settings: Settings):
    del settings.ROOT_URLCONF

    assert urls() == UrlInventory()


def test_a_login_page_by_name_is_told_as_it_is_where_the_urlconf_is_broken(broken_urlconf: str, settings: Settings):
    settings.LOGIN_URL = "login"

    assert describe_site().sessions.login_url == "login"


def test_a_site_of_more_endpoints_than_anybody_can_look_at_is_listed_in_part(settings: Settings):
    from tests.site.inventory_views import plain  # noqa: PLC0415  # it needs the site's settings

    settings.ROOT_URLCONF = urlconf(*(path(f"{number}/", plain) for number in range(MOST_ENDPOINTS + 1)))

    found = urls()

    assert (len(found.endpoints), bool(found.shortcoming)) == (MOST_ENDPOINTS, True)


class _Strange:
    """A view that cannot be looked at."""

    def __call__(self) -> None:
        raise AssertionError

    @property
    def __func__(self) -> Any:
        raise RuntimeError("look elsewhere")


def test_what_cannot_be_described_is_counted_and_hides_nothing_else(settings: Settings):
    from tests.site.inventory_views import plain  # noqa: PLC0415  # it needs the site's settings

    strange: Any = _Strange()
    settings.ROOT_URLCONF = urlconf(path("strange/", strange), path("x" * 300, plain), path("plain/", plain))

    found = urls()

    assert [each.template for each in found.endpoints] == ["/plain/"]
    assert found.shortcoming == "2 patterns could not be described"


# The shop -------------------------------------------------------------------------------------------------------------

SHOP: Final = """
GET /: legacy_django.shop.views.products anybody
GET /orders/: legacy_django.shop.views.orders login
GET /whoami/: legacy_django.shop.views.whoami login
POST /whoami/: legacy_django.shop.views.whoami login
GET /whoami/async/: legacy_django.shop.views.WhoAmIAsync anybody
POST /whoami/async/: legacy_django.shop.views.WhoAmIAsync anybody
GET /accounts/profile/: legacy_django.shop.views.profile login
GET /api/me/: legacy_django.shop.api.Me login
GET /api/items/: legacy_django.shop.api.ItemList login
POST /api/token/: rest_framework_simplejwt.views.TokenObtainPairView anybody
POST /api/token/refresh/: rest_framework_simplejwt.views.TokenRefreshView anybody
POST /api/token/blacklist/: rest_framework_simplejwt.views.TokenBlacklistView anybody
POST /api/token/verify/: rest_framework_simplejwt.views.TokenVerifyView anybody
GET /api/orders/: legacy_django.shop.api.OrderViewSet login legacy_django.shop.api.ChangeableWhilePlaced
POST /api/orders/: legacy_django.shop.api.OrderViewSet login legacy_django.shop.api.ChangeableWhilePlaced
GET /api/orders/{pk}/: legacy_django.shop.api.OrderViewSet login legacy_django.shop.api.ChangeableWhilePlaced
PUT /api/orders/{pk}/: legacy_django.shop.api.OrderViewSet login legacy_django.shop.api.ChangeableWhilePlaced
PATCH /api/orders/{pk}/: legacy_django.shop.api.OrderViewSet login legacy_django.shop.api.ChangeableWhilePlaced
DELETE /api/orders/{pk}/: legacy_django.shop.api.OrderViewSet login legacy_django.shop.api.ChangeableWhilePlaced
POST /bridge/session/: bridge.contrib.django.views.session anybody
"""


def test_the_shops_own_operations_are_these():
    inventory = urls()
    own = [each for each in inventory.endpoints if not each.view.startswith("django.") and each.kind != "admin"]
    lines = [
        " ".join((f"{operation}:", each.view, "login" if each.demands.login else "anybody", *each.demands.unknown))
        for each in own
        for operation in each.operations()
    ]

    assert lines == SHOP.split("\n")[1:-1]
    assert inventory.shortcoming == ""


def test_no_method_but_those_that_move_is_told(every_kind: Settings):
    assert {method for each in urls().endpoints for method in each.methods} <= set(METHODS)
