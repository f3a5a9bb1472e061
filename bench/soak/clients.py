"""What users do: each action with what must come of it, whoever answers."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

from bench.soak.asking import Answer, Asker
from bench.soak.logins import LOST, Logins, bearer, browser
from bench.soak.members import Member, Population, Tokens
from bench.soak.processes import Server
from bench.soak.servers import Servers

__all__ = ["Clients"]

_MOST_MISTAKES: Final = 5
_REFRESHES: Final = 4
_REFRESH_AGAIN: Final = 0.4
_THINKS: Final = 0.02


class Clients:
    """Some clients, each of them one user after the other."""

    def __init__(self, servers: Servers, population: Population, asker: Asker, rng: random.Random) -> None:
        self._servers = servers
        self._logins = logins = Logins(servers, asker, rng)
        self._ask, self._replica, self._site = logins.ask, logins.replica, logins.site
        self._population = population
        self._asker = asker
        self._rng = rng
        self._named = 0
        self._is_ending = False
        self._actions: dict[Callable[[Member], Awaitable[None]], int] = {
            self.use: 40,
            self.log_in: 25,
            self.refresh: 14,
            self.change_password: 7,
            self.log_out: 6,
            self.mistype: 4,
        }

    async def run(self) -> None:
        """Be one client, until ``stop``."""
        while not self._is_ending:
            await asyncio.sleep(self._rng.expovariate(1 / _THINKS))
            if self._rng.random() < 0.02:  # noqa: PLR2004  # a share
                await self._register()
            member = self._population.newcomer()
            if member is not None:
                await self._guarded(self.arrive, member)
            elif (member := self._population.take()) is not None:
                [action] = self._rng.choices(list(self._actions), list(self._actions.values()))
                await self._guarded(action, member)

    def stop(self) -> None:
        """Have all of them end, each with what it is at."""
        self._is_ending = True

    def newcomers(self, size: int) -> list[Member]:
        """Give some who never logged in, due or not."""
        return list(self._population.group(size))

    async def log_in_at(self, server: Server, members: Sequence[Member]) -> None:
        """Have them log in at one replica, all at once, whatever comes of it."""

        async def at_server(member: Member) -> None:
            await self._logins.at_bridge(member, server)

        await asyncio.gather(*(self._guarded(at_server, member) for member in members))

    # What they do -----------------------------------------------------------------------------------------------------

    async def arrive(self, member: Member) -> None:
        """Log in for the first time in years; some of them at every server at once."""
        if self._rng.random() < 0.7:  # noqa: PLR2004  # a share
            await self.log_in(member)
            return
        ways = [
            self._logins.at_bridge(member, self._servers.steady),
            self._logins.at_bridge(member, self._servers.victim),
            self._logins.at_site_api(member),
            self._logins.at_form(member),
        ]
        self._rng.shuffle(ways)
        logins = await asyncio.gather(*ways, return_exceptions=True)
        for login in logins:
            if isinstance(login, BaseException) and not isinstance(login, LOST):
                raise login
        for tokens in (login for login in logins if isinstance(login, Tokens)):
            await self._use_tokens(member, tokens)
        if member.session is not None:
            await self._use_session(member, member.session)

    async def log_in(self, member: Member) -> None:
        """Log in somewhere."""
        await self._logins.anywhere(member)

    async def use(self, member: Member) -> None:
        """Read what is one's own."""
        if member.session is not None and self._rng.random() < 0.5:  # noqa: PLR2004  # a share
            await self._use_session(member, member.session)
            return
        tokens = await self._logins.tokens(member)
        await self._use_tokens(member, tokens)

    async def refresh(self, member: Member) -> None:
        """Exchange a refresh token at either app; one whose answer is lost is presented again."""
        tokens = await self._logins.tokens(member)
        if tokens.refresh is None:
            return
        member.tokens = None
        for turn in range(_REFRESHES):
            try:
                new = await self._refreshed(member, tokens.refresh)
            except LOST:
                await asyncio.sleep(_REFRESH_AGAIN)
            else:
                await self._use_tokens(member, new)
                # A server may be at the lost one still, and would then find a token that was spent before.
                member.tokens = None if turn else new
                return

    async def change_password(self, member: Member) -> None:
        """Ask for another password at either app; what hung on the one before is over."""
        if not member.is_certain:
            return
        if self._rng.random() < 0.6:  # noqa: PLR2004  # a share
            await self._change_at_bridge(member)
        else:
            await self._change_at_site(member)

    async def log_out(self, member: Member) -> None:
        """Log out; what the login gave is over."""
        if member.session is not None and self._rng.random() < 0.5:  # noqa: PLR2004  # a share
            session, member.session = member.session, None
            await self._ask(
                self._servers.site, "POST", "/accounts/logout/", expect=[302], kind="logout", who=member,
                headers=browser(session),
            )  # fmt: skip
            await self._ask(
                self._servers.site, "GET", "/whoami/", expect=[302], kind="ended", who=member,
                headers=browser(session),
            )  # fmt: skip
            return
        tokens = await self._logins.tokens(member)
        member.tokens = None
        await self._ask(
            self._replica(),
            "POST",
            "/auth/logout",
            expect=[204],
            kind="logout",
            who=member,
            headers=bearer(tokens),
        )
        await self._is_over(member, tokens)

    async def mistype(self, member: Member) -> None:
        """Try a wrong password, which no server may take."""
        if member.mistakes >= _MOST_MISTAKES:
            return
        member.mistakes += 1
        wrong = {"username": member.username, "password": member.password + "x"}
        if self._rng.random() < 0.6:  # noqa: PLR2004  # a share
            await self._ask(
                self._replica(),
                "POST",
                "/auth/login",
                expect=[401],
                kind="wrong password",
                who=member,
                json=wrong,
            )
        else:
            await self._ask(
                self._servers.site, "POST", "/api/token/", expect=[401], kind="wrong password", who=member, json=wrong
            )

    async def _register(self) -> None:
        self._named += 1
        member = Member(f"joined{self._named}", self._new_password())
        form = {"username": member.username, "password": member.password}
        while True:
            try:
                # An earlier try whose answer was lost may have come about.
                await self._ask(
                    self._replica(),
                    "POST",
                    "/auth/register",
                    expect=[201, 409],
                    kind="register",
                    who=member,
                    json=form,
                )
            except LOST:
                await asyncio.sleep(_REFRESH_AGAIN)
            else:
                self._population.join(member)
                return

    # What is behind them ----------------------------------------------------------------------------------------------

    async def _use_tokens(self, member: Member, tokens: Tokens) -> None:
        server, path = self._rng.choice(
            [
                (self._servers.steady, "/users/me/"),
                (self._servers.victim, "/users/me/"),
                (self._servers.site, "/api/me/"),
                (self._replica(), "/api/me/"),
            ]
        )
        answer = await self._ask(server, "GET", path, expect=[200], kind="token", who=member, headers=bearer(tokens))
        self._belongs(answer, member)

    async def _use_session(self, member: Member, session: str) -> None:
        server, path = self._rng.choice(
            [
                (self._servers.site, "/whoami/"),
                (self._replica(), "/whoami/"),
                (self._servers.steady, "/users/me/"),
                (self._servers.victim, "/users/me/"),
            ]
        )
        answer = await self._ask(
            server, "GET", path, expect=[200], kind="session", who=member, headers=browser(session)
        )
        self._belongs(answer, member)

    async def _refreshed(self, member: Member, token: str) -> Tokens:
        if self._rng.random() < 0.6:  # noqa: PLR2004  # a share
            answer = await self._ask(
                self._replica(), "POST", "/auth/refresh", expect=[200], kind="refresh", who=member,
                json={"refresh_token": token},
            )  # fmt: skip
            return Tokens(answer.json()["access_token"], answer.json()["refresh_token"])
        answer = await self._ask(
            self._site(), "POST", "/api/token/refresh/", expect=[200], kind="refresh", who=member,
            json={"refresh": token},
        )  # fmt: skip
        return Tokens(answer.json()["access"], answer.json()["refresh"])

    async def _change_at_bridge(self, member: Member) -> None:
        tokens, new = await self._logins.tokens(member), self._new_password()
        form = {"current_password": member.password, "new_password": new}
        await self._changed(
            member,
            tokens,
            new,
            self._replica(),
            "/auth/password",
            expect=[204],
            headers=bearer(tokens),
            json=form,
        )

    async def _change_at_site(self, member: Member) -> None:
        session, new = member.session or await self._logins.at_form(member), self._new_password()
        form = {"old_password": member.password, "new_password1": new, "new_password2": new}
        headers = browser(session)
        tokens = member.tokens
        await self._changed(
            member,
            tokens,
            new,
            self._site(),
            "/accounts/password_change/",
            expect=[302],
            headers=headers,
            data=form,
        )

    async def _changed(
        self, member: Member, tokens: Tokens | None, new: str, server: Server, path: str, **given: Any
    ) -> None:
        before = member.session
        try:
            await self._ask(server, "POST", path, kind="password change", who=member, **given)
        except LOST:
            member.perhaps_changed(new)
            raise
        member.changed(new)
        if tokens is not None and tokens.is_kept:
            await self._is_over(member, tokens)
        if before is not None:
            await self._ask(
                self._servers.site, "GET", "/whoami/", expect=[302], kind="ended", who=member, headers=browser(before)
            )

    async def _is_over(self, member: Member, tokens: Tokens) -> None:
        await self._ask(
            self._replica(), "GET", "/users/me/", expect=[401], kind="ended", who=member, headers=bearer(tokens)
        )

    # How --------------------------------------------------------------------------------------------------------------

    async def _guarded(self, action: Callable[[Member], Awaitable[None]], member: Member) -> None:
        try:
            await action(member)
        except LOST:
            member.forget_logins()
        finally:
            self._population.give_back(member)

    def _belongs(self, answer: Answer, member: Member) -> None:
        if answer.json().get("username") != member.username:
            what = f"{member.username} was shown somebody else: {answer.body[:200]!r}"
            self._asker.tally.is_wrong(what, who=member.username)

    def _new_password(self) -> str:
        return f"{self._rng.getrandbits(64):x}-{self._rng.getrandbits(32):x}"
