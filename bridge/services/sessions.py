"""From the site's session cookie to the user who is logged in by it, by ``django.contrib.auth.get_user``'s rules."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from bridge.profile import SessionProfile
from bridge.services.clock import Clock
from bridge.services.lineage import Continuity
from bridge.sessions.codec import SessionData, decode_cookie, decode_row
from bridge.store.identities import Identities
from bridge.store.rights import NOTHING, Rights
from bridge.store.sessions import Sessions
from bridge.store.users import StoredUser

__all__ = ["SiteSession", "SiteSessions"]

# Django writes 32 of [0-9a-z] and reads back no fewer than 8 characters; its column holds 40.
_KEY: Final = re.compile(r"[0-9A-Za-z]{8,40}")
_AUTH_HASH: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class SiteSession:
    """A session of the site that somebody is logged in by.

    Attributes:
        user: who; without their stored password.
        name: by which grants are joined to it: its row's key, or what the app wrote into one that is its own cookie;
            None where somebody logged in before the app was there to do that.
        csrf_secret: what it holds where the site has CSRF_USE_SESSIONS.
        auth_hash: of the stored password that it hangs on by now.
        otp_device: of django-otp, by which a second factor was given in it; None where none was.
        held: of the rights that were asked for, the user's.
    """

    user: StoredUser
    name: str | None = field(repr=False)
    csrf_secret: str | None = field(repr=False)
    auth_hash: str = field(repr=False)
    otp_device: str | None
    held: Rights = NOTHING


class SiteSessions:
    """Verifies sessions and reads their users live.

    Args:
        profile: where the site keeps its sessions, and whom it lets in by them.
        secrets: SECRET_KEY and its fallbacks.
    """

    def __init__(
        self,
        *,
        profile: SessionProfile,
        secrets: Sequence[str],
        sessions: Sessions,
        identities: Identities,
        continuity: Continuity,
        clock: Clock,
    ) -> None:
        self._profile = profile
        self._secrets = secrets
        self._sessions = sessions
        self._identities = identities
        self._continuity = continuity
        self._clock = clock

    async def find(self, cookie: str, *, asked: Rights = NOTHING) -> SiteSession | None:
        """Find the active user of a live session; None if the cookie opens nothing, whatever the reason.

        Raises:
            DatabaseError: sessions or users cannot be read.
        """
        data = await self._read(cookie)
        if data is None or data.user_id is None or data.backend not in self._profile.backends:
            return None
        if data.auth_hash is None or _AUTH_HASH.fullmatch(data.auth_hash) is None:
            return None
        # No row goes with a grant that ends: a cookie that is the session stays what it is.
        cookie_name = data.name if self._profile.storage == "cookie" else None
        found = await self._identities.with_rights(data.user_id, asked=asked, session_name=cookie_name)
        if found is None or found.revoked or not found.user.is_active:
            return None
        if not await self._continuity.holds(found.user.id, encoded=found.encoded, auth_hash=data.auth_hash):
            return None
        return SiteSession(
            user=found.user,
            name=cookie if self._profile.storage == "table" else cookie_name,
            csrf_secret=data.csrf_secret,
            auth_hash=self._continuity.auth_hash(found.encoded),
            otp_device=data.otp_device,
            held=found.held,
        )

    async def goes_on(self, session: SiteSession) -> bool:
        """Tell whether a session with a name, which was found before, has not ended since."""
        if session.name is None:
            return False
        if self._profile.storage == "table":
            return await self._sessions.exists(session.name)
        found = await self._identities.with_rights(session.user.id, asked=NOTHING, session_name=session.name)
        return found is not None and not found.revoked

    async def _read(self, cookie: str) -> SessionData | None:
        now = self._clock()
        if self._profile.storage == "cookie":
            age = timedelta(seconds=self._profile.cookie_age)
            return decode_cookie(cookie, secrets=self._secrets, max_age=age, now=now)
        if self._profile.storage is None or _KEY.fullmatch(cookie) is None:
            return None
        stored = await self._sessions.live(cookie, now=now)
        return None if stored is None else decode_row(stored, secrets=self._secrets)
