"""Which checks the floor of refused logins is measured by: the costliest that the user table demands."""

import logging
import math
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Any, Final

from bridge.errors import DatabaseError
from bridge.passwords.decoy import algorithm_and_cost, costliest_decoys, costliest_wrapped, highest_costs
from bridge.passwords.policy import PasswordPolicy
from bridge.services.floor import Floor
from bridge.store.users import Users
from bridge.store.wrapped import wrapped_values

__all__ = ["Measuring"]

_logger: Final = logging.getLogger(__name__)
_WRAPPED: Final = "argon2_pbkdf2"
_STANDING_FOR_ALL: Final = 100
_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=1)


class Measuring:
    """Has the floor measured once the user table demands what costs more than what was.

    A census does not know how many rounds argon2 wraps: for these a pass over the table is made, with each snapshot
    that has any, and once an hour. One that fails is made again, after a pause that doubles; what was found last
    counts meanwhile, and all else is measured.

    Args:
        users: asked for passes over the whole table.
        policy: what does the checks.
        decoy: the site's own argon2, see ``decoy_value``.
        clock: in seconds, as ``time.monotonic``.
    """

    def __init__(
        self,
        *,
        users: Users,
        policy: PasswordPolicy,
        floor: Floor,
        decoy: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._users = users
        self._policy = policy
        self._floor = floor
        self._decoy = decoy
        self._clock = clock
        self._wrapped: tuple[int, str] | None = None
        self._looked_after: object = None
        self._look_again_at = -math.inf
        self._pause = _FIRST_PAUSE

    async def measure(self, snapshot: Mapping[str, Any] | None) -> None:
        """Measure, unless all was measured within the hour that costs as much as what the table holds.

        Args:
            snapshot: the last one, which has counted that; before there is one, the newest users stand for all.

        Raises:
            DatabaseError: the user table cannot be read.
        """
        highest = await (self._of_newest() if snapshot is None else self._counted(snapshot))
        costs = dict[object, int](highest.items())
        costs[self._policy] = 0  # what another has measured says nothing of this one, which may accept more
        decoys = [*costliest_decoys(highest)]
        if self._wrapped is not None:
            costs[_WRAPPED], value = self._wrapped
            decoys.append(value)
        if not self._floor.covers(costs):
            first = partial(self._policy.verify_decoy, "", self._decoy)
            await self._floor.measure(
                [first, *(partial(self._policy.verify, "", each) for each in decoys)], costs=costs
            )

    async def _of_newest(self) -> Mapping[str, int]:
        values = [user.encoded for user in await self._users.newest(_STANDING_FOR_ALL)]
        self._wrapped = costliest_wrapped(values)
        return highest_costs(algorithm_and_cost(value) for value in values)

    async def _counted(self, snapshot: Mapping[str, Any]) -> Mapping[str, int]:
        found = [(row["algorithm"], row["cost"]) for row in snapshot["census"]]
        if not any(algorithm.startswith(_WRAPPED) for algorithm, _ in found):
            self._wrapped = None
        elif snapshot["generated_at"] != self._looked_after or self._clock() >= self._look_again_at:
            self._looked_after = snapshot["generated_at"]
            await self._look_for_wrapped()
        return highest_costs(found)

    async def _look_for_wrapped(self) -> None:
        try:
            self._wrapped = costliest_wrapped(await wrapped_values(self._users))
        except DatabaseError as exc:
            again_in, self._pause = self._pause, min(2 * self._pause, _LONGEST_PAUSE)
            _logger.warning(
                "wrapped hashes were not looked at for the floor, again in %s: %s", again_in, type(exc).__name__
            )
        else:
            again_in, self._pause = _LONGEST_PAUSE, _FIRST_PAUSE
        self._look_again_at = self._clock() + again_in.total_seconds()
