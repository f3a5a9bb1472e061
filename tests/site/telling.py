"""A site that needs no database, under any WSGI server: it tells what it was asked. Handlers for what moves from it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Final

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

__all__ = ["BY", "application", "router"]

BY: Final = "x-by"
"""The header by which both sides say who they are. The bridge's own endpoints know nothing of it."""

_CACHED: Final = [
    ("Cache-Control", "public, max-age=60"),
    ("Cache-Control", "s-maxage=600, no-transform"),
    ("Vary", "Accept-Language"),
    ("CDN-Cache-Control", "max-age=600"),
    ("Surrogate-Control", "max-age=600"),
]


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Tell which request it was, by the path that Django would resolve."""
    path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
    traced = {"traceparent": environ["HTTP_TRACEPARENT"]} if "HTTP_TRACEPARENT" in environ else {}
    told = json.dumps({"method": environ["REQUEST_METHOD"], "path": path, **traced}).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(told))), (BY, "django")]
    start_response("200 OK", [*headers, *(_CACHED if path == "/cached/" else ())])
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else told]


router = APIRouter()


@router.get("/moved/")
@router.post("/moved/")
@router.get("/moved/{number}/")
@router.get("/again/")
@router.get("/api/{name}/")
@router.post("/api/{name}/")
async def moved(response: Response) -> dict[str, str]:
    """Answer without a database."""
    response.headers[BY] = "bridge"
    return {}


@router.get("/cached/")
async def cached(response: Response) -> dict[str, str]:
    """Answer for every cache on the way."""
    response.headers[BY] = "bridge"
    for name, value in _CACHED:
        response.headers.append(name, value)
    return {}


@router.post("/reading/")
async def reading(request: Request) -> dict[str, str]:
    """Read the body without FastAPI's help."""
    await request.body()
    return {}


@router.get("/broken/")
async def broken() -> None:
    """Raise."""
    raise RuntimeError("as a handler may")


@router.post("/slow/")
async def slow(response: Response) -> dict[str, str]:
    """Take many times as long as the site."""
    await asyncio.sleep(1)
    response.headers[BY] = "bridge"
    return {}


@router.get("/breaking-off/")
async def breaking_off() -> StreamingResponse:
    """Raise in the midst of an answer."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"the first line\n"
        raise RuntimeError("as an export may")

    return StreamingResponse(parts())


@router.get("/never-ending/")
async def never_ending() -> StreamingResponse:
    """Answer until the client has had enough."""

    async def parts() -> AsyncIterator[bytes]:
        while True:
            yield b"one more line\n"
            await asyncio.sleep(0)

    return StreamingResponse(parts())


@router.get("/healthz")
async def hidden() -> None:
    """Be hidden by the bridge's own."""
