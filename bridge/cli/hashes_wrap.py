"""``bridge hashes wrap``: argon2 around what is left of an old algorithm."""

import asyncio
import json
from typing import Annotated, Final

import typer

from bridge.cli.auditing import actor
from bridge.cli.bulk import holders_of, require_among, resumable, safe_profile
from bridge.cli.opening import opened
from bridge.cli.options import AsJson
from bridge.cli.progress_bar import progress_bar
from bridge.errors import ConfigurationError
from bridge.passwords.encoded import WRAPPED
from bridge.passwords.wrapped import COLUMN_LENGTH, DJANGO_HASHERS
from bridge.passwords.wrapping import Wrapper
from bridge.profile import SiteProfile
from bridge.services.clock import system_clock
from bridge.services.wrapping import BulkWrapping, Progress, hashing_pool
from bridge.web.composition import site_profile, upgrading_of
from bridge.web.settings import Settings

__all__ = ["wrap"]

_LINE_EVERY: Final = 100


def wrap(
    algorithm: Annotated[str, typer.Option(help="Whose values to wrap, such as pbkdf2_sha256.")],
    dormant_days: Annotated[
        int | None, typer.Option(min=1, help="Only of users who have not logged in for so many days.")
    ] = None,
    per_second: Annotated[float | None, typer.Option(min=0.01, help="At most so many users a second.")] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be wrapped, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Wrap stored values in argon2, without their passwords. May be interrupted and run again, or run twice at a time.

    Users notice nothing: they log in at either app, and leave with plain argon2. Password-reset links that are pending
    for them stop working. Exit 1 if some value could not be wrapped.
    """
    require_among(WRAPPED.values(), algorithm)
    with resumable():
        done = asyncio.run(
            _wrap(Settings.load(), algorithm, dormant_days=dormant_days, per_second=per_second, dry_run=dry_run)
        )
    _tell(done, algorithm, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(1 if done.refused else 0)


async def _wrap(
    settings: Settings, algorithm: str, *, dormant_days: int | None, per_second: float | None, dry_run: bool
) -> Progress:
    async with opened(settings.database_url.get_secret_value()) as database:
        profile = await safe_profile(settings, database, await site_profile(database))
        _require_hashers(profile, algorithm)
        holders = holders_of(database, profile, algorithm, dormant_days=dormant_days)
        pool = hashing_pool(settings.hashing_workers)
        wrapping = BulkWrapping(
            database=database,
            holders=holders,
            wrapper=_wrapper(profile),
            pool=pool,
            upgrading=upgrading_of(settings, database, profile, system_clock),
            actor=actor(),
            per_second=per_second,
        )
        try:
            return await _watched(wrapping, dry_run=dry_run)
        finally:
            await pool.close()


async def _watched(wrapping: BulkWrapping, *, dry_run: bool) -> Progress:
    latest, told = Progress(users=0), 0
    with progress_bar() as bar:
        task = bar.add_task("wrapping", total=None)
        async for latest in wrapping.rehearse() if dry_run else wrapping.run():
            bar.update(task, total=latest.users, completed=latest.done)
            if bar.disable and latest.done - told >= _LINE_EVERY:
                told = latest.done
                typer.echo(f"looked at {latest.done} of {latest.users} users", err=True)
    return latest


def _require_hashers(profile: SiteProfile, algorithm: str) -> None:
    accepted = profile.accepted_algorithms
    if algorithm not in accepted:
        raise ConfigurationError(
            f"The site does not verify {algorithm} as Django does, and wrapping must let nobody in who is kept out now",
            cure="List Django's hasher of it in PASSWORD_HASHERS, or leave its values alone.",
        )
    wrapped = f"argon2_{algorithm}"
    if wrapped not in accepted:
        raise ConfigurationError(
            f"The site could not verify what is wrapped: PASSWORD_HASHERS lacks {wrapped}",
            cure=f'Add PASSWORD_HASHERS += ["{DJANGO_HASHERS[wrapped]}"] to its settings, restart every process of it, '
            "and run `python manage.py bridge_profile` there.",
        )


def _wrapper(profile: SiteProfile) -> Wrapper:
    limit = profile.user_table.columns.get("password") or COLUMN_LENGTH
    return Wrapper(profile.argon2_parameters, limit=min(limit, COLUMN_LENGTH))


def _tell(done: Progress, algorithm: str, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        figures = {name: getattr(done, name) for name in ("users", "wrapped", "changed_since", "refused")}
        named = [{"id": each.user_id, "reason": each.reason} for each in done.named]
        typer.echo(json.dumps({"dry_run": dry_run, "algorithm": algorithm, **figures, "named": named}))
        return
    verb = "would be wrapped" if dry_run else "wrapped"
    typer.echo(
        f"{done.wrapped} of {done.users} {algorithm} values {verb}; {done.changed_since} users have another one by now."
    )
    if done.wrapped:
        links = "would stop" if dry_run else "have stopped"
        typer.echo(f"Sessions and tokens live on; password-reset links pending for these users {links} working.")
    if done.refused:
        typer.echo(f"{done.refused} values cannot be wrapped, and stay as they are:", err=True)
        for each in done.named:
            typer.echo(f"  user {each.user_id}: {each.reason}", err=True)
