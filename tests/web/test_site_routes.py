"""Pages that send a visitor to the site's login, as Django's own views do."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import httpx
import pytest
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse
from django.test import RequestFactory
from django.test.utils import override_settings
from fastapi import APIRouter, Request
from hypothesis import given
from hypothesis import strategies as st

from bridge.profile import CsrfProfile
from bridge.web.app import create_app
from bridge.web.dependencies import CurrentUser, OptionalUser, StoredUser, require_permission
from bridge.web.errors import Problem
from bridge.web.redirection import login_location
from bridge.web.routes import BoundedRoute, SiteRoute
from tests.conftest import Cast, Serve, settings_for
from tests.web.conftest import FULL_COST, PublishedProfile, assert_problem, before_any_database
from tests.web.demanding import token

router = APIRouter(route_class=SiteRoute)


@router.get("/page/{name:path}")
@router.post("/page/{name:path}")
async def page(user: CurrentUser) -> str:
    return user.username


@router.get("/orders")
async def orders(user: Annotated[StoredUser, require_permission("shop.change_order")]) -> str:
    return user.username


@router.get("/front")
async def front(user: OptionalUser) -> str:
    return user.username if user else "nobody"


@router.get("/refusing")
async def refusing() -> None:
    raise Problem(401, code="another_reason", detail="No")


class BoundedSiteRoute(SiteRoute, BoundedRoute):
    pass


bounded = APIRouter(route_class=BoundedSiteRoute)


@bounded.post("/bounded")
async def read(user: CurrentUser, request: Request) -> int:
    return len(await request.body())


router.include_router(bounded)
above = APIRouter(dependencies=[require_permission("shop.view_order")])
above.include_router(router, prefix="/above")


@pytest.fixture
async def client(serve: Serve) -> AsyncIterator[httpx.AsyncClient]:
    async with serve(routers=(router, above)) as started:
        yield started


def assert_sent(answer: httpx.Response, location: str) -> None:
    assert (answer.status_code, answer.headers["location"]) == (302, location)


# Who is sent ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/page/x", "/orders", "/above/orders"])
async def test_a_visitor_is_sent_to_the_sites_login_and_back(client: httpx.AsyncClient, path: str):
    answer = await client.get(path)

    assert_sent(answer, f"/accounts/login/?next={path}")
    assert answer.headers["cache-control"] == "no-store"


async def test_the_visitor_of_a_form_comes_back_as_at_django(client: httpx.AsyncClient):
    assert_sent(await client.post("/page/x?a=b"), "/accounts/login/?next=/page/x%3Fa%3Db")


async def test_what_other_route_classes_ask_for_holds_too(client: httpx.AsyncClient, cast: Cast):
    headers = token(await cast.add("ada"))

    assert (await client.post("/bounded", headers=headers, content=b"x" * 65_536)).json() == 65_536
    assert (await client.post("/bounded", headers=headers, content=b"x" * 65_537)).status_code == 413
    assert_sent(await client.post("/bounded"), "/accounts/login/?next=/bounded")


async def test_whoever_is_logged_in_is_not(client: httpx.AsyncClient, cast: Cast):
    key = await cast.add("ada", is_superuser=True)

    for path in ("/page/x", "/orders", "/above/orders"):
        assert (await client.get(path, headers=token(key))).json() == "ada"


@pytest.mark.parametrize("path", ["/orders", "/above/page/x"])
async def test_whoever_is_logged_in_and_lacks_a_permission_is_refused(client: httpx.AsyncClient, cast: Cast, path: str):
    key = await cast.add("ada")

    assert_problem(await client.get(path, headers=token(key)), status=403, code="permission_denied")


async def test_a_refused_bearer_token_is_an_apis_matter(client: httpx.AsyncClient):
    assert_problem(await client.get("/page/x", headers=token(12345)), status=401, code="invalid_token")


@before_any_database
async def test_a_visitor_who_need_not_be_logged_in_stays(client: httpx.AsyncClient):
    assert (await client.get("/front")).json() == "nobody"


@before_any_database
async def test_an_endpoints_own_401_stays(client: httpx.AsyncClient):
    assert_problem(await client.get("/refusing"), status=401, code="another_reason")


# Where to -------------------------------------------------------------------------------------------------------------


@before_any_database
@pytest.mark.parametrize(
    ("login_url", "location"),
    [
        ("/accounts/login/", "/accounts/login/?next=/orders%3Fa%3D1%26b"),
        ("/login/?theme=dark", "/login/?theme=dark&next=/orders%3Fa%3D1%26b"),
        ("https://sso.example/in#form", "https://sso.example/in?next=http%3A//bridge/orders%3Fa%3D1%26b#form"),
        ("http://bridge/login/", "http://bridge/login/?next=/orders%3Fa%3D1%26b"),
        ("//bridge/login/", "//bridge/login/?next=/orders%3Fa%3D1%26b"),
        ("https://bridge/login/", "https://bridge/login/?next=http%3A//bridge/orders%3Fa%3D1%26b"),
    ],
)
async def test_the_sites_login_url_is_followed(serve: Serve, profile: PublishedProfile, login_url: str, location: str):
    def change(document: dict[str, Any]) -> None:
        document["sessions"]["login_url"] = login_url
        document["csrf"]["allowed_hosts"] = ["bridge"]

    await profile.edit(change)

    async with serve(routers=(router,)) as client:
        assert_sent(await client.get("/orders?a=1&b"), location)


@before_any_database
async def test_no_host_but_the_sites_own_is_told_to_the_login(serve: Serve, profile: PublishedProfile):
    await profile.edit(lambda document: document["sessions"].update(login_url="https://sso.example/in"))

    async with serve(routers=(router,)) as client:
        answer = await client.get("/orders", headers={"Host": "evil.example"})

    assert_sent(answer, "https://sso.example/in?next=/orders")


@before_any_database
async def test_a_site_that_has_not_told_has_djangos_login_url(serve: Serve, profile: PublishedProfile):
    await profile.withdraw()

    async with serve(routers=(router,), **FULL_COST) as client:
        assert_sent(await client.get("/orders"), "/accounts/login/?next=/orders")


@before_any_database
async def test_a_path_that_looks_like_another_host_is_none(serve: Serve):
    catching = APIRouter(route_class=SiteRoute)
    catching.add_api_route("/{rest:path}", page)

    async with serve(routers=(catching,)) as client:
        assert_sent(await client.get("http://bridge//evil.example/x"), "/accounts/login/?next=/%252Fevil.example/x")


# As Django ------------------------------------------------------------------------------------------------------------

HOSTS: Final = ("bridge", "bridge:8001", "sso.example", "[::1]:8000")
LOGIN_URLS: Final = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", *(f"{scheme}//{host}" for scheme in ("http:", "https:", "") for host in HOSTS)]),
    st.sampled_from(["/login/", "/in", "/größe/", "/a b/"]),
    st.sampled_from(["", "?", "?next=/x", "?a=1&b=&a=2", "?next=1&c&next=2", "?q=%2F%20é&r=a+b", "?x=1;y=2"]),
    st.sampled_from(["", "#form"]),
)
# Where Django would name another host, we mean not to: see test_a_path_that_looks_like_another_host_is_none.
PATHS: Final = st.text(st.characters(codec="utf-8", exclude_characters="\0\r\n"), max_size=12).map(
    lambda text: f"/{text.lstrip('/')}"
)
QUERIES: Final = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="#"), max_size=20)


def sent_by_django(*, login_url: str, host: str, path: str, query: str, scheme: str) -> str:
    """What Django's own ``login_required`` answers to the same request."""
    request = RequestFactory().get("/", QUERY_STRING=query, HTTP_HOST=host, secure=scheme == "https")
    request.path = path
    request.user = AnonymousUser()
    with override_settings(ALLOWED_HOSTS=["*"]):
        return login_required(lambda _: HttpResponse(), login_url=login_url)(request)["Location"]


