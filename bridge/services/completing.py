"""What every login ends in, whether or not a second factor was asked for."""

import logging
from typing import Final

from bridge.errors import DatabaseError
from bridge.services.client import Client
from bridge.services.clock import Clock
from bridge.services.lockout import Lockout
from bridge.services.recording import Event, Recorder
from bridge.store.users import StoredUser, Users

__all__ = ["Completing"]

_logger: Final = logging.getLogger(__name__)


class Completing:
    """Does what Django's receivers of ``user_logged_in`` do, and tells of it."""

    def __init__(self, *, users: Users, lockout: Lockout, recorder: Recorder, clock: Clock) -> None:
        self._users = users
        self._lockout = lockout
        self._recorder = recorder
        self._clock = clock

    async def complete(self, user: StoredUser, client: Client) -> None:
        """Note the login; a database that does not take it stands in nobody's way."""
        try:
            await self._users.record_login(user, now=self._clock())
        except DatabaseError as exc:
            _logger.warning("login of user %s not written: %s", user.id, type(exc).__name__)
        self._recorder.record(Event.LOGIN_SUCCEEDED, user_id=user.id, client=client)
        await self._lockout.succeeded(user.username, client)
