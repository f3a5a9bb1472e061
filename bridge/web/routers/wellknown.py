"""What anybody may know: the keys that verify our tokens, and where the endpoints are (RFC 8615)."""

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response

from bridge.services.keys import Document
from bridge.web.dependencies import BridgeServices

__all__ = ["router"]

IfNoneMatch = Annotated[str | None, Header()]
_NOT_MODIFIED: Final = 304
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"application/json": {"schema": {"type": "object"}}}},
    _NOT_MODIFIED: {"description": "The same as you have"},
}

router = APIRouter(prefix="/.well-known", tags=["well-known"])


@router.get("/jwks.json", response_class=Response, responses=_ANSWERS)
async def show_keys(bridge: BridgeServices, if_none_match: IfNoneMatch = None) -> Response:
    """Publish the keys that verify access tokens (RFC 7517); none where both apps share a secret."""
    return _answer(bridge.discovery.key_set(), if_none_match)


@router.get("/oauth-authorization-server", response_class=Response, responses=_ANSWERS)
async def show_metadata(request: Request, bridge: BridgeServices, if_none_match: IfNoneMatch = None) -> Response:
    """Tell OAuth clients what is supported and where (RFC 8414)."""
    return _answer(bridge.discovery.metadata(str(request.base_url)), if_none_match)


def _answer(document: Document, if_none_match: str | None) -> Response:
    seconds = int(document.max_age.total_seconds())
    headers = {"ETag": document.etag, "Cache-Control": f"public, max-age={seconds}" if seconds else "no-cache"}
    if _has(if_none_match, document.etag):
        return Response(status_code=_NOT_MODIFIED, headers=headers)
    return Response(document.body, media_type="application/json", headers=headers)


def _has(if_none_match: str | None, etag: str) -> bool:
    """Compare weakly (RFC 9110 sections 8.8.3.2 and 13.1.2): a proxy that compresses makes tags weak."""
    given = [each.strip().removeprefix("W/") for each in (if_none_match or "").split(",")]
    return etag in given or "*" in given
