"""``bridge doctor``: every precondition of re-hashing, with its finding and its cure."""

import asyncio
import json
from typing import Final

import typer
from rich.console import Console

from bridge import findings
from bridge.cli.opening import opened
from bridge.cli.options import AsJson
from bridge.cli.own_code import see_own_code
from bridge.cutover import Plan
from bridge.errors import DatabaseError
from bridge.findings import Finding
from bridge.profile import UrlInventory
from bridge.services.clock import system_clock
from bridge.services.preconditions import Preconditions
from bridge.web.app import create_app, load_router
from bridge.web.composition import neighbour_findings, preconditions_of, site_profile
from bridge.web.cutover.operations import endpoint_findings
from bridge.web.settings import Settings

__all__ = ["doctor", "examine"]

_CHECKED: Final = (
    (findings.PROFILE_MISSING, "The site has published its profile"),
    (findings.PROFILE_STALE, "The profile is at most a week old"),
    (findings.PROFILE_OF_BEFORE, "It tells all that this version reads"),
    (findings.ARGON2_MISSING, "Django can verify argon2"),
    (findings.ARGON2_NOT_FIRST, "Django prefers argon2"),
    (findings.ARGON2_NOT_INSTALLED, "argon2-cffi is installed where Django runs"),
    (findings.ARGON2_NOT_REPRODUCIBLE, "The bridge can write what Django would"),
    (findings.WRAPPED_UNLISTED, "Wrapped passwords have their hashers"),
    (findings.PASSWORD_COLUMN, "The password column holds an argon2 value"),
    (findings.ACTIVE_FLAG, "Inactive users can be told from active ones"),
    (findings.USER_TABLE_DIFFERS, "The user table is as the profile has it"),
    (findings.TABLES_MISSING, "The bridge's tables are those of this version"),
    (findings.PRIVILEGES_MISSING, "The database role has the rights it needs"),
    (findings.DATABASE_READ_ONLY, "The database can be written"),
    (findings.SECRET_KEY_DIFFERS, "Both apps have the same SECRET_KEY"),
    (findings.SESSION_HASH_CUSTOM, "Django sessions survive a re-hash"),
    (findings.PASSWORD_CHECK_CUSTOM, "They survive Django's own upgrade on login"),
    (findings.SESSION_MIDDLEWARE, "They survive parallel requests"),
    (findings.SESSIONS_OUTLIVE_LOGOUT, "A logout at the bridge ends them"),
    (findings.SESSIONS_UNREADABLE, "They open migrated endpoints as well"),
    (findings.CHECK_REVOKE_TOKEN, "SimpleJWT's tokens survive a re-hash"),
    (findings.SIMPLE_JWT_REJECTS, "SimpleJWT accepts the bridge's tokens"),
    (findings.APP_REJECTS, "So does the bridge's app at the site"),
    (findings.SIMPLE_JWT_REJECTS_ITS_OWN, "SimpleJWT accepts its own tokens"),
    (findings.LOGIN_RULES_CUSTOM, "Who may log in at the site may at the bridge, and nobody else"),
    (findings.SECOND_FACTOR, "What the site asks for beyond a password, the bridge asks for as well"),
    (findings.SIMPLE_JWT_UNASKED, "So does SimpleJWT's login"),
    (findings.USERNAMES_UNCHECKED, "The usernames can be looked at"),
    (findings.USERNAMES_DIFFER_BY_CASE, "No two usernames differ by case only"),
    (findings.USERNAMES_NOT_NORMALISED, "Every username can be typed into a login form"),
    (findings.URLS_UNLISTED, "The site has listed what it answers"),
    (findings.HANDLER_DEMANDS_LESS, "Migrated endpoints keep out whom Django keeps out"),
    (findings.SITE_PATHS_HIDDEN, "The bridge's own paths hide none of the site's"),
    (findings.HANDLER_HIDDEN, "Every migrated endpoint is reached"),
    (findings.HANDLER_FOR_SEVERAL_VIEWS, "Each migrated endpoint answers for one of Django's views"),
    (findings.PLAN_NAMES_UNKNOWN, "The plan names only what one of both apps has"),
    (findings.UPSTREAM_UNREACHABLE, "The site is reached where the bridge stands before it"),
    (findings.TRIES_NOT_SHARED, "Where tries are counted for all replicas is reached"),
    (findings.CLOCK_SKEW, "This machine and the database agree on the time"),
    (findings.PING_PONG, "Nothing writes old hashes over upgraded ones"),
)


_TOLD_BY_PROFILE: Final = (
    findings.PROFILE_STALE,
    findings.PROFILE_OF_BEFORE,
    findings.ARGON2_MISSING,
    findings.ARGON2_NOT_FIRST,
    findings.ARGON2_NOT_INSTALLED,
    findings.ARGON2_NOT_REPRODUCIBLE,
    findings.WRAPPED_UNLISTED,
    findings.PASSWORD_COLUMN,
    findings.ACTIVE_FLAG,
    findings.LOGIN_RULES_CUSTOM,
    findings.SECOND_FACTOR,
    findings.SECRET_KEY_DIFFERS,
    findings.SESSION_HASH_CUSTOM,
    findings.PASSWORD_CHECK_CUSTOM,
    findings.SESSION_MIDDLEWARE,
    findings.SESSIONS_OUTLIVE_LOGOUT,
    findings.SESSIONS_UNREADABLE,
    findings.CHECK_REVOKE_TOKEN,
    findings.SIMPLE_JWT_REJECTS,
    findings.APP_REJECTS,
    findings.SIMPLE_JWT_REJECTS_ITS_OWN,
    findings.SIMPLE_JWT_UNASKED,
    findings.URLS_UNLISTED,
    findings.HANDLER_DEMANDS_LESS,
    findings.SITE_PATHS_HIDDEN,
    findings.HANDLER_FOR_SEVERAL_VIEWS,
    findings.PLAN_NAMES_UNKNOWN,
)

