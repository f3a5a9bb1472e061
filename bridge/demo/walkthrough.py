"""The scripted walk-through: each step acts on both live servers and holds what it saw against what should be."""

import re
from collections.abc import Iterator
from functools import partial
from typing import Final

import httpx

from bridge.demo import moving
from bridge.demo.playing import PASSWORD, TIMEOUT, Play, Step, bearer, login_form, ok, require
from bridge.demo.site import RunningDemo

__all__ = ["FORMATS", "steps"]

FORMATS: Final = (
    "pbkdf2_sha256",
    "pbkdf2_sha1",
    "sha1",
    "md5",
    "unsalted_md5",
    "bcrypt_sha256",
    "bcrypt",
    "scrypt",
    "argon2",
)
_DJANGO_ARGON2: Final = re.compile(r"argon2\$argon2id\$v=19\$m=102400,t=2,p=8\$[\w+/]{22,}\$[\w+/]{43}", re.ASCII)

_STORED = """
    SELECT password FROM auth_user WHERE username = :username
"""


def steps(demo: RunningDemo) -> tuple[Step, ...]:
    """Give the steps in their order."""
    play = _LoggingIn(demo)
    return (
        Step("Before: most passwords are old", play.report),
        *(Step(f"{name}: logs in at the bridge, then at Django", partial(play.upgrade, name)) for name in FORMATS),
        Step(
            "A user who logs in at Django first is upgraded there, and the bridge leaves it",
            play.django_first,
        ),
        Step("A token of the bridge opens the site", play.bridge_token_at_the_site),
        Step("A SimpleJWT token of the site opens the bridge", play.site_token_at_the_bridge),
        Step("The migrated endpoint shows what the site's shows", play.same_items),
        Step("A session of the site opens the migrated endpoint", play.session_at_the_bridge),
        Step("One login is refreshed at both apps; a token that comes back ends it in both", play.refresh),
        Step("Logout revokes the token at once, in both apps", play.logout),
        Step("Wrong password, no such user, inactive, no password: one answer", play.refusals),
        Step("The report is for staff", play.staff_only),
        *moving.steps(demo),
        Step("After: how many passwords have been upgraded", play.report),
    )


