"""An endpoint that takes parameters and dependencies, and gives JSON, is called without FastAPI's handler.

For such an endpoint the handler looks, with every request, for a body, streams and threads that it never has, and opens
stacks that nobody uses. What is left is to read the parameters, to call it, and to validate and write what it gave, all
of which FastAPI's own functions do here as well. A body that the endpoint reads by itself, as those for logins do, is
its own affair.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from fastapi import Request, Response, routing
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import request_params_to_args
from fastapi.exceptions import EndpointContext, RequestValidationError, ResponseValidationError
from fastapi.utils import is_body_allowed_for_status_code
from starlette._exception_handler import wrap_app_handling_exceptions
from starlette.types import ASGIApp, Receive, Scope, Send

from bridge.web.routes import Handler

__all__ = ["answered_directly"]

Solve = Callable[[Request], Awaitable[dict[str, Any]]]

_SOURCES: Final = {
    "path_params": "path_params",
    "query_params": "query_params",
    "header_params": "headers",
    "cookie_params": "cookies",
}
"""Where a request has what an endpoint takes of each kind, in FastAPI's order."""
_ELSE: Final = (
    *("body_params", "http_connection_param_name", "websocket_param_name"),
    *("background_tasks_param_name", "security_scopes_param_name", "concurrency"),
)
_SHOWING: Final = ("include", "exclude", "by_alias", "exclude_unset", "exclude_defaults", "exclude_none")
_KNOWN: Final = frozenset(
    (
        *("dependant", "body_field", "status_code", "response_class", "response_field"),
        *(f"response_model_{name}" for name in _SHOWING),
        *("dependency_overrides_provider", "embed_body_fields", "strict_content_type", "form_limits"),
        *("stream_item_field", "is_json_stream"),
    )
)
"""What this module knows handlers to be made of; those of a FastAPI that asks for more it leaves alone."""


def answered_directly(
    dependant: Dependant, given: dict[str, Any], solve: Solve, around: Callable[[Handler], Handler]
) -> ASGIApp | None:
    """Give what answers for an endpoint as FastAPI's handler for it does.

    Args:
        dependant: of the endpoint, which is a coroutine and leaves no body to FastAPI.
        given: what ``fastapi.routing.get_request_handler`` would be given.
        solve: gives what the endpoint takes of its dependencies.
        around: puts around a handler what its route puts around FastAPI's.

    Returns:
        None where it takes something else, or its answer is not simply its result in JSON.
    """
    if (
        inspect.signature(routing.get_request_handler).parameters.keys() != _KNOWN
        or any(getattr(dependant, name) for name in _ELSE)
        or not isinstance(given["response_class"], DefaultPlaceholder)
        or not is_body_allowed_for_status_code(given["status_code"])
    ):
        return None
    handle = around(_Direct(dependant, given, solve).answer)

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)

        async def answering(scope: Scope, receive: Receive, send: Send) -> None:
            response = await handle(request)
            await response(scope, receive, send)

        # The app's handlers of errors are given this very request, with the body that may have been read from it.
        await wrap_app_handling_exceptions(answering, request)(scope, receive, send)

    return answer


class _Direct:
    """An endpoint, and what it takes and gives."""

    def __init__(self, dependant: Dependant, given: dict[str, Any], solve: Solve) -> None:
        self._dependant = dependant
        self._endpoint: Any = dependant.call
        self._solve = solve
        self._request_name = dependant.request_param_name
        self._response_name = dependant.response_param_name
        self._taken = [(taken, source) for kind, source in _SOURCES.items() if (taken := getattr(dependant, kind))]
        self._status = given["status_code"] or 200
        is_typed = given["response_field"] is not None
        # What has no type is made fit for JSON first, and written by the class for it.
        self._response = partial(Response, media_type="application/json") if is_typed else given["response_class"].value
        self._serialized = partial(
            routing.serialize_response,
            field=given["response_field"],
            dump_json=is_typed,
            **{each: given[f"response_model_{each}"] for each in _SHOWING},
        )

    async def answer(self, request: Request) -> Response:
        values = await self._solve(request)
        if self._taken:
            values |= self._parameters(request)
        if self._request_name is not None:
            values[self._request_name] = request
        said = None
        if self._response_name is not None:
            values[self._response_name] = said = _unsaid()
        result = await self._endpoint(**values)
        return result if isinstance(result, Response) else await self._shown(result, request, said)

    def _parameters(self, request: Request) -> dict[str, Any]:
        found: dict[str, Any] = {}
        errors: list[Any] = []
        for taken, source in self._taken:
            values, wrong = request_params_to_args(taken, getattr(request, source))
            found |= values
            errors += wrong
        if errors:
            raise RequestValidationError(errors, endpoint_ctx=self._told(request))
        return found

    async def _shown(self, result: Any, request: Request, said: Response | None) -> Response:
        try:
            content = await self._serialized(response_content=result)
        except ResponseValidationError as exc:
            raise ResponseValidationError(exc.errors(), body=exc.body, endpoint_ctx=self._told(request)) from None
        response: Response = self._response(content, (said and said.status_code) or self._status)
        if said is not None:
            if not is_body_allowed_for_status_code(response.status_code):
                response.body = b""
            response.headers.raw.extend(said.headers.raw)
        return response

    def _told(self, request: Request) -> EndpointContext:
        """Say where the endpoint is, as FastAPI does in errors."""
        mounted = request.scope.get("root_path", "").rstrip("/")
        told = EndpointContext(path=f"{request.method} {mounted}{self._dependant.path}")
        if inspect.isfunction(self._endpoint):  # nothing else has lines
            told["file"] = inspect.getsourcefile(self._endpoint) or ""
            told["line"] = inspect.getsourcelines(self._endpoint)[1]
            told["function"] = self._endpoint.__name__
        return told


def _unsaid() -> Response:
    """Give what an endpoint may write headers and a status into, as FastAPI gives it one."""
    response = Response()
    del response.headers["content-length"]
    response.status_code = None  # type: ignore[assignment]  # FastAPI's own way to tell that none was set
    return response
