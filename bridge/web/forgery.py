"""Django's CSRF check, for requests that nothing but the site's session cookie vouches for."""

from typing import Final

from fastapi import Request
from starlette.datastructures import FormData
from starlette.types import Message

from bridge.services.sessions import SiteSession
from bridge.sessions.csrf import FORM_FIELD, SAFE_METHODS, CsrfRequest, CsrfRules, csrf_rejection, header_meta
from bridge.web.errors import Problem
from bridge.web.form_bodies import is_form

__all__ = ["refuse_forgery"]

_LIMIT_BYTES: Final = 2_621_440  # Django's DATA_UPLOAD_MAX_MEMORY_SIZE


async def refuse_forgery(request: Request, *, session: SiteSession, rules: CsrfRules) -> None:
    """Let a request with a session pass only if Django would; any form in its body stays readable.

    Raises:
        Problem: 403 with Django's reason; 413, a form that is too large to look for its token.
    """
    method = request.method.upper()
    if method in SAFE_METHODS:
        return
    host, port = request.scope.get("server") or ("unknown", 0)
    reason = csrf_rejection(
        CsrfRequest(
            method=method,
            scheme=request.scope["scheme"],
            meta=header_meta(request.scope["headers"]),
            server=(host, str(port)),
            form_token=await _form_token(request) if method == "POST" else "",
            session_secret=session.csrf_secret,
        ),
        rules=rules,
    )
    if reason is not None:
        raise Problem(403, code="csrf_failed", detail=reason)


async def _form_token(request: Request) -> str:
    if not is_form(request):
        return ""
    try:
        body = await _kept_body(request)
    except RuntimeError:  # FastAPI has read it already, for an endpoint that declares its fields, and keeps the form
        return _token_in(await request.form())
    async with _replayed(request, body).form() as form:
        return _token_in(form)


def _token_in(form: FormData) -> str:
    token = form.get(FORM_FIELD, "")
    return token if isinstance(token, str) else ""


async def _kept_body(request: Request) -> bytes:
    """Read a body that is not too large, and leave it where Starlette's own ``body()`` looks."""
    chunks, length = [], 0
    async for chunk in request.stream():
        length += len(chunk)
        if length > _LIMIT_BYTES:
            raise Problem(413, code="invalid_request", detail=f"The form is larger than {_LIMIT_BYTES} bytes")
        chunks.append(chunk)
    request._body = b"".join(chunks)  # noqa: SLF001  # else `body()` would read without a limit
    return request._body  # noqa: SLF001  # likewise


def _replayed(request: Request, body: bytes) -> Request:
    """Give another request over the same body, so that the endpoint's own parses as if nobody had."""

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    return Request(request.scope, receive)
