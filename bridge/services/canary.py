"""Who is asking, as far as a canary has to know it: before anything is routed."""

from dataclasses import dataclass

from bridge.cutover import AllowList
from bridge.errors import InvalidToken
from bridge.services.identity import Authenticated, Identity
from bridge.store.rights import Rights

__all__ = ["Asker", "Askers"]


@dataclass(frozen=True, slots=True)
class Asker:
    """A user, the same by token or by session.

    Attributes:
        subject: what their bucket hangs on: the text of their key.
        is_listed: whether the canary's allow-list names them.
        role: what kind of user they are.
    """

    subject: str
    is_listed: bool
    role: str


class Askers:
    """Finds out who is asking."""

    def __init__(self, identity: Identity) -> None:
        self._identity = identity

    async def of(self, *, token: str | None, cookie: str | None, allow: AllowList) -> Asker | None:
        """Give the user of an access token, or else of the site's session; None for nobody that is known here.

        Whether they may do what they ask for is decided by the app that answers.

        Raises:
            DatabaseError: it cannot be told.
        """
        asked = Rights(groups=allow.groups)
        login: Authenticated | None = None
        if token is not None:
            try:
                login = await self._identity.of_token(token, asked=asked)
            except InvalidToken:
                return None  # a token beats a session, and this one may be of a kind that only the site knows
        elif cookie is not None:
            login = await self._identity.of_session(cookie, asked=asked)
        if login is None:
            return None
        user = login.user
        is_listed = allow.includes(user.id, is_staff=user.is_staff, groups=login.held.groups)
        return Asker(user.id, is_listed=is_listed, role=user.role)