@given(
    login_url=LOGIN_URLS,
    host=st.sampled_from(HOSTS),
    path=PATHS,
    query=QUERIES,
    scheme=st.sampled_from(["http", "https"]),
)
def test_a_visitor_is_sent_where_django_sends_them(login_url: str, host: str, path: str, query: str, scheme: str):
    scope = {
        "type": "http",
        "scheme": scheme,
        "path": path,
        "query_string": query.encode(),
        "headers": [(b"host", host.encode())],
    }

    location = login_location(Request(scope), login_url=login_url, csrf=CsrfProfile(allowed_hosts=("*",)))

    assert location == sent_by_django(login_url=login_url, host=host, path=path, query=query, scheme=scheme)


# What is documented ---------------------------------------------------------------------------------------------------


def test_a_page_says_that_it_sends_to_the_login():
    paths = create_app(settings_for("sqlite:///nowhere"), routers=(router, above)).openapi()["paths"]

    told = {path: set(paths[path]["get"]["responses"]) for path in ("/orders", "/above/orders", "/front", "/refusing")}
    assert told == {
        "/orders": {"200", "302", "401", "403", "503"},
        "/above/orders": {"200", "302", "401", "403", "503"},
        "/front": {"200", "401", "503"},
        "/refusing": {"200"},
    }
