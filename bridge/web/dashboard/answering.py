"""How the dashboard's routes answer: headers and cookies on all, and errors as pages where a browser asks."""

from http import HTTPStatus
from typing import Any, Final

from fastapi import Request, Response
from starlette.responses import RedirectResponse

from bridge.errors import BridgeError
from bridge.web.dashboard.cookies import write_cookies
from bridge.web.dashboard.pages import HEADERS, page
from bridge.web.errors import Problem, problem_of
from bridge.web.routes import BoundedRoute, Handler

__all__ = ["PageRoute", "to"]

_NO_STORE: Final = {"Cache-Control": "no-store"}


class PageRoute(BoundedRoute):
    """Sends a browser without a login to the login page, and shows it errors as pages; others get what an API gives."""

    def get_route_handler(self) -> Any:
        """Wrap the bounded handler."""
        handle: Handler = super().get_route_handler()

        async def as_page(request: Request) -> Response:
            try:
                response = await handle(request)
            except (BridgeError, Problem) as exc:
                if not _is_of_browser(request):
                    raise
                response = _refused(request, problem_of(exc))
            write_cookies(request, response)
            response.headers.update(HEADERS)
            return response

        return as_page


def to(name: str) -> Response:
    """Send a browser to another of the dashboard's pages. All are in one folder, whatever that is called outside."""
    return RedirectResponse(name, HTTPStatus.SEE_OTHER, _NO_STORE)


def _is_of_browser(request: Request) -> bool:
    return "text/html" in request.headers.get("accept", "")


def _refused(request: Request, problem: Problem) -> Response:
    if problem.status == HTTPStatus.UNAUTHORIZED and "authorization" not in request.headers:
        return to("login")
    phrase = HTTPStatus(problem.status).phrase
    return page("refused.html", status=problem.status, headers=problem.headers, phrase=phrase, problem=problem)
