"""Django's CSRF rules on migrated endpoints: only for what the session cookie alone vouches for."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final

import httpx
import pytest
from fastapi import APIRouter, Form, Request, UploadFile

from bridge.web.dependencies import CurrentUser
from tests.conftest import Cast, Serve, bearer
from tests.session_vectors import SECRET_KEY, SessionVector, each_vector
from tests.web.conftest import PublishedProfile, assert_problem, before_any_database
from tests.web.test_sessions import Browsers, Visit, browsers, visit, with_cookie

__all__ = ["browsers", "visit"]

pytestmark = before_any_database

ME: Final = "/users/me/"
SECRET: Final = "abcdefghijklmnopqrstuvwxyz012345"
CHANGE: Final = {"first_name": "Ada"}

router = APIRouter()


@router.post("/form")
async def declared(user: CurrentUser, item: Annotated[str, Form()]) -> str:
    return f"{user.username} {item}"


@router.post("/files")
async def uploaded(user: CurrentUser, file: UploadFile) -> str:
    return (await file.read()).decode()


@router.post("/read")
async def read_by_hand(user: CurrentUser, request: Request) -> str:
    async with request.form() as form:
        return str(form["item"])


@router.post("/body")
async def raw(user: CurrentUser, request: Request) -> str:
    return (await request.body()).decode()


@router.post("/stream")
async def streamed(user: CurrentUser, request: Request) -> str:
    return b"".join([chunk async for chunk in request.stream()]).decode()


@router.put("/body")
async def put(user: CurrentUser, request: Request) -> str:
    return await raw(user, request)


class Visitor:
    """A browser that is logged in at the site, with its CSRF cookie."""

    def __init__(self, client: httpx.AsyncClient, session: str) -> None:
        self.client = client
        self.session = session

    async def send(
        self, method: str, path: str, *, token: str | None = None, origin: str | None = None, **more: Any
    ) -> httpx.Response:
        headers = {"Cookie": f"sessionid={self.session}; csrftoken={SECRET}"}
        headers |= {} if token is None else {"X-CSRFToken": token}
        headers |= {} if origin is None else {"Origin": origin}
        return await self.client.request(method, path, headers=headers | more.pop("headers", {}), **more)


@pytest.fixture
async def visitor(serve: Serve, cast: Cast, browsers: Browsers) -> AsyncIterator[Visitor]:
    await cast.add("ada")
    async with serve(routers=(router,)) as client:
        client.base_url = httpx.URL("http://testserver")
        yield Visitor(client, await browsers.log_in())


def assert_forged(answer: httpx.Response, reason: str) -> None:
    assert assert_problem(answer, status=403, code="csrf_failed")["detail"] == reason


# The matrix -----------------------------------------------------------------------------------------------------------


async def test_a_safe_method_needs_no_token(visitor: Visitor):
    assert (await visitor.send("GET", ME)).status_code == 200


async def test_an_unsafe_method_needs_one(visitor: Visitor, cast: Cast):
    assert_forged(await visitor.send("PATCH", ME, json=CHANGE), "CSRF token missing.")
    assert await cast.column("ada", "first_name") == ""


async def test_the_cookies_token_in_the_header_does(visitor: Visitor, cast: Cast):
    answer = await visitor.send("PATCH", ME, json=CHANGE, token=SECRET)

    assert (answer.status_code, answer.json()["first_name"]) == (200, "Ada"), answer.text


async def test_another_token_does_not(visitor: Visitor):
    answer = await visitor.send("PATCH", ME, json=CHANGE, token=SECRET[::-1])

    assert_forged(answer, "CSRF token from the 'X-Csrftoken' HTTP header incorrect.")


async def test_a_token_without_the_csrf_cookie_does_not(visitor: Visitor):
    headers = with_cookie(visitor.session)

    assert_forged(await visitor.send("PATCH", ME, json=CHANGE, token=SECRET, headers=headers), "CSRF cookie not set.")


@pytest.mark.parametrize("origin", ["http://testserver", None], ids=["its_own_origin", "no_origin"])
async def test_the_site_itself_may(visitor: Visitor, origin: str | None):
    assert (await visitor.send("PATCH", ME, json=CHANGE, token=SECRET, origin=origin)).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.test", "https://testserver", "null", "http://testserver:81"])
async def test_another_origin_may_not_though_it_has_the_token(visitor: Visitor, origin: str):
    answer = await visitor.send("PATCH", ME, json=CHANGE, token=SECRET, origin=origin)

    assert_forged(answer, f"Origin checking failed - {origin} does not match any trusted origins.")


@pytest.mark.parametrize(
    ("referer", "reason"),
    [
        (None, "Referer checking failed - no Referer."),
        ("http://testserver/", "Referer checking failed - Referer is insecure while host is secure."),
        ("https://evil.test/", "Referer checking failed - https://evil.test/ does not match any trusted origins."),
        ("https://testserver/page", None),
    ],
    ids=["none", "insecure", "another", "its_own"],
)
async def test_over_https_the_page_that_asks_must_be_the_sites(
    visitor: Visitor, referer: str | None, reason: str | None
):
    headers = {} if referer is None else {"Referer": referer}
    answer = await visitor.send("PATCH", f"https://testserver{ME}", json=CHANGE, token=SECRET, headers=headers)

    if reason is None:
        assert answer.status_code == 200
    else:
        assert_forged(answer, reason)


async def test_a_bearer_token_needs_none(visitor: Visitor):
    headers = await bearer(visitor.client, "ada")

    answer = await visitor.send("PATCH", ME, json=CHANGE, origin="http://evil.test", headers=headers)

    assert answer.status_code == 200


async def test_nobody_is_told_that_they_are_nobody_first(visitor: Visitor):
    """A dead session is no session: the front end must send the user to the login, not reload a token."""
    answer = await visitor.send("PATCH", ME, json=CHANGE, headers=with_cookie("x" * 32))

    assert_problem(answer, status=401, code="not_authenticated")


# By the site's settings -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "headers"),
    [
        ({"trusted_origins": ["https://*.shop.test"]}, {"X-CSRFToken": SECRET, "Origin": "https://www.shop.test"}),
        ({"header_name": "HTTP_X_OURS"}, {"X-Ours": SECRET}),
        ({"cookie_name": "xsrf"}, {"X-CSRFToken": SECRET[::-1]}),
        ({"allowed_hosts": ["shop.test"]}, {"X-CSRFToken": SECRET, "Host": "shop.test", "Origin": "http://shop.test"}),
        (
            {"secure_proxy_ssl_header": ["HTTP_X_FORWARDED_PROTO", "https"]},
            {"X-CSRFToken": SECRET, "X-Forwarded-Proto": "https", "Origin": "https://testserver"},
        ),
    ],
    ids=["trusted_origins", "header_name", "cookie_name", "allowed_hosts", "secure_proxy_ssl_header"],
)
async def test_the_sites_own_settings_decide(
    serve: Serve, browsers: Browsers, profile: PublishedProfile, told: dict[str, Any], headers: dict[str, str]
):
    await browsers.cast.add("ada")
    cookies = {"sessionid": await browsers.log_in(), "csrftoken": SECRET, "xsrf": SECRET[::-1]}
    sent = headers | {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}

    async def change() -> int:
        async with serve() as client:
            client.base_url = httpx.URL("http://testserver")
            answer: httpx.Response = await client.patch(ME, json=CHANGE, headers=sent)
            return answer.status_code

    assert await change() == 403
    await profile.edit(lambda document: document["csrf"].update(told))
    assert await change() == 200


@each_vector()
async def test_where_sessions_hold_the_secret_every_djangos_page_may_send_its_form(
    visit: Visit, vector: SessionVector, serve: Serve, profile: PublishedProfile
):
    await visit.prepare()
    await profile.edit(lambda document: document["csrf"].update(use_sessions=True))

    async with serve(django_secret_key=SECRET_KEY, routers=(router,)) as client:
        form = {"item": "a", "csrfmiddlewaretoken": vector.csrf_token}
        answer = await client.post("/form", data=form, headers=visit.headers)
        forged = await client.post("/form", data=form | {"csrfmiddlewaretoken": SECRET}, headers=visit.headers)

    assert (answer.status_code, answer.json()) == (200, "ada a"), answer.text
    assert_forged(forged, "CSRF token from POST incorrect.")


# The form -------------------------------------------------------------------------------------------------------------


BODY: Final = f"item=a+b&csrfmiddlewaretoken={SECRET}"
URLENCODED: Final = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.mark.parametrize(
    ("path", "read"),
    [("/form", "ada a b"), ("/read", "a b"), ("/body", BODY), ("/stream", BODY)],
    ids=["declared", "by_hand", "body", "stream"],
)
async def test_a_form_is_as_readable_as_if_nobody_had_looked_for_its_token(visitor: Visitor, path: str, read: str):
    answer = await visitor.send("POST", path, content=BODY, headers=URLENCODED)

    assert (answer.status_code, answer.json()) == (200, read), answer.text


@pytest.mark.parametrize("path", ["/form", "/read"], ids=["declared", "by_hand"])
async def test_so_is_a_multipart_form(visitor: Visitor, path: str):
    parts = {"item": (None, "a b"), "csrfmiddlewaretoken": (None, SECRET)}

    answer = await visitor.send("POST", path, files=parts)

    assert (answer.status_code, answer.json().removeprefix("ada ")) == (200, "a b"), answer.text


async def test_so_is_an_uploaded_file_of_any_size(visitor: Visitor):
    content = "x" * 3_000_000

    answer = await visitor.send("POST", "/files", files={"file": content, "csrfmiddlewaretoken": (None, SECRET)})

    assert (answer.status_code, len(answer.json())) == (200, len(content))


@pytest.mark.parametrize("path", ["/form", "/read", "/body", "/stream"])
async def test_a_form_without_its_token_reaches_nobody(visitor: Visitor, path: str):
    assert_forged(await visitor.send("POST", path, data={"item": "a"}), "CSRF token missing.")


@pytest.mark.parametrize("path", ["/form", "/read", "/body", "/stream"])
async def test_the_header_does_where_the_form_has_none(visitor: Visitor, path: str):
    assert (await visitor.send("POST", path, data={"item": "a"}, token=SECRET)).status_code == 200


async def test_a_wrong_token_in_the_form_is_not_mended_by_the_header(visitor: Visitor):
    form = {"item": "a", "csrfmiddlewaretoken": SECRET[::-1]}

    assert_forged(await visitor.send("POST", "/form", data=form, token=SECRET), "CSRF token from POST incorrect.")


async def test_a_token_that_is_a_file_is_none(visitor: Visitor):
    parts = {"item": (None, "a"), "csrfmiddlewaretoken": ("token.txt", SECRET)}

    assert_forged(await visitor.send("POST", "/read", files=parts), "CSRF token missing.")


async def test_only_a_post_has_a_form(visitor: Visitor):
    assert_forged(await visitor.send("PUT", "/body", content=BODY, headers=URLENCODED), "CSRF token missing.")


async def test_a_form_that_is_too_large_to_look_into_is_refused(visitor: Visitor):
    answer = await visitor.send("POST", "/body", data={"item": "x" * 2_700_000}, token=SECRET)

    assert_problem(answer, status=413, code="invalid_request")


@pytest.mark.parametrize(
    ("content", "content_type"),
    [
        (b"no parts", "multipart/form-data; boundary=b"),
        (b"--b\r\n\r\n\r\n--b--", "multipart/form-data; boundary=b"),
        (b"", "multipart/form-data"),
        (b"&".join(b"a=b" for _ in range(1001)), "application/x-www-form-urlencoded"),
        (b"csrfmiddlewaretoken=%ff%fe", "application/x-www-form-urlencoded"),
        (b"csrfmiddlewaretoken=\xff", "application/x-www-form-urlencoded"),
        (b"\0" * 99, "application/x-www-form-urlencoded; charset=utf-16"),
    ],
    ids=["no_parts", "no_name", "no_boundary", "too_many_fields", "no_utf8", "no_ascii", "zeros"],
)
@pytest.mark.parametrize("path", ["/form", "/body"])
async def test_a_broken_form_breaks_nothing(visitor: Visitor, path: str, content: bytes, content_type: str):
    answer = await visitor.send("POST", path, content=content, headers={"Content-Type": content_type})

    assert answer.status_code in {400, 403}, answer.text
