"""The composition root: one FastAPI application from settings and routers."""

import gc
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from django.conf import settings as django_settings
from fastapi import APIRouter, FastAPI
from fastapi_swagger import patch_fastapi
from starlette.types import ASGIApp, Lifespan, Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

import bridge
from bridge.cutover.inventory import Handler
from bridge.errors import ConfigurationError
from bridge.services.clock import Clock, system_clock
from bridge.web.cutover.dispatch import Dispatch
from bridge.web.cutover.operations import handlers_of
from bridge.web.dashboard import router as dashboard
from bridge.web.errors import register_handlers
from bridge.web.middleware.docs_policy import DocsPolicyMiddleware
from bridge.web.middleware.form_charset import FormCharsetMiddleware
from bridge.web.middleware.hardening import HardeningMiddleware
from bridge.web.middleware.head import HeadMiddleware
from bridge.web.openapi import DocumentedApp
from bridge.web.proxy import prepare_upstream
from bridge.web.routers import auth, endpoints, grants, health, mfa, migration, users, wellknown
from bridge.web.routing.shortcuts import Shortcuts
from bridge.web.running import running
from bridge.web.settings import Settings
from bridge.web.tracing import FASTAPI_TELEMETRY, Tracing, tracer_of_process

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ["app_from_environment", "create_app", "handlers_in", "load_router"]

_FOLLOW_EVERY: Final = timedelta(seconds=10)
_OBJECTS_BEFORE_COLLECTION: Final = 10_000


def create_app(
    settings: Settings,
    *,
    routers: Sequence[APIRouter] = (),
    clock: Clock = system_clock,
    follow_every: timedelta = _FOLLOW_EVERY,
    tracer: "Tracer | None" = None,
) -> FastAPI:
    """Build the service.

    Args:
        settings: where and with which keys.
        routers: the migrated endpoints.
        clock: where the time comes from.
        follow_every: how often to look for a new site profile, and at what else decides over re-hashing.
        tracer: OpenTelemetry's, which makes each request a span.
    """
    _run_django_parts(settings)
    app = _with_routes(
        routers, lifespan=running(settings, routers, clock=clock, follow_every=follow_every, tracer=tracer)
    )
    register_handlers(app)
    app.add_middleware(FormCharsetMiddleware)
    app.add_middleware(HardeningMiddleware, hsts_seconds=settings.hsts_seconds)
    app.add_middleware(DocsPolicyMiddleware)
    if settings.trusted_proxies:
        # The last one added is the first to see a request: all others know the client and its scheme.
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    app.add_middleware(HeadMiddleware)
    app.router.middleware_stack = Shortcuts(app)
    app.state.bridge = app.state.cutover = None
    if tracer is not None:
        app.span_requests(tracer)
    return app


class _FrontedApp(DocumentedApp):
    """Dispatches in front of all that FastAPI does: what goes to Django goes as it came, and costs little."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self._dispatch: ASGIApp = Dispatch(super().__call__)

    def span_requests(self, tracer: "Tracer") -> None:
        """Make each request a span, whichever app answers."""
        self._dispatch = Tracing(self._dispatch, tracer)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let one of both apps answer."""
        scope["app"] = self
        await self._dispatch(scope, receive, send)


def handlers_in(routers: Sequence[APIRouter]) -> tuple[Handler, ...]:
    """Give the handlers that a service with these routers has, which none of its settings decides.

    Raises:
        ConfigurationError: a migrated endpoint cannot be an operation.
    """
    return handlers_of(_with_routes(routers), routers)


def app_from_environment() -> FastAPI:
    """Build the service from ``BRIDGE_*``; what each worker of ``bridge serve`` runs."""
    settings = Settings.load()
    routers = [load_router(name) for name in settings.endpoints]
    app = create_app(settings, routers=routers, tracer=tracer_of_process())
    # What is there by now stays as long as the process: no collection has to look through it, while requests wait.
    gc.collect()
    gc.freeze()
    # What requests leave behind is hardly ever a cycle: Python 3.11 looks for some after every 700 objects, which takes
    # 3 % of the time of what only passes through.
    gc.set_threshold(_OBJECTS_BEFORE_COLLECTION)
    return app


def load_router(name: str) -> APIRouter:
    """Import ``MODULE:ROUTER``.

    Raises:
        ConfigurationError: there is no such router.
    """
    module, _, attribute = name.partition(":")
    try:
        router = getattr(import_module(module), attribute)
    except (ImportError, AttributeError, ValueError, TypeError) as exc:
        raise ConfigurationError(
            f"--endpoints {name}: {exc}",
            cure="Name an importable module and the APIRouter in it: package.module:router.",
        ) from exc
    if not isinstance(router, APIRouter):
        raise ConfigurationError(f"--endpoints {name} is not a fastapi.APIRouter", cure="Name the router itself.")
    return router


def _with_routes(routers: Sequence[APIRouter], *, lifespan: Lifespan[FastAPI] | None = None) -> _FrontedApp:
    app = _FrontedApp(
        title="Django migration bridge",
        version=bridge.__version__,
        summary="Log in to either app; move endpoints one at a time.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
        telemetry=FASTAPI_TELEMETRY,
    )
    # /docs from the package's own files: no browser of an operator asks another host for scripts.
    patch_fastapi(app, redirect_from_root_to_docs=False, swagger_ui_parameters={"displayRequestDuration": True})
    own = (
        *(auth.router, mfa.router, grants.router, users.router),
        *(migration.router, endpoints.router, dashboard, wellknown.router, health.router),
    )
    for router in (*own, *routers):
        app.include_router(router)
    return app


def _run_django_parts(settings: Settings) -> None:
    if settings.upstream is not None:
        # It may start a site, which may ask its database: Django lets nobody do that in a thread with an event loop.
        with ThreadPoolExecutor(1) as thread:
            thread.submit(prepare_upstream, settings.upstream).result()
    # Django's password validators ask whether to translate their messages. In a process that has no site, the answer
    # is no; with a site's settings at hand it is the site's.
    if not django_settings.configured and "DJANGO_SETTINGS_MODULE" not in os.environ:
        django_settings.configure(USE_I18N=False)
