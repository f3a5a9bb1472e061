"""What decides which app answers, and what is noted of it."""

import hmac
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fastapi import APIRouter, FastAPI
from starlette.types import Scope

from bridge.cutover import Plan
from bridge.cutover.matching import OperationTable, OwnPaths
from bridge.errors import DatabaseError
from bridge.profile import SiteProfile
from bridge.services.baseline import Baselines
from bridge.services.endpoints import Moving
from bridge.services.shadowing import Shadowing
from bridge.services.stages import Stages
from bridge.services.traffic import Traffic
from bridge.services.tripping import Tripping
from bridge.store.differences import Differences
from bridge.store.traffic import EndpointCounts
from bridge.web.composition import Bridge, Foundation
from bridge.web.cutover.canary import asker_of
from bridge.web.cutover.operations import handlers_of, own_paths
from bridge.web.cutover.shadow import Shadow
from bridge.web.proxy import Upstream, open_upstream
from bridge.web.proxy.forwarding import Forwarding

__all__ = ["Cutover", "open_cutover"]

_DIGESTS: Final = b"bridge.cutover.digests"


@dataclass(frozen=True, slots=True)
class Cutover:
    """The bridge in front of the site.

    Attributes:
        upstream: the site.
        own_paths: what the bridge answers, whatever has moved.
        handlers: the migrated endpoints.
        stages: which of both answers on them.
        plan: what these may be.
        traffic: what was answered.
        tripping: takes an endpoint back by itself.
        shadow: compares answers.
        secret_keys: of the canary's cookie.
    """

    upstream: Upstream
    own_paths: OwnPaths
    handlers: OperationTable
    stages: Stages
    plan: Plan
    traffic: Traffic
    tripping: Tripping
    shadow: Shadow
    secret_keys: tuple[str, ...]

    @property
    def forwarding(self) -> Forwarding:
        """What is believed of a client that a proxy speaks for."""
        return self.upstream.forwarding

    def follow(self, profile: SiteProfile | None) -> None:
        """Take up what the site says of itself now."""
        self.forwarding.follow(profile.csrf.secure_proxy_ssl_header if profile else None)

    async def close(self) -> None:
        """End what is under way, write down what was counted, and let go of the site."""
        async with AsyncExitStack() as last:
            last.push_async_callback(self.upstream.close)
            last.push_async_callback(self.traffic.flush)
            await self.shadow.close()


async def open_cutover(app: FastAPI, foundation: Foundation, routers: Sequence[APIRouter]) -> Cutover | None:
    """Open what stands in front of the site that BRIDGE_UPSTREAM names; None without one.

    Raises:
        ConfigurationError: there is no such application, or the path of a migrated endpoint is too long.
    """
    settings, database, plan = foundation.settings, foundation.database, foundation.rules.plan
    if settings.upstream is None:
        return None
    upstream = await open_upstream(
        settings.upstream,
        trusted_proxies=settings.trusted_proxies,
        timeout=timedelta(seconds=settings.upstream_timeout),
    )
    traffic = Traffic(
        database=database,
        registry=foundation.registry,
        clock=foundation.clock,
        window_of=lambda shape: plan.of(shape).trip.window,
        handled=foundation.rules.served,
    )
    cutover = Cutover(
        upstream=upstream,
        own_paths=OwnPaths(own_paths(app, routers)),
        handlers=OperationTable(handlers_of(app, routers)),
        stages=foundation.stages,
        plan=plan,
        traffic=traffic,
        tripping=Tripping(
            traffic=traffic,
            before=Baselines(EndpointCounts(database), clock=foundation.clock),
            stages=foundation.stages,
            moving=Moving(endpoints=foundation.endpoints, clock=foundation.clock, rules=foundation.rules),
            plan=plan,
            recorder=foundation.recorder,
        ),
        shadow=_shadow(app, foundation, upstream, traffic),
        secret_keys=settings.django_secrets,
    )
    cutover.follow(app.state.bridge.profile)
    return cutover


def _shadow(app: FastAPI, foundation: Foundation, upstream: Upstream, traffic: Traffic) -> Shadow:
    shadowing = Shadowing(
        counts=traffic,
        differences=Differences(foundation.database),
        plan=foundation.rules.plan,
        digest_key=hmac.digest(foundation.settings.django_secrets[0].encode(), _DIGESTS, "sha256"),
        registry=foundation.registry,
        clock=foundation.clock,
    )

    async def identify(scope: Scope) -> None:
        bridge: Bridge = app.state.bridge  # ask anew: its parts follow the site profile
        with suppress(DatabaseError, TimeoutError):
            await asker_of(scope, askers=bridge.askers, session_cookie=bridge.session_cookie)

    return Shadow(app=app, upstream=upstream, database=foundation.database, shadowing=shadowing, identify=identify)
