"""``GET /migration/`` and what belongs to it."""

from typing import Final

from fastapi import APIRouter, Request, Response
from starlette.responses import RedirectResponse

from bridge.web.composition import Bridge
from bridge.web.dashboard import logins
from bridge.web.dashboard.answering import PageRoute, to
from bridge.web.dashboard.assets import assets
from bridge.web.dashboard.board import Board
from bridge.web.dashboard.pages import HEADERS, page
from bridge.web.dashboard.visitors import SendingStaff, StaffVisitor, Visitor
from bridge.web.dependencies import BridgeServices

__all__ = ["router"]

_KEPT_FOR_GOOD: Final = {"Cache-Control": "public, max-age=31536000, immutable"}

_pages = APIRouter(route_class=PageRoute, include_in_schema=False)


@_pages.get("/")
async def show_dashboard(bridge: BridgeServices, visitor: StaffVisitor) -> Response:
    """Show all of it."""
    overview = await bridge.overviews.current()
    return page(
        "dashboard.html",
        board=Board(overview),
        visitor=visitor,
        form_token=_form_token(bridge, visitor),
        etag=_etag(overview.fingerprint),
    )


@_pages.get("/live")
async def show_what_changes(request: Request, bridge: BridgeServices, visitor: StaffVisitor) -> Response:  # noqa: ARG001  # it guards the door
    """Show the part that changes, to a page that is open; 304 where it has not changed since the ``ETag``."""
    overview = await bridge.overviews.current()
    headers = {"ETag": _etag(overview.fingerprint), "Cache-Control": "no-store"}
    if request.headers.get("if-none-match") == headers["ETag"]:
        return Response(status_code=304, headers=headers)
    return page("live.html", headers=headers, board=Board(overview))


@_pages.post("/count")
async def count_now(bridge: BridgeServices, visitor: SendingStaff) -> Response:  # noqa: ARG001  # it guards the door
    """Count every user now, unless somebody does already, and show the page again."""
    await bridge.overviews.count()
    return to("./")


@_pages.get("/static/{name}")
async def show_asset(name: str) -> Response:
    """Give a file of the page's. It is no secret, and never changes under its name."""
    found = assets().get(name)
    if found is None:
        return Response(status_code=404)
    return Response(found.content, headers={**_KEPT_FOR_GOOD, "Content-Type": found.media_type})


def _form_token(bridge: Bridge, visitor: Visitor) -> str:
    return bridge.form_tokens.issue(visitor.form_subject) if visitor.form_subject else ""


def _etag(fingerprint: str) -> str:
    return f'"{fingerprint}"'


router = APIRouter(prefix="/migration")


@router.get("", include_in_schema=False)
async def add_slash() -> Response:
    """Send whoever leaves the slash out to the page."""
    return RedirectResponse("migration/", 308, dict(HEADERS))


router.include_router(_pages)
router.include_router(logins.router)
