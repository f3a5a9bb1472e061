"""An endpoint that takes only its dependencies, and shows a model, is called and shown without FastAPI's handler.

For such an endpoint the handler looks, with every request, for parameters, a body, streams and threads that it never
has, and opens stacks that nobody uses. What is left is to call it, and to validate and write what it gave, which
FastAPI's own functions do here as well. Errors go to the app's handlers, a layer further out, which are the same.
"""

import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Final

from fastapi import Request, Response, routing
from fastapi.datastructures import DefaultPlaceholder
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import EndpointContext, ResponseValidationError
from fastapi.utils import is_body_allowed_for_status_code
from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["answered_directly"]

Solve = Callable[[Request], Awaitable[dict[str, Any]]]

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


def answered_directly(dependant: Dependant, given: dict[str, Any], solve: Solve) -> ASGIApp | None:
    """Give what answers for an endpoint without parameters of its own, as FastAPI's handler for it does.

    Args:
        dependant: of the endpoint, which is a coroutine and reads no body.
        given: what ``fastapi.routing.get_request_handler`` would be given.
        solve: gives what the endpoint takes of its dependencies.

    Returns:
        None where its answer is not simply its result in JSON.
    """
    field, status = given.get("response_field"), given.get("status_code") or 200
    if (
        inspect.signature(routing.get_request_handler).parameters.keys() != _KNOWN
        or field is None
        or not isinstance(given.get("response_class"), DefaultPlaceholder)
        or not is_body_allowed_for_status_code(status)
    ):
        return None
    endpoint: Any = dependant.call
    name = dependant.request_param_name
    shown = partial(
        routing.serialize_response,
        field=field,
        dump_json=True,
        **{each: given[f"response_model_{each}"] for each in _SHOWING},
    )

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive, send)
        values = await solve(request)
        if name is not None:
            values[name] = request
        result = await endpoint(**values)
        if not isinstance(result, Response):
            try:
                content = await shown(response_content=result)
            except ResponseValidationError as exc:
                told = _told_of(dependant, request)
                raise ResponseValidationError(exc.errors(), body=exc.body, endpoint_ctx=told) from None
            result = Response(content, status, media_type="application/json")
        await result(scope, receive, send)

    return answer


def _told_of(dependant: Dependant, request: Request) -> EndpointContext:
    """Say where the endpoint is, as FastAPI does in errors."""
    endpoint: Any = dependant.call
    mounted = request.scope.get("root_path", "").rstrip("/")
    told = EndpointContext(path=f"{request.method} {mounted}{dependant.path}")
    if inspect.isfunction(endpoint):  # nothing else knows its lines
        told["file"], told["line"] = inspect.getsourcefile(endpoint) or "", inspect.getsourcelines(endpoint)[1]
        told["function"] = endpoint.__name__
    return told