class _LoggingIn(Play):
    """Logins, tokens, sessions and passwords."""

    def report(self) -> Iterator[str]:
        """Read the report as staff."""
        found = self.bridge_get("/migration/report", self.bridge_token("staff")).json()
        counts = ", ".join(f"{each['algorithm']} {each['users']}" for each in found["by_algorithm"])
        yield f"{found['upgraded']} of {found['usable']} usable passwords upgraded ({found['upgraded_share']:.1%})"
        yield counts

    def upgrade(self, username: str) -> Iterator[str]:
        """Log in at the bridge, look, log in at Django, look again."""
        before = self._stored(username)
        token = self.bridge_token(username)
        after = self._stored(username)
        require(_DJANGO_ARGON2.fullmatch(after), f"stored value is {_shown(after)}")
        is_current = bool(_DJANGO_ARGON2.fullmatch(before))
        require(is_current == (username == "argon2"), f"stored value was {_shown(before)} before")
        require(not is_current or after == before, "an argon2 value was rewritten")
        yield f"bridge POST /auth/token 200; {_shown(before)} -> {_shown(after)} ({len(after)} characters)"
        me = self.bridge_get("/users/me/", token).json()
        require(me["username"] == username, "the token names another user")
        status = self._django_login(username)
        require(self._stored(username) == after, "Django wrote the column again")
        yield f"Django POST /accounts/login/ {status}; the column is byte for byte the same"

    def django_first(self) -> Iterator[str]:
        """Log in at Django, look, log in at the bridge, look again."""
        before = self._stored("user00001")
        status = self._django_login("user00001")
        after = self._stored("user00001")
        require(_DJANGO_ARGON2.fullmatch(after), f"stored value is {_shown(after)}")
        yield f"Django POST /accounts/login/ {status}; {_shown(before)} -> {_shown(after)}"
        self.bridge_token("user00001")
        require(self._stored("user00001") == after, "the bridge wrote the column again")
        yield "bridge POST /auth/token 200; the column is byte for byte the same"

    def bridge_token_at_the_site(self) -> Iterator[str]:
        """Show a bridge token to SimpleJWT and to plain views."""
        token = self.bridge_token("argon2")
        for path in ("/api/me/", "/whoami/", "/whoami/async/"):
            answer = self.django_get(path, token)
            require(answer.status_code == httpx.codes.OK, f"{path} answered {answer.status_code}")
            require(answer.json()["username"] == "argon2", f"{path} knows another user")
            yield f"Django GET {path} 200 {answer.json()['username']}"

    def site_token_at_the_bridge(self) -> Iterator[str]:
        """Show a SimpleJWT token to the bridge."""
        answer = self.bridge_get("/users/me/", self._site_token("argon2"))
        require(answer.json()["username"] == "argon2", "the bridge knows another user")
        yield f"Django POST /api/token/ 200; bridge GET /users/me/ {answer.status_code} {answer.json()['username']}"

    def same_items(self) -> Iterator[str]:
        """Compare the migrated endpoint with the site's."""
        token = self.bridge_token("argon2")
        here, there = (
            self.bridge_get("/users/me/items/", token).json(),
            self.django_get("/api/items/", token).json(),
        )
        require(here == there, f"bridge {here}, Django {there}")
        yield f"bridge GET /users/me/items/ == Django GET /api/items/: {len(here)} items"

    def session_at_the_bridge(self) -> Iterator[str]:
        """Log in at the site's form, and bring its cookie here; once without the CSRF token."""
        with self.browser("argon2", at=self.demo.django) as browser:
            cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in browser.cookies.items())}
            guarded = {"X-CSRFToken": browser.cookies["csrftoken"]}
            me = ok(httpx.get(f"{self.demo.bridge}/users/me/", headers=cookie, timeout=TIMEOUT))
            url = f"{self.demo.bridge}/auth/session"
            forged = httpx.post(url, headers=cookie, timeout=TIMEOUT)
            require(forged.status_code == httpx.codes.FORBIDDEN, f"without CSRF token: {forged.status_code}")
            exchanged = ok(httpx.post(url, headers=cookie | guarded, timeout=TIMEOUT)).json()
        whoami = self.django_get("/whoami/", exchanged["access_token"]).json()["username"]
        yield f"bridge GET /users/me/ {me.status_code} {me.json()['username']}, by the cookie of Django's form"
        yield f"bridge POST /auth/session {forged.status_code} without CSRF token, with it 200; Django knows {whoami}"

    def refresh(self) -> Iterator[str]:
        """Pass one login's refresh token from app to app, and then show an old one again."""
        login = ok(httpx.post(f"{self.demo.bridge}/auth/token", data=login_form("argon2"), timeout=TIMEOUT))
        first = login.json()["refresh_token"]
        at_site = ok(httpx.post(f"{self.demo.django}/api/token/refresh/", data={"refresh": first}, timeout=TIMEOUT))
        here = f"{self.demo.bridge}/auth/refresh"
        newest = ok(httpx.post(here, json={"refresh_token": at_site.json()["refresh"]}, timeout=TIMEOUT)).json()
        self.bridge_get("/users/me/", newest["access_token"])
        yield "bridge POST /auth/token -> Django POST /api/token/refresh/ -> bridge POST /auth/refresh: 200, 200, 200"
        replayed = httpx.post(here, json={"refresh_token": first}, timeout=TIMEOUT).status_code
        me = httpx.get(f"{self.demo.bridge}/users/me/", headers=bearer(newest["access_token"]), timeout=TIMEOUT)
        site = self.django_get("/whoami/", newest["access_token"])
        statuses = (replayed, me.status_code, site.status_code)
        require(statuses == (401, 401, 302), f"after the first one came back: {statuses}")
        yield f"the first one again: {replayed}; its newest access token: {me.status_code}, Django {site.status_code}"

    def logout(self) -> Iterator[str]:
        """Log out, and try the token again in both apps."""
        token = self.bridge_token("argon2")
        ended = httpx.post(f"{self.demo.bridge}/auth/logout", headers=bearer(token), timeout=TIMEOUT)
        require(ended.status_code == httpx.codes.NO_CONTENT, f"logout answered {ended.status_code}")
        again = httpx.get(f"{self.demo.bridge}/users/me/", headers=bearer(token), timeout=TIMEOUT)
        require(again.status_code == httpx.codes.UNAUTHORIZED, f"the bridge answered {again.status_code}")
        site = self.django_get("/whoami/", token)
        require(site.status_code == httpx.codes.FOUND, f"Django answered {site.status_code}")
        yield f"bridge POST /auth/logout 204, GET /users/me/ {again.status_code}"
        yield f"Django GET /whoami/ {site.status_code} to its login"

    def refusals(self) -> Iterator[str]:
        """Fail to log in in four ways."""
        attempts = {"argon2": "wrong", "nobody": PASSWORD, "inactive": PASSWORD, "passwordless": PASSWORD}
        answers = {
            name: httpx.post(f"{self.demo.bridge}/auth/token", data=login_form(name, password), timeout=TIMEOUT)
            for name, password in attempts.items()
        }
        distinct = {(answer.status_code, answer.text) for answer in answers.values()}
        require(len(distinct) == 1, f"{len(distinct)} different answers")
        status, body = distinct.pop()
        require(status == httpx.codes.UNAUTHORIZED, f"answered {status}")
        yield f"{', '.join(attempts)}: {status} {body}"

    def staff_only(self) -> Iterator[str]:
        """Ask for the report as somebody else, and as nobody."""
        url = f"{self.demo.bridge}/migration/report"
        other = httpx.get(url, headers=bearer(self.bridge_token("argon2")), timeout=TIMEOUT).status_code
        nobody = httpx.get(url, timeout=TIMEOUT).status_code
        require((other, nobody) == (403, 401), f"answered {other} and {nobody}")
        yield f"GET /migration/report: {other} for a customer, {nobody} without a token"

    def _site_token(self, username: str) -> str:
        form = {"username": username, "password": PASSWORD}
        return str(ok(httpx.post(f"{self.demo.django}/api/token/", data=form, timeout=TIMEOUT)).json()["access"])

    def _django_login(self, username: str) -> int:
        """Log in through the site's own form; give the status, which is a redirect."""
        with self.browser(username, at=self.demo.django) as browser:
            require("sessionid" in browser.cookies, "Django opened no session")
        return httpx.codes.FOUND

    def _stored(self, username: str) -> str:
        row = self.looked_up(lambda database: database.fetch_one(_STORED, {"username": username}))
        require(row, f"there is no user {username}")
        return str(row["password"]) if row else ""


def _shown(stored: str) -> str:
    """Show the algorithm and its cost, and nothing of salt and hash."""
    fields = stored.split("$")
    named = {"pbkdf2_sha256": 2, "pbkdf2_sha1": 2, "scrypt": 2, "bcrypt": 4, "bcrypt_sha256": 4, "argon2": 4}
    return "$".join(fields[: named.get(fields[0], 1)]) + "$…" if len(fields) > 1 else "bare MD5"
