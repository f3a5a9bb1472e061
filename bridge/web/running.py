"""The running service: what it opens, what it does in the background, and how it ends."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from fastapi import APIRouter, FastAPI
from prometheus_client import CollectorRegistry

from bridge import findings
from bridge.errors import ConfigurationError, DatabaseError, DatabaseUnavailable
from bridge.passwords.pool import HashingPool
from bridge.profile import UserTable
from bridge.services.clock import Clock, steady
from bridge.services.endpoints import Rules
from bridge.services.floor import Floor
from bridge.services.preconditions import Safety
from bridge.services.recording import Event, Recorder
from bridge.services.reporting import ReportGauges, keep_snapshots
from bridge.services.stages import Stages, follow
from bridge.services.traffic import KEPT as TRAFFIC_KEPT
from bridge.store.database import open_database
from bridge.store.differences import Differences
from bridge.store.endpoints import Endpoints
from bridge.store.grants import Grants
from bridge.store.inspection import Inspection
from bridge.store.journal import Journal
from bridge.store.lineage import Lineage
from bridge.store.revocations import Revocations
from bridge.store.traced import TracedDatabase
from bridge.store.traffic import EndpointCounts
from bridge.tokens import KeySet
from bridge.web.composition import Bridge, Foundation, compose, longest_unused, rules_of, site_profile
from bridge.web.composition.limits import limits_of
from bridge.web.cutover.cutover import Cutover, open_cutover
from bridge.web.cutover.operations import handlers_of
from bridge.web.cutover.waiting import waiting
from bridge.web.settings import Settings

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

__all__ = ["running"]

_logger: Final = logging.getLogger(__name__)
_STAGES_EVERY: Final = timedelta(milliseconds=250)
_PRUNE_SECONDS: Final = 3600.0
_DIFFERING_CLOCKS: Final = timedelta(days=1)
"""What some take for expired, others may not: another replica, or a site with a LEEWAY in SIMPLE_JWT."""
_FLOOR_SECONDS: Final = 60.0
_CANCEL_AGAIN_SECONDS: Final = 0.1


def running(
    settings: Settings,
    routers: Sequence[APIRouter],
    *,
    clock: Clock,
    follow_every: timedelta,
    tracer: "Tracer | None" = None,
) -> Callable[[FastAPI], AbstractAsyncContextManager[None]]:
    """Give the app's lifespan; see ``create_app``."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        begin = partial(serving, app)
        async with AsyncExitStack() as stack:
            try:
                await stack.enter_async_context(begin())
            except DatabaseUnavailable:
                if settings.upstream is None:
                    raise
                await stack.enter_async_context(waiting(app, settings, settings.upstream, routers, begin))
            yield

    @asynccontextmanager
    async def serving(app: FastAPI) -> AsyncIterator[None]:
        async with AsyncExitStack() as stack:
            stack.callback(_forget, app)
            rules = rules_of(settings, handlers_of(app, routers))
            foundation = await _found(settings, rules, clock, stack, tracer)
            await _look_at_site(app, foundation)
            await foundation.stages.look()
            cutover = await open_cutover(app, foundation, routers)
            app.state.cutover = cutover
            if cutover is not None:
                stack.push_async_callback(cutover.close)
            background = _background(app, foundation, cutover, follow_every=follow_every)
            tasks = [asyncio.create_task(each) for each in background]
            for task in tasks:
                task.add_done_callback(_tell_of_end)
            stack.push_async_callback(_end, tasks)
            yield

    return lifespan


def _forget(app: FastAPI) -> None:
    app.state.bridge = None


async def _found(
    settings: Settings, rules: Rules, clock: Clock, stack: AsyncExitStack, tracer: "Tracer | None"
) -> Foundation:
    key_source = settings.key_source()
    url = settings.database_url.get_secret_value()
    patience = timedelta(seconds=settings.database_timeout)
    database = await open_database(url, patience=patience)
    stack.push_async_callback(database.close)
    if tracer is not None:
        database = TracedDatabase(database, tracer)
    apart = await open_database(url, connections=1, patience=patience)
    stack.push_async_callback(apart.close)
    endpoints = Endpoints(apart)
    registry = CollectorRegistry()
    recorder = Recorder(database=database, registry=registry, clock=clock)
    stack.push_async_callback(recorder.flush)
    pool = HashingPool(workers=settings.hashing_workers)
    stack.push_async_callback(pool.close)
    limits = limits_of(settings, registry, clock)
    stack.push_async_callback(limits.close)
    return Foundation(
        settings=settings,
        database=database,
        pool=pool,
        recorder=recorder,
        registry=registry,
        safety=Safety(clock),
        key_source=key_source,
        clock=clock,
        rules=rules,
        endpoints=endpoints,
        stages=Stages(endpoints, plan=rules.plan),
        floor=Floor(pool),
        limits=limits,
    )


