"""From the site's session cookie to the user who is logged in by it, by ``django.contrib.auth.get_user``'s rules."""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from bridge.profile import SessionProfile
from bridge.services.clock import Clock
from bridge.services.lineage import Continuity
from bridge.sessions.codec import SessionData, decode_cookie, decode_row
from bridge.store.identities import Identified, Identities
from bridge.store.rights import NOTHING, Rights
from bridge.store.sessions import Sessions
from bridge.store.users import StoredUser
from bridge.tokens.memory import Memory

__all__ = ["SiteSession", "SiteSessions"]

# Django writes 32 of [0-9a-z] and reads back no fewer than 8 characters; its column holds 40.
_KEY: Final = re.compile(r"[0-9A-Za-z]{8,40}")
_MOST_REMEMBERED: Final = 10_000
_LONGEST_REMEMBERED: Final = 4096  # of what Django stored; what is kept of it is no longer
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


@dataclass(frozen=True, slots=True)
class _Decoded:
    """What a session held when it was last read, and the SHA-256 of what that was read from."""

    digest: bytes
    data: SessionData


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
        self._memory: Memory[_Decoded] = Memory(most=_MOST_REMEMBERED)

    async def find(self, cookie: str, *, asked: Rights = NOTHING) -> SiteSession | None:
        """Find the active user of a live session; None if the cookie opens nothing, whatever the reason.

        Raises:
            DatabaseError: sessions or users cannot be read.
        """
        opened = await (self._of_row if self._profile.storage == "table" else self._of_cookie)(cookie, asked)
        if opened is None:
            return None
        data, found = opened
        if found.revoked or not found.user.is_active or data.auth_hash is None:
            return None
        if not await self._continuity.holds(found.user.id, encoded=found.encoded, auth_hash=data.auth_hash):
            return None
        return SiteSession(
            user=found.user,
            name=cookie if self._profile.storage == "table" else data.name,
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

    async def _of_row(self, key: str, asked: Rights) -> tuple[SessionData, Identified] | None:
        """Read a row, and with it the user whom it named the last time: mostly it is the same.

        What is remembered decides nothing: row and user are as they are now, and only what Django wrote is not
        verified and parsed again where it is what it was.
        """
        if _KEY.fullmatch(key) is None:
            return None
        digest = _digest(key)
        known = self._memory.recall(digest)
        expected = None if known is None else known.data.user_id
        row = await self._identities.of_session(key, now=self._clock(), user_id=expected, asked=asked)
        if row is None:
            self._memory.forget(digest)
            return None
        data = self._decoded(digest, row.stored, known)
        user_id = None if data is None else self._named_by(data)
        if data is None or user_id is None:
            return None
        found = row.identified
        if found is None or found.user.id != user_id:
            found = await self._identities.with_rights(user_id, asked=asked)
        return None if found is None else (data, found)

    async def _of_cookie(self, cookie: str, asked: Rights) -> tuple[SessionData, Identified] | None:
        if self._profile.storage != "cookie":
            return None
        age = timedelta(seconds=self._profile.cookie_age)
        data = decode_cookie(cookie, secrets=self._secrets, max_age=age, now=self._clock())
        user_id = None if data is None else self._named_by(data)
        if data is None or user_id is None:
            return None
        # No row goes with a grant that ends: a cookie that is the session stays what it is.
        found = await self._identities.with_rights(user_id, asked=asked, session_name=data.name)
        return None if found is None else (data, found)

    def _named_by(self, data: SessionData) -> str | None:
        """Give who is logged in by a session; None where nobody is by any way that still counts."""
        if data.backend not in self._profile.backends:
            return None
        return None if data.auth_hash is None or _AUTH_HASH.fullmatch(data.auth_hash) is None else data.user_id

    def _decoded(self, digest: bytes, stored: str, known: "_Decoded | None") -> SessionData | None:
        found = _digest(stored)
        if known is not None and known.digest == found:
            return known.data
        data = decode_row(stored, secrets=self._secrets)
        if data is not None and len(stored) <= _LONGEST_REMEMBERED:
            self._memory.keep(digest, _Decoded(found, data))
        return data


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
