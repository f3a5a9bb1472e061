"""A span for each request and each statement it waits for, by OpenTelemetry, where its SDK is there and asked for.

``OTEL_TRACES_EXPORTER`` asks for it, or whoever runs the app has set a tracer provider; the other ``OTEL_`` names are
the SDK's. Without it nothing of OpenTelemetry's runs. FastAPI's own spans are switched off: they hold paths and
queries, in which clients send tokens, and do not tell of what Django answers.
"""

import logging
import os
import sys
from collections.abc import Mapping, MutableMapping, Sequence
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING, Any, Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bridge.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

__all__ = ["FASTAPI_TELEMETRY", "OPERATION", "Tracing", "tracer_of_process"]

OPERATION: Final = "bridge.operation"
"""Where the dispatch notes in a request's scope what it was, and which side answered."""
FASTAPI_TELEMETRY: Final = {"tracing": False, "logs": False, "auto_configure": False}

_logger: Final = logging.getLogger(__name__)
_SCOPE: Final = "bridge"
_SDK: Final = "opentelemetry.sdk.trace"
_NAMED_BY: Final = "OTEL_TRACES_EXPORTER"
_EXPORTERS: Final = "opentelemetry_traces_exporter"
_METHODS: Final = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"})
_FAILED: Final = 500

Header = tuple[bytes, bytes]


def tracer_of_process() -> "Tracer | None":
    """Give what spans are made by; None where nobody asks for any, or the SDK is not there.

    Raises:
        ConfigurationError: an exporter is named that is not installed.
    """
    names = [name.strip() for name in os.environ.get(_NAMED_BY, "none").split(",") if name.strip() not in {"", "none"}]
    if not names and _SDK not in sys.modules:
        return None  # nobody can have set a provider
    try:
        from opentelemetry import trace  # noqa: PLC0415  # it may not be installed
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415  # likewise
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415  # likewise
    except ImportError:
        _logger.warning("%s is set, and opentelemetry-sdk is not installed: nothing is traced", _NAMED_BY)
        return None
    is_set = isinstance(trace.get_tracer_provider(), TracerProvider)
    if names and not is_set:
        provider = TracerProvider()
        for name in names:
            provider.add_span_processor(BatchSpanProcessor(_exporter(name).load()()))
        trace.set_tracer_provider(provider)
    return trace.get_tracer(_SCOPE) if names or is_set else None


def _exporter(name: str) -> EntryPoint:
    if name == "otlp":
        protocol = os.environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or os.environ.get("OTEL_EXPORTER_OTLP_PROTOCOL")
        name = "otlp_proto_grpc" if protocol == "grpc" else "otlp_proto_http"
    found = next(iter(entry_points(group=_EXPORTERS, name=name)), None)
    if found is None:
        raise ConfigurationError(
            f"{_NAMED_BY} names an exporter that is not installed",
            cure="Install django-migration-bridge[tracing] for otlp, or the package that has it.",
        )
    return found


class Tracing:
    """Stands before the app, and makes each HTTP request a span of the trace that it comes with, or of a new one.

    What answers, Django above all, gets the span's own context in place of the one that came. A span tells which
    operation it was and what became of it; no path, no query, no address, no header and no exception's message.

    Args:
        app: what answers.
        tracer: of whichever provider.
    """

    def __init__(self, app: ASGIApp, tracer: "Tracer") -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the app answer."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        from opentelemetry import propagate  # noqa: PLC0415  # as above
        from opentelemetry.trace import SpanKind  # noqa: PLC0415  # likewise

        method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
        with self._tracer.start_as_current_span(
            method,
            context=propagate.extract(_first_of_each(scope["headers"])),
            kind=SpanKind.SERVER,
            attributes={"http.request.method": method, "url.scheme": scope.get("scheme", "http")},
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            carried: dict[str, str] = {}
            propagate.inject(carried)
            scope["headers"] = _with(scope["headers"], carried)

            async def noting(message: Message) -> None:
                if message["type"] == "http.response.start":
                    _note_status(span, message["status"])
                await send(message)

            try:
                await self._app(scope, receive, noting)
            except Exception as exc:
                _note_failure(span, type(exc).__name__)
                raise
            finally:
                _note_operation(span, method, scope)


def _first_of_each(headers: Sequence[Header]) -> MutableMapping[str, str]:
    found: dict[str, str] = {}
    for name, value in headers:
        found.setdefault(name.decode("latin-1"), value.decode("latin-1"))
    return found


def _with(headers: Sequence[Header], carried: Mapping[str, str]) -> list[Header]:
    new = {name.lower().encode(): value.encode() for name, value in carried.items()}
    return [*((name, value) for name, value in headers if name not in new), *new.items()]


def _note_status(span: "Span", status: int) -> None:
    span.set_attribute("http.response.status_code", status)
    if status >= _FAILED:
        _note_failure(span, str(status))


def _note_failure(span: "Span", kind: str) -> None:
    from opentelemetry.trace import StatusCode  # noqa: PLC0415  # as above

    span.set_attribute("error.type", kind)
    span.set_status(StatusCode.ERROR)


def _note_operation(span: "Span", method: str, scope: Scope) -> None:
    operation, side = scope.get(OPERATION, (None, "bridge"))
    route: Any = scope.get("route")
    template = operation.partition(" ")[2] if operation else getattr(route, "path_format", None)
    span.set_attribute("bridge.side", side)
    if template:
        span.set_attribute("http.route", template)
        span.update_name(f"{method} {template}")