_TOLD_BY_URLS: Final = (
    findings.HANDLER_DEMANDS_LESS,
    findings.SITE_PATHS_HIDDEN,
    findings.HANDLER_FOR_SEVERAL_VIEWS,
    findings.PLAN_NAMES_UNKNOWN,
)

_TOLD_BY_DATABASE: Final = (
    findings.TABLES_MISSING,
    findings.DATABASE_READ_ONLY,
    findings.WRAPPED_UNLISTED,
    findings.PRIVILEGES_MISSING,
    findings.USERNAMES_UNCHECKED,
    findings.USERNAMES_DIFFER_BY_CASE,
    findings.USERNAMES_NOT_NORMALISED,
    findings.CLOCK_SKEW,
    findings.PING_PONG,
)

_CLOSING: Final = frozenset(
    each.code for each in (findings.USER_TABLE_DIFFERS, findings.TABLES_MISSING, findings.PRIVILEGES_MISSING)
)
"""What keeps the bridge from looking further into the database."""


def doctor(*, as_json: AsJson = False) -> None:
    """Check every precondition of re-hashing. Exit 1 if re-hashing would be unsafe."""
    see_own_code()
    found = asyncio.run(examine(Settings.load()))
    is_safe = not any(finding.blocking for finding in found)
    if as_json:
        typer.echo(json.dumps(_document(found, is_safe=is_safe), indent=2))
    else:
        _show(found, is_safe=is_safe)
    raise typer.Exit(0 if is_safe else 1)


async def examine(settings: Settings) -> tuple[Finding, ...]:
    """Look at the site and the database once.

    Raises:
        ConfigurationError: the database cannot be reached, or the bridge's tables or a migrated endpoint are missing.
    """
    routers = [load_router(name) for name in settings.endpoints]
    async with opened(settings.database_url.get_secret_value()) as database:
        profile = await site_profile(database)
        preconditions = preconditions_of(settings, database, profile, system_clock, keys=settings.keys())
        found = await preconditions.findings()
        can_read = _CLOSING.isdisjoint(each.code for each in found)
        return (
            *found,
            *await preconditions.writing_findings(),
            *await _of_usernames(preconditions),
            *(await preconditions.password_findings() if can_read else ()),
            *endpoint_findings(
                create_app(settings, routers=routers),
                routers,
                profile.urls.endpoints if profile else (),
                _plan_to_check(settings, profile.urls) if profile else None,
            ),
            *await neighbour_findings(settings),
        )


def _plan_to_check(settings: Settings, urls: UrlInventory) -> Plan | None:
    """Give the plan; None where none of the site's endpoints are known, and all that it names would seem mistaken."""
    return settings.plan() if urls.endpoints or not urls.shortcoming else None


async def _of_usernames(preconditions: Preconditions) -> tuple[Finding, ...]:
    try:
        return await preconditions.username_findings() or ()
    except DatabaseError as exc:
        return (findings.USERNAMES_UNCHECKED.about(type(exc).__name__),)


def _document(found: tuple[Finding, ...], *, is_safe: bool) -> dict[str, object]:
    by_code = {finding.code: finding for finding in found}
    checks = [
        {
            "code": candidate.code,
            "title": title,
            "ok": _verdict(candidate, by_code),
            "blocking": candidate.blocking,
            "message": by_code[candidate.code].message if candidate.code in by_code else None,
            "cure": candidate.cure if candidate.code in by_code else None,
        }
        for candidate, title in _CHECKED
    ]
    return {"safe": is_safe, "checks": checks}


def _verdict(candidate: Finding, by_code: dict[str, Finding]) -> bool | None:
    """Say whether a precondition holds; None if it was not looked at, because what it would be read from is missing."""
    if candidate.code in by_code:
        return False
    if findings.PROFILE_MISSING.code in by_code and candidate in _TOLD_BY_PROFILE:
        return None
    if findings.URLS_UNLISTED.code in by_code and candidate in _TOLD_BY_URLS:
        return None
    if findings.PROFILE_OF_BEFORE.code in by_code and candidate == findings.APP_REJECTS:
        return None
    is_closed = not _CLOSING.isdisjoint(by_code)
    return None if is_closed and candidate in _TOLD_BY_DATABASE else True


def _show(found: tuple[Finding, ...], *, is_safe: bool) -> None:
    console = Console(highlight=False, soft_wrap=True)
    by_code = {finding.code: finding for finding in found}
    for candidate, title in _CHECKED:
        finding = by_code.get(candidate.code)
        if finding is not None:
            mark = "[bold red]✗[/]" if finding.blocking else "[bold yellow]![/]"
            console.print(f"{mark} {title}")
            console.print(f"    {finding.message}.\n    {finding.cure}", markup=False)
        elif _verdict(candidate, by_code):
            console.print(f"[green]✓[/] {title}")
    console.print("[bold]Re-hashing is safe.[/]" if is_safe else "[bold]Re-hashing would be unsafe.[/]")
