"""What a replica remembers is bounded: it is filled to its bound first, so that what grows afterwards is a leak."""

import asyncio
import time
import uuid
from typing import Final

import jwt

from bench.soak.asking import Asker
from bench.soak.processes import Server

__all__ = ["fill_memory"]

_TOKENS: Final = 10_000
"""As many as a replica remembers (``bridge.web.composition.parts``)."""
_LIFETIME: Final = 900
_AT_ONCE: Final = 16


async def fill_memory(server: Server, asker: Asker, *, signing_key: str, user_id: str) -> None:
    """Present as many tokens as a replica remembers, each of them once, signed as the site signs.

    Raises:
        Unanswered: or ``Refused``; before any fault each of them is good.
    """
    left = iter(range(_TOKENS))

    async def present() -> None:
        for _ in left:
            claims = {"token_type": "access", "user_id": user_id, "jti": uuid.uuid4().hex}
            token = jwt.encode(claims | {"exp": int(time.time()) + _LIFETIME}, signing_key, "HS256")
            headers = {"Authorization": f"Bearer {token}"}
            await asker.ask(
                server, "GET", "/users/me/", expect=[200], kind="token of the warm-up", who="one", headers=headers
            )

    await asyncio.gather(*(present() for _ in range(_AT_ONCE)))
