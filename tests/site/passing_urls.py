"""The shop's URLs, and plain views for what the shop itself has no need of: streams, ranges, files, several cookies."""

import hashlib
from collections.abc import Iterator
from typing import Final

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect
from django.urls import path, re_path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import etag

from legacy_django.urls import urlpatterns as _shop

MEGABYTE: Final = 1024 * 1024
LETTERS: Final = b"abcdefghijklmnopqrstuvwxyz"

# Differ with the way, and are no part of what was asked.
_OF_THE_WAY: Final = ("HTTP_X_FORWARDED_", "HTTP_X_REAL_IP", "HTTP_CONNECTION", "HTTP_TRANSFER_ENCODING")
_ASKED: Final = ("REQUEST_METHOD", "PATH_INFO", "QUERY_STRING", "CONTENT_TYPE", "CONTENT_LENGTH")


@csrf_exempt
def echo(request: HttpRequest, rest: str = "") -> JsonResponse:
    """Tell what arrived."""
    headers = {name: value for name, value in request.META.items() if name.startswith("HTTP_")}
    told = {name: value for name, value in headers.items() if not name.startswith(_OF_THE_WAY)}
    body = {"length": len(request.body), "digest": hashlib.sha256(request.body).hexdigest()}
    asked = {name: request.META.get(name) for name in _ASKED}
    known = {"path": request.path, "rest": rest, "get": request.GET.urlencode(), "secure": request.is_secure()}
    return JsonResponse({"headers": told, "body": body, "asked": asked, "known": known, "cookies": request.COOKIES})


def forwarded(request: HttpRequest) -> JsonResponse:
    """Tell what was said of the client."""
    return JsonResponse({name: value for name, value in request.META.items() if name.startswith(_OF_THE_WAY[:2])})


def cookies(request: HttpRequest) -> HttpResponse:
    """Set several, one of them away."""
    answer = HttpResponse("cookies", headers={"X-Order": "one"})
    answer.set_cookie("first", "1", max_age=60, httponly=True, samesite="Lax")
    answer.set_cookie("second", 'a "quoted", value; with everything', path="/echo/")
    answer.delete_cookie("third")
    return answer


def remember(request: HttpRequest) -> HttpResponse:
    """Give a cookie to who asks, and tell what was brought."""
    answer = HttpResponse(request.headers.get("Cookie", ""))
    answer.set_cookie("own", request.GET["own"])
    return answer


def stream(request: HttpRequest) -> StreamingHttpResponse:
    """Answer without a length."""
    return StreamingHttpResponse((b"%d," % number for number in range(1000)), content_type="text/csv")


def big(request: HttpRequest) -> StreamingHttpResponse:
    """Answer with so many megabytes."""
    count = int(request.GET["megabytes"])

    def parts() -> Iterator[bytes]:
        for _ in range(count):
            yield b"\x00" * MEGABYTE

    return StreamingHttpResponse(parts(), headers={"Content-Length": str(count * MEGABYTE)})


@csrf_exempt
def take(request: HttpRequest) -> JsonResponse:
    """Read an upload part by part."""
    digest, length = hashlib.sha256(), 0
    while part := request.read(MEGABYTE):
        digest.update(part)
        length += len(part)
    return JsonResponse({"length": length, "digest": digest.hexdigest()})


def ranged(request: HttpRequest) -> HttpResponse:
    """Answer with a part, where one is asked for."""
    asked = request.headers.get("Range")
    if asked is None:
        return HttpResponse(LETTERS, headers={"Accept-Ranges": "bytes"})
    first, _, last = asked.removeprefix("bytes=").partition("-")
    part = LETTERS[int(first) : int(last) + 1]
    told = {"Content-Range": f"bytes {first}-{last}/{len(LETTERS)}", "Accept-Ranges": "bytes"}
    return HttpResponse(part, status=206, headers=told)


@etag(lambda request: '"a-tag"')
def tagged(request: HttpRequest) -> HttpResponse:
    """Answer once to who keeps it."""
    return HttpResponse("tagged", headers={"Cache-Control": "private"})


@gzip_page
def squeezed(request: HttpRequest) -> HttpResponse:
    """Answer compressed, and always alike: Django adds random bytes to what it compresses otherwise."""
    answer = HttpResponse("squeezed " * 200)
    if request.headers.get("Accept-Encoding") == "deflate":
        answer.headers["Content-Encoding"] = "deflate"
    return answer


def status(request: HttpRequest, code: int) -> HttpResponse:
    """Answer with any status."""
    body = b"" if code in (204, 304) else b"status"
    return HttpResponse(body, status=code, headers={"X-Text": "caf\u00e9", "X-Empty": ""})


def away(request: HttpRequest) -> HttpResponse:
    """Send elsewhere, as a login by another site does."""
    return redirect("https://elsewhere.example/?next=%2F&a=b%20c", permanent=False)


def failing(request: HttpRequest) -> HttpResponse:
    """Raise."""
    raise RuntimeError("as a view may")


urlpatterns = [
    *_shop,
    path("echo/", echo),
    re_path("^echo/(?P<rest>.*)$", echo),
    path("forwarded/", forwarded),
    path("cookies/", cookies),
    path("remember/", remember),
    path("stream/", stream),
    path("big/", big),
    path("take/", take),
    path("ranged/", ranged),
    path("tagged/", tagged),
    path("squeezed/", squeezed),
    path("status/<int:code>/", status),
    path("away/", away),
    path("failing/", failing),
]
