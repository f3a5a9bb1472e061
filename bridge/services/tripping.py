"""Takes an operation back to Django by itself, when the new handler does its clients harm."""

import asyncio
import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Final, Protocol

from bridge.cutover.plan import Plan
from bridge.cutover.stages import Stage, Standing
from bridge.cutover.tripping import trips
from bridge.errors import DatabaseError
from bridge.services.recording import Event, Recorder
from bridge.services.traffic import Traffic

__all__ = ["TRIP_EVERY", "StagesInForce", "TripWriter", "Tripping"]

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


class Tripping:
    """Looks at the window of each operation whose new handler answers clients.

    Each process judges what it saw itself; the first to trip takes all of them back. What was seen under one standing
    counts for no other, so that an operation which was re-armed begins anew.
    """

    def __init__(
        self, *, traffic: Traffic, stages: StagesInForce, moving: TripWriter, plan: Plan, recorder: Recorder
    ) -> None:
        self._traffic = traffic
        self._stages = stages
        self._moving = moving
        self._plan = plan
        self._recorder = recorder
        self._versions: dict[str, int] = {}
        self._unwritten: dict[str, tuple[int, str]] = {}

    async def look(self) -> None:
        """Trip what must; first here, at once, and then in the database, as soon as it lets us."""
        for shape, standing, reason in list(self._tripping()):
            self._stages.trip_locally(shape)
            self._traffic.forget(shape)
            self._unwritten[shape] = (standing.version, reason)
            _logger.warning("%s goes back to Django: %s", shape, reason, extra={"operation": shape})
        for shape, (version, reason) in list(self._unwritten.items()):
            try:
                async with asyncio.timeout(_PATIENCE.total_seconds()):
                    is_first = await self._moving.trip(shape, reason=reason, expected_version=version)
            except (DatabaseError, TimeoutError) as exc:
                _logger.warning("that %s was tripped is not written yet: %s", shape, type(exc).__name__)
                return
            del self._unwritten[shape]
            if is_first:
                self._recorder.record(Event.ENDPOINT_TRIPPED)
            else:
                _logger.info("%s was moved by somebody else meanwhile; theirs stands", shape)

    async def watch(self, every: timedelta = TRIP_EVERY) -> None:
        """Look for as long as the service runs."""
        while True:
            await asyncio.sleep(every.total_seconds())
            await self.look()

    def _tripping(self) -> Iterator[tuple[str, Standing, str]]:
        for shape, standing in self._stages.in_force.items():
            if self._versions.get(shape) != standing.version:
                self._versions[shape] = standing.version
                self._traffic.forget(shape)
            elif standing.stage in _SERVING and (reason := self._reason(shape)):
                yield shape, standing, reason

    def _reason(self, shape: str) -> str | None:
        return trips(self._traffic.window(shape), by=self._plan.of(shape).trip)
