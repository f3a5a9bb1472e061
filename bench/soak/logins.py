"""Ways in: what is known of a password, and what each app gives for it."""

import random
import time
from typing import Any, Final

from bench.soak.asking import Answer, Asker, Refused, Unanswered
from bench.soak.members import Member, Tokens
from bench.soak.processes import Server
from bench.soak.servers import Servers

__all__ = ["LOST", "Logins", "bearer", "browser"]

LOST: Final = (Unanswered, Refused)
_CSRF: Final = "c" * 32
_OLDEST_TOKENS: Final = 600.0


class Logins:
    """Logs members in, at either app."""

    def __init__(self, servers: Servers, asker: Asker, rng: random.Random) -> None:
        self._servers = servers
        self._asker = asker
        self._rng = rng

    async def prove(self, member: Member) -> list[str]:
        """Log in at both apps with every fault off, and say where that was not possible."""
        failed = []
        for name, way in (("bridge", self.at_bridge), ("site", self.at_site_api), ("site's form", self.at_form)):
            try:
                await way(member)
            except LOST as exc:
                failed.append(f"{member.username} cannot log in at the {name}: {exc}")
        return failed

    async def anywhere(self, member: Member) -> None:
        """Log in somewhere."""
        [way] = self._rng.choices([self.at_bridge, self.at_site_api, self.at_form], [5, 2, 4])
        await way(member)

    async def at_bridge(self, member: Member, server: Server | None = None) -> Tokens:
        """Log in at a replica, any of them unless it is named."""
        answer = await self._with_password(
            member, server or self.replica(), "/auth/login", good=200, bad=401, encoding="json"
        )
        told = answer.json()
        member.tokens = Tokens(told["access_token"], told.get("refresh_token"))
        return member.tokens

    async def at_site_api(self, member: Member) -> Tokens:
        """Log in at SimpleJWT's view."""
        answer = await self._with_password(member, self.site(), "/api/token/", good=200, bad=401, encoding="json")
        told = answer.json()
        member.tokens = Tokens(told["access"], told["refresh"])
        return member.tokens

    async def at_form(self, member: Member) -> str:
        """Log in by the site's form, and give the session."""
        answer = await self._with_password(
            member, self.site(), "/accounts/login/", good=302, bad=200, encoding="data", headers=browser()
        )
        member.session = answer.cookie("sessionid")
        if member.session is None:
            raise Unanswered(f"{member.username}: logged in without a session")
        return member.session

    async def _with_password(
        self, member: Member, server: Server, path: str, *, good: int, bad: int, encoding: str, **given: Any
    ) -> Answer:
        """Log in with what is known of the password, and learn from the answer.

        Where a change is in the dark each of two passwords is tried; one of them is right.
        """
        tried = [member.password] if member.earlier is None else [member.password, member.earlier]
        for password in tried:
            form = {encoding: {"username": member.username, "password": password}}
            is_last = password == tried[-1]
            answer = await self.ask(
                server, "POST", path, expect=[good] if is_last else [good, bad], kind="login", who=member,
                **form, **given,
            )  # fmt: skip
            if answer.status == good:
                member.turned_out(password)
                return answer
        raise AssertionError  # the last one has one expected answer

    async def tokens(self, member: Member) -> Tokens:
        """Give the tokens that a member has, or gets now."""
        if member.tokens is None or time.monotonic() - member.tokens.since > _OLDEST_TOKENS:
            return await self.at_bridge(member)
        return member.tokens

    async def ask(self, server: Server, method: str, path: str, *, who: Member, **given: Any) -> Answer:
        """Ask as a member (``Asker.ask``)."""
        return await self._asker.ask(server, method, path, who=who.username, **given)

    def replica(self) -> Server:
        """Give one of both."""
        return self._rng.choice([self._servers.steady, self._servers.victim])

    def site(self) -> Server:
        """Give the site, or a replica that passes through to it."""
        return self._rng.choice([self._servers.site, self._servers.site, self.replica()])


def bearer(tokens: Tokens) -> dict[str, str]:
    """Give the header of a program."""
    return {"Authorization": f"Bearer {tokens.access}"}


def browser(session: str | None = None) -> dict[str, str]:
    """Give the headers of a browser that got its CSRF cookie earlier."""
    cookies = f"csrftoken={_CSRF}" + (f"; sessionid={session}" if session else "")
    return {"Cookie": cookies, "X-CSRFToken": _CSRF}
