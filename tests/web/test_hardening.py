"""Headers for browsers, on what the bridge answers itself."""

import httpx
import pytest
from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse

from tests.conftest import Serve
from tests.web.conftest import before_any_database

pytestmark = before_any_database
router = APIRouter()


@router.get("/page", response_class=HTMLResponse)
async def page(response: Response) -> str:
    response.headers["Referrer-Policy"] = "no-referrer"
    return "<p>moved</p>"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/healthz"), ("POST", "/auth/token"), ("GET", "/nowhere"), ("GET", "/users/me/")]
)
async def test_every_answer_is_what_it_says_and_keeps_to_itself(client: httpx.AsyncClient, method: str, path: str):
    headers = (await client.request(method, path)).headers

    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
    assert "strict-transport-security" not in headers
    assert "content-security-policy" not in headers


async def test_own_pages_are_in_no_frame_and_a_migrated_page_has_its_teams_headers(serve: Serve):
    async with serve(routers=(router,)) as client:
        own, migrated = (await client.get("/docs")).headers, (await client.get("/page")).headers

    assert (own.get_list("x-content-type-options"), own["referrer-policy"]) == (["nosniff"], "same-origin")
    assert "frame-ancestors 'none'" in own["content-security-policy"]
    assert migrated.get_list("referrer-policy") == ["no-referrer"]
    assert "content-security-policy" not in migrated


@pytest.mark.parametrize(
    ("scheme", "seconds", "expected"), [("https", 60, "max-age=60"), ("http", 60, None), ("https", 0, None)]
)
async def test_https_is_insisted_on_where_it_is_spoken_and_asked_for(
    serve: Serve, scheme: str, seconds: int, expected: str | None
):
    async with serve(hsts_seconds=seconds, trusted_proxies=("127.0.0.1",)) as client:
        answer = await client.get("/healthz", headers={"X-Forwarded-Proto": scheme})

    assert answer.headers.get("strict-transport-security") == expected
