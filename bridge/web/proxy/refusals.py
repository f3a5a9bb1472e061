"""What a client is told where the site gives no answer."""

from starlette.responses import Response

from bridge.web.errors import problem_answer

__all__ = ["late", "malformed", "stalled", "unreachable"]


def stalled() -> Response:
    """Say that the client did not send all of its request in time."""
    return problem_answer(408, code="request_timeout", detail="The request was not sent in time")


def late() -> Response:
    """Say that the site took too long."""
    return problem_answer(504, code="upstream_timeout", detail="The site did not answer in time")


def unreachable() -> Response:
    """Say that there is no site, or that it broke off."""
    return problem_answer(502, code="upstream_unavailable", detail="The site cannot be reached")


def malformed() -> Response:
    """Say that no such request can be made of a site."""
    return problem_answer(400, code="malformed_request", detail="The request cannot be passed on")
