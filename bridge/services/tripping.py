"""Takes an operation back to Django by itself, when the new handler does its clients harm."""

import asyncio
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final, Protocol

from bridge.cutover.plan import Plan
from bridge.cutover.stages import Stage, Standing
from bridge.cutover.tripping import SideSample, trips, wants_baseline
from bridge.errors import DatabaseError
from bridge.services.recording import Event, Recorder
from bridge.services.traffic import Traffic

__all__ = ["TRIP_EVERY", "DjangoBefore", "StagesInForce", "TripWriter", "Tripping"]

TRIP_EVERY: Final = timedelta(seconds=1)
_PATIENCE: Final = timedelta(seconds=5)

_logger: Final = logging.getLogger("bridge.audit")
_SERVING: Final = frozenset({Stage.CANARY, Stage.MIGRATED})
"""In a shadow nobody is served by the new handler: its mismatches are what the shadow is for."""


class StagesInForce(Protocol):
    """What this process goes by (``bridge.services.stages.Stages``)."""

    @property
    def in_force(self) -> Mapping[str, Standing]:
        """Every operation that was moved, by its shape."""
        ...

    def trip_locally(self, shape: str) -> None:
        """Keep an operation at Django in this process until a newer standing of it is read."""
        ...


class TripWriter(Protocol):
    """Who writes a rollback down for all replicas (``bridge.services.endpoints.Moving``)."""

    async def trip(self, shape: str, *, reason: str, expected_version: int) -> bool:
        """Roll back and mark as tripped; False if the operation has moved since ``expected_version``.

        Raises:
            DatabaseError: it could not be written.
        """
        ...


class DjangoBefore(Protocol):
    """Who knows how Django answered before (``bridge.services.baseline.Baselines``)."""

    async def of(self, operation: str) -> SideSample:
        """Give its last answers.

        Raises:
            DatabaseError: they could not be read.
        """
        ...


class Tripping:
    """Looks at the window of each operation whose new handler answers clients.

    Each process judges what it saw itself; the first to trip takes all of them back. What was seen under one standing
    counts for no other, so that an operation which was re-armed begins anew.
    """

    def __init__(
        self,
        *,
        traffic: Traffic,
        before: DjangoBefore,
        stages: StagesInForce,
        moving: TripWriter,
        plan: Plan,
        recorder: Recorder,
    ) -> None:
        self._traffic = traffic
        self._before = before
        self._stages = stages
        self._moving = moving
        self._plan = plan
        self._recorder = recorder
        self._versions: dict[str, int] = {}
        self._unwritten: dict[str, tuple[int, str]] = {}

    async def look(self) -> None:
        """Trip what must; first here, at once, and then in the database, as soon as it lets us."""
        self._begin_anew()
        for shape, standing in self._serving():
            if reason := trips(self._traffic.window(shape), by=self._plan.of(shape).trip):
                self._take_back(shape, standing, reason)
        await self._write()

    async def look_back(self) -> None:
        """Trip what is slower than Django was before, where that is not asked any more; the next look writes it down.

        It asks the database, and only about what is slow. What fails does not wait for that.
        """
        for shape, standing in self._serving():
            by = self._plan.of(shape).trip
            if not wants_baseline(self._traffic.window(shape), by=by):
                continue
            try:
                async with asyncio.timeout(_PATIENCE.total_seconds()):
                    baseline = await self._before.of(shape)
            except (DatabaseError, TimeoutError) as exc:
                _logger.warning("whether %s is slower than Django was is not known yet: %s", shape, type(exc).__name__)
                return
            observed = replace(self._traffic.window(shape), baseline=baseline)
            has_stayed = self._stages.in_force.get(shape) == standing
            if has_stayed and (reason := trips(observed, by=by)):
                self._take_back(shape, standing, reason)

    async def watch(self, every: timedelta = TRIP_EVERY) -> None:
        """Look for as long as the service runs."""
        while True:
            await asyncio.sleep(every.total_seconds())
            await self.look()

    async def watch_back(self, every: timedelta = TRIP_EVERY) -> None:
        """Look back for as long as the service runs."""
        while True:
            await asyncio.sleep(every.total_seconds())
            await self.look_back()

    def _begin_anew(self) -> None:
        for shape, standing in self._stages.in_force.items():
            if self._versions.get(shape) != standing.version:
                self._versions[shape] = standing.version
                self._traffic.forget(shape)

    def _serving(self) -> Sequence[tuple[str, Standing]]:
        """Give what answers clients, and what was seen of that was seen under the standing that it has."""
        return [
            (shape, standing)
            for shape, standing in self._stages.in_force.items()
            if standing.stage in _SERVING and self._versions.get(shape) == standing.version
        ]

    def _take_back(self, shape: str, standing: Standing, reason: str) -> None:
        self._stages.trip_locally(shape)
        self._traffic.forget(shape)
        self._unwritten[shape] = (standing.version, reason)
        _logger.warning("%s goes back to Django: %s", shape, reason, extra={"operation": shape})

    async def _write(self) -> None:
        for shape, (version, reason) in list(self._unwritten.items()):
            try:
                async with asyncio.timeout(_PATIENCE.total_seconds()):
                    is_first = await self._moving.trip(shape, reason=reason, expected_version=version)
            except (DatabaseError, TimeoutError) as exc:
                _logger.warning("that %s was tripped is not written yet: %s", shape, type(exc).__name__)
                return
            if self._unwritten.get(shape) == (version, reason):  # and not one of a later standing
                del self._unwritten[shape]
            if is_first:
                self._recorder.record(Event.ENDPOINT_TRIPPED)
            else:
                _logger.info("%s was moved by somebody else meanwhile; theirs stands", shape)
