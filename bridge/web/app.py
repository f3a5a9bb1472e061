"""The composition root: one FastAPI application from settings and routers."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
from functools import partial
from importlib import import_module
from typing import Final

from django.conf import settings as django_settings
from fastapi import APIRouter, FastAPI
from fastapi_swagger import patch_fastapi
from prometheus_client import CollectorRegistry
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

import bridge
from bridge import findings
from bridge.errors import ConfigurationError, DatabaseError
from bridge.passwords.pool import HashingPool
from bridge.profile import UserTable
from bridge.services.clock import Clock, system_clock
from bridge.services.endpoints import Stages, follow
from bridge.services.preconditions import Safety
from bridge.services.recording import Recorder
from bridge.store.activity import Activity
from bridge.store.database import open_database
from bridge.store.endpoints import Endpoints
from bridge.store.grants import Grants
from bridge.store.inspection import Inspection
from bridge.store.journal import Journal
from bridge.store.lineage import Lineage
from bridge.store.revocations import Revocations
from bridge.tokens import KeySet
from bridge.web.composition import Bridge, Foundation, compose, longest_unused, rules_of, site_profile
from bridge.web.errors import register_handlers
from bridge.web.openapi import DocumentedApp
from bridge.web.routers import auth, endpoints, grants, health, mfa, migration, users, wellknown
from bridge.web.settings import Settings
from bridge.web.varying import VaryMiddleware

__all__ = ["app_from_environment", "create_app", "load_router"]

_logger: Final = logging.getLogger(__name__)
_FOLLOW_EVERY: Final = timedelta(seconds=10)
_STAGES_EVERY: Final = timedelta(milliseconds=400)
_PRUNE_SECONDS: Final = 3600.0
_CANCEL_AGAIN_SECONDS: Final = 0.1


def create_app(
    settings: Settings,
    *,
    routers: Sequence[APIRouter] = (),
    clock: Clock = system_clock,
    follow_every: timedelta = _FOLLOW_EVERY,
) -> FastAPI:
    """Build the service.

    Args:
        settings: where and with which keys.
        routers: the migrated endpoints.
        clock: where the time comes from.
        follow_every: how often to look for a new site profile, and at what else decides over re-hashing.
    """
    _run_django_parts_without_a_site()
    app = DocumentedApp(
        title="Django migration bridge",
        version=bridge.__version__,
        summary="Log in to either app; move endpoints one at a time.",
        lifespan=_lifespan(settings, routers, clock=clock, follow_every=follow_every),
        docs_url=None,
        redoc_url=None,
        swagger_ui_oauth2_redirect_url=None,
    )
    # /docs from the package's own files: no browser of an operator asks another host for scripts.
    patch_fastapi(app, redirect_from_root_to_docs=False, swagger_ui_parameters={"displayRequestDuration": True})
    register_handlers(app)
    app.add_middleware(VaryMiddleware)
    if settings.trusted_proxies:
        # The last one added is the first to see a request: all others know the client and its scheme.
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(settings.trusted_proxies))
    own = (
        *(auth.router, mfa.router, grants.router, users.router),
        *(migration.router, endpoints.router, wellknown.router, health.router),
    )
    for router in (*own, *routers):
        app.include_router(router)
    return app


def app_from_environment() -> FastAPI:
    """Build the service from ``BRIDGE_*``; what each worker of ``bridge serve`` runs."""
    settings = Settings.load()
    return create_app(settings, routers=[load_router(name) for name in settings.endpoints])


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


def _lifespan(
    settings: Settings, routers: Sequence[APIRouter], *, clock: Clock, follow_every: timedelta
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        key_source = settings.key_source()
        rules = rules_of(settings, routers)
        database = await open_database(settings.database_url.get_secret_value())
        pool = HashingPool(workers=settings.hashing_workers)
        registry = CollectorRegistry()
        recorder = Recorder(activity=Activity(database), registry=registry, clock=clock)
        foundation = Foundation(
            settings=settings,
            database=database,
            pool=pool,
            recorder=recorder,
            registry=registry,
            safety=Safety(clock),
            key_source=key_source,
            clock=clock,
            rules=rules,
            stages=Stages(Endpoints(database), clock=clock),
        )
        try:
            await _look_at_site(app, foundation)
            await foundation.stages.look()
            background = [
                asyncio.create_task(_follow_site(app, foundation, follow_every)),
                asyncio.create_task(follow(foundation.stages, every=_STAGES_EVERY)),
                asyncio.create_task(_prune(app, foundation)),
            ]
            try:
                yield
            finally:
                await _end(background)
        finally:
            await pool.close()
            await database.close()

    return lifespan


async def _end(tasks: Collection[asyncio.Task[None]]) -> None:
    """Cancel until they have ended: a driver may turn a cancelled statement into an error, which they survive."""
    pending = set(tasks)
    while pending:
        for task in pending:
            task.cancel()
        _, pending = await asyncio.wait(pending, timeout=_CANCEL_AGAIN_SECONDS)


async def _look_at_site(app: FastAPI, foundation: Foundation) -> None:
    """Take up the site's profile and the signing keys as they are now, and see whether hashes may be upgraded."""
    profile = await site_profile(foundation.database)
    running: Bridge | None = getattr(app.state, "bridge", None)
    keys = await _present_keys(foundation, running)
    is_new = running is None or profile != running.profile or keys != running.keys
    if running is None or is_new:
        guards = frozenset() if profile else await Inspection(foundation.database, UserTable()).guards()
        candidate = compose(foundation, profile, keys, guards=guards)
    else:
        candidate = running
    was_safe = foundation.safety.is_safe
    # The verdict first: nothing runs by a new profile under the old one's.
    await foundation.safety.look(candidate.preconditions)
    if is_new:
        app.state.bridge = candidate
        published = profile.published_at if profile else "nobody"
        _logger.info("took up the site profile of %s, and %d signing keys", published, len(keys.keys))
    if foundation.safety.is_safe != was_safe:
        codes = ", ".join(found.code for found in foundation.safety.findings)
        _logger.warning("what stands in the way of re-hashing is now: %s", codes or "nothing")


