"""``bridge hashes``: stored values in bulk."""

import asyncio
import json
from pathlib import Path
from typing import Annotated

import typer

from bridge.cli.auditing import actor
from bridge.cli.bulk import resumable
from bridge.cli.hashes_expire import expire
from bridge.cli.hashes_wrap import wrap
from bridge.cli.opening import opened
from bridge.cli.options import AsJson
from bridge.cli.progress_bar import progress_bar
from bridge.errors import ConfigurationError
from bridge.passwords.journal import JournalOpener
from bridge.services.clock import system_clock
from bridge.services.restoring import Progress as RestoreProgress
from bridge.services.restoring import Restoring
from bridge.store.journal import Journal
from bridge.web.composition import site_profile, upgrading_of, users_of
from bridge.web.settings import Settings

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Stored values in bulk.")
app.command()(wrap)
app.command()(expire)


@app.callback()
def hashes() -> None:
    """Stored values in bulk."""


@app.command()
def restore(
    private_key: Annotated[Path, typer.Option(help="The X25519 private key of BRIDGE_REHASH_JOURNAL_KEY, in PEM.")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be put back, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Put replaced values back wherever the bridge's own value still stands. May be interrupted and run again."""
    try:
        opener = JournalOpener.load(private_key.read_bytes())
    except OSError as exc:
        raise ConfigurationError(f"{private_key} cannot be read ({exc.strerror})", cure="Give the key's file.") from exc
    with resumable():
        done = asyncio.run(_restore(Settings.load(), opener, dry_run=dry_run))
    _tell(done, dry_run=dry_run, as_json=as_json)
    raise typer.Exit(1 if done.unreadable else 0)


async def _restore(settings: Settings, opener: JournalOpener, *, dry_run: bool) -> RestoreProgress:
    async with opened(settings.database_url.get_secret_value()) as database:
        profile = await site_profile(database)
        restoring = Restoring(
            database=database,
            users=users_of(database, profile),
            journal=Journal(database),
            upgrading=upgrading_of(settings, database, profile, system_clock),
            actor=actor(),
        )
        latest = RestoreProgress(entries=0)
        with progress_bar() as bar:
            task = bar.add_task("restoring", total=None)
            async for latest in restoring.run(opener, dry_run=dry_run):
                bar.update(task, total=latest.entries, completed=latest.done)
                if bar.disable:
                    typer.echo(f"looked at {latest.done} of {latest.entries} entries", err=True)
        return latest


def _tell(done: RestoreProgress, *, dry_run: bool, as_json: bool) -> None:
    if as_json:
        figures = {"restored": done.restored, "changed_since": done.changed_since, "unreadable": done.unreadable}
        typer.echo(json.dumps({"dry_run": dry_run, "entries": done.entries, **figures}))
        return
    verb = "would be put back" if dry_run else "put back"
    typer.echo(f"{done.restored} of {done.entries} values {verb}; {done.changed_since} users have another one by now.")
    if done.unreadable:
        typer.echo(f"{done.unreadable} entries were not sealed to this key.", err=True)
    if done.restored and not dry_run:
        typer.echo(
            "Set BRIDGE_REHASH=off, or the next logins upgrade them again; so does Django while it prefers argon2."
        )