def _background(
    app: FastAPI, foundation: Foundation, cutover: Cutover | None, *, follow_every: timedelta
) -> Iterator[Coroutine[Any, Any, None]]:
    """Give what goes on for as long as the service runs."""
    yield _follow_site(app, foundation, follow_every)
    yield _prune(app, foundation)
    yield _keep_floor(app)
    yield foundation.recorder.keep_flushing()
    yield keep_snapshots(lambda: app.state.bridge.reporting, ReportGauges(foundation.registry))
    if cutover is not None:
        yield follow(foundation.stages, every=_STAGES_EVERY)
        yield cutover.traffic.keep_flushing()
        yield cutover.tripping.watch()
        yield cutover.tripping.watch_back()


def _tell_of_end(task: asyncio.Task[None]) -> None:
    """Log what nobody foresaw: without the background a process does not follow, flush or prune any more."""
    if not task.cancelled() and task.exception() is not None:
        _logger.critical("background work has ended, restart this process", exc_info=task.exception())


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
    running: Bridge | None = app.state.bridge
    keys = await _present_keys(foundation, running)
    is_new = running is None or profile != running.profile or keys != running.keys
    if running is None or is_new:
        guards = frozenset() if profile else await Inspection(foundation.database, UserTable()).guards()
        candidate = compose(foundation, profile, keys, guards=guards)
    else:
        candidate = running
    known = None if running is None else foundation.safety.blocking
    # The verdict first: nothing runs by a new profile under the old one's.
    await foundation.safety.look(candidate.preconditions)
    if is_new:
        app.state.bridge = candidate
        if running is not None and app.state.cutover is not None:
            app.state.cutover.follow(profile)
        if running is not None and keys != running.keys:
            foundation.recorder.note(Event.KEYS_CHANGED)
        published = profile.published_at if profile else "nobody"
        _logger.info("took up the site profile of %s, and %d signing keys", published, len(keys.keys))
    if foundation.safety.blocking != known:
        _log_verdict(foundation.safety)


def _log_verdict(safety: Safety) -> None:
    if safety.is_safe:
        _logger.info("re-hashing is safe")
    else:
        _logger.warning("re-hashing is not safe, see bridge doctor: %s", ", ".join(safety.blocking))


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


async def _keep_floor(app: FastAPI) -> None:
    """Measure what the costliest check takes; again where snapshot, newest users or policy ask for more, or hourly."""
    while True:
        bridge: Bridge = app.state.bridge
        try:
            await bridge.login.measure_floor(await bridge.reporting.latest_snapshot())
        except DatabaseError as exc:
            _logger.warning("the floor of refused logins was not measured: %s", type(exc).__name__)
        await asyncio.sleep(_FLOOR_SECONDS)


async def _prune(app: FastAPI, foundation: Foundation) -> None:
    """Drop what has expired."""
    database, clock = foundation.database.unhurried(), steady(foundation.clock)
    while True:
        now = clock()
        # Every token of a grant that was last refreshed so long ago has expired, and so has every session that ended so
        # long ago.
        grants_kept = longest_unused(foundation.settings, app.state.bridge.profile) + _DIFFERING_CLOCKS
        prunings = {
            "revocations": partial(Revocations(database).prune, now=now - _DIFFERING_CLOCKS),
            "lineage": partial(Lineage(database).prune, now=now),
            "journal": partial(Journal(database).prune, now=now),
            "differences": partial(Differences(database).prune, now=now),
            "traffic": partial(EndpointCounts(database).prune, before=now - TRAFFIC_KEPT),
            "grants": partial(Grants(database).prune, rotated_before=now - grants_kept),
        }
        for name, prune in prunings.items():
            try:
                await prune()
            except DatabaseError as exc:
                _logger.warning("%s not pruned: %s", name, type(exc).__name__)
        await asyncio.sleep(_PRUNE_SECONDS)
