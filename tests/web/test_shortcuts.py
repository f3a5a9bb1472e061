"""The way that is remembered leads where FastAPI's router does."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Request, Response
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route

from bridge.web.routing.asking import routes_of
from bridge.web.routing.shortcuts import Shortcuts

router = APIRouter(prefix="/items")


def seen(request: Request) -> dict[str, Any]:
    return {
        "path": request.scope["route"].path_format,
        "params": request.path_params,
        "endpoint": request.scope["endpoint"].__name__,
        "url": request.url_for("by_number", number=7).path,
    }


@router.get("/first")
async def first(request: Request) -> Any:
    return seen(request)


@router.get("/{number:int}")
async def by_number(request: Request, number: int) -> Any:
    request.path_params["number"] = -1  # what a request does to its own is its own
    return seen(request) | {"given": number}


@router.get("/{name}")
async def by_name(request: Request, name: str) -> Any:
    return seen(request) | {"given": name}


@router.post("/first")
async def add(body: dict[str, int]) -> Any:
    return body


@router.delete("/first")
async def remove(response: Response) -> None:
    response.headers["x-removed"] = "yes"


async def plain(request: Request) -> PlainTextResponse:
    return PlainTextResponse("plain")


def make_app() -> FastAPI:
    app = FastAPI()
    app.include_router(router)
    app.include_router(router, prefix="/again")
    app.router.routes.append(Route("/plain", plain))
    app.router.routes.append(Mount("/mounted", app=FastAPI()))
    return app


@pytest.fixture
async def both() -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    """The same app with shortcuts and without."""
    short, usual = make_app(), make_app()
    short.router.middleware_stack = Shortcuts(short)
    clients = [
        httpx.AsyncClient(transport=httpx.ASGITransport(app, root_path=""), base_url="http://bridge")
        for app in (short, usual)
    ]
    yield clients[0], clients[1]
    for each in clients:
        await each.aclose()


@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "PUT", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    [
        *("/items/first", "/items/7", "/items/seven", "/items/%C3%A4%2Fb", "/again/items/first", "/again/items/8"),
        *("/plain", "/mounted/nothing", "/items", "/items/", "/items/first/", "/nothing", "/items/" + "x" * 2000),
    ],
    ids=lambda path: path[:20],
)
async def test_every_request_is_answered_alike_again_and_again(
    both: tuple[httpx.AsyncClient, httpx.AsyncClient], method: str, path: str
):
    short, usual = both
    body: Any = {"json": {"a": 1}} if method == "POST" else {}
    expected = await usual.request(method, path, **body)

    for _ in range(3):
        answer = await short.request(method, path, **body)
        assert (answer.status_code, answer.content, answer.headers) == (
            expected.status_code,
            expected.content,
            expected.headers,
        )


async def test_a_route_that_comes_later_is_found(both: tuple[httpx.AsyncClient, httpx.AsyncClient]):
    short, _ = both
    assert (await short.get("/later")).status_code == 404
    transport: Any = short._transport
    transport.app.get("/later")(lambda: "now")

    for _ in range(2):
        assert (await short.get("/later")).json() == "now"


async def test_only_so_many_ways_are_remembered():
    app = make_app()
    shortcuts = app.router.middleware_stack = Shortcuts(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://bridge") as client:
        for number in range(4_200):
            shortcuts._learn(
                ("GET", f"/items/{number}", ""), {"type": "http", "method": "GET", "path": f"/items/{number}"}
            )
        assert len(shortcuts._known) == 4_096
        assert (await client.get("/items/1")).json()["given"] == 1
        # FastAPI makes a route anew for each look: what is kept for one must not be kept again for each path.
        assert len(shortcuts._plans) <= len(list(routes_of(app)))