async def _present_keys(foundation: Foundation, running: Bridge | None) -> KeySet:
    """Read the signing keys; where they cannot be read any more, those that were read last go on."""
    try:
        return await asyncio.to_thread(foundation.key_source.look)
    except ConfigurationError as exc:
        if running is None:
            raise
        _logger.error("the signing keys were not read anew, the last ones stay: %s", exc)  # noqa: TRY400  # no traceback
        return running.keys


async def _follow_site(app: FastAPI, foundation: Foundation, every: timedelta) -> None:
    """Notice what changes at the site without a restart; a database that is away changes nothing."""
    while True:
        await asyncio.sleep(every.total_seconds())
        try:
            await _look_at_site(app, foundation)
        except DatabaseError as exc:
            _logger.warning("the site was not looked at, what was found last stays: %s", type(exc).__name__)
        except Exception:
            # The profile is the site's to write; whatever it says, this goes on, and upgrades stop.
            _logger.exception("the site was not understood")
            foundation.safety.distrust(findings.PROFILE_MISSING)


async def _prune(app: FastAPI, foundation: Foundation) -> None:
    """Drop what has expired."""
    database = foundation.database
    while True:
        now = foundation.clock()
        # Every token of a grant that was last refreshed so long ago has expired, and so has every session that ended so
        # long ago; a day more for clocks that differ.
        grants_kept = longest_unused(foundation.settings, app.state.bridge.profile) + timedelta(days=1)
        prunings = {
            "revocations": partial(Revocations(database).prune, now=now),
            "lineage": partial(Lineage(database).prune, now=now),
            "journal": partial(Journal(database).prune, now=now),
            "grants": partial(Grants(database).prune, rotated_before=now - grants_kept),
        }
        for name, prune in prunings.items():
            try:
                await prune()
            except DatabaseError as exc:
                _logger.warning("%s not pruned: %s", name, type(exc).__name__)
        await asyncio.sleep(_PRUNE_SECONDS)


def _run_django_parts_without_a_site() -> None:
    # Django's password validators ask whether to translate their messages. In a process that has no site, the answer
    # is no; with a site's settings at hand it is the site's.
    if not django_settings.configured and "DJANGO_SETTINGS_MODULE" not in os.environ:
        django_settings.configure(USE_I18N=False)
